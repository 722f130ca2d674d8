//! What a client wants to get: `Accept` and `Accept-Encoding` (RFC 9110 §12.5).

/// The media type among `offers` that a client likes best; of equals the one it
/// names most precisely, then the first. What it does not want is no obstacle:
/// an answer it did not ask for is better than none.
pub fn media_type<'a>(accept: Option<&str>, offers: &[&'a str]) -> &'a str {
    let first = offers.first().copied().unwrap_or_default();
    let Some(accept) = accept else { return first };
    let mut best = (first, (0, 0));
    for offer in offers {
        let kind = offer.split('/').next().unwrap_or_default();
        let liking = ranges(accept)
            .filter_map(|(range, weight)| {
                let precision = match range.as_str() {
                    range if range == *offer => 2,
                    "*/*" => 0,
                    range if range.strip_suffix("/*") == Some(kind) => 1,
                    _ => return None,
                };
                Some((precision, weight))
            })
            .max();
        if let Some((precision, weight)) = liking
            && (weight, precision) > best.1
        {
            best = (offer, (weight, precision));
        }
    }
    best.0
}

/// A content coding for what is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// As it is.
    Identity,
    /// RFC 1952
    Gzip,
    /// RFC 8878
    Zstd,
}

impl Coding {
    /// Its name in `Content-Encoding`; `None` where there is none.
    pub fn name(self) -> Option<&'static str> {
        match self {
            Coding::Identity => None,
            Coding::Gzip => Some("gzip"),
            Coding::Zstd => Some("zstd"),
        }
    }

    /// The one a client likes best.
    pub fn of(accept_encoding: Option<&str>) -> Coding {
        let accept = accept_encoding.unwrap_or_default();
        let weight = |name: &str| {
            let named = ranges(accept).find(|(range, _)| range == name);
            let any = || ranges(accept).find(|(range, _)| range == "*");
            named.or_else(any).map_or(0, |(_, weight)| weight)
        };
        match (weight("zstd"), weight("gzip")) {
            (0, 0) => Coding::Identity,
            (zstd, gzip) if zstd >= gzip => Coding::Zstd,
            _ => Coding::Gzip,
        }
    }
}

/// The ranges of such a header in lower case, each with its weight in thousandths.
fn ranges(header: &str) -> impl Iterator<Item = (String, u32)> {
    header.split(',').map(|part| {
        let mut parameters = part.split(';').map(str::trim);
        let range = parameters.next().unwrap_or_default().to_ascii_lowercase();
        let weight = parameters
            .filter_map(|parameter| parameter.strip_prefix("q="))
            .filter_map(|weight| weight.parse::<f32>().ok())
            .next()
            .unwrap_or(1.0);
        (range, (weight.clamp(0.0, 1.0) * 1000.0) as u32)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFERS: [&str; 2] = ["application/x-ndjson", "application/json"];

    #[test]
    fn the_type_liked_best_is_sent() {
        for (accept, number) in [
            (None, 0),
            (Some("*/*"), 0),
            (Some("application/json"), 1),
            (Some("application/json, text/plain, */*"), 1),
            (Some("application/json;q=0.5, application/x-ndjson"), 0),
            (Some("Application/JSON ; q=0.9, application/*;q=0.8"), 1),
            (Some("text/html,application/xhtml+xml,*/*;q=0.8"), 0),
            (Some("text/csv"), 0),
            (Some("application/x-ndjson;q=0, application/json;q=0.1"), 1),
        ] {
            assert_eq!(media_type(accept, &OFFERS), OFFERS[number], "{accept:?}");
        }
    }

    #[test]
    fn the_coding_liked_best_is_used() {
        for (accept, coding) in [
            (None, Coding::Identity),
            (Some(""), Coding::Identity),
            (Some("gzip, deflate, br, zstd"), Coding::Zstd),
            (Some("gzip"), Coding::Gzip),
            (Some("zstd;q=0.5, gzip"), Coding::Gzip),
            (Some("zstd;q=0"), Coding::Identity),
            (Some("*"), Coding::Zstd),
            (Some("identity, br"), Coding::Identity),
            (Some("*;q=0.1, zstd;q=0"), Coding::Gzip),
        ] {
            assert_eq!(Coding::of(accept), coding, "{accept:?}");
        }
    }
}
