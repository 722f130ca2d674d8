//! What proxies say about a request: `X-Forwarded-*` and `Forwarded` (RFC 7239).
//!
//! A header is what whoever sent it says. A proxy appends whom *it* saw, so the
//! list is read from its end, and as far as those who appended are trusted: the
//! first address that is not a trusted proxy is the client, and what stands before
//! it is only that client's word. One header counts, which the operator names: a
//! proxy that writes the one lets the other pass as strangers sent it.

use super::client::TrustedProxies;
use http::header::{FORWARDED, HeaderName};
use http::{HeaderMap, HeaderValue};
use std::net::{IpAddr, SocketAddr};

/// `FORWARDED_HEADER`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum ForwardedHeader {
    /// `X-Forwarded-For`, `-Proto` and `-Host`.
    #[default]
    XForwardedFor,
    /// `Forwarded`
    Forwarded,
}

impl ForwardedHeader {
    pub(crate) fn parse(text: &str) -> Option<ForwardedHeader> {
        match text.to_ascii_lowercase().as_str() {
            "x-forwarded-for" => Some(ForwardedHeader::XForwardedFor),
            "forwarded" => Some(ForwardedHeader::Forwarded),
            _ => None,
        }
    }
}

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// Headers by which proxies tell who a client is or what it asked for. None of
/// them reaches a component as it came.
const CLAIMS: [HeaderName; 13] = [
    FORWARDED,
    X_FORWARDED_FOR,
    X_FORWARDED_PROTO,
    X_FORWARDED_HOST,
    HeaderName::from_static("x-forwarded-port"),
    HeaderName::from_static("x-forwarded-server"),
    HeaderName::from_static("x-forwarded-prefix"),
    HeaderName::from_static("x-forwarded-ssl"),
    HeaderName::from_static("x-real-ip"),
    HeaderName::from_static("x-client-ip"),
    HeaderName::from_static("x-cluster-client-ip"),
    HeaderName::from_static("true-client-ip"),
    HeaderName::from_static("cf-connecting-ip"),
];

/// Hops that are looked at: more than any sane chain has.
const HOPS: usize = 32;

/// Who sent a request, as far as those say who are trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sender {
    pub(crate) address: IpAddr,
    /// `https` where the client spoke TLS, to this server or to a proxy.
    https: bool,
    /// The `Host` that the client sent, where a proxy sent another.
    host: Option<HeaderValue>,
}

impl Sender {
    /// The sender of a request that came from `peer`, over TLS or not.
    pub(crate) fn of(
        headers: &HeaderMap,
        peer: IpAddr,
        https: bool,
        trusted: &TrustedProxies,
        header: ForwardedHeader,
    ) -> Sender {
        let mut sender = Sender {
            address: peer,
            https,
            host: None,
        };
        if trusted.is_empty() || !trusted.trusts(peer) {
            return sender;
        }
        match header {
            ForwardedHeader::XForwardedFor => sender.follow_x(headers, trusted),
            ForwardedHeader::Forwarded => sender.follow(headers, trusted),
        }
        sender
    }

    fn follow_x(&mut self, headers: &HeaderMap, trusted: &TrustedProxies) {
        for hop in from_the_end(headers, &X_FORWARDED_FOR) {
            let Some(address) = node(hop) else { break };
            self.address = address;
            if !trusted.trusts(address) {
                break;
            }
        }
        if let Some(proto) = from_the_end(headers, &X_FORWARDED_PROTO).next() {
            self.https = proto.eq_ignore_ascii_case("https");
        }
        let host = from_the_end(headers, &X_FORWARDED_HOST).next();
        self.host = host.and_then(|host| HeaderValue::from_str(host).ok());
    }

    fn follow(&mut self, headers: &HeaderMap, trusted: &TrustedProxies) {
        for hop in from_the_end(headers, &FORWARDED) {
            let parameter = |wanted: &str| {
                hop.split(';').find_map(|pair| {
                    let (name, value) = pair.split_once('=')?;
                    let ours = name.trim().eq_ignore_ascii_case(wanted);
                    ours.then(|| value.trim().trim_matches('"'))
                })
            };
            let Some(address) = parameter("for").and_then(node) else {
                break;
            };
            // What the hop nearest to the client says about it.
            self.address = address;
            if let Some(proto) = parameter("proto") {
                self.https = proto.eq_ignore_ascii_case("https");
            }
            if let Some(host) = parameter("host") {
                self.host = HeaderValue::from_str(host).ok();
            }
            if !trusted.trusts(address) {
                break;
            }
        }
    }

    /// Whether the client spoke TLS.
    pub(crate) fn is_https(&self) -> bool {
        self.https
    }

    pub(crate) fn scheme(&self) -> http::uri::Scheme {
        match self.https {
            true => http::uri::Scheme::HTTPS,
            false => http::uri::Scheme::HTTP,
        }
    }

    /// Puts what is known in the place of what was claimed.
    pub(crate) fn replace_claims(&self, headers: &mut HeaderMap) {
        for claim in &CLAIMS {
            headers.remove(claim);
        }
        if let Ok(address) = HeaderValue::from_str(&self.address.to_string()) {
            headers.insert(X_FORWARDED_FOR, address);
        }
        let proto = if self.https { "https" } else { "http" };
        headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static(proto));
        if let Some(host) = &self.host {
            headers.insert(X_FORWARDED_HOST, host.clone());
        }
    }
}

/// The members of a list that may be in several lines, last first.
fn from_the_end<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let lines = headers.get_all(name).into_iter().rev();
    lines
        // A line that is no text ends what can be believed.
        .map_while(|line| line.to_str().ok())
        .flat_map(|line| line.rsplit(','))
        .map(str::trim)
        .take(HOPS)
}

