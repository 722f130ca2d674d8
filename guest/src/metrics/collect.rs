//! Names for the numbers of an instance.

use super::exposition::{Family, Kind, labels, total};
use super::instruments::{Counter, Histogram};
use super::{FlushReason, Metrics, Outcome, PruneCause, QueryKind, REASONS, Synced, memory_bytes};
use crate::store::Vitals;

/// What an instance knows beside its [`Metrics`].
#[derive(Clone, Debug, Default)]
pub struct Holdings {
    /// Its state.
    pub vitals: Vitals,
    /// Bytes of journals: its own under a native host, else everybody's.
    pub journal_bytes: u64,
    /// Segments and their bytes, if it has looked lately.
    pub stored: Option<(u64, u64)>,
}

/// Families of an instance, without those of HTTP.
pub fn families(metrics: &Metrics, holdings: &Holdings) -> Vec<Family> {
    let mut families = intake(metrics, holdings);
    families.extend(flushing(metrics, holdings));
    families.extend(storage(metrics, holdings));
    families.extend(reading(metrics));
    families.push(
        Family::new(
            "netwatch_memory_bytes",
            "Linear memory of the component's instances.",
            Kind::Gauge,
        )
        .with(memory_bytes() as f64),
    );
    families
}

/// What is worked out of other families. To be added when all are merged.
pub fn derived(families: &[Family]) -> Vec<Family> {
    let content = total(families, "netwatch_segment_content_bytes_total");
    let files = total(families, "netwatch_segment_bytes_total");
    let ratio = (files > 0.0).then(|| content / files);
    let family = Family::new(
        "netwatch_compression_ratio",
        "Bytes of lines to bytes of the segments made of them, since the start.",
        Kind::Gauge,
    );
    ratio.map(|ratio| family.with(ratio)).into_iter().collect()
}

/// Which server this is.
pub fn build_info() -> Family {
    let family = Family::new(
        "netwatch_build_info",
        "The version, as a label; always 1.",
        Kind::Shared,
    );
    family.with_labelled(&[("version", env!("CARGO_PKG_VERSION"))], 1.0)
}

fn counter(name: &str, help: &str, value: u64) -> Family {
    Family::new(name, help, Kind::Counter).with(value as f64)
}

fn gauge(name: &str, help: &str, value: u64) -> Family {
    Family::new(name, help, Kind::Gauge).with(value as f64)
}

fn counters<'a>(
    name: &str,
    help: &str,
    label: &str,
    counted: impl Iterator<Item = (&'a str, &'a Counter)>,
) -> Family {
    let family = Family::new(name, help, Kind::Counter);
    counted.fold(family, |family, (value, counter)| {
        family.with_labelled(&[(label, value)], counter.get() as f64)
    })
}

fn histogram(name: &str, help: &str, histogram: &Histogram) -> Family {
    let mut family = Family::new(name, help, Kind::Histogram);
    histogram.put(&mut family, "");
    family
}

fn histograms<'a>(
    name: &str,
    help: &str,
    label: &str,
    observed: impl Iterator<Item = (&'a str, &'a Histogram)>,
) -> Family {
    let mut family = Family::new(name, help, Kind::Histogram);
    for (value, histogram) in observed {
        histogram.put(&mut family, &labels(&[(label, value)]));
    }
    family
}

/// Submissions refused, by reason. The native host, which refuses some itself,
/// has a family of the same name.
pub fn rejected(metrics: &Metrics) -> Family {
    counters(
        "netwatch_submissions_rejected_total",
        "Requests whose reports were refused, all of them, by the problem's reason.",
        "reason",
        REASONS.into_iter().zip(&metrics.rejected),
    )
}

