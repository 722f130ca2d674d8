//! `wasmtime serve`, unchanged, from the crate that is the command line tool.

use clap::Parser;
use std::process::ExitCode;
use wasmtime_cli::commands::ServeCommand;

fn main() -> ExitCode {
    let arguments = std::env::args().skip(1);
    // The tool's first word is the subcommand's name, as here.
    match ServeCommand::try_parse_from(arguments) {
        Ok(serve) => match serve.execute() {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("Error: {error:?}");
                ExitCode::FAILURE
            }
        },
        Err(error) => error.exit(),
    }
}
