//! The rules of `POST /api/v1/reports`, behind both entrances.

use crate::config::Settings;
use crate::decode::decode_body;
use crate::limits::MAX_QUOTED_CHARS;
use crate::problem::Refusal;
use crate::report::{Shape, Stamper, stamp_reports};
use subtle::ConstantTimeEq;

/// What a request with reports came with, as received.
#[derive(Clone, Debug, Default)]
pub struct Envelope {
    /// `Content-Type`
    pub content_type: Option<String>,
    /// `Content-Encoding`
    pub content_encoding: Option<String>,
    /// `Origin`
    pub origin: Option<String>,
    /// The ingest key it brings.
    pub key: Option<String>,
    /// What is to be stored of its client, as the host says.
    pub client: Option<String>,
}

/// One request.
#[derive(Clone, Copy, Debug)]
pub struct Submission<'a> {
    /// The body, with its content coding.
    pub body: &'a [u8],
    /// What it came with.
    pub envelope: &'a Envelope,
}

/// Judges a submission and appends its lines to `out`; their number.
///
/// # Errors
/// The first rule it breaks: origin, key, type, size, coding, content. `out` is
/// then as it was.
pub fn check(
    settings: &Settings,
    submission: Submission<'_>,
    stamper: &mut Stamper,
    out: &mut Vec<u8>,
) -> Result<u32, Refusal> {
    let Submission { body, envelope } = submission;
    check_origin(settings, envelope.origin.as_deref())?;
    check_key(settings, envelope.key.as_deref())?;
    let shape = shape(envelope.content_type.as_deref())?;
    let limit = settings.max_body_bytes;
    if body.len() as u64 > limit {
        return Err(Refusal::TooLarge(limit));
    }
    let coding = envelope.content_encoding.as_deref();
    let body = decode_body(body, coding, limit).map_err(|error| Refusal::Decode(error, limit))?;
    stamper.set_client(envelope.client.as_deref());
    stamp_reports(&body, shape, stamper, out).map_err(Refusal::Report)
}

fn check_origin(settings: &Settings, origin: Option<&str>) -> Result<(), Refusal> {
    match origin {
        Some(origin) if !settings.allowed_origins.allow(origin) => {
            Err(Refusal::Origin(bounded(origin)))
        }
        _ => Ok(()),
    }
}

/// Takes as long for any wrong key of the right length.
fn check_key(settings: &Settings, key: Option<&str>) -> Result<(), Refusal> {
    match (&settings.ingest_key, key) {
        (None, _) => Ok(()),
        (Some(_), None) => Err(Refusal::KeyMissing),
        (Some(right), Some(key)) if bool::from(right.as_bytes().ct_eq(key.as_bytes())) => Ok(()),
        (Some(_), Some(_)) => Err(Refusal::KeyWrong),
    }
}

/// How reports are laid out in a body of this type (RFC 9110 §8.3).
fn shape(content_type: Option<&str>) -> Result<Shape, Refusal> {
    let sent = content_type.ok_or(Refusal::TypeMissing)?;
    // As nearly everybody writes it.
    if sent == "application/json" {
        return Ok(Shape::Json);
    }
    let mut parts = sent.split(';').map(|part| part.trim().to_ascii_lowercase());
    let essence = parts.next().unwrap_or_default();
    let charset_is_ours = parts
        .filter_map(|parameter| {
            Some(parameter.split_once('=')?.1.trim_matches('"').to_owned())
                .filter(|_| parameter.starts_with("charset"))
        })
        .all(|charset| matches!(charset.as_str(), "utf-8" | "utf8" | "us-ascii"));
    match essence.as_str() {
        "application/json" | "application/reports+json" | "text/plain" if charset_is_ours => {
            Ok(Shape::Json)
        }
        "application/x-ndjson" if charset_is_ours => Ok(Shape::NdJson),
        _ => Err(Refusal::Type(bounded(sent))),
    }
}

