//! What an operator can set about the edge.

use super::client::TrustedProxies;
use super::forwarded::ForwardedHeader;
use super::pseudonym::StoreClient;
use super::rates::Rate;
use crate::config::Reader;
use crate::limits;
use netwatch_guest::config::{parse_bytes, parse_retention_age, parse_switch};
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;

/// What concerns the whole server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EdgeOptions {
    /// `MAX_CONNECTIONS`
    pub(crate) max_connections: u32,
    /// `CLIENT_CONNECTIONS`
    pub(crate) client_connections: Option<NonZeroUsize>,
    /// `BODY_BYTES_PER_SECOND`; 0 for any speed.
    pub(crate) body_bytes_per_second: u64,
    /// `CLIENT_REQUESTS_PER_SECOND` and `CLIENT_BURST`
    pub(crate) client_rate: Option<Rate>,
    /// `TLS_CERT` and `TLS_KEY`
    pub(crate) tls: Option<TlsFiles>,
    /// `HSTS`, seconds.
    pub(crate) hsts: Option<u64>,
    /// `TRUSTED_PROXIES`
    pub(crate) trusted: TrustedProxies,
    /// `FORWARDED_HEADER`
    pub(crate) forwarded: ForwardedHeader,
    /// `PROXY_PROTOCOL`
    pub(crate) proxy_protocol: bool,
}

/// Where the certificates and their key are, both PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TlsFiles {
    pub(crate) cert: PathBuf,
    pub(crate) key: PathBuf,
}

/// What concerns one tenant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RateOptions {
    /// `REQUESTS_PER_SECOND` and `REQUESTS_BURST`
    pub(crate) requests: Option<Rate>,
    /// `BYTES_PER_SECOND` and `BYTES_BURST`, in units of [`limits::RATE_UNIT`].
    pub(crate) bytes: Option<Rate>,
}

impl EdgeOptions {
    /// Reads all; what is wrong is with the reader then.
    pub(crate) fn read(reader: &mut Reader) -> EdgeOptions {
        let trusted = reader.read(
            "TRUSTED_PROXIES",
            "networks or addresses like 10.0.0.0/8,2001:db8::1",
            TrustedProxies::parse,
        );
        let forwarded = reader.read(
            "FORWARDED_HEADER",
            "x-forwarded-for or forwarded",
            ForwardedHeader::parse,
        );
        let proxy_protocol = reader.read("PROXY_PROTOCOL", "true or false", switch);
        let proxy_protocol = proxy_protocol.unwrap_or(false);
        if proxy_protocol && !is_set(reader, "TRUSTED_PROXIES") {
            refuse(
                reader,
                "PROXY_PROTOCOL needs TRUSTED_PROXIES: who may send such headers",
            );
        }
        EdgeOptions {
            max_connections: reader
                .read("MAX_CONNECTIONS", "a number from 1 to 1000000", |text| {
                    let number = text.parse().ok();
                    number.filter(|number| (1..=limits::CONNECTIONS_CEILING).contains(number))
                })
                .unwrap_or(limits::CONNECTIONS),
            client_connections: reader.read("CLIENT_CONNECTIONS", "a number from 1", |text| {
                text.parse().ok()
            }),
            body_bytes_per_second: reader
                .read(
                    "BODY_BYTES_PER_SECOND",
                    "a size like 1KiB; 0B for any",
                    |text| parse_bytes(text, 0, u64::from(u32::MAX)).ok(),
                )
                .unwrap_or(limits::BODY_BYTES_PER_SECOND),
            client_rate: rate(reader, "CLIENT_REQUESTS_PER_SECOND", "CLIENT_BURST"),
            tls: tls(reader),
            hsts: reader.read("HSTS", "a duration like 365d", |text| {
                Some(parse_retention_age(text).ok()?.as_secs())
            }),
            trusted: trusted.unwrap_or_default(),
            forwarded: forwarded.unwrap_or_default(),
            proxy_protocol,
        }
    }
}

impl StoreClient {
    /// Reads it; what is wrong is with the reader then.
    pub(crate) fn read(reader: &mut Reader) -> StoreClient {
        let salt = reader.sources.get("STORE_CLIENT_SALT").cloned();
        let store = reader.read(
            "STORE_CLIENT",
            "none, truncated or hashed",
            |text| match text {
                "none" => Some(StoreClient::None),
                "truncated" => Some(StoreClient::Truncated),
                "hashed" => Some(StoreClient::Hashed(salt.clone())),
                _ => None,
            },
        );
        let store = store.unwrap_or_default();
        if salt.is_some() && !matches!(store, StoreClient::Hashed(_)) {
            refuse(reader, "STORE_CLIENT_SALT needs STORE_CLIENT=hashed");
        }
        store
    }
}

impl RateOptions {
    /// Reads all; what is wrong is with the reader then.
    pub(crate) fn read(reader: &mut Reader) -> RateOptions {
        RateOptions {
            requests: rate(reader, "REQUESTS_PER_SECOND", "REQUESTS_BURST"),
            bytes: bytes_rate(reader),
        }
    }
}

