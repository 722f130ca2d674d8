//! Metrics as Prometheus reads them: the text exposition format, version 0.0.4.
//!
//! Between an instance and its host they travel as [`Family`], so that the host
//! can add up what its instances say ([`merge`]).

use std::fmt::{self, Write as _};

/// The media type of [`encode`].
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What a family's numbers are, and how those of several instances become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows. Added up, those of instances that are gone included.
    Counter,
    /// Goes up and down. Added up, over the instances that live.
    Gauge,
    /// As a gauge, of something all instances share: the largest is taken.
    Shared,
    /// Buckets, sum and count. As a counter.
    Histogram,
}

/// One number.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// What follows the family's name: nothing, `_bucket`, `_sum` or `_count`.
    pub suffix: String,
    /// The labels, encoded, without braces. See [`labels`].
    pub labels: String,
    /// The number.
    pub value: f64,
}

impl Sample {
    /// A number with encoded labels.
    pub fn new(suffix: &str, labels: String, value: f64) -> Sample {
        Sample {
            suffix: suffix.to_owned(),
            labels,
            value,
        }
    }
}

/// All numbers of one name.
#[derive(Clone, Debug, PartialEq)]
pub struct Family {
    /// `netwatch_…`
    pub name: String,
    /// What it says, for people.
    pub help: String,
    /// What the numbers are.
    pub kind: Kind,
    /// The numbers. Of a histogram, each series' together and in order.
    pub samples: Vec<Sample>,
}

impl Family {
    /// A family without numbers yet.
    pub fn new(name: &str, help: &str, kind: Kind) -> Family {
        Family {
            name: name.to_owned(),
            help: help.to_owned(),
            kind,
            samples: Vec::new(),
        }
    }

    /// With a number that has no labels.
    pub fn with(self, value: f64) -> Family {
        self.with_labelled(&[], value)
    }

    /// With a number more.
    pub fn with_labelled(mut self, pairs: &[(&str, &str)], value: f64) -> Family {
        self.samples.push(Sample::new("", labels(pairs), value));
        self
    }
}

/// Labels, encoded, without braces.
pub fn labels(pairs: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for (name, value) in pairs {
        if !text.is_empty() {
            text.push(',');
        }
        text.push_str(name);
        text.push_str("=\"");
        for character in value.chars() {
            match character {
                '\\' => text.push_str("\\\\"),
                '"' => text.push_str("\\\""),
                '\n' => text.push_str("\\n"),
                other => text.push(other),
            }
        }
        text.push('"');
    }
    text
}

/// Puts the numbers of `more` to those of `all`.
pub fn merge(all: &mut Vec<Family>, more: &[Family]) {
    for family in more {
        let Some(known) = all.iter_mut().find(|known| known.name == family.name) else {
            all.push(family.clone());
            continue;
        };
        for sample in &family.samples {
            let same =
                |one: &&mut Sample| one.suffix == sample.suffix && one.labels == sample.labels;
            match known.samples.iter_mut().find(same) {
                None => known.samples.push(sample.clone()),
                Some(one) if family.kind == Kind::Shared => {
                    one.value = one.value.max(sample.value);
                }
                Some(one) => one.value += sample.value,
            }
        }
    }
}

/// Leaves what an instance has counted, and not what it held: the part that
/// stays when it is gone.
pub fn keep_counts(families: &mut Vec<Family>) {
    families.retain(|family| matches!(family.kind, Kind::Counter | Kind::Histogram));
}

/// The sum of a family's numbers that have no suffix, 0 if there is none.
pub fn total(families: &[Family], name: &str) -> f64 {
    let family = families.iter().filter(|family| family.name == name);
    let samples = family.flat_map(|family| &family.samples);
    let plain = samples.filter(|sample| sample.suffix.is_empty());
    plain.map(|sample| sample.value).sum()
}

/// The text, families by name.
pub fn encode(families: &[Family]) -> String {
    let mut sorted: Vec<&Family> = families.iter().collect();
    sorted.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    let mut text = String::new();
    for family in sorted {
        // Writing into a string cannot fail.
        let _ = write_family(&mut text, family);
    }
    text
}

