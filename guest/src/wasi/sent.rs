//! What a request says to the page.

use super::handler::{Head, header};
use crate::http::{access, page, query};
use wasip3::http::types::{Fields, Request};

/// The headers that the page looks at.
pub(super) struct Sent {
    accept: Option<String>,
    pub(super) accept_encoding: Option<String>,
    authorization: Option<String>,
    cookie: Option<String>,
    fetch_site: Option<String>,
    host: Option<String>,
    forwarded_host: Option<String>,
    forwarded_proto: Option<String>,
}

impl Sent {
    pub(super) fn of(request: &Request) -> Sent {
        let headers = request.get_headers();
        let header = |name| header(&headers, name);
        Sent {
            accept: header("accept"),
            accept_encoding: header("accept-encoding"),
            authorization: header("authorization"),
            // A client may send several (RFC 9113 §8.2.3).
            cookie: joined(&headers, "cookie"),
            fetch_site: header("sec-fetch-site"),
            // No runtime gives a component the header; some say nothing at all.
            host: request.get_authority(),
            forwarded_host: header("x-forwarded-host"),
            forwarded_proto: header("x-forwarded-proto"),
        }
    }

    pub(super) fn visitor<'a>(&'a self, head: &'a Head) -> page::Visitor<'a> {
        page::Visitor {
            reading: query::Asked {
                query: head.query.as_deref(),
                accept: self.accept.as_deref(),
                accept_encoding: self.accept_encoding.as_deref(),
            },
            authorization: self.authorization.as_deref(),
            cookie: self.cookie.as_deref(),
            site: access::Site {
                origin: head.origin.as_deref(),
                fetch_site: self.fetch_site.as_deref(),
                host: self.host.as_deref(),
                forwarded_host: self.forwarded_host.as_deref(),
                forwarded_proto: self.forwarded_proto.as_deref(),
            },
        }
    }
}

/// All values of a header that are text, as one.
fn joined(headers: &Fields, name: &str) -> Option<String> {
    let values = headers.get(name).into_iter();
    let texts = values.filter_map(|value| String::from_utf8(value).ok());
    let texts: Vec<String> = texts.collect();
    (!texts.is_empty()).then(|| texts.join("; "))
}
