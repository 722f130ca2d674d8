//! One directory, and no way out of it.

use super::*;
use netwatch_tests::server::grasping_component;
use std::process::Stdio;

#[test]
fn a_component_gets_nowhere_but_into_its_own_directory() {
    let mut stage = Stage::start("");
    std::fs::write(stage.root.path().join("tenants/beside"), "secret").unwrap();
    for _ in 0..2 {
        let reply = stage.bad("escape").expect("an answer");
        let said = reply.json();
        assert_eq!(said["inside"], true, "nothing was tried: {said}");
        assert_eq!(said["managed"], serde_json::json!([]), "{said}");
        let directories = said["directories"].as_array().unwrap();
        assert_eq!(directories.len(), 1, "{said}");
        let variables = said["environment"].as_array().unwrap();
        let foreign = ["PATH", "HOME", "USER", "PWD", "CARGO", "PORT", "BIND"];
        for name in variables {
            let name = name.as_str().unwrap();
            assert!(!foreign.contains(&name), "the host's {name}: {said}");
        }
    }
    stage.bear("escape");
    // For whoever else looks into the directory: nothing leads out of it.
    for entry in stage.data_dir("bad").read_dir().unwrap() {
        let entry = entry.unwrap();
        assert!(!entry.file_type().unwrap().is_symlink(), "{entry:?}");
    }
    let tenants = stage.root.path().join("tenants");
    let mut names: Vec<_> = tenants
        .read_dir()
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["bad", "beside", "good"]);
    stage.end();
}

#[test]
fn a_component_that_wants_a_network_is_not_loaded_and_the_message_says_why() {
    for (feature, import) in [
        ("outgoing", "wasi:http/client"),
        ("sockets", "wasi:sockets/"),
    ] {
        let root = tempfile::tempdir().unwrap();
        let component = grasping_component(feature).display().to_string();
        let own = format!("component = {component:?}\n");
        let file = root.path().join("netwatch.toml");
        std::fs::write(&file, configuration(&[("good", ""), ("bad", &own)])).unwrap();
        let output = native(&root.path().join("tenants"), &[])
            .arg("--config")
            .arg(&file)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(!output.status.success(), "{feature}: it runs");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains(import), "{feature}: {said}");
        assert!(said.contains("bad"), "which tenant: {said}");
    }
}
