//! `completions`: what a shell must know to complete the command line.

use super::{End, ToolError, output};
use crate::cli::{NAME, parser};
use clap_complete::Shell;

/// The tool.
#[derive(Debug)]
pub struct Completions {
    pub(crate) shell: Shell,
}

impl Completions {
    pub(super) fn run(self) -> Result<End, ToolError> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut parser(), NAME, &mut script);
        output::print(&String::from_utf8_lossy(&script))?;
        Ok(End::Well)
    }
}
