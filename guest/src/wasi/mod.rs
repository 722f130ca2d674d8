//! The only code that speaks WASI, one file per edge: disk, clock, HTTP, and our
//! own interfaces.
//!
//! Both entrances, `wasi:http` and `intake`, end in the same rules and the same
//! store ([`instance`]).

mod bindings;
mod clock;
mod disk;
mod handler;
mod headers;
mod instance;
mod intake;
mod log;
mod maintenance;
mod sent;

/// What the component exports.
struct Component;
