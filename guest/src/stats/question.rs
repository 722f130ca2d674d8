//! What is asked of the statistics.

use crate::limits::{AUTO_BUCKETS, MAX_BUCKETS, MAX_QUOTED_CHARS};
use crate::query::filter::Filter;
use crate::query::period::{Period, parse_moment};
use crate::report::walk::Pointer;
use crate::segment::name::MAX_MS;
use crate::stats::index_name::MINUTE_MS;
use std::fmt;
use std::time::Duration;

const HOUR_MS: u64 = 60 * MINUTE_MS;
const DAY_MS: u64 = 24 * HOUR_MS;

/// The period where none is asked for: so long until now.
const DEFAULT_PERIOD_MS: u64 = DAY_MS;

/// Widths that a bucket may get by itself, of which each divides a longer one or
/// is easily read.
const NICE_MS: [u64; 15] = [
    MINUTE_MS,
    2 * MINUTE_MS,
    5 * MINUTE_MS,
    10 * MINUTE_MS,
    15 * MINUTE_MS,
    30 * MINUTE_MS,
    HOUR_MS,
    2 * HOUR_MS,
    3 * HOUR_MS,
    6 * HOUR_MS,
    12 * HOUR_MS,
    DAY_MS,
    2 * DAY_MS,
    7 * DAY_MS,
    30 * DAY_MS,
];

/// What measurements are put together by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupBy {
    /// The measured host.
    Host,
    /// Who measured.
    Client,
    /// The value at this place in the report.
    Pointer(Pointer, String),
}

impl GroupBy {
    /// Reads `host`, `client` or a JSON Pointer.
    ///
    /// # Errors
    /// The value and what is accepted.
    pub fn parse(text: &str) -> Result<GroupBy, String> {
        match text {
            "host" => Ok(GroupBy::Host),
            "client" => Ok(GroupBy::Client),
            _ => {
                let pointer = Pointer::parse(text).filter(|pointer| !pointer.is_whole());
                let pointer = pointer.ok_or_else(|| {
                    format!(
                        "{:?} is nothing to group by: give host, client or a JSON Pointer like /geo/country",
                        quoted(text)
                    )
                })?;
                Ok(GroupBy::Pointer(pointer, text.to_owned()))
            }
        }
    }
}

impl fmt::Display for GroupBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            GroupBy::Host => "host",
            GroupBy::Client => "client",
            GroupBy::Pointer(_, text) => text,
        })
    }
}

/// A question.
#[derive(Clone, Debug)]
pub struct Question {
    /// Which reports, by the time they were received. Widened to whole minutes,
    /// or to whole buckets where those are not of whole minutes. A start of 0
    /// means the first report, an end beyond [`MAX_MS`] the last.
    pub period: Period,
    /// Width of a bucket, ms; `None` for one that fits the period.
    pub bucket_ms: Option<u64>,
    /// What measurements are put together by.
    pub group: GroupBy,
    /// Which reports, by their content.
    pub filter: Filter,
    /// How long counting reports may take, files of statistics apart; `None` for
    /// as long as it takes.
    pub patience: Option<Duration>,
}

impl Question {
    /// By host, in buckets that fit.
    pub fn about(period: Period) -> Question {
        Question {
            period,
            bucket_ms: None,
            group: GroupBy::Host,
            filter: Filter::default(),
            patience: None,
        }
    }

