//! The listening socket, and how many connections it lets in.

use crate::connection::{Shared, Visit};
use crate::limits;
use crate::reception::Reception;
use netwatch_guest::problem::{PROBLEM_JSON, Problem};
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

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

/// Accepts connections until `stop` becomes true. Each holds a permit of
/// `connections` as long as it lives.
pub(crate) async fn accept(
    listener: TcpListener,
    shared: Arc<Shared>,
    reception: Arc<Reception>,
    connections: Arc<Semaphore>,
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
        let Ok(permit) = Arc::clone(&connections).try_acquire_owned() else {
            refuse(&stream);
            continue;
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
        reception.take(Visit {
            shared: Arc::clone(&shared),
            stream,
            client: client.ip().to_canonical().to_string(),
            home: 0,
            stop: stopped.clone(),
            permit,
        });
    }
}

/// Says why, as far as the socket takes it without waiting.
fn refuse(stream: &TcpStream) {
    let detail = format!("there are {} connections already", limits::CONNECTIONS);
    let problem = Problem::new(503, "connections", detail);
    let body = problem.json();
    let answer = format!(
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: {PROBLEM_JSON}\r\n\
         Retry-After: {}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        problem.retry_after.unwrap_or_default(),
        body.len(),
    );
    let _ = stream.try_write(answer.as_bytes());
}
