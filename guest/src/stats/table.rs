//! The result of a statistics question, as everything that shows it takes it:
//! JSON, CSV, plots, the page and the terminal.

/// Latencies of one group in one span of time. Latencies are in milliseconds
/// and `None` where there was no sample that succeeded.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Summary {
    /// Measurements, failed ones included.
    pub samples: u64,
    /// Measurements that failed.
    pub errors: u64,
    /// Smallest latency, ms.
    pub min: Option<f64>,
    /// Arithmetic mean, ms.
    pub mean: Option<f64>,
    /// Median, ms, within the sketch's relative error.
    pub p50: Option<f64>,
    /// 90th percentile, ms.
    pub p90: Option<f64>,
    /// 95th percentile, ms.
    pub p95: Option<f64>,
    /// 99th percentile, ms.
    pub p99: Option<f64>,
    /// Largest latency, ms.
    pub max: Option<f64>,
    /// Distinct clients that measured.
    pub clients: u64,
}

impl Summary {
    /// Failed measurements in percent of all; `None` without any.
    pub fn loss_percent(&self) -> Option<f64> {
        (self.samples > 0).then(|| self.errors as f64 * 100.0 / self.samples as f64)
    }
}

/// One bucket of time of one group.
#[derive(Clone, Debug, PartialEq)]
pub struct Bucket {
    /// Its start, milliseconds since 1970 UTC; a multiple of [`Table::bucket_ms`].
    pub start_ms: u64,
    /// What was measured in it.
    pub summary: Summary,
}

/// One measured host, or whatever else the question grouped by.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// Over the whole period.
    pub total: Summary,
    /// Over time, oldest first; buckets without a sample are left out.
    pub buckets: Vec<Bucket>,
}

/// How often latencies of a range occurred in a bucket, over all groups shown.
#[derive(Clone, Debug, PartialEq)]
pub struct Density {
    /// The bucket's start, milliseconds since 1970 UTC.
    pub start_ms: u64,
    /// Samples in each of the ranges of [`Table::latency_bounds`].
    pub counts: Vec<u64>,
}

/// The whole result.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// Start of the period, milliseconds since 1970 UTC.
    pub since_ms: u64,
    /// Its end, exclusive.
    pub until_ms: u64,
    /// Width of a bucket, ms.
    pub bucket_ms: u64,
    /// What was grouped by: `host`, `client` or a JSON Pointer.
    pub group_by: String,
    /// The groups, by name.
    pub groups: Vec<Group>,
    /// Reports in the period.
    pub reports: u64,
    /// Reports among them that have no measurements where they were looked for.
    pub unknown_reports: u64,
    /// Reports per bucket, oldest first: start in ms, number.
    pub report_rate: Vec<(u64, u64)>,
    /// Upper bounds of the ranges that latencies are counted in, ms, rising; the
    /// last range has no bound and is the one after the last.
    pub latency_bounds: Vec<f64>,
    /// The distribution over time, oldest first.
    pub densities: Vec<Density>,
    /// Files that could not be read, with the reason.
    pub problems: Vec<String>,
}
