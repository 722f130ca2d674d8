//! What a head must not say, of what hyper passes on.

use super::fault::Fault;
use super::refusal;
use crate::limits;
use http::header::{EXPECT, HOST};
use http::uri::{Authority, Scheme};
use http::{Method, Request, Version};
use netwatch_guest::problem::Problem;

/// Judges a head, whose framing was judged on the wire.
///
/// # Errors
///
/// What is wrong with it. The connection is to be closed: where such a head comes
/// from there are no good ones.
pub(crate) fn judge<B>(head: &Request<B>, framing: Option<Fault>) -> Result<(), Problem> {
    if let Some(fault) = framing {
        return Err(Problem::new(400, "framing", fault.detail()));
    }
    method_and_target(head)?;
    let host = host(head)?;
    if let Some(authority) = head.uri().authority() {
        agree(head, authority, host)?;
    }
    if head.headers().contains_key(EXPECT) {
        expectation(head)?;
    }
    Ok(())
}

fn malformed(detail: &str) -> Problem {
    Problem::new(400, "malformed", detail)
}

fn method_and_target<B>(head: &Request<B>) -> Result<(), Problem> {
    let method = head.method();
    if method == Method::CONNECT || method == Method::TRACE {
        let detail = format!("{method} is not possible here");
        return Err(Problem::new(405, "method", detail));
    }
    let uri = head.uri();
    let path = uri.path();
    let query = uri.query().unwrap_or_default();
    if path.len() + query.len() > limits::TARGET_BYTES {
        return Err(refusal::too_long());
    }
    // hyper lets bytes above ASCII pass, which no target may have (RFC 3986 §2).
    if !path.is_ascii() || !query.is_ascii() {
        return Err(malformed("a target is ASCII; encode other bytes as %XX"));
    }
    match path {
        "*" if method != Method::OPTIONS => Err(malformed("only OPTIONS can ask for *")),
        "*" => Ok(()),
        _ if path.starts_with('/') => Ok(()),
        _ => Err(malformed("a target begins with /")),
    }
}

/// The `Host`: one, and well-formed, in HTTP/1.1; HTTP/2 has it elsewhere, and
/// earlier versions may lack it.
fn host<B>(head: &Request<B>) -> Result<Option<&str>, Problem> {
    let mut hosts = head.headers().get_all(HOST).iter();
    let host = match (hosts.next(), hosts.next()) {
        (None, _) if head.version() == Version::HTTP_11 => {
            return Err(malformed("a request needs a Host"));
        }
        (None, _) => return Ok(None),
        (Some(_), Some(_)) => return Err(malformed("a request has one Host")),
        (Some(host), None) => host,
    };
    let host = host.to_str().ok().filter(|host| is_host(host));
    let host = host.ok_or_else(|| malformed("Host is a name or an address, and maybe a port"))?;
    Ok(Some(host))
}

/// Whether this is a host with or without a port (RFC 3986 §3.2.2 and §3.2.3),
/// as small as real ones are: no user, no white space, no list.
pub(crate) fn is_host(text: &str) -> bool {
    let (name, port) = match text.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((address, port)) => {
                let colons = |byte: u8| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.');
                return address.contains(':')
                    && address.bytes().all(colons)
                    && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port));
            }
            None => return false,
        },
        None => text
            .split_once(':')
            .map_or((text, None), |(name, port)| (name, Some(port))),
    };
    let named =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'%');
    !name.is_empty() && name.bytes().all(named) && port.is_none_or(is_port)
}

fn is_port(text: &str) -> bool {
    text.len() <= 5 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A target that names a server itself must name the one that `Host` names.
fn agree<B>(head: &Request<B>, authority: &Authority, host: Option<&str>) -> Result<(), Problem> {
    if !is_host(authority.as_str()) {
        return Err(malformed(
            "a target's authority is a name or an address, and maybe a port",
        ));
    }
    let scheme = head.uri().scheme();
    if !scheme.is_none_or(|scheme| *scheme == Scheme::HTTP || *scheme == Scheme::HTTPS) {
        return Err(malformed("a target's scheme is http or https"));
    }
    match host {
        Some(host) if !host.eq_ignore_ascii_case(authority.as_str()) => {
            Err(malformed("the target and Host name different servers"))
        }
        _ => Ok(()),
    }
}

fn expectation<B>(head: &Request<B>) -> Result<(), Problem> {
    let mut expectations = head.headers().get_all(EXPECT).iter();
    match expectations.all(|one| one.as_bytes().eq_ignore_ascii_case(b"100-continue")) {
        true => Ok(()),
        false => Err(Problem::new(
            417,
            "expectation",
            "only 100-continue can be expected",
        )),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn status(method: &str, target: &str, headers: &[(&str, &str)]) -> u16 {
        let mut request = Request::builder().method(method).uri(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(()).unwrap();
        judge(&request, None)
            .err()
            .map_or(200, |problem| problem.status)
    }

    #[test]
    fn one_well_formed_host_is_needed() {
        for host in [
            "a",
            "A.example:80",
            "127.0.0.1:8080",
            "[::1]",
            "[::1]:80",
            "a_b.example:",
        ] {
            assert_eq!(status("GET", "/", &[("Host", host)]), 200, "{host}");
        }
        for host in [
            "", ":80", "u@a", "a/b", "a b", "a,b", "a:b", "a:123456", "[::1", "[]", "::1", "a?b",
            "a#b", "[::1]x", "a\tb", "ä",
        ] {
            assert_eq!(status("GET", "/", &[("Host", host)]), 400, "{host:?}");
        }
        assert_eq!(status("GET", "/", &[]), 400);
        assert_eq!(status("GET", "/", &[("Host", "a"), ("Host", "a")]), 400);
    }

    #[test]
    fn a_target_that_names_a_server_names_the_one_of_host() {
        for (target, host, expected) in [
            ("http://a/x", "a", 200),
            ("https://A:80/x", "a:80", 200),
            ("http://a/x", "b", 400),
            ("http://a:80/x", "a", 400),
            ("http://u@a/x", "a", 400),
            ("ftp://a/x", "a", 400),
        ] {
            assert_eq!(
                status("GET", target, &[("Host", host)]),
                expected,
                "{target} {host}"
            );
        }
    }

    #[test]
    fn methods_targets_and_expectations_that_mean_nothing_here_are_refused() {
        let host = ("Host", "a");
        assert_eq!(status("TRACE", "/", &[host]), 405);
        assert_eq!(status("CONNECT", "a:80", &[host]), 405);
        assert_eq!(status("GET", "*", &[host]), 400);
        assert_eq!(status("OPTIONS", "*", &[host]), 200);
        assert_eq!(status("GET", "/\u{e4}", &[host]), 400);
        let long = format!("/?{}", "a".repeat(limits::TARGET_BYTES));
        assert_eq!(status("GET", &long, &[host]), 414);
        assert_eq!(
            status("POST", "/", &[host, ("Expect", "100-Continue")]),
            200
        );
        assert_eq!(status("POST", "/", &[host, ("Expect", "200-ok")]), 417);
    }
}
