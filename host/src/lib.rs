//! The native host of the netwatch component.
//!
//! A request's way: [`listener`] accepts its connection, [`reception`] gives it to
//! a thread, [`connection`] speaks HTTP on it and bounds what it may take ([`express`]
//! answers reports that come whole without hyper),
//! [`tenant`] says whose the request is, [`ingest`] reads a report body and queues
//! it, [`dispatch`] chooses a worker, [`worker`] hands whatever has queued to its
//! component instance in one call. Every other route goes to the
//! component's `wasi:http/handler`.
//!
//! While it serves, the host knows no JSON, no report and no file of the store:
//! rules and storage live in the component, which owns nothing but one directory.
//! The other commands of the binary ([`tools`]) read files themselves, with the
//! component's own modules.
#![deny(unsafe_code)]

mod admin;
mod answer;
mod budget;
mod cli;
mod component;
mod config;
mod config_file;
mod confine;
mod connection;
mod conversation;
mod dispatch;
mod edge;
mod embedded;
mod engine;
mod express;
mod ingest;
mod limits;
mod linker;
mod listener;
mod lock;
mod log;
mod metrics;
mod read_token;
mod real_path;
mod reception;
mod retention;
mod server;
mod settings;
mod signals;
mod sources;
mod state;
mod tenant;
mod tools;
mod worker;

pub use cli::{Command, command};
pub use config::{ConfigError, Configuration, LogFormat, Options, Summary};
pub use confine::{Confine, Confinement, NotConfined, Reach, Roots, begin as confine};
pub use linker::ALLOWED_IMPORTS;
pub use lock::Holder;
pub use log::start as start_log;
pub use server::{RunningServer, Server, StartError};
pub use signals::{Signal, Signals, signals};
pub use tools::Tool;
