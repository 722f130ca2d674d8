//! HTTP/1.1 over a socket, with nothing hidden.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(20);

/// An answer; header names in lower case.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).expect("text")
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.text()))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

/// Sends bytes as they are and reads until the server closes.
pub fn raw(address: SocketAddr, request: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    // A server that refuses may close before everything is sent.
    let _ = stream.write_all(request);
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Err(error) if answer.is_empty() => Err(error),
        _ => Ok(answer),
    }
}

/// One request on a connection of its own.
pub fn send(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> std::io::Result<Reply> {
    let mut request = format!("{method} {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n");
    for (name, value) in headers {
        request += &format!("{name}: {value}\r\n");
    }
    request += &format!("Content-Length: {}\r\n\r\n", body.len());
    let answer = raw(address, &[request.as_bytes(), body].concat())?;
    parse(&answer).ok_or_else(|| std::io::Error::other("the answer was cut off"))
}

/// One request whose answer must come.
pub fn get(address: SocketAddr, path: &str) -> Reply {
    send(address, "GET", path, &[], b"").expect("an answer")
}

/// Posts reports of a type; the answer must come.
pub fn post(address: SocketAddr, content_type: &str, body: &[u8]) -> Reply {
    let headers = [("Content-Type", content_type)];
    send(address, "POST", "/api/v1/reports", &headers, body).expect("an answer")
}

/// What [`exchange`] sends to post `body`.
pub fn posting(content_type: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "POST /api/v1/reports HTTP/1.1\r\nHost: test\r\nContent-Type: {content_type}\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// One request on a connection that stays open; the answer must say its length.
pub fn exchange(stream: &mut TcpStream, request: &[u8]) -> std::io::Result<Reply> {
    stream.write_all(request)?;
    let (mut answer, mut bytes) = (Vec::new(), [0; 2048]);
    loop {
        let len = stream.read(&mut bytes)?;
        if len == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        answer.extend_from_slice(&bytes[..len]);
        let is_whole = |reply: &Reply| {
            let length = reply.header("content-length").map(str::parse);
            length.is_some_and(|length| length == Ok(reply.body.len()))
        };
        if let Some(reply) = parse(&answer).filter(is_whole) {
            return Ok(reply);
        }
    }
}

fn parse(answer: &[u8]) -> Option<Reply> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&answer[..end]).ok()?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers: BTreeMap<_, _> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let mut body = answer[end + 4..].to_vec();
    if headers
        .get("transfer-encoding")
        .is_some_and(|coding| coding == "chunked")
    {
        body = unchunk(&body)?;
    } else if let Some(length) = headers.get("content-length") {
        let length: usize = length.parse().ok()?;
        if body.len() < length && !body.is_empty() {
            return None;
        }
    }
    Some(Reply {
        status,
        headers,
        body,
    })
}

fn unchunk(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|two| two == b"\r\n")?;
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..end]).ok()?, 16).ok()?;
        let chunk = rest.get(end + 2..end + 2 + size)?;
        if size == 0 {
            return Some(body);
        }
        body.extend_from_slice(chunk);
        rest = rest.get(end + 4 + size..)?;
    }
}
