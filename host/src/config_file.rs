//! The config file: TOML whose keys are the names of the contract in lower case.
//!
//! Either flat, for one tenant, or in tables: `[server]` for what there is once,
//! `[defaults]` for all tenants, `[[tenant]]` for each of them.

use crate::config::ConfigError;
use crate::settings::{SETTINGS, Setting};
use crate::sources::{Values, known, nearest};
use std::collections::BTreeMap;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

/// Keys of a `[[tenant]]` that are no settings.
pub(crate) const TENANT_KEYS: [&str; 4] = ["name", "hosts", "component_sha256", "env"];

/// Settings that two tenants cannot share.
pub(crate) const OF_ONE_TENANT: [&str; 2] = ["INGEST_KEY", "READ_TOKEN"];

/// What a config file says.
#[derive(Debug, Default)]
pub(crate) struct Content {
    /// All settings, or those of the server where there is a roll.
    pub(crate) values: Values,
    pub(crate) roll: Option<Roll>,
    pub(crate) wrong: Vec<String>,
}

/// The tenants a config file names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Roll {
    pub(crate) defaults: Values,
    pub(crate) tenants: Vec<Entry>,
}

/// One tenant, as far as it can be read without knowing the others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) name: String,
    /// Where in the file it starts.
    pub(crate) line: usize,
    pub(crate) hosts: Vec<String>,
    pub(crate) component_sha256: Option<String>,
    /// Variables for its component beside the settings.
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) values: Values,
}

impl Content {
    pub(crate) fn unreadable(error: &std::io::Error) -> Content {
        Content {
            wrong: vec![error.to_string()],
            ..Content::default()
        }
    }
}

/// Reads a file's text. What is wrong is kept with its line; the rest counts.
pub(crate) fn parse(text: &str) -> Content {
    let table = match DeTable::parse(text) {
        Ok(table) => table,
        Err(error) => {
            return Content {
                wrong: vec![error.to_string()],
                ..Content::default()
            };
        }
    };
    let mut reader = Reader {
        text,
        wrong: Vec::new(),
    };
    let table = table.get_ref();
    let in_tables = ["server", "defaults", "tenant"]
        .iter()
        .any(|name| table.contains_key(*name));
    let (values, roll) = if in_tables {
        let (values, roll) = reader.tables(table);
        (values, Some(roll))
    } else {
        (reader.settings(table, "", |_| true, &[]), None)
    };
    Content {
        values,
        roll,
        wrong: reader.wrong,
    }
}

struct Reader<'a> {
    text: &'a str,
    wrong: Vec<String>,
}

