//! What may be typed.

use crate::settings::{SETTINGS, Setting};
use clap::builder::{OsStr, PathBufValueParser};
use clap::{Arg, ArgAction, Command};
use clap_complete::Shell;
use std::path::PathBuf;

/// The name of the command.
pub(crate) const NAME: &str = "netwatch-server";

/// How a tool's end is to be understood.
const EXIT_CODES: &str = "Exit codes: 0 all is well, 1 something is wrong or was refused, \
                          2 the command line or the configuration cannot be used.";

/// The whole command line.
pub(crate) fn parser() -> Command {
    let serve = Command::new("serve").about("Serve; the same as no command");
    let check = Command::new("check-config")
        .about("Show every setting and where it comes from, and all that is wrong")
        .long_about(
            "Shows every setting with its value and where that comes from. Takes the flags of \
             serve, starts nothing and writes nothing. Secrets are not shown. What cannot be used \
             is named, all of it, and the exit code is 2.",
        )
        .after_help("Exit codes: 0 serve would take it, 2 something cannot be used.");
    with_settings(Command::new(NAME))
        .version(env!("CARGO_PKG_VERSION"))
        .about("Collects telemetry reports and keeps them as compressed JSON Lines files")
        .after_help(
            "A flag beats the environment, which beats the config file.\n\
             Exit codes: 0 stopped in good order, 1 it could not serve, 2 the command line, the \
             configuration or another server stands in the way.",
        )
        .arg(
            file("config", "TOML file with the same names in lower case")
                .global(true)
                .display_order(900),
        )
        .subcommand(with_settings(serve))
        .subcommand(with_settings(check).arg(schema()))
        .subcommands([cat(), verify(), stats(), post()])
        .subcommands(operator())
        .subcommands([completions(), man()])
}

fn with_settings(command: Command) -> Command {
    command.args(SETTINGS.iter().map(flag))
}

fn flag(setting: &'static Setting) -> Arg {
    let help = format!(
        "{} [default: {}] [env: {}]",
        setting.help, setting.default, setting.name
    );
    let flag = Arg::new(setting.name)
        .long(setting.flag)
        .value_name(setting.value)
        .help(help);
    if setting.value == "SWITCH" {
        flag.num_args(0..=1)
            .require_equals(true)
            .default_missing_value(OsStr::from("true"))
    } else {
        flag
    }
}

fn file(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name)
        .long(name)
        .value_name("FILE")
        .value_parser(clap::value_parser!(PathBuf))
        .help(help)
}

fn schema() -> Arg {
    Arg::new("schema")
        .long("schema")
        .action(ArgAction::SetTrue)
        .help("Write the JSON Schema of the config file instead, for editors")
}

fn directory() -> Arg {
    Arg::new("dir")
        .value_name("DIR")
        .value_parser(PathBufValueParser::new())
        .help("Directory of the reports [default: DATA_DIR]")
}

fn option(name: &'static str, value: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).value_name(value).help(help)
}

/// A moment, absolute or relative to now; `-15m` is no flag.
fn moment(name: &'static str, help: &'static str) -> Arg {
    option(name, "TIME", help).allow_hyphen_values(true)
}

/// Which reports: by their receive time, and by what is in them.
fn which() -> [Arg; 3] {
    [
        moment(
            "since",
            "Received at or after this time: RFC 3339, or like -15m, -24h, -7d",
        ),
        moment("until", "Received before this time"),
        option(
            "where",
            "POINTER:OP[:VALUE]",
            "Only reports that hold this: /clientId:eq:abc, with eq, ne, gt, ge, lt, le or \
             contains, or /geo:exists. May be given several times: all must hold",
        )
        .action(ArgAction::Append),
    ]
}

fn cat() -> Command {
    Command::new("cat")
        .about("Write stored reports to standard output, oldest first")
        .long_about(
            "Writes the stored reports to standard output as JSON Lines, oldest first, those \
             included that are acknowledged and not yet published. Takes no lock and writes \
             nothing, so it may run beside a server. A file that cannot be read, or not whole, is \
             named on standard error and left out; the exit code is 1 then.",
        )
        .after_help(EXIT_CODES)
        .args(which())
        .arg(directory())
}

fn verify() -> Command {
    Command::new("verify")
        .about("Check every file of a data directory: checksums, lines, journals")
        .long_about(
            "Checks every file of a data directory. A segment must be one whole zstd frame whose \
             checksum matches, and hold one report a line, as the server stores it, each with an \
             id of its own and a receive time within what the file's name says. A journal's frames \
             and seal must be whole. What is not ours is named. Takes no lock and writes nothing, \
             so it may run beside a server.",
        )
        .after_help(EXIT_CODES)
        .arg(directory())
}

