//! The other commands of the binary: what looks at a data directory, what posts to
//! a server, and what its operator asks it.
//!
//! They read with the component's own modules, compiled natively, so that there
//! is one reader of each format.

mod cat;
mod check_config;
mod columns;
mod completions;
mod disk;
mod man;
mod operator;
mod output;
mod post;
mod progress;
mod schema;
mod selection;
mod stats;
mod verify;

pub(crate) use cat::Cat;
pub(crate) use check_config::CheckConfig;
pub(crate) use completions::Completions;
pub(crate) use man::Man;
pub(crate) use operator::{Asked, Operate};
pub(crate) use post::{Errand, Post};
pub(crate) use selection::Selection;
pub(crate) use stats::{Question, Stats};
pub(crate) use verify::Verify;

use std::fmt;
use std::process::ExitCode;

/// A tool with what it needs to run.
#[derive(Debug)]
pub enum Tool {
    /// `check-config`
    CheckConfig(CheckConfig),
    /// `cat`
    Cat(Cat),
    /// `verify`
    Verify(Verify),
    /// `stats`
    Stats(Stats),
    /// `post`
    Post(Post),
    /// `tenants`, `reload` and `drain`
    Operate(Operate),
    /// `completions`
    Completions(Completions),
    /// `man`
    Man(Man),
}

/// How a tool's work ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// All is well.
    Well,
    /// What was looked at is not as it must be; it has been said.
    Wrong,
    /// The configuration cannot be used; it has been said.
    Misuse,
}

/// Why a tool cannot do its work.
#[derive(Debug)]
pub(crate) enum ToolError {
    /// What was asked for cannot be.
    Misuse(String),
    /// It did not work out.
    Failed(String),
    /// Whoever reads the output has stopped; no error of anybody.
    Unread,
}

impl fmt::Display for ToolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ToolError::Misuse(what) | ToolError::Failed(what) => f.write_str(what),
            ToolError::Unread => f.write_str("nobody reads the output"),
        }
    }
}

impl std::error::Error for ToolError {}

impl Tool {
    /// Does the work.
    pub fn run(self) -> ExitCode {
        let (name, end) = match self {
            Tool::CheckConfig(tool) => ("check-config", tool.run()),
            Tool::Cat(tool) => ("cat", tool.run()),
            Tool::Verify(tool) => ("verify", tool.run()),
            Tool::Stats(tool) => ("stats", tool.run()),
            Tool::Post(tool) => ("post", tool.run()),
            Tool::Operate(tool) => (tool.name(), tool.run()),
            Tool::Completions(tool) => ("completions", tool.run()),
            Tool::Man(tool) => ("man", tool.run()),
        };
        let say = |error: &ToolError| output::say(&format!("netwatch-server {name}: {error}"));
        match end {
            Ok(End::Well) | Err(ToolError::Unread) => ExitCode::SUCCESS,
            Ok(End::Wrong) => ExitCode::from(1),
            Ok(End::Misuse) => ExitCode::from(2),
            Err(error @ ToolError::Failed(_)) => {
                say(&error);
                ExitCode::from(1)
            }
            Err(error @ ToolError::Misuse(_)) => {
                say(&error);
                ExitCode::from(2)
            }
        }
    }
}
