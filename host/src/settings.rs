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
    pub(crate) reader: Reader,
}

/// Who reads a setting, and so of whom there can be several values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reader {
    /// The server: there is one value for all tenants.
    Server,
    /// The host, for each tenant.
    Host,
    /// The component, from its environment.
    Component,
    /// The server and every tenant's component.
    Everybody,
}

impl Setting {
    /// Whether its value is for nobody's eyes.
    pub(crate) fn is_secret(&self) -> bool {
        matches!(self.value, "KEY" | "TOKEN")
    }

    /// Whether there is one for the whole server.
    pub(crate) fn is_of_server(&self) -> bool {
        matches!(self.reader, Reader::Server | Reader::Everybody)
    }

    /// Whether every tenant can have its own.
    pub(crate) fn is_of_tenant(&self) -> bool {
        self.reader != Reader::Server
    }

    /// Whether it is in the component's environment.
    pub(crate) fn is_of_component(&self) -> bool {
        matches!(self.reader, Reader::Component | Reader::Everybody)
    }

    /// Its key in a config file.
    pub(crate) fn key(&self) -> String {
        self.name.to_ascii_lowercase()
    }
}

const fn setting(
    name: &'static str,
    flag: &'static str,
    default: &'static str,
    value: &'static str,
    help: &'static str,
    reader: Reader,
) -> Setting {
    Setting {
        name,
        flag,
        default,
        value,
        help,
        reader,
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
        Reader::Server,
    ),
    setting(
        "BIND",
        "bind",
        "all interfaces",
        "ADDRESS",
        "IP address to listen on",
        Reader::Server,
    ),
    setting(
        "DATA_DIR",
        "data-dir",
        "./data/reports",
        "DIRECTORY",
        "Where reports are stored; created if missing",
        Reader::Host,
    ),
    setting(
        "FLUSH_BYTES",
        "flush-bytes",
        "10MiB",
        "SIZE",
        "Publish a file at this many bytes of reports",
        Reader::Component,
    ),
    setting(
        "FLUSH_INTERVAL",
        "flush-interval",
        "60s",
        "DURATION",
        "... or this long after its first report",
        Reader::Component,
    ),
    setting(
        "DURABILITY",
        "durability",
        "crash",
        "LEVEL",
        "What an acknowledgement survives: memory, crash or power",
        Reader::Component,
    ),
    setting(
        "MAX_BODY_BYTES",
        "max-body-bytes",
        "1MiB",
        "SIZE",
        "Largest request body, also after decompression",
        Reader::Component,
    ),
    setting(
        "ALLOWED_ORIGINS",
        "allowed-origins",
        "*",
        "ORIGINS",
        "Origins whose pages may post, comma-separated",
        Reader::Component,
    ),
    setting(
        "INGEST_KEY",
        "ingest-key",
        "none",
        "KEY",
        "Key that posting requires",
        Reader::Component,
    ),
    setting(
        "READ_TOKEN",
        "read-token",
        "none: one is made up where only this machine listens, else reading is closed",
        "TOKEN",
        "Token that reading requires",
        Reader::Component,
    ),
    setting(
        "RETENTION_AGE",
        "retention-age",
        "none",
        "DURATION",
        "Remove files whose last report is older",
        Reader::Component,
    ),
    setting(
        "RETENTION_BYTES",
        "retention-bytes",
        "none",
        "SIZE",
        "Remove the oldest files while all together are larger",
        Reader::Component,
    ),
    setting(
        "MIN_FREE_BYTES",
        "min-free-bytes",
        "none",
        "SIZE",
        "Remove the oldest files while the disk has less free space",
        Reader::Host,
    ),
    setting(
        "STATS_CLIENT",
        "stats-client",
        "/clientId",
        "POINTER",
        "Where in a report it says who measured (JSON Pointer)",
        Reader::Component,
    ),
    setting(
        "STATS_HOSTS",
        "stats-hosts",
        "/hosts",
        "POINTER",
        "... and what was measured: an array, or an object",
        Reader::Component,
    ),
    setting(
        "STATS_HOST_NAME",
        "stats-host-name",
        "/name",
        "POINTER",
        "Where in a host its name is",
        Reader::Component,
    ),
    setting(
        "STATS_SAMPLES",
        "stats-samples",
        "/history",
        "POINTER",
        "Where in a host its samples are",
        Reader::Component,
    ),
    setting(
        "STATS_LATENCY",
        "stats-latency",
        "/latency",
        "POINTER",
        "Where in a sample its latency is, ms",
        Reader::Component,
    ),
    setting(
        "STATS_ERROR",
        "stats-error",
        "/error",
        "POINTER",
        "Where in a sample it says that it failed",
        Reader::Component,
    ),
    setting(
        "WORKERS",
        "workers",
        "number of CPUs",
        "NUMBER",
        "Instances of the component",
        Reader::Host,
    ),
    setting(
        "COMPONENT",
        "component",
        "the embedded one",
        "FILE",
        "Run this component instead of the embedded one",
        Reader::Host,
    ),
    setting(
        "MEMORY_BYTES",
        "memory-bytes",
        "64MiB",
        "SIZE",
        "Most memory of one instance of the component",
        Reader::Host,
    ),
    setting(
        "CPU_PER_CALL",
        "cpu-per-call",
        "5s",
        "DURATION",
        "CPU time after which an instance is stopped that does not give up control",
        Reader::Host,
    ),
    setting(
        "CPU_PER_SECOND",
        "cpu-per-second",
        "none",
        "FACTOR",
        "CPU seconds a second for all instances together, like 0.5; they are slowed down to it",
        Reader::Host,
    ),
    setting(
        "REQUESTS_IN_FLIGHT",
        "requests-in-flight",
        "4096",
        "NUMBER",
        "Requests at once; above it they are answered with 503",
        Reader::Host,
    ),
    setting(
        "DISK_BYTES",
        "disk-bytes",
        "none",
        "SIZE",
        "Most disk space of DATA_DIR; above it writing is refused",
        Reader::Host,
    ),
    setting(
        "DISK_FILES",
        "disk-files",
        "none",
        "NUMBER",
        "Most files and directories in DATA_DIR",
        Reader::Host,
    ),
    setting(
        "IDLE_TIME",
        "idle-time",
        "5m for tenants of a config file; there is none for a single one",
        "DURATION",
        "Publish and drop instances that had no request for this long",
        Reader::Host,
    ),
    setting(
        "ADMIN_BIND",
        "admin-bind",
        "none: there is no admin endpoint",
        "ADDRESS:PORT",
        "Where tenants are looked at and reloaded, like 127.0.0.1:8081",
        Reader::Server,
    ),
    setting(
        "ADMIN_TOKEN",
        "admin-token",
        "none",
        "TOKEN",
        "Token that the admin endpoint requires",
        Reader::Server,
    ),
    setting(
        "CACHE_DIR",
        "cache-dir",
        "none",
        "DIRECTORY",
        "Where compiled components are kept; must belong to the server alone",
        Reader::Server,
    ),
    setting(
        "MAX_CONNECTIONS",
        "max-connections",
        "10000",
        "NUMBER",
        "Connections at once; those that wait longest make room for new ones",
        Reader::Server,
    ),
    setting(
        "CLIENT_CONNECTIONS",
        "client-connections",
        "none",
        "NUMBER",
        "Connections of one client address (IPv6: /64) at once",
        Reader::Server,
    ),
    setting(
        "CLIENT_REQUESTS_PER_SECOND",
        "client-requests-per-second",
        "none",
        "NUMBER",
        "Requests of one client address (IPv6: /64) a second",
        Reader::Server,
    ),
    setting(
        "CLIENT_BURST",
        "client-burst",
        "as many as in a second",
        "NUMBER",
        "... and at once",
        Reader::Server,
    ),
    setting(
        "BODY_BYTES_PER_SECOND",
        "body-bytes-per-second",
        "1KiB",
        "SIZE",
        "Give up request bodies that come slower; 0B for any speed",
        Reader::Server,
    ),
    setting(
        "TLS_CERT",
        "tls-cert",
        "none",
        "FILE",
        "Speak HTTPS with this certificate chain (PEM), read anew when it changes",
        Reader::Server,
    ),
    setting(
        "TLS_KEY",
        "tls-key",
        "none",
        "FILE",
        "... and its private key (PEM)",
        Reader::Server,
    ),
    setting(
        "HSTS",
        "hsts",
        "none",
        "DURATION",
        "Tell browsers to use HTTPS alone for this long",
        Reader::Server,
    ),
    setting(
        "TRUSTED_PROXIES",
        "trusted-proxies",
        "none",
        "NETWORKS",
        "Proxies whose word about a client's address counts, comma-separated",
        Reader::Server,
    ),
    setting(
        "FORWARDED_HEADER",
        "forwarded-header",
        "x-forwarded-for",
        "HEADER",
        "The header they write: x-forwarded-for or forwarded",
        Reader::Server,
    ),
    setting(
        "PROXY_PROTOCOL",
        "proxy-protocol",
        "false",
        "SWITCH",
        "They begin connections with a PROXY header (version 1 or 2)",
        Reader::Server,
    ),
    setting(
        "REQUESTS_PER_SECOND",
        "requests-per-second",
        "none",
        "NUMBER",
        "Requests a second",
        Reader::Host,
    ),
    setting(
        "REQUESTS_BURST",
        "requests-burst",
        "as many as in a second",
        "NUMBER",
        "... and at once",
        Reader::Host,
    ),
    setting(
        "BYTES_PER_SECOND",
        "bytes-per-second",
        "none",
        "SIZE",
        "Bytes of request bodies a second",
        Reader::Host,
    ),
    setting(
        "BYTES_BURST",
        "bytes-burst",
        "as many as in two seconds",
        "SIZE",
        "... and at once",
        Reader::Host,
    ),
    setting(
        "STORE_CLIENT",
        "store-client",
        "none",
        "WORD",
        "What is stored of a client's address: none, truncated or hashed",
        Reader::Host,
    ),
    setting(
        "STORE_CLIENT_SALT",
        "store-client-salt",
        "one for each day, forgotten after it",
        "KEY",
        "Salt of hashed addresses",
        Reader::Host,
    ),
    setting(
        "AWAKE_TENANTS",
        "awake-tenants",
        "512",
        "NUMBER",
        "Tenants that have instances at once; the longest idle makes room",
        Reader::Server,
    ),
    setting(
        "CONFINE",
        "confine",
        "auto",
        "auto|off|require",
        "Whether the process gives up all that it does not need (Linux)",
        Reader::Server,
    ),
    setting(
        "LOG_FORMAT",
        "log-format",
        "text on a terminal, else json",
        "FORMAT",
        "text or json",
        Reader::Server,
    ),
    setting(
        "DEBUG",
        "debug",
        "false",
        "SWITCH",
        "Debug logging",
        Reader::Everybody,
    ),
];
