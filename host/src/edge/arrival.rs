//! From an accepted socket to a stream that HTTP is spoken on.

use super::lobby::ClientPlace;
use super::tls::Spoken;
use super::{Edge, Limit, proxy_protocol, refusal};
use crate::limits;
use netwatch_guest::problem::Problem;
use std::net::IpAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::server::TlsStream;

/// A stream that HTTP is spoken on.
pub(crate) enum Stream {
    Plain(TcpStream),
    /// HTTP/1.1 over TLS.
    Tls(Box<TlsStream<TcpStream>>),
    /// HTTP/2 over TLS.
    Http2(Box<TlsStream<TcpStream>>),
}

impl Stream {
    pub(crate) fn is_encrypted(&self) -> bool {
        !matches!(self, Stream::Plain(_))
    }
}

/// A connection that has arrived.
pub(crate) struct Arrived {
    pub(crate) stream: Stream,
    /// Whose it is, as far as the network and trusted proxies say.
    pub(crate) peer: IpAddr,
    /// Held as long as it lives.
    pub(crate) client: Option<ClientPlace>,
}

/// Finds out whose connection it is and what it speaks; `None` where it has been
/// turned away.
pub(crate) async fn arrive(edge: &Edge, stream: TcpStream, from: IpAddr) -> Option<Arrived> {
    let mut stream = stream;
    let options = &edge.options;
    let mut peer = from;
    if options.proxy_protocol && options.trusted.trusts(from) {
        match proxy_protocol::read(&mut stream).await {
            Ok(address) => peer = address.unwrap_or(from),
            Err(error) => {
                edge.limited.count(Limit::ProxyHeader);
                tracing::debug!(%from, "a proxy did not say whose connection it is: {error}");
                return None;
            }
        }
    }
    // A proxy's connections are those of its many clients.
    let client = match options.trusted.trusts(peer) {
        true => None,
        false => match edge.lobby.admit(peer.into()) {
            Some(client) => client,
            None => {
                if edge.tls.is_none() {
                    too_many(stream).await;
                }
                return None;
            }
        },
    };
    let stream = shake_hands(edge, stream, peer).await?;
    Some(Arrived {
        stream,
        peer,
        client,
    })
}

async fn shake_hands(edge: &Edge, stream: TcpStream, peer: IpAddr) -> Option<Stream> {
    let Some(tls) = &edge.tls else {
        return Some(Stream::Plain(stream));
    };
    match tls.accept(stream).await {
        Ok(Spoken::Tls(stream)) => match stream.get_ref().1.alpn_protocol() {
            Some(b"h2") => Some(Stream::Http2(stream)),
            _ => Some(Stream::Tls(stream)),
        },
        Ok(Spoken::Plain(stream)) => {
            edge.limited.count(Limit::Handshake);
            let problem = Problem::new(400, "tls", "this port speaks HTTPS");
            say(stream, &problem).await;
            None
        }
        Err(error) => {
            edge.limited.count(Limit::Handshake);
            tracing::debug!(%peer, "no TLS handshake: {error}");
            None
        }
    }
}

async fn too_many(stream: TcpStream) {
    let detail = "this client has as many connections as it may (CLIENT_CONNECTIONS)";
    say(stream, &Problem::new(429, "client-connections", detail)).await;
}

/// Says why and closes, in bounded time. What still comes is thrown away, since
/// closing a socket with bytes in it would take the answer back.
async fn say(mut stream: TcpStream, problem: &Problem) {
    let saying = async {
        stream.write_all(&refusal::bytes(problem)).await?;
        stream.shutdown().await?;
        let mut thrown = (&mut stream).take(limits::FAREWELL_BYTES as u64);
        tokio::io::copy(&mut thrown, &mut tokio::io::sink()).await
    };
    // However it ends, the client is no concern any more.
    let _ = timeout(limits::FAREWELL_TIME, saying).await;
}
