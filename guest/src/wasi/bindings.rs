//! Generated glue for our own interfaces (`wit/netwatch.wit`), and the exports.
//!
//! The canonical ABI is raw pointers, so this generated code is `unsafe`; nothing
//! else in the crate may be.
#![allow(unsafe_code, missing_docs, unreachable_pub, clippy::all)]

use super::Component;

wit_bindgen::generate!({
    path: "../wit",
    world: "collector",
});

export!(Component);
wasip3::http::service::export!(Component);
