//! Counts what the limits of the edge turned away. Those of a tenant are counted
//! with it.

use netwatch_guest::metrics::exposition::{Family, Kind};
use netwatch_guest::metrics::instruments::Counter;

/// A limit, as the metric's label names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    /// No place for another connection.
    Connections,
    /// A connection that waited longest made room for another.
    Dismissed,
    /// Connections of one address.
    ClientConnections,
    /// A PROXY header that did not come, or none was to be had from it.
    ProxyHeader,
    /// A TLS handshake that failed or took too long.
    Handshake,
    /// A head that is malformed or ambiguous.
    Head,
    /// A head that is too large.
    HeadSize,
    /// A head that took too long, or none at all.
    HeadTime,
    /// A body that came too slowly.
    BodyRate,
    /// A client that does not read its answer.
    AnswerTime,
    /// Requests of one address.
    ClientRequests,
}

const ALL: [(Limit, &str); 11] = [
    (Limit::Connections, "connections"),
    (Limit::Dismissed, "dismissed"),
    (Limit::ClientConnections, "client-connections"),
    (Limit::ProxyHeader, "proxy-header"),
    (Limit::Handshake, "handshake"),
    (Limit::Head, "head"),
    (Limit::HeadSize, "head-size"),
    (Limit::HeadTime, "head-time"),
    (Limit::BodyRate, "body-rate"),
    (Limit::AnswerTime, "answer-time"),
    (Limit::ClientRequests, "client-requests"),
];

/// How often each limit was met.
#[derive(Debug, Default)]
pub(crate) struct Limited([Counter; ALL.len()]);

impl Limited {
    pub(crate) fn count(&self, limit: Limit) {
        if let Some(counter) = self.0.get(limit as usize) {
            counter.add(1);
        }
    }

    #[cfg(test)]
    pub(crate) fn get(&self, limit: Limit) -> u64 {
        self.0.get(limit as usize).map_or(0, Counter::get)
    }

    /// All, zeros included, so that an alert on one has something to look at.
    pub(crate) fn family(&self) -> Family {
        let mut family = Family::new(
            "netwatch_limited_total",
            "What a limit has stopped: attempts, or bytes, files and lines that were refused.",
            Kind::Counter,
        );
        for (counter, (_, name)) in self.0.iter().zip(ALL) {
            family = family.with_labelled(&[("limit", name)], counter.get() as f64);
        }
        family
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_limit_stands_where_its_number_says() {
        for (place, (limit, _)) in ALL.into_iter().enumerate() {
            assert_eq!(limit as usize, place);
        }
        let limited = Limited::default();
        limited.count(Limit::BodyRate);
        assert_eq!(
            (limited.get(Limit::BodyRate), limited.get(Limit::Head)),
            (1, 0)
        );
        let family = limited.family();
        assert_eq!(family.samples.len(), ALL.len());
    }
}
