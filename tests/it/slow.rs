//! Clients that take their time, and those that suffer from it if the server lets
//! them.

use super::*;
use netwatch_tests::client::{get, post, send};
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::time::Instant;

const HEAD: &str = "POST /api/v1/reports HTTP/1.1\r\nHost: x\r\n\
                    Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{";

/// A connection that has sent so much.
fn begun(address: SocketAddr, bytes: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(40)))
        .unwrap();
    stream.write_all(bytes.as_bytes()).unwrap();
    stream
}

/// What comes until the server closes; `None` if it does not.
fn rest(mut stream: TcpStream) -> Option<String> {
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Ok(_) => Some(String::from_utf8_lossy(&answer).into_owned()),
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => Some(String::new()),
        Err(_) => None,
    }
}

/// How often a limit has been met.
fn limited(address: SocketAddr, limit: &str) -> f64 {
    let line = format!("netwatch_limited_total{{limit=\"{limit}\"}} ");
    let metrics = get(address, "/metrics").text();
    let line = metrics.lines().find_map(|found| found.strip_prefix(&line));
    line.unwrap_or_else(|| panic!("no {limit} in {metrics}"))
        .parse()
        .unwrap()
}

#[test]
fn heads_bodies_and_idle_connections_are_given_up_in_time() {
    let dir = tempfile::tempdir().unwrap();
    let server = quick(Kind::Native, dir.path());
    let address = server.address;
    let (head, idle) = (begun(address, "POST /api/v1/rep"), begun(address, ""));
    let kept = begun(address, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    let body = begun(address, HEAD);
    let trickle = std::thread::spawn(move || {
        let mut stream = begun(address, HEAD);
        // Faster than not at all, slower than a kibibyte a second.
        for _ in 0..60 {
            if stream.write_all(b" ").is_err() {
                break;
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        rest(stream)
    });
    for stream in [head, idle] {
        assert_eq!(rest(stream).as_deref(), Some(""));
    }
    let kept = rest(kept).unwrap();
    assert!(kept.starts_with("HTTP/1.1 200"), "{kept}");
    let body = rest(body).unwrap();
    assert!(body.starts_with("HTTP/1.1 408"), "{body}");
    let trickle = trickle.join().unwrap().expect("a closed connection");
    assert!(
        trickle.starts_with("HTTP/1.1 408") || trickle.is_empty(),
        "{trickle}"
    );
    assert!(limited(address, "body-rate") >= 2.0);
    assert!(limited(address, "head-time") >= 2.0);
}

#[test]
fn a_client_that_does_not_read_is_given_up() {
    let dir = tempfile::tempdir().unwrap();
    let server = quick(Kind::Native, dir.path());
    let address = server.address;
    // More answers than any buffer holds, and nobody reads them.
    let request = "GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n".repeat(100);
    let mut deaf = begun(address, "");
    deaf.set_write_timeout(Some(Duration::from_secs(1)))
        .unwrap();
    while deaf.write_all(request.as_bytes()).is_ok() {}
    until(
        "the deaf client is given up",
        Duration::from_secs(60),
        || limited(address, "answer-time") >= 1.0,
    );
    assert!(rest(deaf).is_some());
}

#[test]
fn one_client_has_so_many_connections_and_others_theirs() {
    let dir = tempfile::tempdir().unwrap();
    let settings = [("CLIENT_CONNECTIONS", "5"), ("FLUSH_INTERVAL", "1s")];
    let server = Server::start(Kind::Native, dir.path(), &settings);
    let address = server.address;
    let held: Vec<_> = (0..5)
        .map(|_| begun(address, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"))
        .map(|mut stream| {
            stream.read_exact(&mut [0; 12]).unwrap();
            stream
        })
        .collect();
    let sixth = rest(begun(address, "")).unwrap();
    assert!(sixth.starts_with("HTTP/1.1 429"), "{sixth}");
    assert!(sixth.contains("retry-after: "), "{sixth}");
    let other = from(Ipv4Addr::new(127, 0, 0, 2), address).unwrap();
    let other = ask(other).unwrap();
    assert!(other.starts_with("HTTP/1.1 200"), "{other}");
    drop(held);
    until("the places are free again", Duration::from_secs(10), || {
        send(address, "GET", "/healthz", &[], b"").is_ok_and(|reply| reply.status == 200)
    });
    assert!(limited(address, "client-connections") >= 1.0);
}

#[test]
fn where_everybody_is_being_served_a_newcomer_is_told_to_come_again() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(Kind::Native, dir.path(), &[("MAX_CONNECTIONS", "2")]);
    let address = server.address;
    let expecting = HEAD.replace("\r\n\r\n{", "\r\nExpect: 100-continue\r\n\r\n");
    let (mut held, mut third) = (Vec::new(), String::new());
    // On a busy machine a moment may be too long, and one of the two has to go.
    for _ in 0..5 {
        held = [(); 2]
            .map(|()| begun(address, &expecting))
            .map(|mut stream| {
                // It is being served: its body is asked for.
                let _ = stream.read_exact(&mut [0; 12]);
                stream
            })
            .into();
        third = rest(begun(address, "")).unwrap();
        if !third.is_empty() {
            break;
        }
    }
    assert!(third.starts_with("HTTP/1.1 503"), "{third}");
    assert!(third.contains("retry-after: "), "{third}");
    // Their bodies have had the time that honest ones need.
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(get(address, "/healthz").status, 200);
    assert!(limited(address, "connections") >= 1.0);
    drop(held);
}

/// A connection from an address of this machine.
fn from(source: Ipv4Addr, to: SocketAddr) -> std::io::Result<TcpStream> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let stream = runtime.block_on(connect(source, to))?;
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    Ok(stream)
}

async fn connect(source: Ipv4Addr, to: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = tokio::net::TcpSocket::new_v4()?;
    socket.bind(SocketAddr::new(IpAddr::V4(source), 0))?;
    socket.connect(to).await?.into_std()
}

/// One good request.
fn ask(mut stream: TcpStream) -> std::io::Result<String> {
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// Idle and slow connections, from several addresses.
fn besiege(address: SocketAddr, connections: usize) -> Vec<TcpStream> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let come = async {
        let mut siege = Vec::with_capacity(connections);
        for number in 0..connections {
            let network = u8::try_from(number / 1000).unwrap();
            let source = Ipv4Addr::new(127, 0, 1, 1 + network);
            let mut stream = connect(source, address).await.unwrap();
            let part = match number % 3 {
                0 => "",
                1 => "POST /api/v1/rep",
                _ => HEAD,
            };
            // The server may have had enough of it already.
            let _ = stream.write_all(part.as_bytes());
            siege.push(stream);
        }
        siege
    };
    runtime.block_on(come)
}

#[test]
fn ten_thousand_idle_or_slow_connections_do_not_stop_a_good_client() {
    // Both ends of them are descriptors, each in a process of its own.
    let mut files = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    files.current = files.maximum;
    rustix::process::setrlimit(rustix::process::Resource::Nofile, files).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let server = quick(Kind::Native, dir.path());
    let address = server.address;
    let siege = besiege(address, 10_500);
    let began = Instant::now();
    let mut served = 0;
    for n in 0..1000 {
        let body = format!("{{\"n\":{n}}}");
        let headers = [("Content-Type", "application/json")];
        let reply = send(
            address,
            "POST",
            "/api/v1/reports",
            &headers,
            body.as_bytes(),
        );
        served += usize::from(reply.is_ok_and(|reply| reply.status == 202));
    }
    let took = began.elapsed();
    assert!(served >= 999, "{served} of 1000 served, in {took:?}");
    assert!(limited(address, "dismissed") >= 500.0);
    drop(siege);
    assert_eq!(
        post(address, "application/json", b"{\"n\":1000}").status,
        202
    );
    published(dir.path(), served + 1);
}
