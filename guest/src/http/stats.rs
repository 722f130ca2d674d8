//! `GET /api/v1/stats`: statistics as JSON or CSV.

use super::accept::{Coding, media_type};
use super::coding::Coder;
use super::query::Asked;
use super::{Answer, Body};
use crate::clock::Clock;
use crate::disk::Disk;
use crate::limits::COUNTING_TIME;
use crate::problem::Problem;
use crate::query::gate::Gate;
use crate::report::stamp::rfc3339;
use crate::stats::clients::STANDARD_ERROR;
use crate::stats::latencies::RELATIVE_ERROR;
use crate::stats::question::Question;
use crate::stats::table::{Summary, Table};
use crate::stats::{StatsError, answer};
use crate::store::Store;
use http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, VARY};
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use std::fmt::Write as _;

/// The path.
pub const STATS: &str = "/api/v1/stats";

const JSON: &str = "application/json";
const CSV: &str = "text/csv";

/// Content below this is not worth compressing, bytes.
const SMALL_BYTES: usize = 1 << 10;

/// Answers a question; the caller has checked that it may be asked.
///
/// # Errors
/// What is wrong with the question, or that it cannot be answered now.
pub async fn respond<D: Disk, C: Clock>(
    store: &Store<D, C>,
    gate: &Gate,
    asked: Asked<'_>,
) -> Result<Answer, Problem> {
    let table = table(store, gate, asked.query.unwrap_or_default()).await?;
    let media_type = media_type(asked.accept, &[JSON, CSV]);
    let (content, content_type) = match media_type {
        CSV => (csv(&table), "text/csv; charset=utf-8; header=present"),
        _ => (json(&table), JSON),
    };
    let mut answer = Answer::json(StatusCode::OK, Vec::new());
    let headers = &mut answer.headers;
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.append(VARY, HeaderValue::from_static("Accept"));
    answer.body = Body::Whole(content.into_bytes());
    compress(&mut answer, asked.accept_encoding);
    Ok(answer)
}

/// The statistics that a URL's query asks for.
///
/// # Errors
/// What is wrong with the question, or that it cannot be answered now.
pub async fn table<D: Disk, C: Clock>(
    store: &Store<D, C>,
    gate: &Gate,
    query: &str,
) -> Result<Table, Problem> {
    let refused = |why| Problem::new(400, "parameter", why);
    let mut question = Question::parse(query, store.clock().wall_ms()).map_err(refused)?;
    question.patience = Some(COUNTING_TIME);
    let busy = || Problem::new(503, "busy", "too many questions at once; ask again later");
    let _place = gate.enter(store.clock()).await.ok_or_else(busy)?;
    let mapping = &store.settings().stats;
    let answered = answer(store.disk(), store.clock(), mapping, &question).await;
    answered.map_err(|error| {
        let text = error.to_string();
        match error {
            StatsError::TooManyBuckets(_) => Problem::new(400, "parameter", text),
            StatsError::TooMuch(_) => Problem::new(400, "too-much", text),
            StatsError::Restless => Problem::new(503, "busy", format!("{text}; ask again later")),
            StatsError::NotReady(_) => {
                Problem::new(503, "not-ready", format!("{text}; ask again later"))
            }
            StatsError::Disk(_) => {
                log::error!("{text}");
                Problem::new(503, "disk", "the data directory cannot be read now")
            }
        }
    })
}

/// Compresses a body as the client likes it best, if it is worth it. What cannot
/// be compressed goes as it is.
pub(super) fn compress(answer: &mut Answer, accept_encoding: Option<&str>) {
    let headers = &mut answer.headers;
    headers.append(VARY, HeaderValue::from_static("Accept-Encoding"));
    let Body::Whole(content) = &mut answer.body else {
        return;
    };
    let coding = Coding::of(accept_encoding);
    let Some(name) = coding.name().filter(|_| content.len() >= SMALL_BYTES) else {
        return;
    };
    let encoded = Coder::new(coding).and_then(|mut coder| {
        let mut encoded = coder.encode(content.clone())?;
        encoded.extend(coder.finish()?);
        Ok(encoded)
    });
    if let Ok(encoded) = encoded {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static(name));
        *content = encoded;
    }
}

