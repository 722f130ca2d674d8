//! Which reports a tool is about: `--since`, `--until`, `--where`.

use super::ToolError;
use netwatch_guest::query::filter::Filter;
use netwatch_guest::query::period::{Period, parse_moment};

/// As typed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Selection {
    pub(crate) since: Option<String>,
    pub(crate) until: Option<String>,
    /// The conditions, all of which must hold.
    pub(crate) wanted: Vec<String>,
}

impl Selection {
    /// The period meant, from all to all where none is given.
    pub(super) fn period(&self, now_ms: u64) -> Result<Period, ToolError> {
        let moment = |flag: &str, text: &Option<String>, default| match text {
            Some(text) => parse_moment(text, now_ms)
                .map_err(|why| ToolError::Misuse(format!("--{flag}: {why}"))),
            None => Ok(default),
        };
        let period = Period {
            since_ms: moment("since", &self.since, Period::ALL.since_ms)?,
            until_ms: moment("until", &self.until, Period::ALL.until_ms)?,
        };
        if period.since_ms >= period.until_ms {
            return Err(ToolError::Misuse(
                "the period is empty: --since must be before --until".to_owned(),
            ));
        }
        Ok(period)
    }

    /// The conditions meant.
    pub(super) fn filter(&self) -> Result<Filter, ToolError> {
        Filter::parse(self.wanted.iter().map(String::as_str))
            .map_err(|why| ToolError::Misuse(format!("--where: {why}")))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn selection(since: &str, until: &str, wanted: &[&str]) -> Selection {
        let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Selection {
            since: given(since),
            until: given(until),
            wanted: wanted.iter().map(|text| (*text).to_owned()).collect(),
        }
    }

    #[test]
    fn nothing_given_means_everything() {
        let all = selection("", "", &[]);
        assert_eq!(all.period(7).unwrap(), Period::ALL);
        assert!(all.filter().unwrap().is_empty());
        let hour = selection("-2h", "-1h", &[]).period(7_200_000).unwrap();
        assert_eq!((hour.since_ms, hour.until_ms), (0, 3_600_000));
    }

    #[test]
    fn what_cannot_be_used_is_named_by_its_flag() {
        for (wrong, flag) in [
            (selection("yesterday", "", &[]), "--since: \"yesterday\""),
            (selection("", "1", &[]), "--until: \"1\""),
            (selection("-1h", "-2h", &[]), "--since must be before"),
        ] {
            let error = wrong.period(1 << 40).unwrap_err().to_string();
            assert!(error.contains(flag), "{error}");
        }
        let error = selection("", "", &["x"]).filter().unwrap_err();
        assert!(error.to_string().contains("--where: \"x\""), "{error}");
    }
}
