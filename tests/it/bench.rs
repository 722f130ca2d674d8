//! `make bench`, for as long as a test may take: that it measures what it says.

use netwatch_tests::server::binaries;
use std::process::Command;

#[test]
fn bench_measures_every_server_and_finds_every_report_in_the_files() {
    let dir = tempfile::tempdir().unwrap();
    let (json, plot) = (dir.path().join("bench.json"), dir.path().join("bench.svg"));
    let output = Command::new(binaries().join("bench"))
        .args(["--rounds", "1", "--seconds", "0.3"])
        .args(["--sizes", "700B", "--connections", "4"])
        .args(["--targets", "bare,stock,memory,crash,power"])
        .arg("--json")
        .arg(&json)
        .arg("--plot")
        .arg(&plot)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:#?}");

    let results: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&json).unwrap()).unwrap();
    let cells = results["cells"].as_array().unwrap();
    assert_eq!(cells.len(), 5, "{results:#}");
    for cell in cells {
        let round = &cell["rounds"][0];
        for value in [
            "per_second",
            "p50_ms",
            "p99_ms",
            "max_ms",
            "cpu_per_million",
            "peak_mib",
        ] {
            assert!(round[value].as_f64().unwrap() > 0.0, "{value}: {cell:#}");
        }
        if cell["target"] != "bare" {
            let stored = &cell["stored"];
            assert!(stored["accepted"].as_u64().unwrap() > 0, "{cell:#}");
            assert_eq!(stored["lines"], stored["accepted"], "{cell:#}");
        }
    }
    let table = String::from_utf8(output.stdout).unwrap();
    for name in ["bare hyper", "`wasmtime serve`", "`crash`", "`power`"] {
        assert!(table.contains(&format!("| {name} |")), "{table}");
    }
    let svg = std::fs::read_to_string(&plot).unwrap();
    assert_eq!(svg.matches("<polyline").count(), 2 * 5, "{svg}");

    // What was written down says the same again.
    let again = Command::new(binaries().join("bench"))
        .arg("--from")
        .arg(&json)
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(again.stdout).unwrap(), table);
}
