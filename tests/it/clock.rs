//! A clock that is set while the server runs. `libfaketime` stands between the
//! server and the time of day; the monotonic clock stays what it is.

use super::*;
use netwatch_guest::segment::name::SegmentName;
use netwatch_tests::client::post;
use netwatch_tests::server::command;
use std::path::PathBuf;

/// The library, wherever Debian's package for this architecture puts it.
fn libfaketime() -> PathBuf {
    let found = std::fs::read_dir("/usr/lib")
        .unwrap()
        .filter_map(|entry| Some(entry.ok()?.path().join("faketime/libfaketimeMT.so.1")))
        .find(|path| path.exists());
    found.expect("libfaketime; run scripts/install-test-tools")
}

/// Sets the time of day of the servers that [`start`] starts, as in `-1d`.
fn set_clock(dir: &Path, offset: &str) {
    let new = dir.join("clock.new");
    std::fs::write(&new, format!("{offset}\n")).unwrap();
    std::fs::rename(new, dir.join("clock")).unwrap();
}

fn start(kind: Kind, dir: &Path) -> Server {
    let data_dir = dir.join("data");
    let mut command = command(kind, &data_dir, &[("FLUSH_INTERVAL", "2s")]);
    command
        .env("LD_PRELOAD", libfaketime())
        .env("FAKETIME_TIMESTAMP_FILE", dir.join("clock"))
        .env("FAKETIME_NO_CACHE", "1")
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        // The library reads the file again and again, from within the server.
        .env("CONFINE", "off");
    Server::spawn(command, &data_dir)
}

fn report(server: &Server, n: u64) {
    let body = format!("{{\"n\":{n}}}");
    let posted = post(server.address, "application/json", body.as_bytes());
    assert_eq!(posted.status, 202, "{}", posted.text());
}

/// The day each report was received on, by its number.
fn days(data_dir: &Path) -> Vec<(u64, String)> {
    let mut days: Vec<_> = files::lines(data_dir)
        .iter()
        .map(|line| {
            let report: serde_json::Value = serde_json::from_str(line).unwrap();
            let at = report["_received"]["at"].as_str().unwrap();
            (report["n"].as_u64().unwrap(), at[..10].to_owned())
        })
        .collect();
    days.sort();
    days
}

#[test]
fn a_clock_set_back_and_forth_loses_delays_and_doubles_nothing() {
    for kind in BOTH {
        let dir = tempfile::tempdir().unwrap();
        let data_dir = dir.path().join("data");
        std::fs::create_dir(&data_dir).unwrap();
        set_clock(dir.path(), "+0");
        let mut server = start(kind, dir.path());
        report(&server, 1);
        set_clock(dir.path(), "-400d");
        report(&server, 2);
        // The interval is one of time that passes, not of dates.
        let within = std::time::Instant::now();
        published(&data_dir, 2);
        assert!(within.elapsed() < Duration::from_secs(10), "{kind:?}");
        report(&server, 3);
        set_clock(dir.path(), "+400d");
        report(&server, 4);
        server.kill();
        // What is found at the start is from a year later, and from now.
        set_clock(dir.path(), "-400d");
        let server = start(kind, dir.path());
        report(&server, 5);
        published(&data_dir, 5);
        assert_eq!(files::numbers(&data_dir), [1, 2, 3, 4, 5], "{kind:?}");
        let days = days(&data_dir);
        assert_eq!(days[1].1, days[2].1, "{days:?}");
        assert!(days[1].1 < days[0].1 && days[0].1 < days[3].1, "{days:?}");
        for path in files::segments(&data_dir) {
            let name = path.file_name().unwrap().to_str().unwrap();
            let name = SegmentName::parse(name).unwrap();
            assert!(name.first_ms <= name.last_ms, "{path:?}");
        }
    }
}
