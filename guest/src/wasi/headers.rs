//! A request's headers, brought over at once: to ask for one costs as much.

use wasip3::http::types::Request;

/// All headers of a request, in their order.
pub(super) struct Headers(Vec<(String, Vec<u8>)>);

impl Headers {
    pub(super) fn of(request: &Request) -> Headers {
        Headers(request.get_headers().copy_all())
    }

    /// The first value of a header, if it is text.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        let value = self.values(name).next()?;
        std::str::from_utf8(value).ok()
    }

    /// All values of a header that are text, as one.
    pub(super) fn joined(&self, name: &str, separator: &str) -> Option<String> {
        let texts = self.values(name).map(std::str::from_utf8);
        let texts: Vec<&str> = texts.filter_map(Result::ok).collect();
        (!texts.is_empty()).then(|| texts.join(separator))
    }

    /// The length that is announced for the body.
    pub(super) fn content_length(&self) -> Option<u64> {
        self.text("content-length")?.parse().ok()
    }

    fn values(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        let ours = move |(other, _): &&(String, Vec<u8>)| other.eq_ignore_ascii_case(name);
        self.0.iter().filter(ours).map(|(_, value)| &value[..])
    }
}
