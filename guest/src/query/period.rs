//! From when to when: the parameters `since` and `until`.

use crate::limits::MAX_QUOTED_CHARS;
use crate::segment::name::MAX_MS;
use jiff::Timestamp;
use std::time::Duration;

/// A span of receive times, milliseconds since 1970 UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    /// The first moment in it.
    pub since_ms: u64,
    /// The first moment after it.
    pub until_ms: u64,
}

impl Period {
    /// All times there are.
    pub const ALL: Period = Period {
        since_ms: 0,
        until_ms: MAX_MS + 1,
    };

    /// Whether a span from `first_ms` to `last_ms`, both included, has a moment
    /// in common with this one.
    pub fn overlaps(&self, first_ms: u64, last_ms: u64) -> bool {
        first_ms < self.until_ms && last_ms >= self.since_ms
    }

    /// Whether a moment is in it.
    pub fn contains(&self, ms: u64) -> bool {
        (self.since_ms..self.until_ms).contains(&ms)
    }
}

/// A moment: RFC 3339 (`2026-11-23T08:00:00Z`), or relative to `now_ms` with a
/// sign (`-15m`, `-24h`), or `now`. As milliseconds since 1970; earlier moments
/// are that.
///
/// # Errors
/// What is accepted, with the value.
pub fn parse_moment(text: &str, now_ms: u64) -> Result<u64, String> {
    let wrong = || {
        let shown: String = text.chars().take(MAX_QUOTED_CHARS).collect();
        format!("{shown:?} is no time: give one like 2026-11-23T08:00:00Z, -15m, -24h or now")
    };
    let text = text.trim();
    if text == "now" {
        return Ok(now_ms.min(MAX_MS));
    }
    if let Some(span) = text.strip_prefix('-') {
        let span = parse_span(span).ok_or_else(wrong)?;
        return Ok(now_ms.saturating_sub(span).min(MAX_MS));
    }
    if let Some(span) = text.strip_prefix('+') {
        let span = parse_span(span).ok_or_else(wrong)?;
        return Ok(now_ms.saturating_add(span).min(MAX_MS));
    }
    let moment: Timestamp = text
        .parse()
        // An offset's plus sign that was not escaped in a URL arrives as a space.
        .or_else(|_| text.replacen(' ', "+", 1).parse())
        .map_err(|_| wrong())?;
    Ok(u64::try_from(moment.as_millisecond())
        .unwrap_or(0)
        .min(MAX_MS))
}

fn parse_span(text: &str) -> Option<u64> {
    let span: Duration = humantime::parse_duration(text).ok()?;
    u64::try_from(span.as_millis()).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_absolute_or_relative() {
        let now = 1_795_420_800_123;
        for (text, ms) in [
            ("2026-11-23T08:00:00.123Z", now),
            ("2026-11-23T09:00:00.123+01:00", now),
            ("2026-11-23T09:00:00.123 01:00", now),
            ("now", now),
            ("-15m", now - 900_000),
            ("-1h 30m", now - 5_400_000),
            ("-500ms", now - 500),
            ("+1s", now + 1_000),
            ("1969-01-01T00:00:00Z", 0),
            ("-100years", 0),
            ("9999-12-30T00:00:00Z", 253_402_128_000_000),
            ("+9000years", MAX_MS),
        ] {
            assert_eq!(parse_moment(text, now), Ok(ms), "{text}");
        }
    }

    #[test]
    fn what_is_no_moment_is_shown_with_what_is() {
        for text in [
            "",
            "yesterday",
            "15m",
            "-15",
            "2026-11-23",
            "--1m",
            "-9e99h",
        ] {
            let error = parse_moment(text, 0).unwrap_err();
            assert!(error.contains(text) && error.contains("-15m"), "{error}");
        }
    }

    #[test]
    fn a_period_has_its_start_and_not_its_end() {
        let period = Period {
            since_ms: 10,
            until_ms: 20,
        };
        assert!(period.contains(10) && period.contains(19));
        assert!(!period.contains(9) && !period.contains(20));
        assert!(period.overlaps(0, 10) && period.overlaps(19, 30) && period.overlaps(0, 99));
        assert!(!period.overlaps(0, 9) && !period.overlaps(20, 30));
    }
}
