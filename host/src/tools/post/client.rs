//! One request at a time to a server, over a connection that is kept.

use super::endpoint::Endpoint;
use crate::limits;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue, RETRY_AFTER, USER_AGENT};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// So many reports are acknowledged.
    Accepted(u64),
    /// Not now; nothing is stored.
    Busy {
        /// What the server said.
        why: String,
        /// After how long it wants to be asked again, if it said.
        again: Option<Duration>,
    },
    /// No connection, or it was of no use: nothing is stored.
    Unreachable(String),
    /// No answer, or one that says nothing: stored or not, nobody knows.
    Lost(String),
    /// More than the server takes at once.
    TooLarge(String),
    /// Not these reports, or not from here.
    Refused {
        /// What the server said.
        why: String,
        /// The line of the body at fault, from 1, if it is one line's.
        line: Option<usize>,
    },
}

/// A client of one server.
pub(super) struct Client {
    endpoint: Endpoint,
    authorization: Option<HeaderValue>,
    /// The connection, and when it was last used.
    open: Option<(SendRequest<Full<Bytes>>, Instant)>,
}

impl Client {
    /// With the key that the server wants, if it wants one.
    pub(super) fn new(endpoint: Endpoint, key: Option<&str>) -> Result<Client, String> {
        let authorization = key.map(|key| HeaderValue::from_str(&format!("Bearer {key}")));
        let authorization = authorization.transpose();
        Ok(Client {
            endpoint,
            authorization: authorization.map_err(|_| "the key fits into no header".to_owned())?,
            open: None,
        })
    }

    /// Posts a body of NDJSON.
    pub(super) async fn post(&mut self, body: &[u8]) -> Answer {
        let mut sender = match self.connection().await {
            Ok(sender) => sender,
            Err(why) => return Answer::Unreachable(why),
        };
        let request = match self.request(body) {
            Ok(request) => request,
            Err(error) => return Answer::Unreachable(error.to_string()),
        };
        let exchange = async {
            let response = match sender.try_send_request(request).await {
                Ok(response) => response,
                Err(mut error) => {
                    let unsent = error.take_message().is_some();
                    let why = format!("the connection broke: {}", error.into_error());
                    return Err(if unsent {
                        Answer::Unreachable(why)
                    } else {
                        Answer::Lost(why)
                    });
                }
            };
            read(response).await
        };
        let exchanged = timeout(limits::POST_ANSWER_TIME, exchange).await;
        match exchanged {
            Ok(Ok(Reply {
                status,
                retry_after,
                body,
            })) => {
                self.open = Some((sender, Instant::now()));
                understand(status, retry_after, &body)
            }
            Ok(Err(answer)) => answer,
            Err(_) => Answer::Lost(format!(
                "no answer within {} s",
                limits::POST_ANSWER_TIME.as_secs()
            )),
        }
    }

    fn request(&self, body: &[u8]) -> http::Result<Request<Full<Bytes>>> {
        let mut request = Request::post(&self.endpoint.path)
            .header(HOST, &self.endpoint.authority)
            .header(CONTENT_TYPE, "application/x-ndjson")
            .header(
                USER_AGENT,
                concat!("netwatch-server/", env!("CARGO_PKG_VERSION")),
            );
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        request.body(Full::new(Bytes::copy_from_slice(body)))
    }

    /// The open connection if it is fresh, or a new one: a server closes those
    /// that were idle, maybe at the very moment of the next request.
    async fn connection(&mut self) -> Result<SendRequest<Full<Bytes>>, String> {
        if let Some((mut sender, used)) = self.open.take()
            && used.elapsed() < limits::POST_IDLE_TIME
            && sender.ready().await.is_ok()
        {
            return Ok(sender);
        }
        let address = (self.endpoint.host.as_str(), self.endpoint.port);
        let connect = async {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            Ok::<_, std::io::Error>(stream)
        };
        let failed = |what: String| format!("no connection to {}: {what}", self.endpoint.authority);
        let stream = timeout(limits::POST_CONNECT_TIME, connect)
            .await
            .map_err(|_| failed("no answer".to_owned()))?
            .map_err(|error| failed(error.to_string()))?;
        let (sender, connection) = handshake(TokioIo::new(stream))
            .await
            .map_err(|error| failed(error.to_string()))?;
        // Its errors are those of the requests on it.
        tokio::spawn(connection);
        Ok(sender)
    }
}