impl Reader<'_> {
    fn line<T>(&self, at: &Spanned<T>) -> usize {
        let before = self.text.get(..at.span().start).unwrap_or_default();
        before.bytes().filter(|byte| *byte == b'\n').count() + 1
    }

    fn wrong(&mut self, line: usize, what: impl std::fmt::Display) {
        self.wrong.push(format!("line {line}: {what}"));
    }

    fn tables(&mut self, file: &DeTable<'_>) -> (Values, Roll) {
        let mut server = Values::new();
        let mut roll = Roll::default();
        for (key, value) in file {
            let line = self.line(key);
            match (key.get_ref().as_ref(), value.get_ref()) {
                ("server", DeValue::Table(table)) => {
                    server = self.settings(table, "[server]", Setting::is_of_server, &[]);
                }
                ("defaults", DeValue::Table(table)) => {
                    let shared = |setting: &Setting| {
                        setting.is_of_tenant() && !OF_ONE_TENANT.contains(&setting.name)
                    };
                    roll.defaults = self.settings(table, "[defaults]", shared, &[]);
                }
                ("tenant", DeValue::Array(tenants)) => self.tenants(tenants, &mut roll),
                ("server" | "defaults", _) => {
                    self.wrong(line, format!("write [{}]", key.get_ref()))
                }
                ("tenant", _) => self.wrong(line, "write [[tenant]], with two brackets"),
                (other, _) => self.wrong(
                    line,
                    format!(
                        "{other:?} stands outside of the tables; put it into [server], \
                         [defaults] or a [[tenant]]"
                    ),
                ),
            }
        }
        (server, roll)
    }

    fn tenants(&mut self, tenants: &DeArray<'_>, roll: &mut Roll) {
        for tenant in tenants {
            let line = self.line(tenant);
            let Some(table) = tenant.get_ref().as_table() else {
                self.wrong(line, "write [[tenant]], with two brackets");
                continue;
            };
            let of_tenant = Setting::is_of_tenant;
            let mut entry = Entry {
                line,
                values: self.settings(table, "[[tenant]]", of_tenant, &TENANT_KEYS),
                ..Entry::default()
            };
            for (key, value) in table {
                self.own(key.get_ref(), value, &mut entry);
            }
            if entry.name.is_empty() {
                self.wrong(line, "a tenant needs a name");
                continue;
            }
            roll.tenants.push(entry);
        }
    }

    /// A key that only a tenant has.
    fn own(&mut self, key: &str, value: &Spanned<DeValue<'_>>, entry: &mut Entry) {
        let line = self.line(value);
        let given = value.get_ref();
        match key {
            "name" => match given.as_str() {
                Some(name) => entry.name = name.to_owned(),
                None => self.wrong(line, "name: give a string"),
            },
            "component_sha256" => match given.as_str() {
                Some(digest) => entry.component_sha256 = Some(digest.to_owned()),
                None => self.wrong(line, "component_sha256: give a string"),
            },
            "hosts" => match strings(given) {
                Some(hosts) => entry.hosts = hosts,
                None => self.wrong(line, "hosts: give a list of strings"),
            },
            "env" => match given.as_table() {
                Some(table) => {
                    for (name, value) in table {
                        match scalar(value.get_ref()) {
                            Some(text) => {
                                entry.env.insert(name.get_ref().to_string(), text);
                            }
                            None => self.wrong(
                                self.line(name),
                                format!("env.{}: give a string", name.get_ref()),
                            ),
                        }
                    }
                }
                None => self.wrong(line, "env: give a table, like { NAME = \"value\" }"),
            },
            _ => {}
        }
    }

    /// The settings of a table, which takes those that `takes` says.
    fn settings(
        &mut self,
        table: &DeTable<'_>,
        place: &str,
        takes: impl Fn(&Setting) -> bool,
        others: &[&str],
    ) -> Values {
        let mut values = Values::new();
        for (key, value) in table {
            let line = self.line(key);
            let key = key.get_ref().as_ref();
            if others.contains(&key) {
                continue;
            }
            match setting(key, place, &takes, others)
                .and_then(|setting| Ok((setting.name, value_text(key, value.get_ref())?)))
            {
                Ok((name, text)) => {
                    values.insert(name, text);
                }
                Err(error) => self.wrong(line, error),
            }
        }
        values
    }
}

/// The setting of a key where `place` takes it.
fn setting(
    key: &str,
    place: &str,
    takes: impl Fn(&Setting) -> bool,
    others: &[&str],
) -> Result<&'static Setting, ConfigError> {
    if place.is_empty() {
        return known(key);
    }
    if let Ok(setting) = known(key) {
        if takes(setting) {
            return Ok(setting);
        }
        let belongs = if OF_ONE_TENANT.contains(&setting.name) {
            "each tenant has its own: put it into its [[tenant]]"
        } else if setting.is_of_tenant() {
            "it is a tenant's: put it into [defaults] or a [[tenant]]"
        } else {
            "there is one for all: put it into [server]"
        };
        return Err(format!("{key} is not for {place}; {belongs}").into());
    }
    let names = SETTINGS.iter().filter(|setting| takes(setting));
    let names = names
        .map(Setting::key)
        .chain(others.iter().map(|name| (*name).to_owned()));
    Err(format!(
        "there is no setting {key:?} in {place}; did you mean {:?}?",
        nearest(key, names)
    )
    .into())
}

fn value_text(key: &str, value: &DeValue<'_>) -> Result<String, ConfigError> {
    match value {
        DeValue::Array(_) => {
            let items = strings(value).map(|items| items.join(","));
            items.ok_or_else(|| format!("{key}: give a list of strings").into())
        }
        _ => scalar(value)
            .ok_or_else(|| format!("{key}: give a string, a number or a switch").into()),
    }
}

