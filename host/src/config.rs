//! What an operator can set: flag > environment > config file > default.
//!
//! Every setting is text with one name until it is parsed, wherever it came
//! from, so that the sources cannot differ in what they accept.

use crate::settings::SETTINGS;
use crate::sources::{Source, Sources, Values, known};
use netwatch_guest::config::{Settings, parse_bytes};
use std::collections::BTreeMap;
use std::fmt;
use std::io::IsTerminal;
use std::net::IpAddr;
use std::path::PathBuf;
use std::thread::available_parallelism;

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
    /// `DATA_DIR`
    pub data_dir: PathBuf,
    /// `WORKERS`
    pub workers: usize,
    /// A component instead of the embedded one.
    pub component: Option<PathBuf>,
    /// `MIN_FREE_BYTES`
    pub min_free_bytes: Option<u64>,
    /// `LOG_FORMAT`
    pub log_format: LogFormat,
    /// `DEBUG`
    pub debug: bool,
    /// What the component makes of its variables.
    pub(crate) settings: Settings,
    /// The component's variables, as set.
    pub(crate) vars: BTreeMap<&'static str, String>,
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
            values.insert(known(name)?, value.to_owned());
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
        let vars: BTreeMap<&'static str, String> = SETTINGS
            .iter()
            .filter(|setting| setting.guest)
            .filter_map(|setting| Some((setting.name, sources.get(setting.name)?.clone())))
            .collect();
        let settings = reader.settings(&vars);
        let options = Options {
            bind: reader.read("BIND", "an IP address like 127.0.0.1 or ::", |text| {
                text.parse().ok()
            }),
            port: reader
                .read("PORT", "a number from 0 to 65535", |text| text.parse().ok())
                .unwrap_or(DEFAULT_PORT),
            data_dir: data_dir(sources),
            workers: reader
                .read("WORKERS", "a number from 1 to 256", |text| {
                    let workers = text.parse().ok();
                    workers.filter(|workers| (1..=256).contains(workers))
                })
                .unwrap_or_else(|| available_parallelism().map_or(1, usize::from)),
            component: None,
            min_free_bytes: reader.read("MIN_FREE_BYTES", "a size like 1GiB", |text| {
                parse_bytes(text, 0, u64::MAX).ok()
            }),
            log_format: reader
                .read("LOG_FORMAT", "text or json", log_format)
                .unwrap_or_else(fitting_log_format),
            debug: settings.debug,
            settings,
            vars,
        };
        if reader.wrong.is_empty() {
            Ok(options)
        } else {
            Err(ConfigError(reader.wrong))
        }
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
struct Reader<'a> {
    sources: &'a Sources,
    wrong: Vec<String>,
}

impl Reader<'_> {
    fn read<T>(
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
    fn settings(&mut self, vars: &BTreeMap<&'static str, String>) -> Settings {
        let mut good = Vec::new();
        for (name, value) in vars {
            let var = ((*name).to_owned(), value.clone());
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
        assert_eq!((options.port, options.workers), (1, 2));
        assert_eq!(options.settings.flush_bytes, 3 << 20);
        assert_eq!(options.data_dir, std::path::Path::new("./data/reports"));
        assert_eq!(options.vars.get("FLUSH_BYTES").unwrap(), "3MiB");
    }

    #[test]
    fn an_empty_value_is_not_set() {
        let options = Options::from_pairs([("PORT", ""), ("INGEST_KEY", "")]).unwrap();
        assert_eq!((options.port, options.settings.ingest_key), (8080, None));
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
        let shown = Options::from_pairs(shown).unwrap();
        let used = Options::from_pairs([]).unwrap();
        assert_eq!((shown.port, shown.data_dir), (used.port, used.data_dir));
        assert_eq!(shown.settings, used.settings);
    }
}