/// A table as it is sent.
#[derive(Serialize)]
struct Document<'a> {
    since: String,
    until: String,
    bucket_ms: u64,
    group_by: &'a str,
    reports: u64,
    unknown_reports: u64,
    quantile_error: f64,
    clients_error: f64,
    groups: Vec<Group<'a>>,
    report_rate: Vec<Reports>,
    latency_bounds: &'a [f64],
    densities: Vec<Counts<'a>>,
    problems: &'a [String],
}

#[derive(Serialize)]
struct Group<'a> {
    name: &'a str,
    total: Numbers,
    buckets: Vec<Bucket>,
}

#[derive(Serialize)]
struct Bucket {
    start: String,
    #[serde(flatten)]
    numbers: Numbers,
}

#[derive(Serialize)]
struct Numbers {
    samples: u64,
    errors: u64,
    loss_percent: Option<f64>,
    min: Option<f64>,
    mean: Option<f64>,
    p50: Option<f64>,
    p90: Option<f64>,
    p95: Option<f64>,
    p99: Option<f64>,
    max: Option<f64>,
    clients: u64,
}

#[derive(Serialize)]
struct Reports {
    start: String,
    reports: u64,
}

#[derive(Serialize)]
struct Counts<'a> {
    start: String,
    counts: &'a [u64],
}

impl From<&Summary> for Numbers {
    fn from(summary: &Summary) -> Numbers {
        Numbers {
            samples: summary.samples,
            errors: summary.errors,
            loss_percent: summary.loss_percent(),
            min: summary.min,
            mean: summary.mean,
            p50: summary.p50,
            p90: summary.p90,
            p95: summary.p95,
            p99: summary.p99,
            max: summary.max,
            clients: summary.clients,
        }
    }
}

/// A table as JSON.
pub fn json(table: &Table) -> String {
    let groups = table.groups.iter().map(|group| Group {
        name: &group.name,
        total: Numbers::from(&group.total),
        buckets: group
            .buckets
            .iter()
            .map(|bucket| Bucket {
                start: rfc3339(bucket.start_ms),
                numbers: Numbers::from(&bucket.summary),
            })
            .collect(),
    });
    let rate = table.report_rate.iter().map(|(start, reports)| Reports {
        start: rfc3339(*start),
        reports: *reports,
    });
    let densities = table.densities.iter().map(|density| Counts {
        start: rfc3339(density.start_ms),
        counts: &density.counts,
    });
    let document = Document {
        since: rfc3339(table.since_ms),
        until: rfc3339(table.until_ms),
        bucket_ms: table.bucket_ms,
        group_by: &table.group_by,
        reports: table.reports,
        unknown_reports: table.unknown_reports,
        quantile_error: RELATIVE_ERROR,
        clients_error: STANDARD_ERROR,
        groups: groups.collect(),
        report_rate: rate.collect(),
        latency_bounds: &table.latency_bounds,
        densities: densities.collect(),
        problems: &table.problems,
    };
    // Strings and numbers always serialize.
    serde_json::to_string(&document).unwrap_or_default()
}

/// A table as CSV (RFC 4180): a line for each bucket of each group.
pub fn csv(table: &Table) -> String {
    let mut text = String::from(
        "group,start,samples,errors,loss_percent,min,mean,p50,p90,p95,p99,max,clients\r\n",
    );
    for group in &table.groups {
        let name = field(&group.name);
        for bucket in &group.buckets {
            let numbers = &bucket.summary;
            let start = rfc3339(bucket.start_ms);
            // Writing into a string cannot fail.
            let _ = write!(
                text,
                "{name},{start},{},{}",
                numbers.samples, numbers.errors
            );
            let Summary {
                min,
                mean,
                p50,
                p90,
                p95,
                p99,
                max,
                ..
            } = *numbers;
            for number in [numbers.loss_percent(), min, mean, p50, p90, p95, p99, max] {
                let _ = match number {
                    Some(number) => write!(text, ",{number}"),
                    None => write!(text, ","),
                };
            }
            let _ = write!(text, ",{}\r\n", numbers.clients);
        }
    }
    text
}

