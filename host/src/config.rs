//! What an operator can set: flag > environment > config file > default.
//!
//! Every setting is text with one name until it is parsed, wherever it came
//! from, so that the sources cannot differ in what they accept.

use crate::confine::{Confine, Roots};
use crate::edge::EdgeOptions;
use crate::limits;
use crate::sources::{Source, Sources, Values, known};
use crate::tenant::{TenantOptions, data_root, keep_apart, roll_call};
use netwatch_guest::config::{Settings, parse_secret, parse_switch};
use std::collections::BTreeMap;
use std::fmt;
use std::io::IsTerminal;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Everything a server needs to know.
#[derive(Clone, Debug)]
pub struct Options {
    /// `BIND`; `None` for all interfaces.
    pub bind: Option<IpAddr>,
    /// `PORT`; 0 for any free one.
    pub port: u16,
    /// `CONFINE`
    pub confine: Confine,
    /// Where tenants' directories can be, if the process is confined.
    pub roots: Roots,
    /// `LOG_FORMAT`
    pub log_format: LogFormat,
    /// `DEBUG`
    pub debug: bool,
    /// `ADMIN_BIND` and `ADMIN_TOKEN`
    pub(crate) admin: Option<AdminOptions>,
    /// What strangers may do.
    pub(crate) edge: EdgeOptions,
    /// `CACHE_DIR`
    pub(crate) cache_dir: Option<PathBuf>,
    /// The directory in which new tenants have theirs.
    pub(crate) data_root: Option<PathBuf>,
    /// `AWAKE_TENANTS`
    pub(crate) awake_tenants: usize,
    /// Whom it serves: of a config file's table, or one.
    pub(crate) tenants: Vec<TenantOptions>,
    /// Whether there is a table of tenants, which can change.
    pub(crate) hosting: bool,
}

/// What a person is told of the only tenant.
#[derive(Clone, Copy, Debug)]
pub struct Summary<'a> {
    /// `DATA_DIR`
    pub data_dir: &'a Path,
    /// `WORKERS`
    pub workers: usize,
}

/// Where the operator looks at tenants, and what shows that it is the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AdminOptions {
    pub(crate) bind: SocketAddr,
    pub(crate) token: String,
}

/// Where a configuration comes from, to be read once more when it may have changed.
#[derive(Clone, Debug, Default)]
pub struct Configuration {
    pub(crate) flags: Values,
    pub(crate) environment: Values,
    pub(crate) file: Option<PathBuf>,
}

impl Configuration {
    /// Reads it.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it.
    pub fn options(&self) -> Result<Options, ConfigError> {
        Options::from_sources(&self.sources())
    }

    pub(crate) fn sources(&self) -> Sources {
        let mut sources = Sources::default();
        sources.add(Source::Flag, self.flags.clone());
        sources.add(Source::Environment, self.environment.clone());
        if let Some(file) = &self.file {
            sources.add_file(file);
        }
        sources
    }
}

/// A configuration that cannot be used: everything that is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError(Vec<String>);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

impl std::error::Error for ConfigError {}

impl From<String> for ConfigError {
    fn from(message: String) -> Self {
        ConfigError(vec![message])
    }
}

impl ConfigError {
    /// What is wrong, one thing each.
    pub(crate) fn wrong(&self) -> &[String] {
        &self.0
    }
}

impl Options {
    /// The options that these names of the contract give, the rest being default.
    ///
    /// # Errors
    ///
    /// All unknown names, or all values that cannot be used.
    pub fn from_pairs<'a>(
        pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Options, ConfigError> {
        let mut values = Values::new();
        for (name, value) in pairs {
            values.insert(known(name)?.name, value.to_owned());
        }
        let mut sources = Sources::default();
        sources.add(Source::Flag, values);
        Options::from_sources(&sources)
    }

