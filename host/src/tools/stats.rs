//! `stats`: what the reports measured, as a table.

use super::columns::{Columns, Side};
use super::disk::{ReadOnly, SystemClock, run};
use super::selection::Selection;
use super::{End, ToolError, output};
use crate::config::ConfigError;
use crate::sources::Sources;
use netwatch_guest::stats::mapping::{self, Mapping};
use netwatch_guest::stats::table::{Summary, Table};
use netwatch_guest::report::stamp::rfc3339;
use std::path::PathBuf;
use indicatif::HumanCount;

/// What is asked, as typed.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    pub(crate) selection: Selection,
    pub(crate) bucket: Option<String>,
    pub(crate) group: String,
}

/// The tool.
#[derive(Debug)]
pub struct Stats {
    data_dir: PathBuf,
    question: Question,
    json: bool,
    csv: bool,
    mapping: Mapping,
}

impl Stats {
    /// With what was typed and what is configured.
    ///
    /// # Errors
    /// The settings `STATS_*` that cannot be used.
    pub(crate) fn new(
        data_dir: PathBuf,
        question: Question,
        json: bool,
        csv: bool,
        sources: &Sources,
    ) -> Result<Stats, ConfigError> {
        let mut mapping = Mapping::default();
        for (name, _) in mapping::SETTINGS {
            if let Some(value) = sources.get(name) {
                mapping.set(name, value).map_err(|accepted| {
                    format!("{name}={value:?} cannot be used: give {accepted}")
                })?;
            }
        }
        Ok(Stats {
            data_dir,
            question,
            json,
            csv,
            mapping,
        })
    }

    pub(super) fn run(self) -> Result<End, ToolError> {
        Ok(End::Well)
    }
}
