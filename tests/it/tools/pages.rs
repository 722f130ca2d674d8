//! check-config, completions, man.

use super::*;
use std::io::Write;
use std::process::Stdio;

#[test]
fn check_config_shows_sources_and_all_that_is_wrong_and_no_secret() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("netwatch.toml");
    std::fs::write(&file, "workers = 3\nflush_interval = \"1m\"\n").unwrap();
    let mut good = tool(&["check-config", "--port", "81", "--config", path(&file)]);
    good.env("DURABILITY", "power").env("INGEST_KEY", "hunter2");
    let said = run(&mut good);
    assert_eq!(said.code, Some(0), "{said:?}");
    for (name, value, from) in [
        ("PORT", "81", "flag"),
        ("DURABILITY", "power", "environment"),
        ("WORKERS", "3", "netwatch.toml"),
        ("FLUSH_BYTES", "10MiB", "default"),
        ("INGEST_KEY", "(set, not shown)", "environment"),
    ] {
        let line = said.out.lines().find(|line| line.starts_with(name));
        let line = line.unwrap_or_else(|| panic!("no {name}: {said:?}"));
        assert!(line.contains(value) && line.ends_with(from), "{line}");
    }
    assert!(!said.out.contains("hunter2"));

    std::fs::write(&file, "wrokers = 3\nflush_interval = \"1\"\nnonsense = 1\n").unwrap();
    let mut wrong = tool(&["check-config", "--port", "x", "--config", path(&file)]);
    wrong
        .env("DURABILITY", "maybe")
        .env("INGEST_KEY", "not a key");
    let said = run(&mut wrong);
    assert_eq!(said.code, Some(2), "{said:?}");
    for name in [
        "wrokers",
        "nonsense",
        "FLUSH_INTERVAL",
        "PORT",
        "DURABILITY",
        "INGEST_KEY",
    ] {
        let told = said.err.lines().filter(|line| line.contains(name));
        assert_eq!(told.count(), 1, "{name}: {said:?}");
    }
    assert!(!said.err.contains("not a key") && !said.out.contains("not a key"));
}

#[test]
fn serve_says_everything_that_is_wrong_too() {
    let said = run(tool(&["serve", "--port", "x"]).env("WORKERS", "0"));
    assert_eq!(said.code, Some(2));
    assert!(
        said.err.contains("PORT") && said.err.contains("WORKERS"),
        "{said:?}"
    );
}

#[test]
fn completions_are_scripts_that_the_shell_takes() {
    for shell in ["bash", "zsh", "fish"] {
        let said = run(&mut tool(&["completions", shell]));
        assert_eq!(said.code, Some(0), "{said:?}");
        for word in ["check-config", "verify", "patience", "flush-interval"] {
            assert!(said.out.contains(word), "{shell}: no {word}");
        }
        if shell != "bash" {
            continue;
        }
        let mut bash = Command::new("bash")
            .arg("-n")
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("bash");
        let mut stdin = bash.stdin.take().unwrap();
        stdin.write_all(said.out.as_bytes()).unwrap();
        drop(stdin);
        let checked = bash.wait_with_output().unwrap();
        assert!(checked.status.success(), "{checked:?}");
    }
    assert_eq!(run(&mut tool(&["completions", "dos"])).code, Some(2));
}

#[test]
fn man_pages_are_roff_without_a_warning() {
    for (command, word) in [("", "check-config"), ("post", "patience"), ("cat", "since")] {
        let arguments = ["man", command];
        let arguments = if command.is_empty() {
            &arguments[..1]
        } else {
            &arguments[..]
        };
        let said = run(&mut tool(arguments));
        assert_eq!(said.code, Some(0), "{said:?}");
        assert!(said.out.contains("\n.TH netwatch"), "{said:?}");
        // Where there is a formatter it reads the page.
        let groff = Command::new("groff")
            .args(["-man", "-ww", "-Tutf8", "-P-cbou"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let Ok(mut groff) = groff else {
            continue;
        };
        let mut stdin = groff.stdin.take().unwrap();
        stdin.write_all(said.out.as_bytes()).unwrap();
        drop(stdin);
        let shown = groff.wait_with_output().unwrap();
        assert!(
            shown.status.success() && shown.stderr.is_empty(),
            "{shown:?}"
        );
        let text = String::from_utf8_lossy(&shown.stdout).replace('‐', "-");
        assert!(text.contains("NAME") && text.contains(word), "{text}");
    }
    let said = run(&mut tool(&["man", "psot"]));
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.err.contains("verify"), "{said:?}");
}
