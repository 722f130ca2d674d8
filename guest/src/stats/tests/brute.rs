//! Every number of an answer, computed again from the lines by other means.

use super::super::latencies::RELATIVE_ERROR;
use super::super::table::Summary;
use super::*;
use crate::report::stamp::rfc3339;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

const MINUTE: u64 = 60_000;

/// What one group measured in one bucket, or in all.
#[derive(Clone, Default)]
struct Measured {
    latencies: Vec<f64>,
    errors: u64,
    clients: BTreeSet<String>,
}

impl Measured {
    fn add(&mut self, sample: Option<f64>, client: Option<&str>) {
        match sample {
            Some(latency) => self.latencies.push(latency),
            None => self.errors += 1,
        }
        self.clients.extend(client.map(str::to_owned));
    }

    fn check(&self, summary: &Summary, what: &str) {
        let mut sorted = self.latencies.clone();
        sorted.sort_by(f64::total_cmp);
        let n = sorted.len();
        assert_eq!(summary.samples, n as u64 + self.errors, "{what}");
        assert_eq!(summary.errors, self.errors, "{what}");
        assert_eq!(summary.clients, self.clients.len() as u64, "{what}");
        assert_eq!(summary.min, sorted.first().copied(), "{what}");
        assert_eq!(summary.max, sorted.last().copied(), "{what}");
        let mean = (n > 0).then(|| sorted.iter().sum::<f64>() / n as f64);
        assert_eq!(summary.mean.is_some(), n > 0, "{what}");
        for (mine, theirs) in mean.into_iter().zip(summary.mean) {
            assert!(
                (mine - theirs).abs() <= 1e-9 * mine,
                "{what}: mean {mine} {theirs}"
            );
        }
        for (part, found) in [
            (0.5, summary.p50),
            (0.9, summary.p90),
            (0.95, summary.p95),
            (0.99, summary.p99),
        ] {
            assert_eq!(found.is_some(), n > 0, "{what}");
            let rank = (part * n as f64).ceil() as usize;
            let Some(found) = found else { continue };
            let exact = sorted[rank.max(1) - 1];
            let error = (found - exact).abs();
            assert!(
                error <= exact * RELATIVE_ERROR + 1e-6,
                "{what}: quantile {part} is {exact}, not {found}"
            );
        }
    }
}

/// The lines that a question is about, taken apart by a parser.
#[derive(Default)]
struct Model {
    groups: BTreeMap<String, BTreeMap<u64, Measured>>,
    rate: BTreeMap<u64, u64>,
    unknown: u64,
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        _ => None,
    }
}

impl Model {
    fn count(&mut self, report: &Value, bucket: u64, group: &str) {
        *self.rate.entry(bucket).or_default() += 1;
        let client = report.get("clientId").and_then(text);
        let of_report = |pointer: &str| {
            let value = report.pointer(pointer).and_then(text);
            value.unwrap_or_else(|| "(none)".to_owned())
        };
        let mut samples = 0;
        for host in report["hosts"].as_array().into_iter().flatten() {
            let name = match group {
                "host" => host["name"].as_str().unwrap().to_owned(),
                "client" => of_report("/clientId"),
                pointer => of_report(pointer),
            };
            for sample in host["history"].as_array().unwrap() {
                let buckets = self.groups.entry(name.clone()).or_default();
                let measured = buckets.entry(bucket).or_default();
                measured.add(sample["latency"].as_f64(), client.as_deref());
                samples += 1;
            }
        }
        self.unknown += u64::from(samples == 0);
    }

    fn check(&self, table: &Table) {
        let rate: Vec<_> = self.rate.iter().map(|(at, n)| (*at, *n)).collect();
        assert_eq!(table.report_rate, rate);
        assert_eq!(table.reports, self.rate.values().sum::<u64>());
        assert_eq!(table.unknown_reports, self.unknown);
        let names: Vec<_> = table.groups.iter().map(|group| &group.name).collect();
        assert_eq!(names, self.groups.keys().collect::<Vec<_>>());
        let mut shown = BTreeMap::<u64, Vec<f64>>::new();
        for (group, buckets) in table.groups.iter().zip(self.groups.values()) {
            let starts: Vec<_> = group.buckets.iter().map(|bucket| bucket.start_ms).collect();
            assert_eq!(starts, buckets.keys().copied().collect::<Vec<_>>());
            let mut total = Measured::default();
            for (bucket, measured) in group.buckets.iter().zip(buckets.values()) {
                let what = format!("{} at {}", group.name, bucket.start_ms);
                measured.check(&bucket.summary, &what);
                total.errors += measured.errors;
                total.latencies.extend(&measured.latencies);
                total.clients.extend(measured.clients.iter().cloned());
                let shown = shown.entry(bucket.start_ms).or_default();
                shown.extend(&measured.latencies);
            }
            total.check(&group.total, &group.name);
        }
        shown.retain(|_, latencies| !latencies.is_empty());
        let starts: Vec<_> = table
            .densities
            .iter()
            .map(|density| density.start_ms)
            .collect();
        assert_eq!(starts, shown.keys().copied().collect::<Vec<_>>());
        for (density, latencies) in table.densities.iter().zip(shown.values()) {
            // Counted as they are sorted into the sketch: to a millionth.
            let range = |latency: &f64| {
                let counted = (latency * 1e6).round() / 1e6;
                table
                    .latency_bounds
                    .partition_point(|bound| *bound <= counted)
            };
            let mut counts = vec![0; table.latency_bounds.len() + 1];
            latencies
                .iter()
                .for_each(|latency| counts[range(latency)] += 1);
            assert_eq!(density.counts, counts);
        }
    }
}

