//! `X-Request-Id`: one name for a request in the client's log and in ours.

/// Longest id taken from a client.
const MAX_BYTES: usize = 64;

/// The client's id if it is sane, else a new one.
pub fn sane_or_new(sent: Option<String>) -> String {
    sent.filter(|id| is_sane(id)).unwrap_or_else(fresh)
}

/// A UUIDv4.
pub fn fresh() -> String {
    uuid::Builder::from_random_bytes(fastrand::u128(..).to_le_bytes())
        .into_uuid()
        .to_string()
}

/// Whether an id is short, and harmless in a log.
pub fn is_sane(id: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    !id.is_empty() && id.len() <= MAX_BYTES && id.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_harmless_ids_are_taken() {
        assert_eq!(sane_or_new(Some("a-B_9.z".into())), "a-B_9.z");
        let long = "x".repeat(65);
        for bad in [
            None,
            Some(""),
            Some("a b"),
            Some("a\nb"),
            Some("é"),
            Some(&long),
        ] {
            let id = sane_or_new(bad.map(str::to_owned));
            assert_eq!(id.len(), 36, "{bad:?}");
        }
    }
}
