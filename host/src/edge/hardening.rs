//! Headers that tell browsers what not to do with an answer.

use http::header::{
    CONTENT_SECURITY_POLICY, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue};
use netwatch_guest::http::cors::Audience;

const CROSS_ORIGIN_RESOURCE_POLICY: HeaderName =
    HeaderName::from_static("cross-origin-resource-policy");

/// Nothing here is a document that needs anything, but for those that say so.
const NO_CONTENT_POLICY: HeaderValue =
    HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");

/// Headers of a document that nobody is to embed, for answers written as text.
pub(crate) const OF_DOCUMENTS: [(&str, &str); 4] = [
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    (
        "content-security-policy",
        "default-src 'none'; frame-ancestors 'none'",
    ),
    ("cross-origin-resource-policy", "cross-origin"),
];

/// Headers added to an answer: what it says itself stays, but for those that
/// leave nothing to choose.
pub(crate) fn protect(headers: &mut HeaderMap, audience: Audience, hsts: Option<&HeaderValue>) {
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if !headers.contains_key(REFERRER_POLICY) {
        headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    }
    if !headers.contains_key(CONTENT_SECURITY_POLICY) {
        headers.insert(CONTENT_SECURITY_POLICY, NO_CONTENT_POLICY);
    }
    if !headers.contains_key(CROSS_ORIGIN_RESOURCE_POLICY) {
        // A page that posts without CORS sees no answer, but is told whether
        // there was one. Everything else is for pages of this server, or for
        // those that CORS lets in, whom this header does not concern.
        let policy = match audience {
            Audience::Posting => "cross-origin",
            Audience::Anybody => "same-origin",
        };
        headers.insert(
            CROSS_ORIGIN_RESOURCE_POLICY,
            HeaderValue::from_static(policy),
        );
    }
    if let Some(hsts) = hsts {
        headers.insert(STRICT_TRANSPORT_SECURITY, hsts.clone());
    }
}

/// `Strict-Transport-Security` for so many seconds (RFC 6797).
pub(crate) fn hsts(seconds: u64) -> Option<HeaderValue> {
    HeaderValue::from_str(&format!("max-age={seconds}; includeSubDomains")).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_answer_is_protected_and_a_policy_of_its_own_stays() {
        let mut headers = HeaderMap::new();
        headers.insert(
            CONTENT_SECURITY_POLICY,
            HeaderValue::from_static("default-src 'self'"),
        );
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("sniff"));
        let hsts = hsts(60);
        protect(&mut headers, Audience::Anybody, hsts.as_ref());
        assert_eq!(headers[CONTENT_SECURITY_POLICY], "default-src 'self'");
        assert_eq!(headers[X_CONTENT_TYPE_OPTIONS], "nosniff");
        assert_eq!(headers[REFERRER_POLICY], "no-referrer");
        assert_eq!(headers[CROSS_ORIGIN_RESOURCE_POLICY], "same-origin");
        assert_eq!(
            headers[STRICT_TRANSPORT_SECURITY],
            "max-age=60; includeSubDomains"
        );
    }

    #[test]
    fn answers_written_as_text_have_the_same_headers() {
        let mut headers = HeaderMap::new();
        protect(&mut headers, Audience::Posting, None);
        assert_eq!(headers.len(), OF_DOCUMENTS.len());
        for (name, value) in OF_DOCUMENTS {
            assert_eq!(headers[name], value);
        }
    }
}
