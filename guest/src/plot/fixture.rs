//! Statistics that somebody made up, to draw.

use crate::stats::table::{Bucket, Density, Group, Summary, Table};

/// Hosts and their usual latency, ms.
const HOSTS: [(&str, f64); 9] = [
    ("AWS eu-central-1", 95.0),
    ("AWS us-east-1", 12.0),
    ("Cloudflare", 9.0),
    ("GitHub", 22.0),
    ("Google", 11.0),
    ("Hetzner FSN", 98.0),
    ("Local gateway", 2.0),
    ("OVH GRA", 91.0),
    ("Wikipedia", 35.0),
];

/// Start of the period: 2026-11-24T12:00:00Z.
pub const SINCE_MS: u64 = 1_795_521_600_000;

/// A day of nine hosts in buckets of ten minutes: with a gap, a bad hour and a
/// host that was measured once.
pub fn day() -> Table {
    let mut random = fastrand::Rng::with_seed(11);
    let mut table = empty();
    table.latency_bounds = (0..40).map(|step| 0.5 * 1.35_f64.powi(step)).collect();
    let steps = (table.until_ms - table.since_ms) / table.bucket_ms;
    for step in 0..steps {
        let start_ms = table.since_ms + step * table.bucket_ms;
        let reports = 20 + random.u64(0..12);
        table.report_rate.push((start_ms, reports));
        table.reports += reports;
        table.densities.push(Density {
            start_ms,
            counts: vec![0; table.latency_bounds.len() + 1],
        });
    }
    for (name, usual) in HOSTS {
        let mut buckets = Vec::new();
        let mut drift = 1.0;
        for step in 0..steps {
            let gap = name == "GitHub" && (60..75).contains(&step);
            let once = name == "Wikipedia" && step != 100;
            if gap || once {
                continue;
            }
            drift = (drift + (random.f64() - 0.5) * 0.06_f64).clamp(0.8, 1.4);
            let bad = name == "Hetzner FSN" && (90..97).contains(&step);
            let p50 = usual * drift * if bad { 2.2 } else { 1.0 };
            let summary = summary(&mut random, p50, bad);
            count(&mut table, step as usize, &summary, &mut random);
            buckets.push(Bucket {
                start_ms: table.since_ms + step * table.bucket_ms,
                summary,
            });
        }
        table.groups.push(group(name, buckets));
    }
    table
}

/// The same day without a report.
pub fn empty() -> Table {
    Table {
        since_ms: SINCE_MS,
        until_ms: SINCE_MS + 86_400_000,
        bucket_ms: 600_000,
        group_by: "host".to_owned(),
        ..Table::default()
    }
}

fn summary(random: &mut fastrand::Rng, p50: f64, bad: bool) -> Summary {
    let samples = 200 + random.u64(0..100);
    let errors = match random.u8(..) {
        _ if bad => samples / 3,
        0..40 => random.u64(1..5),
        _ => 0,
    };
    let p95 = p50 * (1.3 + random.f64() * 0.8);
    Summary {
        samples,
        errors,
        min: Some(p50 * 0.8),
        mean: Some(p50 * 1.05),
        p50: Some(p50),
        p90: Some(p50 * 1.25),
        p95: Some(p95),
        p99: Some(p95 * 1.8),
        max: Some(p95 * 4.0),
        clients: 40,
    }
}

fn count(table: &mut Table, step: usize, summary: &Summary, random: &mut fastrand::Rng) {
    for _ in 0..summary.samples - summary.errors {
        let p50 = summary.p50.unwrap_or(1.0);
        let tail = if random.u8(..) < 12 {
            1.0 + 4.0 * random.f64()
        } else {
            1.0
        };
        let latency = p50 * (0.85 + 0.3 * random.f64()) * tail;
        let range = table
            .latency_bounds
            .partition_point(|bound| *bound < latency);
        if let Some(density) = table.densities.get_mut(step)
            && let Some(count) = density.counts.get_mut(range)
        {
            *count += 1;
        }
    }
}

/// A group with these buckets.
pub fn group(name: &str, buckets: Vec<Bucket>) -> Group {
    let sum = |part: fn(&Summary) -> u64| buckets.iter().map(|b| part(&b.summary)).sum();
    let middle = buckets.get(buckets.len() / 2);
    let total = Summary {
        samples: sum(|summary| summary.samples),
        errors: sum(|summary| summary.errors),
        ..middle
            .map(|bucket| bucket.summary.clone())
            .unwrap_or_default()
    };
    Group {
        name: name.to_owned(),
        total,
        buckets,
    }
}
