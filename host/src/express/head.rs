//! Which heads are plain enough.

use crate::edge::is_host;
use crate::limits;
use http::header::HeaderName;
use http::request::Parts;
use http::{HeaderValue, Method, Request, Uri};
use httparse::{Header, Status};
use netwatch_guest::http::routes::REPORTS;

/// Fields of a plain head: more than browsers and proxies send.
const FIELDS: usize = 32;

/// What has come of a connection, from the start of a request.
pub(super) enum Came<'a> {
    /// All of a request for which this module is there.
    Whole(Plain<'a>),
    /// Some of what may be one.
    Some {
        /// Bytes of it, as far as they are known.
        of: usize,
    },
    /// Something else.
    Other,
}

/// A report with its length and nothing about it that needs thought. Of no field
/// below are there two.
#[derive(Debug, Default)]
pub(super) struct Plain<'a> {
    /// Bytes up to the body.
    pub(super) head_bytes: usize,
    pub(super) body_bytes: usize,
    pub(super) host: Option<&'a str>,
    pub(super) content_type: Option<&'a str>,
    pub(super) content_encoding: Option<&'a str>,
    pub(super) origin: Option<&'a str>,
    pub(super) authorization: Option<&'a str>,
    pub(super) x_api_key: Option<&'a str>,
    pub(super) request_id: Option<&'a str>,
    /// The client wants the connection closed after the answer.
    pub(super) close: bool,
    content_length: Option<&'a str>,
    connection: Option<&'a str>,
}

/// Looks at what has come. Nothing is refused here: what is not plain is for hyper
/// to understand, and for [`crate::edge`] to judge.
pub(super) fn look(bytes: &[u8]) -> Came<'_> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS];
    let mut head = httparse::Request::new(&mut fields);
    let head_bytes = match head.parse(bytes) {
        Ok(Status::Complete(head_bytes)) => head_bytes,
        Ok(Status::Partial) if bytes.len() < limits::HEAD_BYTES => {
            return Came::Some { of: 0 };
        }
        Ok(Status::Partial) | Err(_) => return Came::Other,
    };
    let line = (head.method, head.path, head.version);
    if line != (Some("POST"), Some(REPORTS), Some(1)) {
        return Came::Other;
    }
    let Some(mut plain) = Plain::of(head.headers) else {
        return Came::Other;
    };
    plain.head_bytes = head_bytes;
    match head_bytes + plain.body_bytes {
        of if of <= bytes.len() => Came::Whole(plain),
        of => Came::Some { of },
    }
}

