//! HTTPS, by a client that others have written.

use super::*;
use netwatch_tests::client::raw;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};

/// A certificate for `localhost`, and its key, written to a directory.
fn certificate(dir: &Path) -> [String; 2] {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let files = [
        ("cert.pem", made.cert.pem()),
        ("key.pem", made.signing_key.serialize_pem()),
    ];
    files.map(|(name, text)| {
        let path = dir.join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    })
}

/// A server that speaks HTTPS, and the certificate to trust.
fn secure(dir: &Path, more: &[(&str, &str)]) -> (Server, String) {
    let [cert, key] = certificate(dir);
    let mut settings = vec![
        ("TLS_CERT", cert.as_str()),
        ("TLS_KEY", key.as_str()),
        ("FLUSH_INTERVAL", "1s"),
    ];
    settings.extend_from_slice(more);
    let server = Server::start(Kind::Native, &dir.join("reports"), &settings);
    (server, cert)
}

/// What curl says, and whether it is content.
fn curl(server: &Server, cert: &str, path: &str, arguments: &[&str]) -> (bool, String) {
    let port = server.address.port();
    let output = Command::new("curl")
        .args(["-sS", "-i", "--max-time", "20", "--cacert", cert])
        .args(["--resolve", &format!("localhost:{port}:127.0.0.1")])
        .args(arguments)
        .arg(format!("https://localhost:{port}{path}"))
        .stdin(Stdio::null())
        .output()
        .expect("curl");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    (output.status.success(), said)
}

#[test]
fn reports_come_over_https_with_either_version_of_http() {
    let dir = tempfile::tempdir().unwrap();
    let (server, cert) = secure(dir.path(), &[("HSTS", "365d"), ("READ_TOKEN", "secret")]);
    for (number, (version, line)) in [("--http1.1", "HTTP/1.1 202"), ("--http2", "HTTP/2 202")]
        .into_iter()
        .enumerate()
    {
        let body = format!("{{\"n\":{number}}}");
        let report = ["-H", "Content-Type: application/json", "-d", &body, version];
        let (fine, said) = curl(&server, &cert, "/api/v1/reports", &report);
        assert!(fine && said.starts_with(line), "{said}");
        let said = said.to_lowercase();
        assert!(
            said.contains("strict-transport-security: max-age=31536000"),
            "{said}"
        );
        // The component knows that a cookie need not travel in the clear.
        let form = ["-d", "token=secret", version];
        let (fine, said) = curl(&server, &cert, "/login", &form);
        assert!(fine && said.contains("; Secure"), "{said}");
    }
    for version in ["--tlsv1.2", "--tlsv1.3"] {
        let (fine, said) = curl(&server, &cert, "/healthz", &[version]);
        assert!(fine, "{version}: {said}");
    }
    published(&dir.path().join("reports"), 2);
    assert_eq!(files::numbers(&dir.path().join("reports")), [0, 1]);
}

#[test]
fn old_versions_and_what_is_no_tls_are_turned_away() {
    let dir = tempfile::tempdir().unwrap();
    let (server, cert) = secure(dir.path(), &[]);
    let old = ["--tls-max", "1.1", "--ciphers", "DEFAULT@SECLEVEL=0"];
    let (fine, said) = curl(&server, &cert, "/healthz", &old);
    assert!(!fine, "{said}");
    let plain = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let answer = raw(server.address, plain).unwrap();
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    assert!(answer.contains("HTTPS"), "{answer}");
    let nonsense = [b"\x16\x03\x01\x00\x20".as_slice(), &[0xff; 64]].concat();
    let answer = raw(server.address, &nonsense).unwrap_or_default();
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
    // Somebody who says nothing does not keep others from being served, and goes.
    let mut silent = TcpStream::connect(server.address).unwrap();
    silent.write_all(b"\x16\x03").unwrap();
    let (fine, said) = curl(&server, &cert, "/metrics", &[]);
    assert!(fine, "{said}");
    let turned_away = "netwatch_limited_total{limit=\"handshake\"} 3";
    assert!(said.contains(turned_away), "{said}");
    silent
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    assert_eq!(silent.read_to_end(&mut Vec::new()).unwrap_or(0), 0);
}

