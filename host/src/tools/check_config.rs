//! `check-config`: what would be served with, and what is wrong with it.

use super::columns::{Columns, Side};
use super::{End, ToolError, output};
use crate::config::Options;
use crate::settings::{SETTINGS, Setting};
use crate::sources::Sources;

/// The tool.
#[derive(Debug)]
pub struct CheckConfig {
    pub(crate) sources: Sources,
}

impl CheckConfig {
    pub(super) fn run(self) -> Result<End, ToolError> {
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

fn table(sources: &Sources) -> String {
    let left = ["setting", "value", "from"].map(|heading| (heading, Side::Left));
    let mut columns = Columns::new(&left);
    for setting in SETTINGS {
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
        assert_eq!(names, ["INGEST_KEY", "READ_TOKEN"]);
    }
}
