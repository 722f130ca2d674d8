//! `SECURITY.md` speaks of what is there.

use super::*;
use netwatch_tests::client::get;
use netwatch_tests::server::binaries;
use std::process::Command;

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    std::fs::read_to_string(path).unwrap()
}

/// What stands between backticks.
fn code(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

#[test]
fn every_limit_setting_and_metric_it_names_exists() {
    let text = read("SECURITY.md");
    let limits = read("host/src/limits.rs") + &read("guest/src/limits.rs");
    let help = Command::new(binaries().join("netwatch-server"))
        .arg("--help")
        .output()
        .unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let server = quick(Kind::Native, dir.path());
    let metrics = get(server.address, "/metrics").text();
    let mut checked = 0;
    for name in code(&text) {
        let is_constant =
            name.contains('_') && name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_');
        let known = if is_constant {
            help.contains(&format!("[env: {name}]")) || limits.contains(&format!("const {name}: "))
        } else if name.starts_with("netwatch_") {
            let name = name.split('{').next().unwrap();
            metrics.contains(&format!("# TYPE {name} "))
        } else {
            continue;
        };
        assert!(known, "SECURITY.md names {name}, which is not there");
        checked += 1;
    }
    assert!(checked > 20, "only {checked}");
    // The last column of its table.
    let labels = text
        .lines()
        .filter_map(|line| line.strip_suffix(" |")?.rsplit_once("| "));
    let labels: Vec<_> = labels
        .flat_map(|(_, last)| code(last))
        .filter(|name| !name.contains('_') && name.starts_with(|c: char| c.is_ascii_lowercase()))
        .collect();
    let counters = read("host/src/edge/limited.rs") + &read("host/src/metrics.rs");
    for label in &labels {
        let known = counters.contains(&format!("\"{label}\""));
        assert!(
            known,
            "SECURITY.md names the label {label}, which is not there"
        );
    }
    assert!(labels.len() > 15, "only {labels:?}");
}
