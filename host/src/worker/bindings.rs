//! Generated glue for `wit/netwatch.wit`.
#![allow(missing_docs, unreachable_pub, clippy::all)]

wasmtime::component::bindgen!({
    path: "../wit",
    world: "collector",
    exports: { default: async | store },
    additional_derives: [PartialEq],
});
