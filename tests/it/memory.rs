//! What waits in an instance stays within its memory.

use super::*;
use netwatch_tests::client::{exchange, posting};
use netwatch_tests::reports::Random;
use std::net::{SocketAddr, TcpStream};

const CONNECTIONS: usize = 256;
const REQUESTS: usize = 40;
const NOISE_BYTES: usize = 20_000;

/// A request whose report no encoder makes much smaller.
fn request(random: &mut Random) -> Vec<u8> {
    let noise: String = (0..NOISE_BYTES)
        .map(|_| char::from(b'0' + random.below(43) as u8))
        .map(|letter| if letter == '\\' { '-' } else { letter })
        .collect();
    posting("application/json", &format!("{{\"noise\":\"{noise}\"}}"))
}

/// Posts one report after another; how many were accepted.
fn post_all(address: SocketAddr, seed: u64) -> usize {
    let mut random = Random(seed);
    let mut stream = TcpStream::connect(address).unwrap();
    let patience = Some(Duration::from_secs(60));
    stream.set_read_timeout(patience).unwrap();
    let mut accepted = 0;
    for _ in 0..REQUESTS {
        let reply = exchange(&mut stream, &request(&mut random)).unwrap();
        assert_eq!(reply.status, 202, "{}", reply.text());
        accepted += 1;
    }
    accepted
}

#[test]
fn reports_that_do_not_compress_fit_an_instance_from_many_connections_at_once() {
    for durability in ["memory", "crash"] {
        let dir = tempfile::tempdir().unwrap();
        let settings = [("DURABILITY", durability), ("WORKERS", "1")];
        let mut server = Server::start(Kind::Native, dir.path(), &settings);
        let address = server.address;
        let accepted: usize = std::thread::scope(|scope| {
            let posters: Vec<_> = (0..CONNECTIONS as u64)
                .map(|seed| scope.spawn(move || post_all(address, seed)))
                .collect();
            posters
                .into_iter()
                .map(|poster| poster.join().unwrap())
                .sum()
        });
        assert!(server.stop().success());
        let log = server.log().join("\n");
        assert!(!log.contains("an instance ended"), "{durability}: {log}");
        assert_eq!(files::lines(dir.path()).len(), accepted, "{durability}");
    }
}