/// A question in the form of its parameters.
pub(super) struct Asked {
    pub(super) query: String,
    pub(super) since: u64,
    pub(super) until: u64,
    pub(super) group: &'static str,
    pub(super) asn_below: Option<u64>,
}

fn question(random: &mut fastrand::Rng, now: u64) -> Asked {
    let times = [random.u64(START - MINUTE..=now), random.u64(START..=now)];
    let since = times[0].min(times[1]);
    let until = times[0].max(times[1]) + 1;
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("since", &rfc3339(since));
    query.append_pair("until", &rfc3339(until));
    let group = ["host", "host", "host", "client", "/geo/country", "/geo/asn"];
    let group = group[random.usize(0..group.len())];
    query.append_pair("group", group);
    let widths = ["auto", "1m", "2m", "5m", "1h", "1d", "30s", "90s"];
    query.append_pair("bucket", widths[random.usize(0..widths.len())]);
    let asn_below = (random.u8(0..4) == 0).then(|| random.u64(0..9));
    if let Some(asn) = asn_below {
        query.append_pair("where", &format!("/geo/asn:lt:{asn}"));
    }
    Asked {
        query: query.finish(),
        since,
        until,
        group,
        asn_below,
    }
}

pub(super) fn check(asked: &Asked, lines: &[Vec<u8>], table: &Table) {
    let bucket = table.bucket_ms;
    let grain = if bucket % MINUTE == 0 { MINUTE } else { bucket };
    let since = asked.since / grain * grain;
    let until = asked.until.div_ceil(grain) * grain;
    assert_eq!((table.since_ms, table.until_ms), (since, until));
    assert_eq!(table.problems, Vec::<String>::new());
    let mut model = Model::default();
    for line in lines {
        let report: Value = serde_json::from_slice(line).unwrap();
        let at: jiff::Timestamp = report["_received"]["at"].as_str().unwrap().parse().unwrap();
        let at = u64::try_from(at.as_millisecond()).unwrap();
        let asn = report.pointer("/geo/asn").and_then(Value::as_u64);
        let meant = asked
            .asn_below
            .is_none_or(|most| asn.is_some_and(|asn| asn < most));
        if (since..until).contains(&at) && meant {
            model.count(&report, at / bucket * bucket, asked.group);
        }
    }
    model.check(table);
}

/// Lets some minutes pass in which reports come in, to two instances.
async fn live(stores: [&Rc<SimStore>; 2], generator: &mut Generator, lines: &mut Vec<Vec<u8>>) {
    for round in 0..30 {
        let store = stores[generator.random.usize(0..2)];
        let reports = generator.random.usize(1..30);
        let new = generator.lines(store.clock().wall_ms(), reports);
        post(store, &new).await;
        lines.extend(new);
        let pause = Duration::from_millis(generator.random.u64(0..25_000));
        store.clock().sleep(pause).await;
        if round % 3 == 0 {
            store.tick().await;
        }
    }
}

#[test]
fn answers_equal_brute_force_over_journals_and_segments() {
    let (mut reports, mut asked, mut segments) = (0, 0, 0);
    for seed in 0..60 {
        let world = World::new(seed);
        world.disk().set_pace(BRISK);
        let (instance, store) = open(&world);
        let (_, other) = open(&world);
        if seed % 3 > 0 {
            store.set_flushed_by_host();
            other.set_flushed_by_host();
        }
        let mut generator = Generator::new(seed);
        let mut lines = Vec::new();
        run(&world, live([&store, &other], &mut generator, &mut lines));
        for _ in 0..15 {
            let question = question(&mut generator.random, store.clock().wall_ms());
            let asking = ask(&instance.disk, &instance.clock, &question.query);
            match run(&world, asking) {
                Ok(table) => check(&question, &lines, &table),
                Err(error) => panic!("{}: {error}", question.query),
            }
        }
        asked += 15;
        reports += lines.len();
        let files = world.disk().snapshot().into_keys();
        segments += files.filter(|(folder, _)| *folder == Folder::Data).count();
    }
    assert!(reports >= 20_000 && asked >= 800, "{reports} {asked}");
    assert!(segments >= 300, "{segments}");
}

#[test]
fn an_open_period_is_all_there_is() {
    let world = World::new(1);
    let (instance, store) = open(&world);
    let mut generator = Generator::new(1);
    let lines = run(&world, async {
        let mut lines = generator.lines(START, 100);
        put_segment(&instance.disk, &lines, (START, START), 1).await;
        let later = START + 3 * 24 * 60 * MINUTE;
        let more = generator.lines(later, 100);
        post(&store, &more).await;
        lines.extend(more);
        lines
    });
    let question = Question::about(crate::query::period::Period::ALL);
    let mapping = Mapping::default();
    let asking = answer(&instance.disk, &instance.clock, &mapping, &question);
    let table = run(&world, asking).unwrap();
    let asked = Asked {
        query: String::new(),
        since: START,
        until: START + 3 * 24 * 60 * MINUTE + 1,
        group: "host",
        asn_below: None,
    };
    check(&asked, &lines, &table);
}
