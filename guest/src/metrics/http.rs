//! HTTP requests, by route, method and status. Used by the component under a
//! stock runtime, and by the native host, through which all requests go there.

use super::exposition::{Family, Kind, labels};
use super::instruments::{Counter, Histogram, Level, Raised};
use crate::http::routes::Pattern;
use std::time::Duration;

/// What a method is counted as.
const METHODS: [&str; 6] = ["GET", "HEAD", "POST", "OPTIONS", "DELETE", "other"];

/// What a status is counted as; the last is for any other.
const STATUSES: [u16; 27] = [
    200, 202, 204, 206, 301, 302, 303, 304, 307, 308, 400, 401, 403, 404, 405, 406, 408, 410, 412,
    413, 415, 422, 429, 431, 500, 503, 0,
];

/// Requests of one route.
#[derive(Debug, Default)]
struct OfRoute {
    answers: [[Counter; STATUSES.len()]; METHODS.len()],
    latency: Histogram,
}

/// All requests. A request costs three additions and no allocation.
#[derive(Debug, Default)]
pub struct HttpMetrics {
    routes: [OfRoute; Pattern::ALL.len()],
    in_flight: Level,
}

impl HttpMetrics {
    /// A request has come, and is in flight until this is dropped.
    pub fn begin(&self) -> Raised<'_> {
        self.in_flight.raise()
    }

    /// A request is answered, `duration` after its head was read.
    pub fn answered(&self, pattern: Pattern, method: &str, status: u16, duration: Duration) {
        let of = |known: &[&str]| known.iter().position(|one| *one == method);
        let method = of(&METHODS).unwrap_or(METHODS.len() - 1);
        let status = STATUSES.iter().position(|known| *known == status);
        let Some(route) = self.routes.get(pattern as usize) else {
            return;
        };
        let counters = route.answers.get(method);
        if let Some(counter) = counters.and_then(|c| c.get(status.unwrap_or(STATUSES.len() - 1))) {
            counter.add(1);
        }
        route.latency.observe(duration);
    }

    /// The families; series that have not occurred are left out.
    pub fn families(&self) -> [Family; 3] {
        let mut requests = Family::new(
            "netwatch_http_requests_total",
            "HTTP requests answered, by route, method and status.",
            Kind::Counter,
        );
        let mut latency = Family::new(
            "netwatch_http_request_duration_seconds",
            "Time from a request's head to its answer's, by route.",
            Kind::Histogram,
        );
        for (route, pattern) in self.routes.iter().zip(Pattern::ALL) {
            for (counters, method) in route.answers.iter().zip(METHODS) {
                for (counter, status) in counters.iter().zip(STATUSES) {
                    if counter.get() > 0 {
                        let status = match status {
                            0 => "other".to_owned(),
                            known => known.to_string(),
                        };
                        let pairs = [
                            ("route", pattern.as_str()),
                            ("method", method),
                            ("status", status.as_str()),
                        ];
                        requests = requests.with_labelled(&pairs, counter.get() as f64);
                    }
                }
            }
            if route.latency.count() > 0 {
                let label = labels(&[("route", pattern.as_str())]);
                route.latency.put(&mut latency, &label);
            }
        }
        let in_flight = Family::new(
            "netwatch_http_requests_in_flight",
            "HTTP requests that are not answered yet.",
            Kind::Gauge,
        );
        let waiting = self.in_flight.get() as f64;
        [requests, latency, in_flight.with(waiting)]
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::metrics::exposition::encode;

    #[test]
    fn what_strangers_choose_makes_no_series_of_its_own() {
        let metrics = HttpMetrics::default();
        let _one = metrics.begin();
        for n in 0..500 {
            let took = Duration::from_millis(n);
            metrics.answered(Pattern::Other, &format!("BREW{n}"), 404, took);
        }
        metrics.answered(Pattern::Reports, "POST", 202, Duration::ZERO);
        metrics.answered(Pattern::Reports, "GET", 299, Duration::ZERO);
        let text = encode(&metrics.families());
        for line in [
            "netwatch_http_requests_total{route=\"other\",method=\"other\",status=\"404\"} 500",
            "netwatch_http_requests_total{route=\"/api/v1/reports\",method=\"POST\",status=\"202\"} 1",
            "netwatch_http_requests_total{route=\"/api/v1/reports\",method=\"GET\",status=\"other\"} 1",
            "netwatch_http_request_duration_seconds_count{route=\"other\"} 500",
            "netwatch_http_requests_in_flight 1",
        ] {
            assert!(
                text.lines().any(|found| found == line),
                "{line} not in {text}"
            );
        }
        let series = text
            .lines()
            .filter(|line| line.starts_with("netwatch_http_requests_total"));
        assert_eq!(series.count(), 3);
    }
}