    /// The options from several sources.
    pub(crate) fn from_sources(sources: &Sources) -> Result<Options, ConfigError> {
        let mut reader = Reader {
            sources,
            wrong: sources.wrong().to_vec(),
        };
        let bind = reader.read("BIND", "an IP address like 127.0.0.1 or ::", |text| {
            text.parse().ok()
        });
        let port = reader.read("PORT", "a number from 0 to 65535", |text| text.parse().ok());
        let log_format = reader.read("LOG_FORMAT", "text or json", log_format);
        let debug = reader.read("DEBUG", "true or false", |text| parse_switch(text).ok());
        let admin = reader.admin();
        let edge = EdgeOptions::read(&mut reader);
        let tenants = match sources.roll() {
            None => vec![TenantOptions::only(&mut reader)],
            Some(roll) => roll_call(sources, roll, &mut reader.wrong),
        };
        let awake_tenants = reader.read("AWAKE_TENANTS", "a number from 1 on", |text| {
            text.parse().ok().filter(|count| *count > 0)
        });
        let confine = reader.read("CONFINE", "auto, off or require", Confine::parse);
        keep_apart(sources, &tenants, &mut reader.wrong);
        let options = Options {
            bind,
            port: port.unwrap_or(DEFAULT_PORT),
            log_format: log_format.unwrap_or_else(fitting_log_format),
            debug: debug.unwrap_or(false),
            admin,
            edge,
            confine: confine.unwrap_or_default(),
            roots: Roots::default(),
            cache_dir: sources.get("CACHE_DIR").map(PathBuf::from),
            data_root: sources.roll().map(|roll| data_root(sources, roll)),
            awake_tenants: awake_tenants.unwrap_or(limits::AWAKE_TENANTS),
            tenants,
            hosting: sources.roll().is_some(),
        };
        if reader.wrong.is_empty() {
            Ok(options)
        } else {
            Err(ConfigError(reader.wrong))
        }
    }

    /// The one tenant of a server that has no table of them.
    pub(crate) fn only(&self) -> Option<&TenantOptions> {
        self.tenants.first().filter(|_| !self.hosting)
    }

    /// What to say of the one tenant of a server that has no table of them.
    pub fn only_summary(&self) -> Option<Summary<'_>> {
        self.only().map(|tenant| Summary {
            data_dir: &tenant.data_dir,
            workers: tenant.workers,
        })
    }

    /// How many tenants there are.
    pub fn tenant_count(&self) -> usize {
        self.tenants.len()
    }

    /// As [`Options::only`], to change.
    pub(crate) fn only_mut(&mut self) -> Option<&mut TenantOptions> {
        let hosting = self.hosting;
        self.tenants.first_mut().filter(|_| !hosting)
    }
}

/// `PORT` where it is not set.
pub(crate) const DEFAULT_PORT: u16 = 8080;

/// `DATA_DIR`
pub(crate) fn data_dir(sources: &Sources) -> PathBuf {
    sources
        .get("DATA_DIR")
        .map_or("./data/reports", String::as_str)
        .into()
}

/// Reads values and keeps what is wrong with them.
pub(crate) struct Reader<'a> {
    pub(crate) sources: &'a Sources,
    pub(crate) wrong: Vec<String>,
}

impl Reader<'_> {
    pub(crate) fn read<T>(
        &mut self,
        name: &str,
        accepted: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let text = self.sources.get(name)?;
        let value = parse(text.trim());
        if value.is_none() {
            self.wrong
                .push(format!("{name}={text:?} cannot be used: give {accepted}"));
        }
        value
    }

    /// The component's settings. It stops at the first that is wrong, so each is
    /// shown to it alone.
    pub(crate) fn settings(&mut self, vars: &BTreeMap<String, String>) -> Settings {
        let mut good = Vec::new();
        for (name, value) in vars {
            let var = (name.clone(), value.clone());
            match Settings::from_vars([var.clone()]) {
                Ok(_) => good.push(var),
                Err(error) => self.wrong.push(error.to_string()),
            }
        }
        Settings::from_vars(good).unwrap_or_else(|error| {
            self.wrong.push(error.to_string());
            Settings::default()
        })
    }

    fn admin(&mut self) -> Option<AdminOptions> {
        let accepted = "an address with its port, like 127.0.0.1:8081";
        let bind = self.read("ADMIN_BIND", accepted, |text| text.parse().ok())?;
        let token = self
            .sources
            .get("ADMIN_TOKEN")
            .map(|token| parse_secret(token));
        match token {
            Some(Ok(token)) => Some(AdminOptions { bind, token }),
            Some(Err(accepted)) => {
                self.wrong
                    .push(format!("ADMIN_TOKEN cannot be used: give {accepted}"));
                None
            }
            None => {
                self.wrong
                    .push("ADMIN_BIND needs an ADMIN_TOKEN".to_owned());
                None
            }
        }
    }
}