fn write_family(text: &mut String, family: &Family) -> fmt::Result {
    if family.samples.is_empty() {
        return Ok(());
    }
    let Family { name, help, .. } = family;
    let help = help.replace('\\', "\\\\").replace('\n', "\\n");
    let kind = match family.kind {
        Kind::Counter => "counter",
        Kind::Gauge | Kind::Shared => "gauge",
        Kind::Histogram => "histogram",
    };
    writeln!(text, "# HELP {name} {help}")?;
    writeln!(text, "# TYPE {name} {kind}")?;
    for sample in &family.samples {
        write!(text, "{name}{}", sample.suffix)?;
        if !sample.labels.is_empty() {
            write!(text, "{{{}}}", sample.labels)?;
        }
        // Rust writes numbers as Go reads them, but for the infinite ones.
        if sample.value.is_infinite() {
            let sign = if sample.value > 0.0 { '+' } else { '-' };
            writeln!(text, " {sign}Inf")?;
        } else {
            writeln!(text, " {}", sample.value)?;
        }
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::metrics::instruments::Histogram;
    use std::time::Duration;

    fn counted(labels: &[(&str, &str)], value: f64) -> Family {
        Family::new("a_total", "A.", Kind::Counter).with_labelled(labels, value)
    }

    #[test]
    fn the_text_is_what_the_format_says() {
        let families = [
            Family::new("b_bytes", "Back\\slash,\nnew line.", Kind::Gauge).with(1.5),
            counted(&[("r", "q\"uo\\te\n"), ("s", "")], 9_007_199_254_740_993.0),
            Family::new("empty_total", "Nothing yet.", Kind::Counter),
            Family::new("c", "C.", Kind::Shared).with(f64::INFINITY),
        ];
        let expected = "# HELP a_total A.\n\
            # TYPE a_total counter\n\
            a_total{r=\"q\\\"uo\\\\te\\n\",s=\"\"} 9007199254740992\n\
            # HELP b_bytes Back\\\\slash,\\nnew line.\n\
            # TYPE b_bytes gauge\n\
            b_bytes 1.5\n\
            # HELP c C.\n\
            # TYPE c gauge\n\
            c +Inf\n";
        assert_eq!(encode(&families), expected);
    }

    #[test]
    fn instances_add_up_series_by_series_and_what_they_share_counts_once() {
        let mut all = vec![
            counted(&[("r", "x")], 1.0),
            Family::new("held", "H.", Kind::Gauge).with(5.0),
            Family::new("stored", "S.", Kind::Shared).with(70.0),
        ];
        let more = [
            counted(&[("r", "x")], 2.0).with_labelled(&[("r", "y")], 4.0),
            Family::new("held", "H.", Kind::Gauge).with(6.0),
            Family::new("stored", "S.", Kind::Shared).with(60.0),
            Family::new("new_total", "N.", Kind::Counter).with(8.0),
        ];
        merge(&mut all, &more);
        assert_eq!(total(&all, "a_total"), 7.0);
        assert_eq!(all[0].samples.len(), 2);
        assert_eq!(total(&all, "held"), 11.0);
        assert_eq!(total(&all, "stored"), 70.0);
        assert_eq!(total(&all, "new_total"), 8.0);
        keep_counts(&mut all);
        let names: Vec<&str> = all.iter().map(|family| family.name.as_str()).collect();
        assert_eq!(names, ["a_total", "new_total"]);
    }

    #[test]
    fn merged_histograms_are_the_histogram_of_all() {
        let family = |micros: &[u64]| {
            let histogram = Histogram::default();
            for micros in micros {
                histogram.observe(Duration::from_micros(*micros));
            }
            let mut family = Family::new("t_seconds", "T.", Kind::Histogram);
            histogram.put(&mut family, "");
            family
        };
        let mut all = vec![family(&[10, 300, 2_000_000])];
        merge(&mut all, &[family(&[400, 90])]);
        let once = family(&[10, 300, 2_000_000, 400, 90]);
        for (merged, counted) in all[0].samples.iter().zip(&once.samples) {
            assert_eq!(
                (&merged.suffix, &merged.labels),
                (&counted.suffix, &counted.labels)
            );
            assert!((merged.value - counted.value).abs() < 1e-9, "{merged:?}");
        }
    }
}
