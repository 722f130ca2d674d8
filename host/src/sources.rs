//! Where a setting's value comes from: flag, environment, config file.

use crate::config::ConfigError;
use crate::settings::SETTINGS;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

/// Values by name. Empty ones count as not set.
pub(crate) type Values = BTreeMap<&'static str, String>;

/// A place that gives values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The command line.
    Flag,
    /// The environment.
    Environment,
    /// A config file.
    File(PathBuf),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Flag => f.write_str("flag"),
            Source::Environment => f.write_str("environment"),
            Source::File(path) => write!(f, "file {}", path.display()),
        }
    }
}

/// All values given, and from where.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sources {
    /// The earlier ones take precedence.
    layers: Vec<(Source, Values)>,
    /// What was wrong with the config file.
    wrong: Vec<String>,
}

impl Sources {
    /// Adds a place that counts where none before gives a value.
    pub(crate) fn add(&mut self, source: Source, values: Values) {
        self.layers.push((source, values));
    }

    /// Adds a config file. What is wrong with it is kept for
    /// [`Sources::wrong`]; the rest of it counts.
    pub(crate) fn add_file(&mut self, path: &Path) {
        let (values, wrong) = match std::fs::read_to_string(path) {
            Ok(text) => parse_file(&text),
            Err(error) => (Values::new(), vec![error.to_string()]),
        };
        let wrong = wrong.into_iter();
        self.wrong
            .extend(wrong.map(|wrong| format!("the config file {}: {wrong}", path.display())));
        self.add(Source::File(path.to_owned()), values);
    }

    /// The value that counts.
    pub(crate) fn get(&self, name: &str) -> Option<&String> {
        self.find(name).map(|(_, value)| value)
    }

    /// … and where it comes from.
    pub(crate) fn find(&self, name: &str) -> Option<(&Source, &String)> {
        self.layers.iter().find_map(|(source, values)| {
            let value = values.get(name).filter(|value| !value.is_empty())?;
            Some((source, value))
        })
    }

    /// What was wrong with the config file.
    pub(crate) fn wrong(&self) -> &[String] {
        &self.wrong
    }
}

/// The values in a TOML file, whose keys are the names of the contract in lower
/// case, and all that is wrong with it.
fn parse_file(text: &str) -> (Values, Vec<String>) {
    let mut values = Values::new();
    let table: toml::Table = match text.parse() {
        Ok(table) => table,
        Err(error) => return (values, vec![error.to_string()]),
    };
    let mut wrong = Vec::new();
    for (key, value) in table {
        match known(&key).and_then(|name| Ok((name, value_text(&key, value)?))) {
            Ok((name, text)) => {
                values.insert(name, text);
            }
            Err(error) => wrong.push(error.to_string()),
        }
    }
    (values, wrong)
}

fn value_text(key: &str, value: toml::Value) -> Result<String, ConfigError> {
    match value {
        toml::Value::String(text) => Ok(text),
        toml::Value::Integer(number) => Ok(number.to_string()),
        toml::Value::Boolean(switch) => Ok(switch.to_string()),
        toml::Value::Array(items) => {
            let items = items.iter().map(|item| item.as_str().map(str::to_owned));
            let items = items.collect::<Option<Vec<_>>>();
            let items = items.map(|items| items.join(","));
            items.ok_or_else(|| format!("{key}: give a list of strings").into())
        }
        _ => Err(format!("{key}: give a string, a number or a switch").into()),
    }
}

/// The setting of this name, in the upper case of the environment or the lower
/// case of the config file.
pub(crate) fn known(name: &str) -> Result<&'static str, ConfigError> {
    let found = SETTINGS.iter().find(|setting| {
        setting.name == name || (setting.name.eq_ignore_ascii_case(name) && is_lower(name))
    });
    found.map(|setting| setting.name).ok_or_else(|| {
        let nearest = SETTINGS
            .iter()
            .map(|setting| setting.name.to_ascii_lowercase())
            .min_by_key(|known| strsim::levenshtein(known, &name.to_ascii_lowercase()));
        let nearest = nearest.unwrap_or_default();
        format!("there is no setting {name:?}; did you mean {nearest:?}?").into()
    })
}

fn is_lower(name: &str) -> bool {
    !name.contains(|character: char| character.is_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earlier_source_counts_and_an_empty_value_is_none() {
        let values = |value: &str| Values::from([("PORT", value.to_owned())]);
        let mut sources = Sources::default();
        sources.add(Source::Flag, values(""));
        sources.add(Source::Environment, values("2"));
        sources.add(Source::File("x.toml".into()), values("3"));
        let found = sources.find("PORT");
        assert_eq!(found, Some((&Source::Environment, &"2".to_owned())));
        assert_eq!(sources.get("BIND"), None);
    }

    #[test]
    fn every_wrong_key_of_a_file_is_named_and_the_others_count() {
        let (values, wrong) = parse_file(
            "flush_interva = \"1s\"\nPort = 1\nworkers = 3\nbind = 1.5\n\
             allowed_origins = [\"http://a\", \"http://b\"]",
        );
        assert_eq!(values.get("WORKERS").map(String::as_str), Some("3"));
        let origins = values.get("ALLOWED_ORIGINS").map(String::as_str);
        assert_eq!(origins, Some("http://a,http://b"));
        assert_eq!(wrong.len(), 3, "{wrong:?}");
        for expected in ["\"flush_interval\"", "\"port\"", "bind: give a string"] {
            assert!(
                wrong.iter().any(|wrong| wrong.contains(expected)),
                "{wrong:?}"
            );
        }
    }

    #[test]
    fn a_file_that_is_missing_or_no_toml_is_named() {
        let mut sources = Sources::default();
        sources.add_file(Path::new("/nonexistent/netwatch.toml"));
        assert!(sources.wrong().concat().contains("netwatch.toml"));
        assert_eq!(parse_file("port 1").1.len(), 1);
    }
}