impl<'a> Plain<'a> {
    fn of(fields: &[Header<'a>]) -> Option<Plain<'a>> {
        let mut plain = Plain::default();
        for field in fields {
            let known = match field.name.len() {
                // `Expect` and `Upgrade` ask for more than an answer.
                6 if is(field, "expect") => return None,
                7 if is(field, "upgrade") => return None,
                17 if is(field, "transfer-encoding") => return None,
                4 if is(field, "host") => &mut plain.host,
                6 if is(field, "origin") => &mut plain.origin,
                9 if is(field, "x-api-key") => &mut plain.x_api_key,
                10 if is(field, "connection") => &mut plain.connection,
                12 if is(field, "content-type") => &mut plain.content_type,
                12 if is(field, "x-request-id") => &mut plain.request_id,
                13 if is(field, "authorization") => &mut plain.authorization,
                14 if is(field, "content-length") => &mut plain.content_length,
                16 if is(field, "content-encoding") => &mut plain.content_encoding,
                _ => continue,
            };
            let value = std::str::from_utf8(field.value).ok()?;
            if known.replace(value).is_some() {
                return None;
            }
        }
        plain.host.filter(|host| is_host(host))?;
        let length = plain.content_length.filter(|length| is_number(length))?;
        plain.body_bytes = length.parse().ok()?;
        plain.close = match plain.connection {
            None => false,
            Some(wish) if wish.eq_ignore_ascii_case("keep-alive") => false,
            Some(wish) if wish.eq_ignore_ascii_case("close") => true,
            Some(_) => return None,
        };
        (plain.body_bytes <= limits::EXPRESS_BYTES).then_some(plain)
    }
}

fn is(field: &Header<'_>, name: &str) -> bool {
    field.name.eq_ignore_ascii_case(name)
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A head as hyper passes it on, for whoever wants to see all of it; `None` where
/// hyper had better say what is wrong.
pub(super) fn parts(bytes: &[u8]) -> Option<Parts> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS];
    let mut head = httparse::Request::new(&mut fields);
    head.parse(bytes).ok()?;
    let mut request = Request::new(());
    *request.method_mut() = Method::POST;
    *request.uri_mut() = Uri::from_static(REPORTS);
    for field in head.headers {
        let name = HeaderName::from_bytes(field.name.as_bytes()).ok()?;
        let value = HeaderValue::from_bytes(field.value).ok()?;
        request.headers_mut().append(name, value);
    }
    Some(request.into_parts().0)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;

    fn head(fields: &str) -> String {
        format!("POST {REPORTS} HTTP/1.1\r\nHost: a\r\n{fields}\r\n")
    }

    fn is_plain(bytes: &str) -> bool {
        matches!(look(bytes.as_bytes()), Came::Whole(_))
    }

    #[test]
    fn what_browsers_send_is_plain_and_has_its_fields() {
        let fields = "Content-Length: 2\r\nCONTENT-TYPE: application/json\r\nOrigin: https://a\r\n\
                      Accept: */*\r\nAccept: text/html\r\nCookie: a=b\r\nAuthorization: Bearer k\r\n\
                      X-Request-Id: 7\r\nContent-Encoding: gzip\r\nX-Api-Key: l\r\n";
        let next = "POST /api";
        let bytes = format!("{}{{}}{next}", head(fields));
        let Came::Whole(plain) = look(bytes.as_bytes()) else {
            panic!("it is not plain")
        };
        assert_eq!(plain.head_bytes, bytes.len() - next.len() - 2);
        assert_eq!(plain.body_bytes, 2);
        assert_eq!(plain.host, Some("a"));
        assert_eq!(plain.content_type, Some("application/json"));
        assert_eq!(plain.content_encoding, Some("gzip"));
        assert_eq!(plain.origin, Some("https://a"));
        assert_eq!(plain.authorization, Some("Bearer k"));
        assert_eq!(plain.x_api_key, Some("l"));
        assert_eq!(plain.request_id, Some("7"));
        assert!(!plain.close);
    }

    #[test]
    fn a_request_is_whole_when_its_last_byte_is_there() {
        let whole = head("Content-Length: 9\r\n") + "{\"n\":666}";
        for bytes in 0..whole.len() {
            let known = match look(&whole.as_bytes()[..bytes]) {
                Came::Some { of } => of,
                _ => panic!("{bytes} bytes are not some"),
            };
            let head_is_there = bytes >= whole.len() - 9;
            assert_eq!(known, if head_is_there { whole.len() } else { 0 });
        }
        assert!(is_plain(&whole));
        assert!(is_plain(&(whole + "GET / HTTP/1.1\r\n")));
    }

    #[test]
    fn what_needs_thought_is_left_to_hyper() {
        let length = "Content-Length: 0\r\n";
        assert!(is_plain(&head(length)));
        assert!(is_plain(&head(&format!(
            "{length}Connection: Keep-Alive\r\n"
        ))));
        let too_long = format!("Content-Length: {}\r\n", limits::EXPRESS_BYTES + 1);
        let many = "A: b\r\n".repeat(FIELDS);
        for fields in [
            "",
            &too_long,
            "Content-Length: +0\r\n",
            "Content-Length: 0,0\r\n",
            "Content-Length:\r\n",
            "Content-Length: 99999999999999999999\r\n",
            "Content-Length: 0\r\nContent-Length: 0\r\n",
            "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: identity\r\nContent-Length: 0\r\n",
            "Content-Length: 0\r\nExpect: 100-continue\r\n",
            "Content-Length: 0\r\nUpgrade: h2c\r\n",
            "Content-Length: 0\r\nConnection: upgrade\r\n",
            "Content-Length: 0\r\nConnection: close\r\nConnection: close\r\n",
            "Content-Length: 0\r\nHost: a\r\n",
            "Content-Length: 0\r\nOrigin: a\r\nOrigin: b\r\n",
            "Content-Length: 0\r\nContent-Type: a\r\nContent-Type: b\r\n",
            "Content-Length : 0\r\n",
            "Content-Length: 0\r\nA\r\n",
            "Content-Length: 0\r\nA: b\r\n c\r\n",
            &format!("{length}{many}"),
        ] {
            assert!(
                matches!(look(head(fields).as_bytes()), Came::Other),
                "{fields:?}"
            );
        }
        for line in [
            format!("GET {REPORTS} HTTP/1.1"),
            format!("POST {REPORTS} HTTP/1.0"),
            format!("POST {REPORTS}/ HTTP/1.1"),
            format!("POST {REPORTS}?key=k HTTP/1.1"),
            format!("POST http://a{REPORTS} HTTP/1.1"),
            format!("post {REPORTS} HTTP/1.1"),
        ] {
            let bytes = format!("{line}\r\nHost: a\r\n{length}\r\n");
            assert!(matches!(look(bytes.as_bytes()), Came::Other), "{line}");
        }
        for host in ["", "Host: a/b\r\n", "Host: \r\n", "Host: u@a\r\n"] {
            let bytes = format!("POST {REPORTS} HTTP/1.1\r\n{host}{length}\r\n");
            assert!(matches!(look(bytes.as_bytes()), Came::Other), "{host}");
        }
        let not_text = [head("").as_bytes(), b"x"].concat();
        assert!(matches!(look(&not_text), Came::Other));
        let field = [b"Origin: \xFF\r\n".as_slice(), length.as_bytes()].concat();
        let bytes = [head("").trim_end().as_bytes(), b"\r\n", &field, b"\r\n"].concat();
        assert!(matches!(look(&bytes), Came::Other));
    }

    #[test]
    fn all_of_a_head_can_be_seen() {
        let bytes = head("Content-Length: 0\r\nX-Forwarded-For: a\r\nX-Forwarded-For: b\r\n");
        let parts = parts(bytes.as_bytes()).unwrap();
        assert_eq!(parts.uri.path(), REPORTS);
        let hops: Vec<_> = parts.headers.get_all("x-forwarded-for").iter().collect();
        assert_eq!(hops, ["a", "b"]);
    }
}