/// The address of a node, with or without a port (RFC 7239 §6; some proxies write
/// `X-Forwarded-For` that way as well).
fn node(text: &str) -> Option<IpAddr> {
    let bare = |text: &str| text.parse::<IpAddr>().ok();
    let with_port = || Some(text.parse::<SocketAddr>().ok()?.ip());
    let in_brackets = || bare(text.strip_prefix('[')?.strip_suffix(']')?);
    let address = bare(text).or_else(with_port).or_else(in_brackets)?;
    Some(address.to_canonical())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const X: ForwardedHeader = ForwardedHeader::XForwardedFor;
    const RFC: ForwardedHeader = ForwardedHeader::Forwarded;

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    fn sender(peer: &str, header: ForwardedHeader, lines: &[(&'static str, &str)]) -> Sender {
        let trusted = TrustedProxies::parse("10.0.0.0/8,2001:db8::/32").unwrap();
        Sender::of(
            &headers(lines),
            peer.parse().unwrap(),
            false,
            &trusted,
            header,
        )
    }

    fn address(peer: &str, header: ForwardedHeader, lines: &[(&'static str, &str)]) -> String {
        sender(peer, header, lines).address.to_string()
    }

    #[test]
    fn a_stranger_is_who_it_is_whatever_it_claims() {
        let claims = [
            ("x-forwarded-for", "192.0.2.9"),
            ("forwarded", "for=192.0.2.9;proto=https"),
        ];
        for header in [X, RFC] {
            let sender = sender("198.51.100.1", header, &claims);
            assert_eq!(sender.address.to_string(), "198.51.100.1");
            assert_eq!(sender.scheme(), http::uri::Scheme::HTTP);
        }
        let none = TrustedProxies::default();
        let peer = "10.0.0.1".parse().unwrap();
        assert_eq!(
            Sender::of(&headers(&claims), peer, false, &none, X).address,
            peer
        );
    }

    #[test]
    fn the_last_address_that_is_no_trusted_proxy_is_the_client() {
        for (line, expected) in [
            ("192.0.2.9", "192.0.2.9"),
            ("203.0.113.7, 192.0.2.9", "192.0.2.9"),
            ("203.0.113.7, 192.0.2.9, 10.0.0.2", "192.0.2.9"),
            ("10.0.0.3, 10.0.0.2", "10.0.0.3"),
            ("192.0.2.9:4711", "192.0.2.9"),
            ("[2001:db9::1]:4711", "2001:db9::1"),
            ("2001:db9::1", "2001:db9::1"),
            ("::ffff:192.0.2.9", "192.0.2.9"),
            ("203.0.113.7, nonsense, 10.0.0.2", "10.0.0.2"),
            ("nonsense", "10.0.0.1"),
            ("", "10.0.0.1"),
        ] {
            let lines = [("x-forwarded-for", line)];
            assert_eq!(address("10.0.0.1", X, &lines), expected, "{line}");
        }
        let two = [
            ("x-forwarded-for", "203.0.113.7"),
            ("x-forwarded-for", "192.0.2.9"),
        ];
        assert_eq!(address("10.0.0.1", X, &two), "192.0.2.9");
        assert_eq!(address("10.0.0.1", X, &[]), "10.0.0.1");
    }

    #[test]
    fn forwarded_is_read_in_all_its_forms() {
        for (line, expected) in [
            ("for=192.0.2.9", "192.0.2.9"),
            ("For=\"[2001:db9::1]:4711\"", "2001:db9::1"),
            (
                "for=203.0.113.7, proto=https;for=192.0.2.9;by=10.0.0.1, for=10.0.0.2",
                "192.0.2.9",
            ),
            ("for=203.0.113.7, for=_hidden, for=10.0.0.2", "10.0.0.2"),
            ("for=unknown", "10.0.0.1"),
            ("proto=https", "10.0.0.1"),
        ] {
            let lines = [("forwarded", line)];
            assert_eq!(address("10.0.0.1", RFC, &lines), expected, "{line}");
        }
    }

    #[test]
    fn only_the_header_that_the_operator_names_counts() {
        let both = [
            ("x-forwarded-for", "192.0.2.1"),
            ("forwarded", "for=192.0.2.2"),
        ];
        assert_eq!(address("10.0.0.1", X, &both), "192.0.2.1");
        assert_eq!(address("10.0.0.1", RFC, &both), "192.0.2.2");
        assert_eq!(ForwardedHeader::parse("Forwarded"), Some(RFC));
        assert_eq!(ForwardedHeader::parse("x-real-ip"), None);
    }

    #[test]
    fn a_component_sees_what_is_known_and_nothing_that_was_claimed() {
        let mut claims = headers(&[("accept", "*/*"), ("x-real-ip", "192.0.2.1")]);
        for claim in &CLAIMS {
            claims.append(claim, HeaderValue::from_static("192.0.2.1"));
        }
        let stranger = sender("198.51.100.1", X, &[]);
        stranger.replace_claims(&mut claims);
        assert_eq!(claims.len(), 3);
        assert_eq!(claims["x-forwarded-for"], "198.51.100.1");
        assert_eq!(claims["x-forwarded-proto"], "http");
        let lines = [
            ("x-forwarded-for", "192.0.2.9"),
            ("x-forwarded-proto", "http, https"),
            ("x-forwarded-host", "public.example"),
        ];
        let mut claims = headers(&lines);
        sender("10.0.0.1", X, &lines).replace_claims(&mut claims);
        assert_eq!(claims["x-forwarded-proto"], "https");
        assert_eq!(claims["x-forwarded-host"], "public.example");
    }
}
