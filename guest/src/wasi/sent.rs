//! What a request says to the page.

use super::handler::Head;
use crate::http::{access, page, query};
use wasip3::http::types::Request;

/// What the page looks at besides the headers.
pub(super) struct Sent<'a> {
    head: &'a Head,
    cookie: Option<String>,
    host: Option<String>,
}

impl<'a> Sent<'a> {
    pub(super) fn of(head: &'a Head, request: &Request) -> Sent<'a> {
        Sent {
            head,
            // A client may send several (RFC 9113 §8.2.3).
            cookie: head.headers.joined("cookie", "; "),
            // No runtime gives a component the header; some say nothing at all.
            host: request.get_authority(),
        }
    }

    pub(super) fn visitor(&self) -> page::Visitor<'_> {
        let headers = &self.head.headers;
        page::Visitor {
            reading: query::Asked {
                query: self.head.query.as_deref(),
                accept: headers.text("accept"),
                accept_encoding: headers.text("accept-encoding"),
            },
            authorization: headers.text("authorization"),
            cookie: self.cookie.as_deref(),
            site: access::Site {
                origin: headers.text("origin"),
                fetch_site: headers.text("sec-fetch-site"),
                host: self.host.as_deref(),
                forwarded_host: headers.text("x-forwarded-host"),
                forwarded_proto: headers.text("x-forwarded-proto"),
            },
        }
    }
}