fn stats() -> Command {
    let format = |name, help| {
        Arg::new(name)
            .long(name)
            .action(ArgAction::SetTrue)
            .help(help)
    };
    Command::new("stats")
        .about("Show what the reports measured: samples, loss, latencies")
        .long_about(
            "Shows what the reports measured, by host: samples, loss and latencies in \
             milliseconds. Where in a report the measurements are is configured with STATS_*. \
             Takes no lock and writes nothing, so it may run beside a server.",
        )
        .after_help(EXIT_CODES)
        .args(which())
        .arg(option(
            "bucket",
            "DURATION",
            "Show each span of time of this length, like 1h, not only the whole",
        ))
        .arg(
            option(
                "group",
                "BY",
                "What to group by: host, client, or a JSON Pointer",
            )
            .default_value("host"),
        )
        .arg(format("json", "JSON, as GET /api/v1/stats gives it").conflicts_with("csv"))
        .arg(format("csv", "CSV, as GET /api/v1/stats gives it"))
        .arg(directory())
}

fn post() -> Command {
    Command::new("post")
        .about("Post the reports of JSON Lines files to a server")
        .long_about(
            "Posts the reports of JSON Lines files to a server, in batches. Files may be \
             compressed (.zst, .gz); - is standard input. _received is left out, so that stored \
             files can be posted again: the server that takes them puts its own.\n\n\
             How far a file is posted is kept beside it, in FILE.posted, on disk before the next \
             batch is sent; the same command goes on from there. Where the answer to a batch was \
             lost, the batch is sent again, and its reports may then be stored twice: nobody can \
             tell whether the server had stored them. The same goes for the one batch that was \
             on its way when this command was killed.\n\n\
             429, 503 and connections that fail are waited out: as long as the server asks for \
             with Retry-After, or longer each time, until --patience is at its end. A report that \
             the server refuses ends the command with its file and line; all before it are posted.",
        )
        .after_help(EXIT_CODES)
        .arg(
            Arg::new("file")
                .value_name("FILE")
                .required(true)
                .num_args(1..)
                .value_parser(PathBufValueParser::new())
                .help("JSON Lines files, plain, .zst or .gz; - is standard input"),
        )
        .arg(option(
            "url",
            "URL",
            "The server [default: http://127.0.0.1:PORT]",
        ))
        .arg(option(
            "key",
            "KEY",
            "Key that posting requires [default: INGEST_KEY]",
        ))
        .arg(
            option(
                "batch-bytes",
                "SIZE",
                "Most bytes of reports in one request",
            )
            .default_value("256KiB"),
        )
        .arg(
            option(
                "patience",
                "DURATION",
                "Give up when a batch is not taken for this long",
            )
            .default_value("5m"),
        )
        .arg(
            Arg::new("state-dir")
                .long("state-dir")
                .value_name("DIR")
                .value_parser(PathBufValueParser::new())
                .help("Keep FILE.posted in this directory, not beside FILE"),
        )
        .arg(
            Arg::new("restart")
                .long("restart")
                .action(ArgAction::SetTrue)
                .help("Begin at the first line, whatever FILE.posted says"),
        )
}

/// What the operator asks a running server, at its ADMIN_BIND.
fn operator() -> [Command; 3] {
    let tenant = |help: &'static str| Arg::new("tenant").value_name("TENANT").help(help);
    let tenants = Command::new("tenants")
        .about("Show the tenants of a running server: state, usage against limits, last errors")
        .after_help(EXIT_CODES)
        .arg(
            Arg::new("json")
                .long("json")
                .action(ArgAction::SetTrue)
                .help("JSON, as GET /tenants of the admin endpoint gives it"),
        );
    let reload = Command::new("reload")
        .about("Let a running server read its config file again; the same as SIGHUP")
        .long_about(
            "Lets a running server read its config file again. The new configuration is taken on \
             whole, without losing a request, or refused whole with what is wrong and in which \
             line; the old one then stays.",
        )
        .after_help(EXIT_CODES)
        .arg(tenant("Only what this tenant has [default: everything]"));
    let drain = Command::new("drain")
        .about("Let a tenant publish what it holds and give up its instances")
        .after_help(EXIT_CODES)
        .arg(tenant("The tenant; its next request starts instances again").required(true));
    [tenants, reload, drain]
}

fn completions() -> Command {
    Command::new("completions")
        .about("Write a completion script for a shell to standard output")
        .after_help("For bash: netwatch-server completions bash > ~/.local/share/bash-completion/completions/netwatch-server")
        .arg(
            Arg::new("shell")
                .value_name("SHELL")
                .required(true)
                .value_parser(clap::value_parser!(Shell))
                .help("The shell"),
        )
}

fn man() -> Command {
    Command::new("man")
        .about("Write a man page to standard output")
        .after_help("To read it: netwatch-server man | man -l -")
        .arg(
            Arg::new("command")
                .value_name("COMMAND")
                .help("The page of this command [default: the whole]"),
        )
}