fn scalar(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) => {
            let number = i64::from_str_radix(number.as_str(), number.radix()).ok()?;
            Some(number.to_string())
        }
        DeValue::Float(number) => Some(number.as_str().to_owned()),
        DeValue::Boolean(switch) => Some(switch.to_string()),
        DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => None,
    }
}

fn strings(value: &DeValue<'_>) -> Option<Vec<String>> {
    let items = value.as_array()?.iter();
    items
        .map(|item| Some(item.get_ref().as_str()?.to_owned()))
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_wrong_key_of_a_flat_file_is_named_with_its_line_and_the_others_count() {
        let content = parse(
            "flush_interva = \"1s\"\nPort = 1\nworkers = 3\nbind = [1]\n\
             allowed_origins = [\"http://a\", \"http://b\"]",
        );
        let values = &content.values;
        assert_eq!(values.get("WORKERS").map(String::as_str), Some("3"));
        let origins = values.get("ALLOWED_ORIGINS").map(String::as_str);
        assert_eq!(origins, Some("http://a,http://b"));
        let wrong = content.wrong;
        assert_eq!(wrong.len(), 3, "{wrong:?}");
        for expected in ["line 1: ", "line 2: ", "line 4: bind: give a list"] {
            assert!(
                wrong.iter().any(|wrong| wrong.starts_with(expected)),
                "{wrong:?}"
            );
        }
        assert!(content.roll.is_none());
    }

    #[test]
    fn a_table_of_tenants_is_read_with_what_only_they_have() {
        let content = parse(
            "[server]\nport = 8080\n[defaults]\nflush_bytes = \"1MiB\"\n\n[[tenant]]\n\
             name = \"a\"\nhosts = [\"a.example\"]\ncpu_per_second = 0.5\n\
             env = { MODE = \"x\", N = 1 }\n\n[[tenant]]\nname = \"b\"\n",
        );
        assert_eq!(content.wrong, Vec::<String>::new());
        assert_eq!(content.values, Values::from([("PORT", "8080".to_owned())]));
        let roll = content.roll.unwrap();
        assert_eq!(
            roll.defaults,
            Values::from([("FLUSH_BYTES", "1MiB".to_owned())])
        );
        assert_eq!(roll.tenants.len(), 2);
        let a = &roll.tenants[0];
        assert_eq!((a.name.as_str(), a.line), ("a", 6));
        assert_eq!(a.hosts, ["a.example"]);
        assert_eq!(a.values.get("CPU_PER_SECOND").unwrap(), "0.5");
        assert_eq!(a.env.get("N").unwrap(), "1");
    }

    #[test]
    fn what_stands_in_the_wrong_table_is_refused_with_its_line_and_place() {
        for (text, expected) in [
            (
                "[server]\nflush_bytes = 1",
                "line 2: flush_bytes is not for [server]",
            ),
            (
                "[[tenant]]\nname = \"a\"\nport = 1",
                "line 3: port is not for [[tenant]]",
            ),
            ("[defaults]\ningest_key = \"k\"", "each tenant has its own"),
            (
                "[[tenant]]\nname = \"a\"\nhost = [\"x\"]",
                "did you mean \"hosts\"?",
            ),
            ("[server]\nprt = 1", "did you mean \"port\"?"),
            ("port = 1\n[server]\n", "line 1: \"port\" stands outside"),
            ("[tenant]\nname = \"a\"", "with two brackets"),
            ("[[tenant]]\nport = 1", "a tenant needs a name"),
            (
                "[[tenant]]\nname = \"a\"\nhosts = \"x\"",
                "hosts: give a list",
            ),
        ] {
            let wrong = parse(text).wrong;
            assert!(
                wrong.iter().any(|wrong| wrong.contains(expected)),
                "{text}: {wrong:?}"
            );
        }
    }

    #[test]
    fn text_that_is_no_toml_is_refused() {
        assert_eq!(parse("port 1").wrong.len(), 1);
    }
}
