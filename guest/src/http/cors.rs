//! Cross-origin requests (the Fetch standard's CORS protocol).

use super::Answer;
use super::routes::REPORTS;
use crate::config::Settings;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, VARY,
};
use http::{HeaderMap, HeaderValue, StatusCode};

/// Lets pages of an allowed origin read the answer. Every answer says that it
/// varies with the origin, so that no cache gives one page's to another.
///
/// `navigator.sendBeacon` always sends credentials, and a browser asks before it
/// does so with a JSON Blob: posting allows them. That gives a page nothing, for
/// posting looks at no cookie; whatever does look at one must not be `Posting`.
pub fn allow(
    headers: &mut HeaderMap,
    origin: Option<&str>,
    settings: &Settings,
    audience: Audience,
) {
    headers.append(VARY, HeaderValue::from_static("Origin"));
    let allowed = origin.filter(|origin| settings.allowed_origins.allow(origin));
    let Some(Ok(origin)) = allowed.map(HeaderValue::from_str) else {
        return;
    };
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(
        ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static("Retry-After, X-Request-Id"),
    );
    if audience == Audience::Posting {
        headers.insert(
            ACCESS_CONTROL_ALLOW_CREDENTIALS,
            HeaderValue::from_static("true"),
        );
    }
}

/// Whom an answer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Pages that post reports, their preflights included.
    Posting,
    /// Anybody else.
    Anybody,
}

impl Audience {
    /// The audience of a request.
    pub fn of(method: &str, path: &str) -> Audience {
        if path == REPORTS && !matches!(method, "GET" | "HEAD") {
            Audience::Posting
        } else {
            Audience::Anybody
        }
    }
}

/// The answer to a preflight for posting reports; [`allow`] adds the origin.
pub fn preflight() -> Answer {
    let mut answer = Answer::empty(StatusCode::NO_CONTENT);
    for (name, value) in [
        (ACCESS_CONTROL_ALLOW_METHODS, "POST, OPTIONS"),
        (
            ACCESS_CONTROL_ALLOW_HEADERS,
            "Content-Type, Content-Encoding, Authorization, X-API-Key, X-Request-Id",
        ),
        (ACCESS_CONTROL_MAX_AGE, "3600"),
    ] {
        answer.headers.insert(name, HeaderValue::from_static(value));
    }
    answer
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn only_posting_takes_credentials() {
        for (method, path, expected) in [
            ("POST", REPORTS, true),
            ("OPTIONS", REPORTS, true),
            ("GET", REPORTS, false),
            ("HEAD", REPORTS, false),
            ("GET", "/healthz", false),
            ("GET", "/", false),
        ] {
            let mut headers = HeaderMap::new();
            let origin = Some("https://a.example");
            allow(
                &mut headers,
                origin,
                &Settings::default(),
                Audience::of(method, path),
            );
            let credentials = headers.contains_key(ACCESS_CONTROL_ALLOW_CREDENTIALS);
            assert_eq!(credentials, expected, "{method} {path}");
        }
    }

    #[test]
    fn an_allowed_origin_is_echoed_and_another_is_not() {
        let settings = Settings {
            allowed_origins: "https://a.example".parse().unwrap(),
            ..Settings::default()
        };
        let echoed = |origin| {
            let mut headers = HeaderMap::new();
            allow(&mut headers, origin, &settings, Audience::Posting);
            assert_eq!(headers[VARY], "Origin");
            headers
                .get(ACCESS_CONTROL_ALLOW_ORIGIN)
                .map(|v| v.to_str().unwrap().to_owned())
        };
        assert_eq!(
            echoed(Some("https://a.example")).as_deref(),
            Some("https://a.example")
        );
        assert_eq!(echoed(Some("https://b.example")), None);
        assert_eq!(echoed(None), None);
    }
}