/// A name as a field. Names are chosen by whoever posts, so one that a
/// spreadsheet would take for a formula gets an apostrophe in front.
fn field(name: &str) -> String {
    let formula = name.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']);
    let guarded = if formula {
        format!("'{name}")
    } else {
        name.to_owned()
    };
    if guarded.contains(['"', ',', '\r', '\n']) {
        return format!("\"{}\"", guarded.replace('"', "\"\""));
    }
    guarded
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::stats::table;
    use serde_json::{Value, json};

    fn example() -> Table {
        let summary = Summary {
            samples: 4,
            errors: 1,
            min: Some(1.5),
            mean: Some(2.0),
            p50: Some(2.0),
            p90: Some(2.5),
            p95: Some(2.5),
            p99: Some(2.5),
            max: Some(2.5),
            clients: 3,
        };
        let failed = Summary {
            samples: 2,
            errors: 2,
            clients: 1,
            ..Summary::default()
        };
        let bucket = |start_ms, summary: &Summary| table::Bucket {
            start_ms,
            summary: summary.clone(),
        };
        Table {
            since_ms: 60_000,
            until_ms: 180_000,
            bucket_ms: 60_000,
            group_by: "host".to_owned(),
            groups: vec![table::Group {
                name: "=x, \"y\"".to_owned(),
                total: summary.clone(),
                buckets: vec![bucket(60_000, &summary), bucket(120_000, &failed)],
            }],
            reports: 5,
            unknown_reports: 1,
            report_rate: vec![(60_000, 5)],
            latency_bounds: vec![1.0, 2.0],
            densities: vec![table::Density {
                start_ms: 60_000,
                counts: vec![0, 3, 0],
            }],
            problems: vec!["a file".to_owned()],
        }
    }

    #[test]
    fn csv_has_a_line_for_each_bucket_and_no_formulas() {
        let lines = csv(&example());
        let mut lines = lines.split("\r\n");
        let columns = lines.next().unwrap().split(',').count();
        assert_eq!(
            lines.next().unwrap(),
            "\"'=x, \"\"y\"\"\",1970-01-01T00:01:00.000Z,4,1,25,1.5,2,2,2.5,2.5,2.5,2.5,3"
        );
        let second = lines.next().unwrap();
        assert!(second.ends_with("1970-01-01T00:02:00.000Z,2,2,100,,,,,,,,1"));
        // The name has a comma.
        assert_eq!(second.split(',').count(), columns + 1);
        assert_eq!(lines.collect::<Vec<_>>(), [""]);
    }

    #[test]
    fn json_has_what_its_description_names() {
        let document: Value = serde_json::from_str(&json(&example())).unwrap();
        let description = serde_json::from_str::<Value>(crate::http::openapi::DOCUMENT).unwrap();
        let schema = &description["components"]["schemas"]["Stats"];
        let names = |of: &Value| {
            let mut names: Vec<_> = of.as_object().unwrap().keys().cloned().collect();
            names.sort();
            names
        };
        assert_eq!(names(&document), names(&schema["properties"]));
        let group = &document["groups"][0];
        let described = &schema["properties"]["groups"]["items"]["properties"];
        assert_eq!(names(group), names(described));
        let bucket = &described["buckets"]["items"]["properties"];
        assert_eq!(names(&group["buckets"][0]), names(bucket));
        assert_eq!(
            names(&group["total"]),
            names(&described["total"]["properties"])
        );
        assert_eq!(group["buckets"][1]["p50"], Value::Null);
        assert_eq!(group["buckets"][1]["loss_percent"], json!(100.0));
        assert_eq!(document["since"], json!("1970-01-01T00:01:00.000Z"));
    }
}