    /// Reads the parameters of a URL's query: `since`, `until`, `bucket`, `group`
    /// and `where`.
    ///
    /// # Errors
    /// The parameter at fault, its value, and what is accepted.
    pub fn parse(query: &str, now_ms: u64) -> Result<Question, String> {
        let (mut since, mut until) = (None, None);
        let mut question = Question::about(Period::ALL);
        let mut conditions = Vec::new();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let named = |why| format!("{name}: {why}");
            match &*name {
                "since" => since = Some(parse_moment(&value, now_ms).map_err(named)?),
                "until" => until = Some(parse_moment(&value, now_ms).map_err(named)?),
                "bucket" => question.bucket_ms = parse_bucket(&value).map_err(named)?,
                "group" => question.group = GroupBy::parse(&value).map_err(named)?,
                "where" => conditions.push(value),
                _ => {
                    return Err(format!(
                        "there is no parameter {:?}; there are since, until, bucket, group and where",
                        quoted(&name)
                    ));
                }
            }
        }
        // What was received in this very millisecond belongs to it.
        let until_ms = until.unwrap_or(now_ms.saturating_add(1));
        let since_ms = since.unwrap_or(until_ms.saturating_sub(DEFAULT_PERIOD_MS));
        if since_ms >= until_ms {
            return Err(
                "since: the period is empty; give a time before until, which is now by itself"
                    .to_owned(),
            );
        }
        question.period = Period { since_ms, until_ms };
        question.filter = Filter::parse(conditions.iter().map(|text| &**text))
            .map_err(|why| format!("where: {why}"))?;
        Ok(question)
    }

    /// The span that times are told apart by, ms.
    pub(super) fn grain_ms(&self) -> u64 {
        match self.bucket_ms {
            Some(bucket) if bucket % MINUTE_MS != 0 => bucket.max(1),
            _ => MINUTE_MS,
        }
    }

    /// Whether the statistics kept beside the segments can answer it.
    pub(super) fn is_kept(&self) -> bool {
        self.group == GroupBy::Host && self.filter.is_empty() && self.grain_ms() == MINUTE_MS
    }

    /// The period, widened; an open end stays open.
    pub(super) fn widened(&self) -> Period {
        let grain = self.grain_ms();
        Period {
            since_ms: self.period.since_ms / grain * grain,
            until_ms: self.period.until_ms.div_ceil(grain).saturating_mul(grain),
        }
    }

    /// The period and the width of its buckets, where reports were received from
    /// `first` to `last`.
    ///
    /// # Errors
    /// [`TooManyBuckets`]
    pub(super) fn scale(&self, first: u64, last: u64) -> Result<Scale, TooManyBuckets> {
        let mut period = self.widened();
        let grain = self.grain_ms();
        if self.period.until_ms > MAX_MS {
            let end = (last / grain + 1) * grain;
            period.until_ms = end.max(period.since_ms + grain);
        }
        if self.period.since_ms == 0 {
            period.since_ms = (first / grain * grain).min(period.until_ms.saturating_sub(grain));
        }
        let Some(bucket_ms) = self.bucket_ms else {
            let bucket_ms = fitting(period);
            return Ok(Scale { period, bucket_ms });
        };
        let buckets = buckets(period, bucket_ms);
        if buckets > MAX_BUCKETS {
            let least = bucket_ms.saturating_mul(buckets.div_ceil(MAX_BUCKETS));
            return Err(TooManyBuckets { buckets, least });
        }
        Ok(Scale { period, bucket_ms })
    }
}

/// When, and how finely.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Scale {
    pub(super) period: Period,
    pub(super) bucket_ms: u64,
}

/// More buckets are asked for than an answer may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyBuckets {
    /// How many.
    pub buckets: u64,
    /// A width that would do, ms.
    pub least: u64,
}

impl fmt::Display for TooManyBuckets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let least = Duration::from_millis(self.least);
        write!(
            f,
            "bucket: that would be {} buckets, and there may be {MAX_BUCKETS}; give at least {}, or a shorter period",
            self.buckets,
            humantime::format_duration(least)
        )
    }
}

/// How many buckets have a moment in a period.
fn buckets(period: Period, bucket_ms: u64) -> u64 {
    let first = period.since_ms / bucket_ms;
    period.until_ms.div_ceil(bucket_ms).saturating_sub(first)
}

/// The narrowest nice width of which not too many buckets are needed.
fn fitting(period: Period) -> u64 {
    let fits = |width: &u64| buckets(period, *width) <= AUTO_BUCKETS;
    let longer = || {
        let months = buckets(period, 30 * DAY_MS).div_ceil(AUTO_BUCKETS - 1);
        30 * DAY_MS * months
    };
    NICE_MS.into_iter().find(fits).unwrap_or_else(longer)
}