#[test]
fn a_new_certificate_is_taken_and_a_bad_one_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let (server, cert) = secure(dir.path(), &[]);
    let old = dir.path().join("old.pem");
    std::fs::copy(&cert, &old).unwrap();
    let old = old.to_str().unwrap();
    assert!(curl(&server, old, "/healthz", &[]).0);
    std::fs::write(&cert, "no certificate").unwrap();
    let refused = "the new certificate cannot be used; the old one stays";
    let mut log = Vec::new();
    until("the bad one is refused", Duration::from_secs(20), || {
        log.extend(server.log());
        log.iter().any(|line| line.contains(refused))
    });
    let (fine, said) = curl(&server, old, "/healthz", &[]);
    assert!(fine, "{said}");
    certificate(dir.path());
    until("the new one is taken", Duration::from_secs(20), || {
        curl(&server, &cert, "/healthz", &[]).0
    });
    assert!(!curl(&server, old, "/healthz", &[]).0);
}

#[test]
fn a_certificate_that_cannot_be_used_stops_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let [cert, _] = certificate(dir.path());
    let settings = [("TLS_CERT", cert.as_str()), ("TLS_KEY", cert.as_str())];
    let output = netwatch_tests::server::native(&dir.path().join("reports"), &settings)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{said}");
    assert!(
        said.contains("HTTPS is not possible") && said.contains("TLS_KEY"),
        "{said}"
    );
}

/// A frame of HTTP/2 (RFC 9113 §4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let head = [&length[1..], &[kind, flags], &stream.to_be_bytes()].concat();
    [&head, payload].concat()
}

/// `GET path`, as a stream that ends with it, in HPACK without its tables.
fn asking(stream: u32, path: &str) -> Vec<u8> {
    let mut block = vec![0x82, 0x87, 0x01, 9];
    block.extend_from_slice(b"localhost");
    block.extend_from_slice(&[0x04, u8::try_from(path.len()).unwrap()]);
    block.extend_from_slice(path.as_bytes());
    frame(1, 5, stream, &block)
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A client that sends these frames and nothing else, until it is left.
fn http2(server: &Server, frames: &[u8]) -> std::process::Child {
    let mut client = Command::new("openssl")
        .args(["s_client", "-quiet", "-alpn", "h2", "-connect"])
        .arg(server.address.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("openssl");
    let stdin = client.stdin.as_mut().unwrap();
    // It may be left before all is sent.
    let _ = stdin.write_all(&[PREFACE, frames].concat());
    let _ = stdin.flush();
    client
}

/// What was answered until the server left, which it must.
fn left(mut client: std::process::Child, patience: Duration) -> Vec<u8> {
    until("the server leaves", patience, || {
        client.try_wait().unwrap().is_some()
    });
    let mut answer = Vec::new();
    let _ = client.stdout.take().unwrap().read_to_end(&mut answer);
    answer
}

#[test]
fn a_flood_of_resets_ends_the_connection_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let (server, cert) = secure(dir.path(), &[]);
    let mut frames = frame(4, 0, 0, &[]);
    for number in 0..20_000 {
        let stream = 2 * number + 1;
        frames.extend_from_slice(&asking(stream, "/openapi.json"));
        frames.extend_from_slice(&frame(3, 0, stream, &8_u32.to_be_bytes()));
    }
    let client = http2(&server, &frames);
    let (fine, said) = curl(&server, &cert, "/healthz", &["--http2"]);
    assert!(fine, "{said}");
    let answer = left(client, Duration::from_secs(20));
    // ENHANCE_YOUR_CALM, in a GOAWAY.
    let calm = 11_u32.to_be_bytes();
    assert!(answer.windows(4).any(|four| four == calm), "{answer:?}");
}

#[test]
fn a_client_that_gives_its_answers_no_room_is_given_up() {
    let dir = tempfile::tempdir().unwrap();
    let (server, cert) = secure(dir.path(), &[]);
    // SETTINGS_INITIAL_WINDOW_SIZE = 0
    let mut frames = frame(4, 0, 0, &[0, 4, 0, 0, 0, 0]);
    for stream in [1, 3, 5] {
        frames.extend_from_slice(&asking(stream, "/openapi.json"));
    }
    let mut client = http2(&server, &frames);
    // Pings are answered by nobody here, so the ping's patience ends it, or that
    // for the answers.
    until("it is given up", Duration::from_secs(60), || {
        client.try_wait().unwrap().is_some()
    });
    let (fine, said) = curl(&server, &cert, "/healthz", &[]);
    assert!(fine, "{said}");
}