fn bounded(text: &str) -> String {
    text.chars().take(MAX_QUOTED_CHARS).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::problem::Problem;
    use std::io::Write;

    fn settings() -> Settings {
        Settings {
            ingest_key: Some("k3y".into()),
            allowed_origins: "https://a.example".parse().unwrap(),
            max_body_bytes: 4096,
            ..Settings::default()
        }
    }

    struct Sent {
        body: Vec<u8>,
        envelope: Envelope,
    }

    fn good() -> Sent {
        Sent {
            body: b"{\"a\":1}".to_vec(),
            envelope: Envelope {
                content_type: Some("application/json".into()),
                origin: Some("https://a.example".into()),
                key: Some("k3y".into()),
                ..Envelope::default()
            },
        }
    }

    fn judge(sent: &Sent) -> Result<u32, Box<Problem>> {
        let (mut stamper, mut out) = (Stamper::new([1; 32]), Vec::new());
        let submission = Submission {
            body: &sent.body,
            envelope: &sent.envelope,
        };
        let checked = check(&settings(), submission, &mut stamper, &mut out);
        checked.map_err(|refusal| Box::new(refusal.into()))
    }

    fn status(change: impl FnOnce(&mut Sent)) -> u16 {
        let mut sent = good();
        change(&mut sent);
        judge(&sent).map_or_else(|problem| problem.status, |_| 202)
    }

    fn gzip(content: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    fn zstd(content: &[u8]) -> Vec<u8> {
        let mut encoder = crate::segment::encoder::Encoder::new(1).unwrap();
        encoder.write(content).unwrap();
        encoder.finish().unwrap().bytes
    }

    #[test]
    fn every_rule_has_its_status() {
        assert_eq!(status(|_| {}), 202);
        assert_eq!(status(|s| s.envelope.origin = None), 202);
        assert_eq!(
            status(|s| s.envelope.origin = Some("https://b.example".into())),
            403
        );
        assert_eq!(status(|s| s.envelope.key = None), 401);
        assert_eq!(status(|s| s.envelope.key = Some("key".into())), 403);
        assert_eq!(status(|s| s.envelope.content_type = None), 415);
        assert_eq!(
            status(|s| s.envelope.content_type = Some("text/html".into())),
            415
        );
        assert_eq!(status(|s| s.body = vec![b' '; 4097]), 413);
        assert_eq!(
            status(|s| s.envelope.content_encoding = Some("br".into())),
            415
        );
        assert_eq!(
            status(|s| s.envelope.content_encoding = Some("gzip, gzip".into())),
            415
        );
        assert_eq!(
            status(|s| s.envelope.content_encoding = Some("gzip".into())),
            400
        );
        assert_eq!(
            status(|s| s.envelope.content_encoding = Some("zstd".into())),
            400
        );
        assert_eq!(status(|s| s.body = b"{".to_vec()), 400);
        assert_eq!(status(|s| s.body = b"1".to_vec()), 422);
        assert_eq!(status(|s| s.body = b"{\"_received\":1}".to_vec()), 422);
    }

    #[test]
    fn all_four_types_hold_reports_in_utf_8_only() {
        for (sent, expected) in [
            ("application/json; charset=utf-8", 202),
            ("Application/JSON;charset=\"UTF-8\"", 202),
            ("application/x-ndjson", 202),
            ("application/reports+json", 202),
            ("text/plain;charset=UTF-8", 202),
            ("text/plain; charset=iso-8859-1", 415),
            ("application/jsonx", 415),
            ("", 415),
        ] {
            assert_eq!(
                status(|s| s.envelope.content_type = Some(sent.into())),
                expected,
                "{sent}"
            );
        }
    }

    #[test]
    fn coded_bodies_are_read_and_bombs_stopped_at_the_limit() {
        for (coding, encode) in [("gzip", gzip as fn(&[u8]) -> Vec<u8>), ("ZSTD", zstd)] {
            let coded = |content: &[u8]| {
                status(|s| {
                    s.envelope.content_encoding = Some(coding.into());
                    s.body = encode(content);
                })
            };
            assert_eq!(coded(b"{\"a\":1}"), 202);
            assert_eq!(coded(&vec![b' '; 3 << 20]), 413, "{coding}");
            let cut = |bytes: usize| {
                status(|s| {
                    s.envelope.content_encoding = Some(coding.into());
                    s.body = encode(b"{\"a\":1}");
                    s.body.truncate(s.body.len() - bytes);
                })
            };
            assert_eq!(cut(1), 400, "{coding}");
            assert_eq!(cut(9), 400, "{coding}");
        }
        let two = [
            zstd(b"{\"a\":"),
            vec![0x50, 0x2A, 0x4D, 0x18, 2, 0, 0, 0, 9, 9],
            zstd(b"1}"),
        ];
        assert_eq!(
            status(|s| {
                s.envelope.content_encoding = Some("zstd".into());
                s.body = two.concat();
            }),
            202
        );
    }

    #[test]
    fn broken_codings_never_panic() {
        let content: Vec<u8> = (0..2000u32).flat_map(|n| (n * n).to_le_bytes()).collect();
        let mut random = fastrand::Rng::with_seed(5);
        for (coding, whole) in [("gzip", gzip(&content)), ("zstd", zstd(&content))] {
            for _ in 0..3000 {
                let mut body = whole.clone();
                for _ in 0..random.usize(1..5) {
                    let at = random.usize(..body.len());
                    body[at] = random.u8(..);
                }
                body.truncate(random.usize(1..=body.len()));
                let _ = decode_body(&body, Some(coding), 1 << 16);
            }
        }
    }

    #[test]
    fn a_refused_origin_may_not_read_the_answer() {
        let mut sent = good();
        sent.envelope.origin = Some("https://evil.example".into());
        assert!(!judge(&sent).unwrap_err().readable_by_origin);
        sent.envelope.origin = good().envelope.origin;
        sent.envelope.key = None;
        assert!(judge(&sent).unwrap_err().readable_by_origin);
    }
}
