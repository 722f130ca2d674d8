//! The command line.

mod parser;

pub(crate) use parser::{NAME, parser};

use crate::config::{ConfigError, Configuration, Options};
use crate::settings::{SETTINGS, Setting};
use crate::sources::{Source, Sources, Values};
use crate::tools::{
    Asked, Cat, CheckConfig, Completions, Errand, Man, Operate, Post, Question, Selection, Stats,
    Tool, Verify,
};
use clap::ArgMatches;
use clap::parser::ValueSource;
use std::ffi::OsString;
use std::path::PathBuf;

/// What the command line asks for.
pub enum Command {
    /// Serve, as it is configured.
    Serve(Box<Options>, Configuration),
    /// Run a tool, and end.
    Run(Box<Tool>),
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
    let (name, own) = matches.subcommand().unwrap_or(("serve", &matches));
    if !matches!(name, "serve" | "check-config") {
        refuse_flags_before(name, &matches)?;
        return tool(name, own, environment);
    }
    let flag = |setting: &Setting| text(own, setting.name).or(text(&matches, setting.name));
    let configuration = Configuration {
        flags: values(flag),
        environment: values(|setting| environment(setting.name)),
        file: path(own, "config"),
    };
    if name == "check-config" {
        let sources = configuration.sources();
        let schema = own.get_flag("schema");
        let tool = Tool::CheckConfig(CheckConfig { sources, schema });
        return Ok(Command::Run(Box::new(tool)));
    }
    let options = configuration.options()?;
    Ok(Command::Serve(Box::new(options), configuration))
}

/// Adds what is configured other than by flags.
fn surroundings(
    sources: &mut Sources,
    matches: &ArgMatches,
    environment: impl Fn(&str) -> Option<String>,
) {
    sources.add(
        Source::Environment,
        values(|setting| environment(setting.name)),
    );
    if let Some(path) = path(matches, "config") {
        sources.add_file(&path);
    }
}

fn values(get: impl Fn(&Setting) -> Option<String>) -> Values {
    SETTINGS
        .iter()
        .filter_map(|setting| Some((setting.name, get(setting)?)))
        .collect()
}

/// Settings are for serving; a tool would pass over them in silence.
fn refuse_flags_before(name: &str, matches: &ArgMatches) -> Result<(), ConfigError> {
    let given =
        |setting: &&Setting| matches.value_source(setting.name) == Some(ValueSource::CommandLine);
    match SETTINGS.iter().find(given) {
        Some(setting) => Err(format!(
            "--{} is a flag of serve and check-config, not of {name}; see {NAME} {name} --help",
            setting.flag
        )
        .into()),
        None => Ok(()),
    }
}

fn tool(
    name: &str,
    matches: &ArgMatches,
    environment: impl Fn(&str) -> Option<String>,
) -> Result<Command, ConfigError> {
    let mut sources = Sources::default();
    surroundings(&mut sources, matches, environment);
    if !sources.wrong().is_empty() {
        return Err(sources.wrong().join("\n").into());
    }
    let tool = match name {
        "cat" => Tool::Cat(Cat {
            data_dir: data_dir(matches, &sources),
            selection: selection(matches),
        }),
        "verify" => Tool::Verify(Verify {
            data_dir: data_dir(matches, &sources),
        }),
        "stats" => Tool::Stats(Stats::new(
            data_dir(matches, &sources),
            Question {
                selection: selection(matches),
                bucket: text(matches, "bucket"),
                group: text(matches, "group").unwrap_or_default(),
            },
            matches.get_flag("json"),
            matches.get_flag("csv"),
            &sources,
        )?),
        "post" => Tool::Post(post(matches, &sources)?),
        "tenants" | "reload" | "drain" => {
            let asked = match name {
                "tenants" => Asked::Tenants {
                    json: matches.get_flag("json"),
                },
                "reload" => Asked::Reload {
                    tenant: text(matches, "tenant"),
                },
                _ => Asked::Drain {
                    tenant: text(matches, "tenant").unwrap_or_default(),
                },
            };
            Tool::Operate(Operate::new(asked, &sources)?)
        }
        "completions" => Tool::Completions(Completions {
            shell: *matches
                .get_one::<clap_complete::Shell>("shell")
                .unwrap_or(&clap_complete::Shell::Bash),
        }),
        _ => Tool::Man(Man::of(text(matches, "command"))?),
    };
    Ok(Command::Run(Box::new(tool)))
}

fn post(matches: &ArgMatches, sources: &Sources) -> Result<Post, ConfigError> {
    let files = matches.get_many::<PathBuf>("file").unwrap_or_default();
    let errand = Errand {
        files: files.cloned().collect(),
        batch_bytes: text(matches, "batch-bytes").unwrap_or_default(),
        patience: text(matches, "patience").unwrap_or_default(),
        restart: matches.get_flag("restart"),
        state_dir: path(matches, "state-dir"),
        url: text(matches, "url"),
        key: text(matches, "key"),
    };
    Post::new(errand, sources)
}

fn selection(matches: &ArgMatches) -> Selection {
    let wanted = matches.get_many::<String>("where").unwrap_or_default();
    Selection {
        since: text(matches, "since"),
        until: text(matches, "until"),
        wanted: wanted.cloned().collect(),
    }
}

fn data_dir(matches: &ArgMatches, sources: &Sources) -> PathBuf {
    path(matches, "dir").unwrap_or_else(|| crate::config::data_dir(sources))
}

fn text(matches: &ArgMatches, name: &str) -> Option<String> {
    matches.get_one::<String>(name).cloned()
}

fn path(matches: &ArgMatches, name: &str) -> Option<PathBuf> {
    matches.get_one::<PathBuf>(name).cloned()
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
            Ok(Command::Serve(options, _)) => *options,
            Ok(Command::Print(text)) => panic!("{text}"),
            Ok(Command::Run(_)) => panic!("a tool"),
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
            let workers = options.only().map(|tenant| tenant.workers);
            assert_eq!((options.port, options.debug, workers), (1, true, Some(7)));
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
    fn the_command_line_is_consistent() {
        parser().debug_assert();
    }

    #[test]
    fn flags_of_serve_are_no_flags_of_a_tool() {
        for arguments in [
            ["--port", "1", "verify"].as_slice(),
            &["verify", "--port", "1"],
        ] {
            let error = run(arguments).err().unwrap().to_string();
            assert!(error.contains("--port"), "{error}");
        }
    }

    #[test]
    fn every_tool_has_help_that_says_its_exit_codes() {
        for name in [
            "check-config",
            "cat",
            "verify",
            "stats",
            "post",
            "tenants",
            "reload",
            "drain",
        ] {
            let Ok(Command::Print(help)) = run(&[name, "--help"]) else {
                panic!("no help for {name}");
            };
            assert!(help.contains("Exit codes: 0"), "{help}");
        }
    }

    #[test]
    fn a_relative_time_is_a_value_and_no_flag() {
        assert!(run(&["cat", "--since", "-15m", "--until", "-5m", "x"]).is_ok());
    }

    #[test]
    fn an_unknown_flag_is_refused() {
        assert!(run(&["--prot", "1"]).is_err());
    }
}
