//! `stats`: what the reports measured, as a table.
//!
//! Question, answer and formats are those of `GET /api/v1/stats`; files of
//! statistics below `index/` are used, and none is written.

use super::cat::unreadable;
use super::columns::{Columns, Side};
use super::disk::{ReadOnly, SystemClock, run};
use super::selection::Selection;
use super::{End, ToolError, output};
use crate::config::ConfigError;
use crate::sources::Sources;
use indicatif::HumanCount;
use netwatch_guest::clock::Clock;
use netwatch_guest::disk::{Disk, Folder};
use netwatch_guest::http::stats::{csv, json};
use netwatch_guest::report::stamp::rfc3339;
use netwatch_guest::stats::mapping::{self, Mapping};
use netwatch_guest::stats::question::Question as Asked;
use netwatch_guest::stats::table::{Summary, Table};
use netwatch_guest::stats::{StatsError, answer};
use std::fmt::Write;
use std::path::PathBuf;

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
        let disk = ReadOnly::new(&self.data_dir);
        let clock = SystemClock::new();
        let question = self.question.asked(clock.wall_ms())?;
        let answered = run(async {
            // Said with the directory's name, which an answer does not know.
            let listed = disk.list(Folder::Data).await;
            listed.map_err(|error| unreadable(&self.data_dir, &error))?;
            answer(&disk, &clock, &self.mapping, &question)
                .await
                .map_err(|error| match error {
                    StatsError::TooManyBuckets(_) => ToolError::Misuse(format!("--{error}")),
                    error => ToolError::Failed(error.to_string()),
                })
        });
        let table = answered.map_err(|error| ToolError::Failed(error.to_string()))??;
        let text = match (self.json, self.csv) {
            (true, _) => json(&table) + "\n",
            (_, true) => csv(&table),
            _ => text(&table, self.question.bucket.is_some()),
        };
        output::print(&text)?;
        for problem in &table.problems {
            let problem = super::columns::plain(problem);
            output::say(&format!("netwatch-server stats: {problem}"));
        }
        Ok(if table.problems.is_empty() {
            End::Well
        } else {
            End::Wrong
        })
    }
}

impl Question {
    /// The question as the server understands it, over all there is where no
    /// period is given.
    fn asked(&self, now_ms: u64) -> Result<Asked, ToolError> {
        let period = self.selection.period(now_ms)?;
        let mut query = format!("group={}", escaped(&self.group));
        if let Some(bucket) = &self.bucket {
            query += &format!("&bucket={}", escaped(bucket));
        }
        for wanted in &self.selection.wanted {
            query += &format!("&where={}", escaped(wanted));
        }
        let mut asked =
            Asked::parse(&query, now_ms).map_err(|why| ToolError::Misuse(format!("--{why}")))?;
        asked.period = period;
        Ok(asked)
    }
}

/// A value as a URL's query has it.
fn escaped(value: &str) -> String {
    value.bytes().fold(String::new(), |mut text, byte| {
        // Writing into a string cannot fail.
        let _ = match byte {
            b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => write!(text, "{}", char::from(byte)),
            _ => write!(text, "%{byte:02X}"),
        };
        text
    })
}

const NUMBERS: [&str; 10] = [
    "samples", "loss %", "min", "mean", "p50", "p90", "p95", "p99", "max", "clients",
];

/// The table for a terminal: a row for each group or, with `buckets`, for each
/// span of time of each group.
fn text(table: &Table, buckets: bool) -> String {
    let mut headings = vec![(table.group_by.as_str(), Side::Left)];
    if buckets {
        headings.push(("from", Side::Left));
    }
    headings.extend(NUMBERS.map(|name| (name, Side::Right)));
    let mut columns = Columns::new(&headings);
    for group in &table.groups {
        if !buckets {
            columns.row(
                [group.name.clone()]
                    .into_iter()
                    .chain(numbers(&group.total)),
            );
            continue;
        }
        for bucket in &group.buckets {
            let row = [group.name.clone(), rfc3339(bucket.start_ms)];
            columns.row(row.into_iter().chain(numbers(&bucket.summary)));
        }
    }
    let unknown = match table.unknown_reports {
        0 => String::new(),
        unknown => format!(
            ", {} of them without measurements where STATS_* looks for them",
            HumanCount(unknown)
        ),
    };
    format!(
        "{} reports from {} to {}{unknown}; latencies in ms\n\n{}",
        HumanCount(table.reports),
        rfc3339(table.since_ms),
        rfc3339(table.until_ms),
        columns.text()
    )
}

