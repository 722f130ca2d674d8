//! Start, stop, lock, configuration.

use super::*;
use netwatch_tests::client::post;
use netwatch_tests::server::native;

#[test]
fn a_clean_stop_publishes_everything_and_leaves_an_empty_journal() {
    for durability in ["memory", "crash", "power"] {
        let dir = tempfile::tempdir().unwrap();
        let mut server = Server::start(Kind::Native, dir.path(), &[("DURABILITY", durability)]);
        for n in 0..50 {
            let body = format!("{{\"n\":{n}}}");
            assert_eq!(
                post(server.address, "application/json", body.as_bytes()).status,
                202
            );
        }
        assert_eq!(server.stop().code(), Some(0), "{:#?}", server.log());
        assert_eq!(
            files::numbers(dir.path()),
            (0..50).collect::<Vec<_>>(),
            "{durability}"
        );
        assert_eq!(files::journal(dir.path()), Vec::<String>::new());
        assert_eq!(
            std::fs::read_dir(dir.path().join("journal"))
                .unwrap()
                .count(),
            0
        );
    }
}

#[test]
fn a_second_server_on_the_directory_stops_and_says_who_holds_it() {
    let dir = tempfile::tempdir().unwrap();
    let first = Server::start(Kind::Native, dir.path(), &[]);
    let second = native(dir.path(), &[]).output().unwrap();
    assert!(!second.status.success());
    let said = String::from_utf8_lossy(&[second.stdout, second.stderr].concat()).into_owned();
    assert!(said.contains(&first.address.port().to_string()), "{said}");
}

#[test]
fn wrong_settings_are_refused_by_name_with_the_accepted_form() {
    let dir = tempfile::tempdir().unwrap();
    for (name, value) in [
        ("PORT", "http"),
        ("BIND", "localhost!"),
        ("FLUSH_BYTES", "ten"),
        ("FLUSH_INTERVAL", "60"),
        ("DURABILITY", "always"),
        ("MAX_BODY_BYTES", "1TB"),
        ("ALLOWED_ORIGINS", "example.org"),
        ("WORKERS", "0"),
        ("LOG_FORMAT", "xml"),
        ("DEBUG", "perhaps"),
    ] {
        let output = native(dir.path(), &[(name, value)]).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{name}={value}");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains(name) && said.contains(value), "{said}");
    }
    let help = native(dir.path(), &[]).arg("--help").output().unwrap();
    let help = String::from_utf8_lossy(&help.stdout).into_owned();
    for shown in [
        "[default: 8080]",
        "[default: 10MiB]",
        "[default: 60s]",
        "[default: crash]",
    ] {
        assert!(help.contains(shown), "{help}");
    }
}

#[test]
fn a_flag_beats_the_environment_which_beats_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("netwatch.toml");
    std::fs::write(&file, "durability = \"always\"\n").unwrap();
    let run = |settings: &[(&str, &str)], flags: &[&str]| {
        let mut command = native(dir.path(), settings);
        let output = command
            .arg("--config")
            .arg(&file)
            .args(flags)
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    assert!(run(&[], &[]).contains("always"));
    assert!(run(&[("DURABILITY", "never")], &[]).contains("never"));
    let said = run(&[("DURABILITY", "never")], &["--durability", "sometimes"]);
    assert!(said.contains("sometimes"), "{said}");
    std::fs::write(&file, "durabillity = \"crash\"\n").unwrap();
    let said = run(&[], &[]);
    assert!(
        said.contains("durabillity") && said.contains("durability"),
        "{said}"
    );
}
