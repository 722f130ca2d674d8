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
