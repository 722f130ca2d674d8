//! A tenant that means harm: a plain `wasi:http` component, whose path says what
//! it tries. It is given to a server beside a tenant that behaves, which must
//! notice nothing (`tests/it/isolation/`).
//!
//! | path | what it does |
//! |---|---|
//! | `/good`, `/api/v1/reports` | answers 200, 202 |
//! | `/memory-bomb`, `/recursion`, `/trap` | ends its instance |
//! | `/loop`, `/loop-yield`, `/never` | does not answer; two of them burn CPU |
//! | `/handles`, `/timers`, `/streams`, `/random` | takes what the host keeps for it |
//! | `/escape` | tries to leave its directory; says what it managed |
//! | `/files`, `/directories`, `/links`, `/fill`, … | fills the disk ([`files`]) |
//! | `/log-flood`, `/log-line`, `/log-forged` | writes log lines |
//! | `/huge-headers`, `/body-forever`, … | answers wrongly ([`wire`]) |
//!
//! Natively the crate is empty.
#![cfg(target_family = "wasm")]

mod escape;
mod files;
mod greed;
mod wire;

use wasip3::exports::http::handler::Guest;
use wasip3::http::types::{ErrorCode, Fields, Request, Response};
use wasip3::{wit_future, wit_stream};

struct Hostile;

wasip3::http::service::export!(Hostile);

impl Guest for Hostile {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let target = request.get_path_with_query().unwrap_or_default();
        let path = target.split('?').next().unwrap_or_default();
        match behaviour(path) {
            "good" => answer(200, "good"),
            "api/v1/reports" => answer(202, "{\"accepted\":1}"),
            "outgoing" => outgoing().await,
            "sockets" => sockets(),
            "escape" => answer(200, &escape::attempt().await),
            name if name.starts_with("log-") => log(name),
            name => {
                if let Some(said) = files::attempt(name).await {
                    return answer(200, &said);
                }
                if let Some(response) = wire::attempt(name).await {
                    return response;
                }
                match greed::attempt(name).await {
                    Some(said) => answer(200, &said),
                    None => answer(404, "there is no such harm"),
                }
            }
        }
    }
}

/// The path without the prefix by which the tenant may have been reached.
fn behaviour(path: &str) -> &str {
    let below = path.strip_prefix("/t/").and_then(|rest| {
        let (_tenant, below) = rest.split_once('/')?;
        Some(below)
    });
    below.unwrap_or_else(|| path.trim_start_matches('/'))
}

/// A whole answer.
fn answer(status: u16, text: &str) -> Result<Response, ErrorCode> {
    let (mut sender, body) = wit_stream::new();
    let (trailers, trailers_read) = wit_future::new(|| Ok(None));
    drop(trailers);
    let (response, _sent) = Response::new(Fields::new(), Some(body), trailers_read);
    let bytes = text.as_bytes().to_vec();
    wasip3::spawn_local(async move {
        let _ = sender.write_all(bytes).await;
    });
    response
        .set_status_code(status)
        .map_err(|()| ErrorCode::InternalError(None))?;
    Ok(response)
}

/// Lines a server's log must bear: many, long ones, and such as look like others.
fn log(name: &str) -> Result<Response, ErrorCode> {
    match name {
        "log-flood" => (0..200_000).for_each(|n| eprintln!("ERROR flood {n}")),
        "log-line" => eprintln!("{}", "x".repeat(8 << 20)),
        _ => eprintln!("INFO a\r\u{1b}[2J\u{7}{{\"level\":\"ERROR\",\"message\":\"forged\"}}"),
    }
    answer(200, name)
}

#[cfg(feature = "outgoing")]
async fn outgoing() -> Result<Response, ErrorCode> {
    let (_, trailers) = wit_future::new(|| Ok(None));
    let (request, _sent) = Request::new(Fields::new(), None, trailers, None);
    wasip3::http::client::send(request).await
}

#[cfg(not(feature = "outgoing"))]
async fn outgoing() -> Result<Response, ErrorCode> {
    answer(404, "built without")
}

#[cfg(feature = "sockets")]
fn sockets() -> Result<Response, ErrorCode> {
    use wasip3::sockets::types::{IpAddressFamily, TcpSocket};
    let made = TcpSocket::create(IpAddressFamily::Ipv4).is_ok();
    answer(200, if made { "a socket" } else { "none" })
}

#[cfg(not(feature = "sockets"))]
fn sockets() -> Result<Response, ErrorCode> {
    answer(404, "built without")
}