/// A rate of requests; the burst is a second's worth unless it is set.
fn rate(reader: &mut Reader, per_second: &str, burst: &str) -> Option<Rate> {
    let number = "a number from 1 to 1000000";
    let parse = |text: &str| {
        let number: Option<NonZeroU32> = text.parse().ok();
        number.filter(|number| number.get() <= 1_000_000)
    };
    let (rate, most) = (
        reader.read(per_second, number, parse),
        reader.read(burst, number, parse),
    );
    if most.is_some() && !is_set(reader, per_second) {
        refuse(
            reader,
            &format!("{burst} means nothing without {per_second}"),
        );
    }
    let per_second = rate?;
    Some(Rate {
        per_second,
        burst: most.unwrap_or(per_second),
    })
}

/// A rate of bytes; the burst is two seconds' worth unless it is set, and never
/// less than one request may have.
fn bytes_rate(reader: &mut Reader) -> Option<Rate> {
    let size = "a size from 1KiB to 1GiB";
    let parse = |text: &str| {
        let bytes = parse_bytes(text, limits::RATE_UNIT, 1 << 30).ok()?;
        NonZeroU32::new(u32::try_from(bytes.div_ceil(limits::RATE_UNIT)).ok()?)
    };
    let (rate, most) = (
        reader.read("BYTES_PER_SECOND", size, parse),
        reader.read("BYTES_BURST", size, parse),
    );
    if most.is_some() && !is_set(reader, "BYTES_PER_SECOND") {
        refuse(reader, "BYTES_BURST means nothing without BYTES_PER_SECOND");
    }
    let per_second = rate?;
    Some(Rate {
        per_second,
        burst: most.unwrap_or(per_second.saturating_mul(BURST_SECONDS)),
    })
}

const BURST_SECONDS: NonZeroU32 = NonZeroU32::new(2).unwrap();

fn tls(reader: &mut Reader) -> Option<TlsFiles> {
    let path = |text: &str| Some(PathBuf::from(text));
    let cert = reader.read("TLS_CERT", "a PEM file", path);
    let key = reader.read("TLS_KEY", "a PEM file", path);
    match (cert, key) {
        (Some(cert), Some(key)) => Some(TlsFiles { cert, key }),
        (None, None) => None,
        _ => {
            refuse(
                reader,
                "TLS_CERT and TLS_KEY are set together, or not at all",
            );
            None
        }
    }
}

fn is_set(reader: &Reader, name: &str) -> bool {
    reader.sources.get(name).is_some()
}

/// Keeps what is wrong with several values together.
fn refuse(reader: &mut Reader, wrong: &str) {
    reader.wrong.push(wrong.to_owned());
}

fn switch(text: &str) -> Option<bool> {
    parse_switch(text).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::config::Options;

    fn wrong(pairs: &[(&str, &str)]) -> String {
        Options::from_pairs(pairs.iter().copied())
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn settings_that_need_each_other_are_refused_alone() {
        for (pairs, said) in [
            (&[("TLS_CERT", "a.pem")][..], "together"),
            (&[("TLS_KEY", "a.pem")], "together"),
            (&[("PROXY_PROTOCOL", "true")], "TRUSTED_PROXIES"),
            (&[("CLIENT_BURST", "5")], "CLIENT_REQUESTS_PER_SECOND"),
            (&[("BYTES_BURST", "5MiB")], "BYTES_PER_SECOND"),
            (&[("TRUSTED_PROXIES", "10.0.0.0/99")], "10.0.0.0/8"),
            (&[("MAX_CONNECTIONS", "0")], "from 1"),
            (&[("CLIENT_CONNECTIONS", "0")], "from 1"),
            (&[("REQUESTS_PER_SECOND", "0")], "from 1"),
            (&[("STORE_CLIENT", "all")], "truncated"),
            (&[("STORE_CLIENT_SALT", "s")], "STORE_CLIENT=hashed"),
            (&[("FORWARDED_HEADER", "x-real-ip")], "x-forwarded-for"),
        ] {
            let message = wrong(pairs);
            assert!(message.contains(said), "{pairs:?}: {message}");
            assert_eq!(message.lines().count(), 1, "{pairs:?}: {message}");
        }
    }

    #[test]
    fn a_burst_has_a_default() {
        let options = Options::from_pairs([
            ("CLIENT_REQUESTS_PER_SECOND", "50"),
            ("BYTES_PER_SECOND", "3MiB"),
        ])
        .unwrap();
        let rate = |per_second, burst| {
            let number = |number| NonZeroU32::new(number).unwrap();
            Some(Rate {
                per_second: number(per_second),
                burst: number(burst),
            })
        };
        assert_eq!(options.edge.client_rate, rate(50, 50));
        assert_eq!(options.tenants[0].rates.bytes, rate(3 << 10, 6 << 10));
    }
}
