//! The listening socket, and how many connections it lets in.

use crate::connection::{Shared, Visit};
use crate::reception::Reception;
use socket2::{Domain, Protocol, Socket, Type};
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// Connections the kernel keeps until they are accepted.
const BACKLOG: i32 = 1024;

/// A socket on `bind`, or on all interfaces: IPv6 with IPv4 in it, and IPv4
/// alone where there is no IPv6.
///
/// # Errors
///
/// What the system says, most often that the port is in use.
pub(crate) fn bind(bind: Option<IpAddr>, port: u16) -> io::Result<TcpListener> {
    if let Some(address) = bind {
        return listen(SocketAddr::new(address, port));
    }
    match listen(SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), port)) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Err(error),
        Err(_) => listen(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port)),
        listener => listener,
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    if address.is_ipv6() {
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    // A restarted server takes over the port although old connections linger.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Accepts connections until `stop` becomes true. Each has a place in the lobby as
/// long as it lives.
pub(crate) async fn accept(
    listener: TcpListener,
    shared: Arc<Shared>,
    reception: Arc<Reception>,
    mut stop: watch::Receiver<bool>,
) {
    let stopped = stop.clone();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => return,
        };
        let (stream, client) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of descriptors, mostly: give the others time to end.
                tracing::warn!("cannot accept a connection: {error}");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        // Answers are written whole; waiting to fill packets only delays them.
        let _ = stream.set_nodelay(true);
        // To be served by the event loop of another thread.
        let stream = match stream.into_std() {
            Ok(stream) => stream,
            Err(error) => {
                tracing::warn!("cannot take over a connection: {error}");
                continue;
            }
        };
        let Some(place) = shared.edge.lobby.enter().await else {
            refuse(stream, shared.edge.no_place());
            continue;
        };
        reception.take(Visit {
            shared: Arc::clone(&shared),
            stream,
            from: client.ip().to_canonical(),
            home: 0,
            stop: stopped.clone(),
            place,
        });
    }
}

/// Says why, as far as the socket takes it without waiting. What has come is read,
/// or closing would take the answer back.
fn refuse(mut stream: std::net::TcpStream, answer: Option<Vec<u8>>) {
    let _ = stream.read(&mut [0; 4096]);
    let _ = stream.write(&answer.unwrap_or_default());
}
