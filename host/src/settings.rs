//! The names of the contract: everything there is to set.

/// A name of the contract.
pub(crate) struct Setting {
    /// In the environment, and in lower case in the config file.
    pub(crate) name: &'static str,
    /// On the command line.
    pub(crate) flag: &'static str,
    /// As `--help` shows it.
    pub(crate) default: &'static str,
    pub(crate) value: &'static str,
    pub(crate) help: &'static str,
    /// Whether the component reads it from its environment.
    pub(crate) guest: bool,
}

impl Setting {
    /// Whether its value is for nobody's eyes.
    pub(crate) fn is_secret(&self) -> bool {
        matches!(self.value, "KEY" | "TOKEN")
    }
}

const fn setting(
    name: &'static str,
    flag: &'static str,
    default: &'static str,
    value: &'static str,
    help: &'static str,
    guest: bool,
) -> Setting {
    Setting {
        name,
        flag,
        default,
        value,
        help,
        guest,
    }
}

/// Every setting there is.
pub(crate) const SETTINGS: &[Setting] = &[
    setting(
        "PORT",
        "port",
        "8080",
        "NUMBER",
        "Port to listen on; 0 for any free one",
        false,
    ),
    setting(
        "BIND",
        "bind",
        "all interfaces",
        "ADDRESS",
        "IP address to listen on",
        false,
    ),
    setting(
        "DATA_DIR",
        "data-dir",
        "./data/reports",
        "DIRECTORY",
        "Where reports are stored; created if missing",
        false,
    ),
    setting(
        "FLUSH_BYTES",
        "flush-bytes",
        "10MiB",
        "SIZE",
        "Publish a file at this many bytes of reports",
        true,
    ),
    setting(
        "FLUSH_INTERVAL",
        "flush-interval",
        "60s",
        "DURATION",
        "... or this long after its first report",
        true,
    ),
    setting(
        "DURABILITY",
        "durability",
        "crash",
        "LEVEL",
        "What an acknowledgement survives: memory, crash or power",
        true,
    ),
    setting(
        "MAX_BODY_BYTES",
        "max-body-bytes",
        "1MiB",
        "SIZE",
        "Largest request body, also after decompression",
        true,
    ),
    setting(
        "ALLOWED_ORIGINS",
        "allowed-origins",
        "*",
        "ORIGINS",
        "Origins whose pages may post, comma-separated",
        true,
    ),
    setting(
        "INGEST_KEY",
        "ingest-key",
        "none",
        "KEY",
        "Key that posting requires",
        true,
    ),
    setting(
        "READ_TOKEN",
        "read-token",
        "none: one is made up where only this machine listens, else reading is closed",
        "TOKEN",
        "Token that reading requires",
        true,
    ),
    setting(
        "RETENTION_AGE",
        "retention-age",
        "none",
        "DURATION",
        "Remove files whose last report is older",
        true,
    ),
    setting(
        "RETENTION_BYTES",
        "retention-bytes",
        "none",
        "SIZE",
        "Remove the oldest files while all together are larger",
        true,
    ),
    setting(
        "MIN_FREE_BYTES",
        "min-free-bytes",
        "none",
        "SIZE",
        "Remove the oldest files while the disk has less free space",
        false,
    ),
    setting(
        "STATS_CLIENT",
        "stats-client",
        "/clientId",
        "POINTER",
        "Where in a report it says who measured (JSON Pointer)",
        true,
    ),
    setting(
        "STATS_HOSTS",
        "stats-hosts",
        "/hosts",
        "POINTER",
        "... and what was measured: an array, or an object",
        true,
    ),
    setting(
        "STATS_HOST_NAME",
        "stats-host-name",
        "/name",
        "POINTER",
        "Where in a host its name is",
        true,
    ),
    setting(
        "STATS_SAMPLES",
        "stats-samples",
        "/history",
        "POINTER",
        "Where in a host its samples are",
        true,
    ),
    setting(
        "STATS_LATENCY",
        "stats-latency",
        "/latency",
        "POINTER",
        "Where in a sample its latency is, ms",
        true,
    ),
    setting(
        "STATS_ERROR",
        "stats-error",
        "/error",
        "POINTER",
        "Where in a sample it says that it failed",
        true,
    ),
    setting(
        "WORKERS",
        "workers",
        "number of CPUs",
        "NUMBER",
        "Instances of the component",
        false,
    ),
    setting(
        "LOG_FORMAT",
        "log-format",
        "text on a terminal, else json",
        "FORMAT",
        "text or json",
        false,
    ),
    setting("DEBUG", "debug", "false", "SWITCH", "Debug logging", true),
];