fn intake(metrics: &Metrics, holdings: &Holdings) -> Vec<Family> {
    let vitals = &holdings.vitals;
    vec![
        counter(
            "netwatch_reports_accepted_total",
            "Reports acknowledged.",
            vitals.accepted_reports,
        ),
        rejected(metrics),
        counter(
            "netwatch_received_bytes_total",
            "Bytes of the bodies that reports came in, with their content coding.",
            metrics.received_bytes.get(),
        ),
        gauge(
            "netwatch_buffer_reports",
            "Reports acknowledged and not yet in a segment.",
            vitals.pending_reports,
        ),
        gauge(
            "netwatch_buffer_bytes",
            "Bytes of the lines of these reports.",
            vitals.pending_bytes,
        ),
        gauge(
            "netwatch_journal_bytes",
            "Bytes of the journals.",
            holdings.journal_bytes,
        ),
        gauge(
            "netwatch_sealed_journals",
            "Journals that take no more and wait to become segments.",
            u64::from(vitals.sealed_journals),
        ),
        histogram(
            "netwatch_journal_append_duration_seconds",
            "Time to put a batch of reports into the journal, its sync included.",
            &metrics.append,
        ),
        gauge(
            "netwatch_disk_refusing",
            "Instances whose last write failed.",
            u64::from(!vitals.writable),
        ),
    ]
}

fn flushing(metrics: &Metrics, holdings: &Holdings) -> Vec<Family> {
    let vitals = &holdings.vitals;
    vec![
        counters(
            "netwatch_flushes_total",
            "Segments published, by what brought it about.",
            "reason",
            FlushReason::ALL
                .iter()
                .map(|(_, name)| *name)
                .zip(&metrics.flushes),
        ),
        counter(
            "netwatch_flush_errors_total",
            "Attempts to publish a segment that failed; the reports stay in the journal.",
            vitals.publish_failures,
        ),
        histogram(
            "netwatch_flush_duration_seconds",
            "Time to publish a segment, from its turn until its name is durable.",
            &metrics.flush,
        ),
        histograms(
            "netwatch_sync_duration_seconds",
            "Time to sync a segment's file, or the directory that has its name.",
            "file",
            Synced::ALL.iter().map(|(_, name)| *name).zip(&metrics.sync),
        ),
        counter(
            "netwatch_segment_content_bytes_total",
            "Bytes of the lines in the segments published.",
            metrics.content_bytes.get(),
        ),
        counter(
            "netwatch_segment_bytes_total",
            "Bytes of the segments published.",
            metrics.segment_bytes.get(),
        ),
        counter(
            "netwatch_raw_segments_total",
            "Segments made without compression because the encoder failed.",
            vitals.raw_segments,
        ),
        counter(
            "netwatch_quarantined_journals_total",
            "Journals found corrupt and moved to quarantine/.",
            vitals.quarantined_journals,
        ),
    ]
}

fn storage(metrics: &Metrics, holdings: &Holdings) -> Vec<Family> {
    let mut families = vec![
        counters(
            "netwatch_pruned_files_total",
            "Segments removed by the rules for keeping them.",
            "cause",
            PruneCause::ALL
                .iter()
                .map(|(_, name)| *name)
                .zip(&metrics.pruned),
        ),
        counter(
            "netwatch_pruned_bytes_total",
            "Bytes of the segments removed.",
            metrics.pruned_bytes.get(),
        ),
        counter(
            "netwatch_prune_errors_total",
            "Attempts to remove segments that failed.",
            metrics.prune_failures.get(),
        ),
        counter(
            "netwatch_unreadable_files_total",
            "Times a stored file could not be read.",
            metrics.unreadable_files.get(),
        ),
    ];
    if let Some((segments, bytes)) = holdings.stored {
        let shared = |name, help, value| Family::new(name, help, Kind::Shared).with(value);
        families.push(shared(
            "netwatch_segments",
            "Segments in DATA_DIR.",
            segments as f64,
        ));
        families.push(shared(
            "netwatch_stored_bytes",
            "Bytes of the segments in DATA_DIR.",
            bytes as f64,
        ));
    }
    families
}

