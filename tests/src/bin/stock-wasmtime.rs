//! `wasmtime serve` and `wasmtime run`, unchanged, from the crate that is the
//! command line tool.

use clap::Parser;
use std::process::ExitCode;
use wasmtime_cli::commands::{RunCommand, ServeCommand};

fn main() -> ExitCode {
    // The tool's first word is the subcommand's name, as here.
    let arguments = || std::env::args().skip(1);
    let done = if arguments().next().as_deref() == Some("run") {
        RunCommand::try_parse_from(arguments()).map(|run| run.execute())
    } else {
        ServeCommand::try_parse_from(arguments()).map(|serve| serve.execute())
    };
    match done {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(error)) => {
            eprintln!("Error: {error:?}");
            ExitCode::FAILURE
        }
        Err(error) => error.exit(),
    }
}
