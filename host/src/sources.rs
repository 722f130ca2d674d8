//! Where a setting's value comes from: flag, environment, config file.

use crate::config::ConfigError;
use crate::config_file::{self, Content, Entry, Roll};
use crate::settings::{SETTINGS, Setting};
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
    /// A config file: its settings of the server, or all where it has no table
    /// of tenants.
    File(PathBuf),
    /// Its `[defaults]`.
    Defaults,
    /// Its `[[tenant]]` of that name.
    Tenant(String),
    /// The tenant's name.
    Name,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Flag => f.write_str("flag"),
            Source::Environment => f.write_str("environment"),
            Source::File(path) => write!(f, "file {}", path.display()),
            Source::Defaults => f.write_str("[defaults]"),
            Source::Tenant(name) => write!(f, "[[tenant]] {name}"),
            Source::Name => f.write_str("its name"),
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
    /// The tenants it names, where it has a table of them.
    roll: Option<Roll>,
}

impl Sources {
    /// Adds a place that counts where none before gives a value.
    pub(crate) fn add(&mut self, source: Source, values: Values) {
        self.layers.push((source, values));
    }

    /// Adds a config file. What is wrong with it is kept for
    /// [`Sources::wrong`]; the rest of it counts.
    pub(crate) fn add_file(&mut self, path: &Path) {
        let content = match std::fs::read_to_string(path) {
            Ok(text) => config_file::parse(&text),
            Err(error) => Content::unreadable(&error),
        };
        let wrong = content.wrong.into_iter();
        self.wrong
            .extend(wrong.map(|wrong| format!("the config file {}: {wrong}", path.display())));
        self.add(Source::File(path.to_owned()), content.values);
        self.roll = content.roll;
    }

    /// Adds values that take precedence over all others, as made by the server.
    pub(crate) fn put(&mut self, values: Values) {
        self.layers.insert(0, (Source::Name, values));
    }

    /// The config file.
    pub(crate) fn file(&self) -> Option<&Path> {
        self.layers.iter().find_map(|(source, _)| match source {
            Source::File(path) => Some(path.as_path()),
            _ => None,
        })
    }

    /// The tenants of the config file; `None` where it has no table of them.
    pub(crate) fn roll(&self) -> Option<&Roll> {
        self.roll.as_ref()
    }

    /// What counts for one tenant of the roll: its own values, then those for all
    /// tenants, wherever they are given.
    pub(crate) fn of_tenant(&self, entry: &Entry, defaults: &Values) -> Sources {
        let mut sources = Sources::default();
        sources.add(Source::Tenant(entry.name.clone()), entry.values.clone());
        for (source, values) in &self.layers {
            if matches!(source, Source::Flag | Source::Environment) {
                sources.add(source.clone(), values.clone());
            }
        }
        sources.add(Source::Defaults, defaults.clone());
        sources
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

/// The setting of this name, in the upper case of the environment or the lower
/// case of the config file.
pub(crate) fn known(name: &str) -> Result<&'static Setting, ConfigError> {
    let found = SETTINGS.iter().find(|setting| {
        setting.name == name || (setting.name.eq_ignore_ascii_case(name) && is_lower(name))
    });
    found.ok_or_else(|| {
        let nearest = nearest(name, SETTINGS.iter().map(Setting::key));
        format!("there is no setting {name:?}; did you mean {nearest:?}?").into()
    })
}

/// Which of these names is most like one that was mistyped.
pub(crate) fn nearest(name: &str, names: impl Iterator<Item = String>) -> String {
    let name = name.to_ascii_lowercase();
    let nearest = names.min_by_key(|known| strsim::levenshtein(known, &name));
    nearest.unwrap_or_default()
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
    fn a_file_that_is_missing_or_no_toml_is_named() {
        let mut sources = Sources::default();
        sources.add_file(Path::new("/nonexistent/netwatch.toml"));
        assert!(sources.wrong().concat().contains("netwatch.toml"));
    }
}