fn reading(metrics: &Metrics) -> Vec<Family> {
    let mut queries = Family::new(
        "netwatch_queries_total",
        "Questions to the reading side, by kind and how they ended.",
        Kind::Counter,
    );
    for (outcomes, (_, kind)) in metrics.queries.iter().zip(QueryKind::ALL) {
        for (counter, (_, outcome)) in outcomes.iter().zip(Outcome::ALL) {
            let pairs = [("kind", kind), ("outcome", outcome)];
            queries = queries.with_labelled(&pairs, counter.get() as f64);
        }
    }
    let durations = histograms(
        "netwatch_query_duration_seconds",
        "Time a question to the reading side took, to the end of the answer.",
        "kind",
        QueryKind::ALL
            .iter()
            .map(|(_, name)| *name)
            .zip(&metrics.query),
    );
    vec![queries, durations]
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::metrics::Flush;
    use crate::metrics::exposition::encode;
    use std::time::Duration;

    fn text(metrics: &Metrics) -> String {
        let holdings = Holdings {
            vitals: Vitals {
                accepted_reports: 12,
                writable: true,
                ..Vitals::default()
            },
            journal_bytes: 34,
            stored: Some((5, 6_000)),
        };
        let mut families = families(metrics, &holdings);
        families.extend(derived(&families));
        families.push(build_info());
        encode(&families)
    }

    fn has(text: &str, line: &str) -> bool {
        text.lines().any(|found| found == line)
    }

    #[test]
    fn what_was_counted_is_told_under_its_name() {
        let metrics = Metrics::default();
        metrics.received(700);
        metrics.rejected("malformed");
        metrics.rejected("a reason nobody knows");
        let flush = Flush {
            reason: FlushReason::Drain,
            content_bytes: 900,
            segment_bytes: 100,
        };
        metrics.flushed(flush, Duration::from_millis(3));
        metrics.synced(Synced::Directory, Duration::from_millis(2));
        metrics.pruned(PruneCause::Space, 77);
        metrics.query(QueryKind::Stats, Duration::from_secs(2), Outcome::Refused);
        let text = text(&metrics);
        for line in [
            "netwatch_reports_accepted_total 12",
            "netwatch_received_bytes_total 700",
            "netwatch_submissions_rejected_total{reason=\"malformed\"} 1",
            "netwatch_submissions_rejected_total{reason=\"other\"} 1",
            "netwatch_submissions_rejected_total{reason=\"disk\"} 0",
            "netwatch_journal_bytes 34",
            "netwatch_disk_refusing 0",
            "netwatch_flushes_total{reason=\"drain\"} 1",
            "netwatch_flushes_total{reason=\"size\"} 0",
            "netwatch_compression_ratio 9",
            "netwatch_flush_duration_seconds_bucket{le=\"0.005\"} 1",
            "netwatch_sync_duration_seconds_count{file=\"directory\"} 1",
            "netwatch_sync_duration_seconds_count{file=\"segment\"} 0",
            "netwatch_pruned_files_total{cause=\"space\"} 1",
            "netwatch_pruned_bytes_total 77",
            "netwatch_segments 5",
            "netwatch_stored_bytes 6000",
            "netwatch_queries_total{kind=\"stats\",outcome=\"refused\"} 1",
            "netwatch_query_duration_seconds_sum{kind=\"stats\"} 2",
        ] {
            assert!(has(&text, line), "{line} not in\n{text}");
        }
    }

    #[test]
    fn no_segment_yet_means_no_ratio_and_no_look_no_segments() {
        let metrics = Metrics::default();
        let families = families(&metrics, &Holdings::default());
        assert!(derived(&families).is_empty());
        assert!(!encode(&families).contains("netwatch_segments "));
    }

    #[test]
    fn counters_end_in_total_and_nothing_else_does() {
        for family in families(&Metrics::default(), &Holdings::default()) {
            let counts = family.kind == Kind::Counter;
            assert_eq!(family.name.ends_with("_total"), counts, "{}", family.name);
            assert!(family.name.starts_with("netwatch_"));
            assert!(family.help.ends_with('.'), "{}", family.help);
        }
    }
}