/// A width with its unit; `None` for `auto`.
fn parse_bucket(text: &str) -> Result<Option<u64>, String> {
    if text == "auto" {
        return Ok(None);
    }
    humantime::parse_duration(text.trim())
        .ok()
        .and_then(|width| u64::try_from(width.as_millis()).ok())
        .filter(|ms| (1..=MAX_MS).contains(ms))
        .map(Some)
        .ok_or_else(|| {
            format!(
                "{:?} is no width of a bucket: give auto, or a duration with its unit like 5m, 1h or 1d",
                quoted(text)
            )
        })
}

fn quoted(text: &str) -> String {
    text.chars().take(MAX_QUOTED_CHARS).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const NOW: u64 = 1_795_420_800_123;

    fn parse(query: &str) -> Question {
        Question::parse(query, NOW).unwrap()
    }

    #[test]
    fn without_parameters_it_is_the_last_day_by_host() {
        let question = parse("");
        assert_eq!(question.period.until_ms, NOW + 1);
        assert_eq!(question.period.since_ms, NOW + 1 - DAY_MS);
        assert_eq!(question.group, GroupBy::Host);
        assert!(question.is_kept());
        let scale = question.scale(0, NOW).unwrap();
        assert_eq!(scale.bucket_ms, 10 * MINUTE_MS);
        assert_eq!(
            scale.period.since_ms,
            (NOW + 1 - DAY_MS) / MINUTE_MS * MINUTE_MS
        );
        assert_eq!(scale.period.until_ms % MINUTE_MS, 0);
        assert!(scale.period.until_ms > NOW);
    }

    #[test]
    fn parameters_are_taken_as_written() {
        let question = parse("since=-2h&until=-1h&bucket=5m&group=/geo/asn&where=/clientId:eq:a");
        assert_eq!(question.period.since_ms, NOW - 2 * HOUR_MS);
        assert_eq!(question.period.until_ms, NOW - HOUR_MS);
        assert_eq!(question.bucket_ms, Some(5 * MINUTE_MS));
        assert_eq!(question.group.to_string(), "/geo/asn");
        assert!(!question.filter.is_empty() && !question.is_kept());
        assert!(!parse("group=client").is_kept());
        assert!(!parse("bucket=90s").is_kept());
        assert!(parse("bucket=120s").is_kept());
        assert_eq!(parse("bucket=auto").bucket_ms, None);
    }

    #[test]
    fn what_cannot_be_used_is_named_with_what_can() {
        for (query, told) in [
            ("since=yesterday", ["since", "yesterday", "-15m"]),
            ("until=x", ["until", "\"x\"", "-15m"]),
            ("bucket=5", ["bucket", "\"5\"", "5m"]),
            ("bucket=0s", ["bucket", "0s", "auto"]),
            ("group=hosts", ["group", "hosts", "client"]),
            ("group=", ["group", "\"\"", "client"]),
            ("where=x", ["where", "\"x\"", ":eq:"]),
            ("buckets=1h", ["buckets", "since", "bucket"]),
            ("since=now&until=-1h", ["since", "empty", "before"]),
        ] {
            let error = Question::parse(query, NOW).unwrap_err();
            for part in told {
                assert!(error.contains(part), "{query}: {error}");
            }
        }
    }

    #[test]
    fn buckets_fit_any_period_and_too_many_are_refused_with_a_width_that_works() {
        for since in [0, 1, NOW - 3 * DAY_MS, NOW - 400 * DAY_MS, NOW - 5] {
            let period = Period {
                since_ms: since,
                until_ms: NOW,
            };
            let scale = Question::about(period).scale(7, NOW).unwrap();
            assert!(buckets(scale.period, scale.bucket_ms) <= AUTO_BUCKETS);
        }
        let mut question = Question::about(Period::ALL);
        let scale = question.scale(NOW - DAY_MS, NOW).unwrap();
        assert_eq!(scale.bucket_ms, 10 * MINUTE_MS);
        question.bucket_ms = Some(MINUTE_MS);
        let refused = question.scale(NOW - DAY_MS, NOW).unwrap_err();
        assert!(refused.to_string().contains("2m"), "{refused}");
        question.bucket_ms = Some(refused.least);
        assert!(question.scale(NOW - DAY_MS, NOW).is_ok());
    }
}