/// An answer as it was read.
struct Reply {
    status: StatusCode,
    retry_after: Option<Duration>,
    body: Bytes,
}

async fn read(response: Response<Incoming>) -> Result<Reply, Answer> {
    let (head, body) = response.into_parts();
    let seconds = head.headers.get(RETRY_AFTER);
    let seconds = seconds.and_then(|value| value.to_str().ok()?.trim().parse().ok());
    let body = Limited::new(body, limits::POST_ANSWER_BYTES)
        .collect()
        .await
        .map_err(|error| Answer::Lost(format!("the answer was cut off: {error}")))?;
    Ok(Reply {
        status: head.status,
        retry_after: seconds.map(Duration::from_secs),
        body: body.to_bytes(),
    })
}

/// What an answer means for the reports.
fn understand(status: StatusCode, again: Option<Duration>, body: &[u8]) -> Answer {
    let document: Value = serde_json::from_slice(body).unwrap_or_default();
    let detail = document.get("detail").and_then(Value::as_str);
    let why = match detail {
        Some(detail) => format!("{status}: {detail}"),
        None => status.to_string(),
    };
    if status.is_success() {
        return match document.get("accepted").and_then(Value::as_u64) {
            Some(accepted) => Answer::Accepted(accepted),
            None => Answer::Refused {
                why: format!("{why}, but not as a netwatch-server says it; is the URL right?"),
                line: None,
            },
        };
    }
    match status {
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            Answer::Busy { why, again }
        }
        StatusCode::PAYLOAD_TOO_LARGE => Answer::TooLarge(why),
        StatusCode::REQUEST_TIMEOUT => Answer::Busy { why, again },
        status if status.is_server_error() => Answer::Lost(why),
        _ => {
            let line = document.get("line").and_then(Value::as_u64);
            let column = document.get("column").and_then(Value::as_u64);
            let column = column.map_or(String::new(), |column| format!(" (column {column})"));
            Answer::Refused {
                why: format!("{why}{column}"),
                line: line.and_then(|line| usize::try_from(line).ok()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        let status = StatusCode::from_u16(status).unwrap_or_default();
        understand(status, Some(Duration::from_secs(3)), body.as_bytes())
    }

    #[test]
    fn an_answer_is_understood_by_what_it_means_for_the_reports() {
        assert_eq!(answer(202, "{\"accepted\":5}"), Answer::Accepted(5));
        let Answer::Busy { why, again } = answer(503, "{\"detail\":\"the disk is full\"}") else {
            unreachable!("not busy");
        };
        assert!(why.contains("the disk is full"), "{why}");
        assert_eq!(again, Some(Duration::from_secs(3)));
        assert!(matches!(answer(429, ""), Answer::Busy { .. }));
        assert!(matches!(answer(500, ""), Answer::Lost(_)));
        assert!(matches!(answer(413, ""), Answer::TooLarge(_)));
        let refused = answer(400, "{\"detail\":\"expected ':'\",\"line\":7,\"column\":3}");
        let Answer::Refused { why, line } = refused else {
            unreachable!("not refused");
        };
        assert!(why.contains("expected ':' (column 3)"), "{why}");
        assert_eq!(line, Some(7));
    }

    #[test]
    fn a_success_that_no_netwatch_server_would_report_is_none() {
        for (status, body) in [(200, "<html>"), (202, "{}"), (204, "")] {
            let answer = answer(status, body);
            assert!(matches!(answer, Answer::Refused { .. }), "{answer:?}");
        }
        assert!(matches!(answer(301, ""), Answer::Refused { .. }));
    }
}
