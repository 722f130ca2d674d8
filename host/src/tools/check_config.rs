//! `check-config`: what would be served with, and what is wrong with it.

use super::columns::{Columns, Side};
use super::{End, ToolError, output, schema};
use crate::config::{Options, data_dir};
use crate::settings::{SETTINGS, Setting};
use crate::sources::{Sources, Values};

/// The tool.
#[derive(Debug)]
pub struct CheckConfig {
    pub(crate) sources: Sources,
    /// Write the schema of the config file instead.
    pub(crate) schema: bool,
}

impl CheckConfig {
    pub(super) fn run(self) -> Result<End, ToolError> {
        if self.schema {
            output::print(&schema::of_config_file())?;
            return Ok(End::Well);
        }
        output::print(&table(&self.sources))?;
        match Options::from_sources(&self.sources) {
            Ok(_) => Ok(End::Well),
            Err(error) => {
                for wrong in error.wrong() {
                    output::say(&format!("wrong: {wrong}"));
                }
                Ok(End::Misuse)
            }
        }
    }
}

/// All settings; of many tenants, those of the server and then each tenant's.
fn table(sources: &Sources) -> String {
    let Some(roll) = sources.roll() else {
        return rows(sources, |_| true);
    };
    let mut text = rows(sources, Setting::is_of_server);
    for entry in &roll.tenants {
        let mut own = sources.of_tenant(entry, &roll.defaults);
        if !entry.values.contains_key("DATA_DIR") {
            // As it is used: a directory of its own below that of all.
            let place = data_dir(&own).join(&entry.name).display().to_string();
            own.put(Values::from([("DATA_DIR", place)]));
        }
        text.push_str(&format!("\ntenant {}", entry.name));
        if !entry.hosts.is_empty() {
            text.push_str(&format!(", hosts {}", entry.hosts.join(", ")));
        }
        text.push_str("\n\n");
        text.push_str(&rows(&own, |setting| {
            setting.is_of_tenant() && own.find(setting.name).is_some()
        }));
    }
    text
}

fn rows(sources: &Sources, wanted: impl Fn(&Setting) -> bool) -> String {
    let left = ["setting", "value", "from"].map(|heading| (heading, Side::Left));
    let mut columns = Columns::new(&left);
    for setting in SETTINGS.iter().filter(|setting| wanted(setting)) {
        let (value, from) = match sources.find(setting.name) {
            Some((source, value)) => (shown(setting, value), source.to_string()),
            None => (setting.default.to_owned(), "default".to_owned()),
        };
        columns.row([setting.name.to_owned(), value, from]);
    }
    columns.text()
}

fn shown(setting: &Setting, value: &str) -> String {
    if setting.is_secret() {
        return "(set, not shown)".to_owned();
    }
    value.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::{Source, Values};

    #[test]
    fn every_setting_is_shown_with_its_source_and_no_secret_is() {
        let values = |name, value: &str| Values::from([(name, value.to_owned())]);
        let mut sources = Sources::default();
        sources.add(Source::Flag, values("PORT", "1234"));
        sources.add(Source::Environment, values("INGEST_KEY", "hunter2"));
        sources.add(
            Source::File("n.toml".into()),
            values("READ_TOKEN", "swordfish"),
        );
        let table = table(&sources);
        assert!(!table.contains("hunter2") && !table.contains("swordfish"));
        let line = |name: &str| {
            let found = table.lines().find(|line| line.starts_with(name));
            found.unwrap_or_default().to_owned()
        };
        for setting in SETTINGS {
            assert!(!line(setting.name).is_empty(), "{}", setting.name);
        }
        for (name, value, from) in [
            ("PORT ", "1234", "flag"),
            ("INGEST_KEY ", "(set, not shown)", "environment"),
            ("READ_TOKEN ", "(set, not shown)", "file n.toml"),
            ("FLUSH_BYTES ", "10MiB", "default"),
        ] {
            let line = line(name);
            assert!(line.contains(value) && line.ends_with(from), "{line}");
        }
    }

    #[test]
    fn what_asks_for_a_key_or_token_is_secret() {
        let secret: Vec<_> = SETTINGS.iter().filter(|s| s.is_secret()).collect();
        let names: Vec<_> = secret.iter().map(|setting| setting.name).collect();
        assert_eq!(
            names,
            [
                "INGEST_KEY",
                "READ_TOKEN",
                "ADMIN_TOKEN",
                "STORE_CLIENT_SALT"
            ]
        );
    }
}
