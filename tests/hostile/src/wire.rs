//! Answers that no client should have to bear.

use super::answer;
use wasip3::http::types::{ErrorCode, Fields, Response};
use wasip3::{wit_future, wit_stream};

/// Bytes of one piece of a body.
const PIECE: usize = 64 << 10;

type Answer = Result<Response, ErrorCode>;

/// Answers as the name says; `None` where it says nothing.
pub(super) async fn attempt(name: &str) -> Option<Answer> {
    Some(match name {
        "huge-headers" => headers((0..50_000).map(|n| (format!("x-{n}"), vec![b'x'; 100]))),
        "huge-header" => headers([("x-huge".to_owned(), vec![b'x'; 8 << 20])]),
        "split-header" => headers([("x-split".to_owned(), b"a\r\nx-forged: 1".to_vec())]),
        "hop-header" => headers([("transfer-encoding".to_owned(), b"chunked".to_vec())]),
        "body-forever" => body(None, Body::Endless),
        "body-never" => body(None, Body::Stalled),
        "body-short" => body(Some(100), Body::Bytes(10)),
        "body-long" => body(Some(10), Body::Bytes(100_000)),
        "refuse" => Err(ErrorCode::InternalError(Some(
            "/secret/path\r\nx-forged: 1".to_owned(),
        ))),
        name => {
            let status = name.strip_prefix("status-")?.parse().ok()?;
            match answer(200, "").and_then(|response| {
                response
                    .set_status_code(status)
                    .map(|()| response)
                    .map_err(|()| ErrorCode::InternalError(None))
            }) {
                Ok(response) => Ok(response),
                Err(_) => answer(200, "no such status"),
            }
        }
    })
}

fn headers(fields: impl IntoIterator<Item = (String, Vec<u8>)>) -> Answer {
    let fields: Vec<_> = fields.into_iter().collect();
    let fields = match Fields::from_list(&fields) {
        Ok(fields) => fields,
        Err(error) => return answer(200, &format!("refused: {error:?}")),
    };
    let (trailers, trailers_read) = wit_future::new(|| Ok(None));
    drop(trailers);
    let (response, _sent) = Response::new(fields, None, trailers_read);
    Ok(response)
}

enum Body {
    /// Never ends.
    Endless,
    /// Never comes.
    Stalled,
    Bytes(usize),
}

fn body(declared: Option<u64>, what: Body) -> Answer {
    let length =
        declared.map(|bytes| ("content-length".to_owned(), bytes.to_string().into_bytes()));
    let fields: Vec<_> = length.into_iter().collect();
    let Ok(fields) = Fields::from_list(&fields) else {
        return answer(200, "refused");
    };
    let (mut sender, receiver) = wit_stream::new();
    let (trailers, trailers_read) = wit_future::new(|| Ok(None));
    drop(trailers);
    wasip3::spawn_local(async move {
        match what {
            Body::Endless => while sender.write_all(vec![b'x'; PIECE]).await.is_empty() {},
            Body::Stalled => std::future::pending().await,
            Body::Bytes(bytes) => {
                let _ = sender.write_all(vec![b'x'; bytes]).await;
            }
        }
    });
    let (response, _sent) = Response::new(fields, Some(receiver), trailers_read);
    Ok(response)
}
