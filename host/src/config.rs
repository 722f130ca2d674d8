//! What an operator can set: flag > environment > config file > default.
//!
//! Every setting is text with one name until it is parsed, wherever it came
//! from, so that the sources cannot differ in what they accept.

use crate::settings::SETTINGS;
use netwatch_guest::config::{Settings, parse_bytes, parse_switch};
use std::collections::BTreeMap;
use std::fmt;
use std::io::IsTerminal;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
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

/// A configuration that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError(String);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ConfigError {}

impl From<String> for ConfigError {
    fn from(message: String) -> Self {
        ConfigError(message)
    }
}

/// Values by name. Empty ones count as not set.
pub(crate) type Values = BTreeMap<&'static str, String>;

impl Options {
    /// The options that these names of the contract give, the rest being default.
    ///
    /// # Errors
    ///
    /// An unknown name, or a value that cannot be used.
    pub fn from_pairs<'a>(
        pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Options, ConfigError> {
        let mut values = Values::new();
        for (name, value) in pairs {
            values.insert(known(name)?, value.to_owned());
        }
        Options::from_sources(&[values])
    }

    /// The options from several sources, the earlier ones taking precedence.
    pub(crate) fn from_sources(sources: &[Values]) -> Result<Options, ConfigError> {
        let get = |name: &str| {
            sources
                .iter()
                .find_map(|source| source.get(name).filter(|value| !value.is_empty()))
        };
        let vars: BTreeMap<&'static str, String> = SETTINGS
            .iter()
            .filter(|setting| setting.guest)
            .filter_map(|setting| Some((setting.name, get(setting.name)?.clone())))
            .collect();
        let owned = vars
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()));
        let settings =
            Settings::from_vars(owned).map_err(|error| ConfigError(error.to_string()))?;
        Ok(Options {
            bind: parse(
                "BIND",
                get("BIND"),
                "an IP address like 127.0.0.1 or ::",
                |text| text.parse().ok(),
            )?,
            port: parse("PORT", get("PORT"), "a number from 0 to 65535", |text| {
                text.parse().ok()
            })?
            .unwrap_or(8080),
            data_dir: get("DATA_DIR")
                .map_or("./data/reports", String::as_str)
                .into(),
            workers: parse(
                "WORKERS",
                get("WORKERS"),
                "a number from 1 to 256",
                |text| {
                    text.parse()
                        .ok()
                        .filter(|workers| (1..=256).contains(workers))
                },
            )?
            .unwrap_or_else(|| available_parallelism().map_or(1, usize::from)),
            component: None,
            min_free_bytes: parse(
                "MIN_FREE_BYTES",
                get("MIN_FREE_BYTES"),
                "a size like 1GiB",
                |text| parse_bytes(text, 0, u64::MAX).ok(),
            )?,
            log_format: parse("LOG_FORMAT", get("LOG_FORMAT"), "text or json", log_format)?
                .unwrap_or_else(fitting_log_format),
            debug: get("DEBUG").is_some_and(|text| parse_switch(text) == Ok(true)),
            settings,
            vars,
        })
    }
}

/// The values in a TOML file: the names of the contract in lower case.
pub(crate) fn read_file(path: &Path) -> Result<Values, ConfigError> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| ConfigError(format!("the config file {}: {error}", path.display())))?;
    parse_file(&text)
        .map_err(|error| ConfigError(format!("the config file {}: {error}", path.display())))
}

fn parse_file(text: &str) -> Result<Values, ConfigError> {
    let table: toml::Table = text
        .parse()
        .map_err(|error: toml::de::Error| ConfigError(error.to_string()))?;
    let mut values = Values::new();
    for (key, value) in table {
        let name = known(&key)?;
        let text = match value {
            toml::Value::String(text) => text,
            toml::Value::Integer(number) => number.to_string(),
            toml::Value::Boolean(switch) => switch.to_string(),
            toml::Value::Array(items) => items
                .iter()
                .map(|item| item.as_str().map(str::to_owned))
                .collect::<Option<Vec<_>>>()
                .ok_or_else(|| ConfigError(format!("{key}: give a list of strings")))?
                .join(","),
            _ => {
                return Err(ConfigError(format!(
                    "{key}: give a string, a number or a switch"
                )));
            }
        };
        values.insert(name, text);
    }
    Ok(values)
}

/// The setting of this name, in the upper case of the environment or the lower
/// case of the config file.
fn known(name: &str) -> Result<&'static str, ConfigError> {
    let found = SETTINGS.iter().find(|setting| {
        setting.name == name || (setting.name.eq_ignore_ascii_case(name) && is_lower(name))
    });
    found.map(|setting| setting.name).ok_or_else(|| {
        let nearest = SETTINGS
            .iter()
            .map(|setting| setting.name.to_ascii_lowercase())
            .min_by_key(|known| strsim::levenshtein(known, &name.to_ascii_lowercase()));
        let nearest = nearest.unwrap_or_default();
        ConfigError(format!(
            "there is no setting {name:?}; did you mean {nearest:?}?"
        ))
    })
}

fn is_lower(name: &str) -> bool {
    !name.contains(|character: char| character.is_ascii_uppercase())
}

fn parse<T>(
    name: &str,
    text: Option<&String>,
    accepted: &str,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>, ConfigError> {
    text.map(|text| {
        parse(text.trim())
            .ok_or_else(|| ConfigError(format!("{name}={text:?} cannot be used: give {accepted}")))
    })
    .transpose()
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

    fn values(pairs: &[(&'static str, &str)]) -> Values {
        pairs
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned()))
            .collect()
    }

    #[test]
    fn flag_beats_environment_beats_file_beats_default() {
        let flag = values(&[("PORT", "1")]);
        let environment = values(&[("PORT", "2"), ("WORKERS", "2")]);
        let file = parse_file("port = 3\nworkers = 3\nflush_bytes = \"3MiB\"").unwrap();
        let options = Options::from_sources(&[flag, environment, file]).unwrap();
        assert_eq!((options.port, options.workers), (1, 2));
        assert_eq!(options.settings.flush_bytes, 3 << 20);
        assert_eq!(options.data_dir, Path::new("./data/reports"));
        assert_eq!(options.vars.get("FLUSH_BYTES").unwrap(), "3MiB");
    }

    #[test]
    fn an_empty_value_is_not_set() {
        let options = Options::from_sources(&[values(&[("PORT", ""), ("INGEST_KEY", "")])]);
        let options = options.unwrap();
        assert_eq!((options.port, options.settings.ingest_key), (8080, None));
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
    fn an_unknown_key_is_refused_with_a_suggestion() {
        let error = parse_file("flush_interva = \"1s\"")
            .unwrap_err()
            .to_string();
        assert!(error.contains("flush_interval"), "{error}");
        assert!(parse_file("Port = 1").is_err());
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
