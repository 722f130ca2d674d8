//! `wasmtime serve`, `run` and `compile`, unchanged, from the crate that is the
//! command line tool.

use clap::Parser;
use std::process::ExitCode;
use wasmtime_cli::commands::{CompileCommand, RunCommand, ServeCommand};

fn main() -> ExitCode {
    // The tool's first word is the subcommand's name, as here.
    let arguments = || std::env::args().skip(1);
    let done = match arguments().next().as_deref() {
        Some("run") => RunCommand::try_parse_from(arguments()).map(|run| run.execute()),
        Some("compile") => {
            CompileCommand::try_parse_from(arguments()).map(|compile| compile.execute())
        }
        _ => ServeCommand::try_parse_from(arguments()).map(|serve| serve.execute()),
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