fn log_format(text: &str) -> Option<LogFormat> {
    match text {
        "text" => Some(LogFormat::Text),
        "json" => Some(LogFormat::Json),
        _ => None,
    }
}

fn fitting_log_format() -> LogFormat {
    if std::io::stderr().is_terminal() {
        LogFormat::Text
    } else {
        LogFormat::Json
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::settings::SETTINGS;

    fn sources(layers: [&[(&'static str, &str)]; 3]) -> Sources {
        let mut sources = Sources::default();
        for (layer, source) in layers.iter().zip([Source::Flag, Source::Environment]) {
            let values = layer
                .iter()
                .map(|(name, value)| (*name, (*value).to_owned()));
            sources.add(source, values.collect());
        }
        let values = layers[2]
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned()));
        sources.add(Source::File("netwatch.toml".into()), values.collect());
        sources
    }

    #[test]
    fn flag_beats_environment_beats_file_beats_default() {
        let options = Options::from_sources(&sources([
            &[("PORT", "1")],
            &[("PORT", "2"), ("WORKERS", "2")],
            &[("PORT", "3"), ("WORKERS", "3"), ("FLUSH_BYTES", "3MiB")],
        ]))
        .unwrap();
        let tenant = options.only().unwrap();
        assert_eq!((options.port, tenant.workers), (1, 2));
        assert_eq!(tenant.settings.flush_bytes, 3 << 20);
        assert_eq!(tenant.data_dir, std::path::Path::new("./data/reports"));
        assert_eq!(tenant.vars.get("FLUSH_BYTES").unwrap(), "3MiB");
    }

    #[test]
    fn an_empty_value_is_not_set() {
        let options = Options::from_pairs([("PORT", ""), ("INGEST_KEY", "")]).unwrap();
        let tenant = options.only().unwrap();
        assert_eq!((options.port, &tenant.settings.ingest_key), (8080, &None));
    }

    #[test]
    fn every_wrong_value_is_named_not_only_the_first() {
        let pairs = [
            ("PORT", "x"),
            ("FLUSH_BYTES", "ten"),
            ("DURABILITY", "maybe"),
            ("WORKERS", "0"),
            ("STATS_HOSTS", "hosts"),
            ("DEBUG", "true"),
        ];
        let error = Options::from_pairs(pairs).unwrap_err();
        assert_eq!(error.wrong().len(), 5, "{error}");
        for (name, _) in &pairs[..5] {
            assert!(error.to_string().contains(name), "{error}");
        }
    }

    #[test]
    fn a_wrong_value_is_refused_with_its_name_and_the_accepted_form() {
        for (name, value, accepted) in [
            ("PORT", "65536", "0 to 65535"),
            ("BIND", "localhost", "IP address"),
            ("WORKERS", "0", "1 to 256"),
            ("LOG_FORMAT", "xml", "text or json"),
            ("FLUSH_INTERVAL", "60", "60s"),
            ("IDLE_TIME", "5m", "config file"),
            ("DURABILITY", "maybe", "power"),
        ] {
            let error = Options::from_pairs([(name, value)])
                .unwrap_err()
                .to_string();
            assert!(error.contains(name) && error.contains(accepted), "{error}");
        }
    }

    #[test]
    fn an_unknown_name_is_refused_with_a_suggestion() {
        let error = Options::from_pairs([("FLUSH_INTERVA", "1s")]).unwrap_err();
        assert!(error.to_string().contains("flush_interval"), "{error}");
    }

    #[test]
    fn the_defaults_shown_are_the_defaults_used() {
        let shown: Vec<(&str, &str)> = SETTINGS
            .iter()
            .filter(|setting| !setting.default.contains(' ') && setting.default != "none")
            .map(|setting| (setting.name, setting.default))
            .collect();
        let mut shown = Options::from_pairs(shown).unwrap();
        let used = Options::from_pairs([]).unwrap();
        // The component is told what was set, not what its defaults are.
        shown.tenants[0].vars.clear();
        assert_eq!(shown.port, used.port);
        assert_eq!(shown.tenants, used.tenants);
    }
}