fn numbers(summary: &Summary) -> [String; NUMBERS.len()] {
    let ms = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.1}"));
    let loss = summary.loss_percent();
    [
        HumanCount(summary.samples).to_string(),
        loss.map_or("-".to_owned(), |loss| format!("{loss:.2}")),
        ms(summary.min),
        ms(summary.mean),
        ms(summary.p50),
        ms(summary.p90),
        ms(summary.p95),
        ms(summary.p99),
        ms(summary.max),
        HumanCount(summary.clients).to_string(),
    ]
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use netwatch_guest::segment::name::MAX_MS;
    use netwatch_guest::stats::table::{Bucket, Group};

    fn question(bucket: Option<&str>, group: &str, wanted: &[&str]) -> Question {
        Question {
            selection: Selection {
                wanted: wanted.iter().map(|text| (*text).to_owned()).collect(),
                ..Selection::default()
            },
            bucket: bucket.map(str::to_owned),
            group: group.to_owned(),
        }
    }

    #[test]
    fn a_question_reaches_the_server_s_parser_unchanged() {
        let wanted = ["/a b&c=d:eq:é%20+#"];
        let asked = question(Some("90s"), "/x/y z", &wanted).asked(5).unwrap();
        assert_eq!(asked.bucket_ms, Some(90_000));
        assert_eq!(asked.group.to_string(), "/x/y z");
        assert!(asked.filter.accepts(r#"{"a b&c=d":"é%20+#"}"#.as_bytes()));
        assert!(!asked.filter.accepts(b"{}"));
        assert_eq!(asked.period.since_ms, 0);
        assert!(asked.period.until_ms > MAX_MS);
    }

    #[test]
    fn what_cannot_be_used_is_named_by_its_flag() {
        for (wrong, flag) in [
            (question(Some("5"), "host", &[]), "--bucket: \"5\""),
            (question(None, "hosts", &[]), "--group: \"hosts\""),
            (question(None, "host", &["x"]), "--where: \"x\""),
        ] {
            let error = wrong.asked(5).unwrap_err().to_string();
            assert!(error.contains(flag), "{error}");
        }
    }

    #[test]
    fn the_table_has_a_row_for_each_group_or_bucket() {
        let summary = Summary {
            samples: 1500,
            errors: 15,
            min: Some(1.0),
            p50: Some(12.34),
            ..Summary::default()
        };
        let bucket = |start_ms| Bucket {
            start_ms,
            summary: summary.clone(),
        };
        let table = Table {
            group_by: "host".to_owned(),
            groups: vec![Group {
                name: "a\u{7}".to_owned(),
                total: summary.clone(),
                buckets: vec![bucket(0), bucket(60_000)],
            }],
            reports: 2000,
            unknown_reports: 3,
            ..Table::default()
        };
        let whole = text(&table, false);
        assert!(whole.starts_with("2,000 reports from 1970-"), "{whole}");
        assert!(whole.contains(", 3 of them without"), "{whole}");
        let row = whole.lines().last().unwrap();
        let cells: Vec<_> = row.split_whitespace().collect();
        let expected = ["a\\u{7}", "1,500", "1.00", "1.0", "-", "12.3", "-"];
        assert_eq!(cells[..7], expected);
        let spans = text(&table, true);
        assert!(spans.contains("1970-01-01T00:01:00.000Z"), "{spans}");
        assert_eq!(spans.lines().count(), 5);
    }
}
