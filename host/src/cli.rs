//! The command line.

use crate::config::{ConfigError, Options, Values, read_file};
use crate::settings::{SETTINGS, Setting};
use clap::{Arg, ArgMatches, builder::OsStr};
use std::ffi::OsString;
use std::path::PathBuf;

/// What the command line asks for.
pub enum Command {
    /// Serve, with these options.
    Serve(Box<Options>),
    /// Print this and end: help or version.
    Print(String),
}

/// Reads the command line, the environment and the config file.
///
/// # Errors
///
/// What cannot be understood, as a message for the person who typed it.
pub fn command(
    arguments: impl IntoIterator<Item = OsString>,
    environment: impl Fn(&str) -> Option<String>,
) -> Result<Command, ConfigError> {
    let matches = match parser().try_get_matches_from(arguments) {
        Ok(matches) => matches,
        Err(error) if !error.use_stderr() => return Ok(Command::Print(error.to_string())),
        Err(error) => return Err(error.to_string().trim_end().to_owned().into()),
    };
    let flags = values(|setting| matches.get_one::<String>(setting.name).cloned());
    let environment = values(|setting| environment(setting.name));
    let file = path(&matches, "config")
        .map(|path| read_file(&path))
        .transpose()?
        .unwrap_or_default();
    let mut options = Options::from_sources(&[flags, environment, file])?;
    options.component = path(&matches, "component");
    Ok(Command::Serve(Box::new(options)))
}

fn values(get: impl Fn(&Setting) -> Option<String>) -> Values {
    SETTINGS
        .iter()
        .filter_map(|setting| Some((setting.name, get(setting)?)))
        .collect()
}

fn path(matches: &ArgMatches, name: &str) -> Option<PathBuf> {
    matches.get_one::<PathBuf>(name).cloned()
}

fn parser() -> clap::Command {
    let file = |name: &'static str, help: &'static str| {
        Arg::new(name)
            .long(name)
            .value_name("FILE")
            .value_parser(clap::value_parser!(PathBuf))
            .global(true)
            .help(help)
    };
    clap::Command::new("netwatch-server")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Collects telemetry reports and keeps them as compressed JSON Lines files")
        .after_help("A flag beats the environment, which beats the config file.")
        .subcommand(clap::Command::new("serve").about("Serve; the same as no command"))
        .args(SETTINGS.iter().map(flag))
        .arg(file(
            "config",
            "TOML file with the same names in lower case",
        ))
        .arg(file(
            "component",
            "Run this component instead of the embedded one",
        ))
}

fn flag(setting: &'static Setting) -> Arg {
    let help = format!(
        "{} [default: {}] [env: {}]",
        setting.help, setting.default, setting.name
    );
    let flag = Arg::new(setting.name)
        .long(setting.flag)
        .value_name(setting.value)
        .global(true)
        .help(help);
    if setting.value == "SWITCH" {
        flag.num_args(0..=1)
            .require_equals(true)
            .default_missing_value(OsStr::from("true"))
    } else {
        flag
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;

    fn run(arguments: &[&str]) -> Result<Command, ConfigError> {
        let arguments = std::iter::once("netwatch-server").chain(arguments.iter().copied());
        command(arguments.map(OsString::from), |name| {
            (name == "WORKERS").then(|| "7".to_owned())
        })
    }

    fn serve(arguments: &[&str]) -> Options {
        match run(arguments) {
            Ok(Command::Serve(options)) => *options,
            Ok(Command::Print(text)) => panic!("{text}"),
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn serve_and_no_command_are_the_same() {
        for arguments in [
            ["--port", "1", "--debug", "serve"].as_slice(),
            &["serve", "--port", "1", "--debug"],
            &["--port=1", "--debug=true"],
        ] {
            let options = serve(arguments);
            assert_eq!((options.port, options.debug, options.workers), (1, true, 7));
        }
        assert!(!serve(&["--debug=false"]).debug);
    }

    #[test]
    fn help_names_every_setting_and_its_default() {
        let Ok(Command::Print(help)) = run(&["--help"]) else {
            panic!("no help");
        };
        for setting in SETTINGS {
            assert!(help.contains(&format!("[env: {}]", setting.name)), "{help}");
            assert!(
                help.contains(&format!("[default: {}]", setting.default)),
                "{help}"
            );
        }
    }

    #[test]
    fn an_unknown_flag_is_refused() {
        assert!(run(&["--prot", "1"]).is_err());
    }
}
