//! Where a request carries its ingest key.

/// The key of a request: `Authorization: Bearer`, else `X-API-Key`, else `?key=`
/// of the path's query, percent-decoded.
pub fn find(
    authorization: Option<&str>,
    x_api_key: Option<&str>,
    query: Option<&str>,
) -> Option<String> {
    let bearer = authorization.and_then(|value| {
        let (scheme, token) = value.trim().split_once(' ')?;
        scheme
            .eq_ignore_ascii_case("bearer")
            .then(|| token.trim().to_owned())
    });
    bearer
        .or_else(|| x_api_key.map(|key| key.trim().to_owned()))
        .or_else(|| query.and_then(from_query))
}

fn from_query(query: &str) -> Option<String> {
    form_urlencoded::parse(query.as_bytes())
        .find(|(name, _)| name == "key")
        .map(|(_, value)| value.into_owned())
}

#[cfg(test)]
mod tests {
    use super::find;

    #[test]
    fn the_key_is_found_in_all_three_places_in_this_order() {
        let key = |a, b, c| find(a, b, c).unwrap_or_default();
        assert_eq!(
            key(Some("Bearer one"), Some("two"), Some("key=three")),
            "one"
        );
        assert_eq!(key(Some("bearer  one "), None, None), "one");
        assert_eq!(key(Some("Basic abc"), Some("two"), None), "two");
        assert_eq!(key(None, None, Some("a=b&key=th%20r%65e")), "th ree");
        assert_eq!(find(None, None, Some("akey=1")), None);
    }
}
