//! The PROXY protocol, versions 1 and 2: a trusted proxy says, before anything
//! else, whose connection it passes on.

use crate::limits;
use ppp::{v1, v2};
use std::io;
use std::net::IpAddr;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// The first bytes of version 2, which are also fewer than the shortest header of
/// version 1 has.
const SIGNATURE: usize = v2::PROTOCOL_PREFIX.len();

/// Bytes of a header of version 2 before its addresses.
const FIXED_V2: usize = 16;

/// Bytes of the longest header of version 1.
const LONGEST_V1: usize = 107;

/// Reads the header, and not a byte beyond it. `None` where the proxy speaks for
/// itself or does not know.
///
/// # Errors
///
/// Where there is none, or not in time: nothing can be said about the client then,
/// and the connection is to be closed.
pub(crate) async fn read(stream: &mut TcpStream) -> io::Result<Option<IpAddr>> {
    timeout(limits::PROXY_HEADER_TIME, header(stream))
        .await
        .map_err(|_| io::ErrorKind::TimedOut)?
}

async fn header(stream: &mut TcpStream) -> io::Result<Option<IpAddr>> {
    let mut header = vec![0; SIGNATURE];
    stream.read_exact(&mut header).await?;
    if header == v2::PROTOCOL_PREFIX {
        binary(stream, header).await
    } else if header.starts_with(v1::PROTOCOL_PREFIX.as_bytes()) {
        text(stream, header).await
    } else {
        Err(malformed("no PROXY header"))
    }
}

async fn binary(stream: &mut TcpStream, mut header: Vec<u8>) -> io::Result<Option<IpAddr>> {
    let mut rest = [0; FIXED_V2 - SIGNATURE];
    stream.read_exact(&mut rest).await?;
    let [.., high, low] = rest;
    header.extend_from_slice(&rest);
    let length = usize::from(u16::from_be_bytes([high, low]));
    if length > limits::PROXY_HEADER_BYTES {
        return Err(malformed("the PROXY header is too long"));
    }
    let before = header.len();
    header.resize(before + length, 0);
    let rest = header.get_mut(before..).unwrap_or_default();
    stream.read_exact(rest).await?;
    let header = v2::Header::try_from(header.as_slice()).map_err(malformed)?;
    Ok(match (header.command, header.addresses) {
        // The proxy's own, to see whether anybody is there.
        (v2::Command::Local, _) => None,
        (_, v2::Addresses::IPv4(addresses)) => Some(addresses.source_address.into()),
        (_, v2::Addresses::IPv6(addresses)) => {
            Some(IpAddr::from(addresses.source_address).to_canonical())
        }
        (_, v2::Addresses::Unspecified | v2::Addresses::Unix(_)) => None,
    })
}

async fn text(stream: &mut TcpStream, mut header: Vec<u8>) -> io::Result<Option<IpAddr>> {
    // As much as is there, up to the line's end, since what follows is not ours.
    let mut ahead = [0; LONGEST_V1];
    while !header.ends_with(b"\n") {
        let room = LONGEST_V1.saturating_sub(header.len());
        let seen = stream
            .peek(ahead.get_mut(..room).unwrap_or_default())
            .await?;
        let ahead = ahead.get(..seen).unwrap_or_default();
        if ahead.is_empty() {
            return Err(malformed("the PROXY header has no end"));
        }
        let line = ahead.split_inclusive(|byte| *byte == b'\n').next();
        let mut line = line.unwrap_or_default().to_vec();
        stream.read_exact(&mut line).await?;
        header.extend_from_slice(&line);
    }
    let header = v1::Header::try_from(header.as_slice()).map_err(malformed)?;
    Ok(match header.addresses {
        v1::Addresses::Tcp4(addresses) => Some(addresses.source_address.into()),
        v1::Addresses::Tcp6(addresses) => {
            Some(IpAddr::from(addresses.source_address).to_canonical())
        }
        v1::Addresses::Unknown => None,
    })
}

fn malformed(error: impl ToString) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error.to_string())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    /// What a header says, sent in pieces, and what follows it.
    fn outcome(header: &[u8], piece: usize) -> io::Result<(Option<IpAddr>, String)> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            let mut proxy = TcpStream::connect(listener.local_addr()?).await?;
            proxy.set_nodelay(true)?;
            let (mut stream, _) = listener.accept().await?;
            let bytes = [header, b"GET /"].concat();
            let sending = async {
                for piece in bytes.chunks(piece) {
                    let _ = proxy.write_all(piece).await;
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                let _ = proxy.shutdown().await;
            };
            let (address, ()) = tokio::join!(read(&mut stream), sending);
            let address = address?;
            let mut rest = String::new();
            stream.read_to_string(&mut rest).await?;
            Ok((address, rest))
        })
    }

    fn binary(command: u8, family: u8, addresses: &[u8]) -> Vec<u8> {
        let length = u16::try_from(addresses.len()).unwrap().to_be_bytes();
        let fixed = [v2::PROTOCOL_PREFIX, &[0x20 | command, family], &length];
        [&fixed.concat(), addresses].concat()
    }

    const PORTS: [u8; 4] = [1, 2, 0, 80];

    #[test]
    fn both_versions_say_whose_connection_it_is_and_take_nothing_that_follows() {
        let four = [&[192, 0, 2, 1, 10, 0, 0, 1][..], &PORTS].concat();
        let mut six = [0; 36];
        six[..4].copy_from_slice(&[0x20, 1, 0x0d, 0xb8]);
        six[15] = 7;
        let with_extras = [&four[..], &[4, 0, 1, 9]].concat();
        for (header, expected) in [
            (
                b"PROXY TCP4 192.0.2.1 10.0.0.1 4711 80\r\n".to_vec(),
                Some("192.0.2.1"),
            ),
            (
                b"PROXY TCP6 2001:db8::7 ::1 4711 80\r\n".to_vec(),
                Some("2001:db8::7"),
            ),
            (b"PROXY UNKNOWN\r\n".to_vec(), None),
            (binary(1, 0x11, &four), Some("192.0.2.1")),
            (binary(1, 0x11, &with_extras), Some("192.0.2.1")),
            (binary(1, 0x21, &six), Some("2001:db8::7")),
            (binary(0, 0x11, &four), None),
            (binary(1, 0, &[]), None),
        ] {
            let expected = expected.map(|address| address.parse().unwrap());
            for piece in [5, 1000] {
                let (address, rest) = outcome(&header, piece).unwrap();
                assert_eq!((address, rest.as_str()), (expected, "GET /"), "{header:?}");
            }
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for header in [
            b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.1\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.x 10.0.0.1 4711 80\r\n".to_vec(),
            [b"PROXY TCP4 ".to_vec(), vec![b'1'; 200]].concat(),
            binary(1, 0x11, &[1, 2]),
            binary(1, 0x11, &[0; 5000]),
            b"PROXY".to_vec(),
            Vec::new(),
        ] {
            assert!(outcome(&header, 1000).is_err(), "{header:?}");
        }
    }
}
