//! What is built in, against the lists of `deny.toml`: licences, sources, and
//! crates that are not wanted, whatever platform they are for; cargo fetches those
//! that no build here needs. `cargo deny` is not needed.

use super::*;
use serde_json::Value;
use std::process::Command;

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// The strings of a list in `deny.toml`.
fn list(section: &str, key: &str) -> Vec<String> {
    let text = std::fs::read_to_string(repository().join("deny.toml")).unwrap();
    let lines = text.lines().map(str::trim);
    let lines: Vec<_> = lines.filter(|line| !line.starts_with('#')).collect();
    let text = lines.join("\n");
    let section = format!("[{section}]");
    let (_, rest) = text.split_once(&section).unwrap();
    let (_, rest) = rest.split_once(&format!("\n{key} = [")).unwrap();
    let (items, _) = rest.split_once(']').unwrap();
    let strings = items.split('"').skip(1).step_by(2);
    strings.map(str::to_owned).collect()
}

fn packages() -> Vec<Value> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let listed = Command::new(cargo)
        .current_dir(repository())
        .args(["metadata", "--locked", "--format-version", "1"])
        .output()
        .unwrap();
    assert!(listed.status.success(), "{listed:#?}");
    let metadata: Value = serde_json::from_slice(&listed.stdout).unwrap();
    metadata["packages"].as_array().unwrap().clone()
}

/// Whether an SPDX expression can be met with these licences.
fn is_met(expression: &str, allowed: &[String]) -> bool {
    let spaced = expression
        .replace('(', " ( ")
        .replace(')', " ) ")
        .replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest: &[&str] = words.as_slice();
    let met = any(&mut rest, allowed);
    assert!(rest.is_empty(), "not understood: {expression}");
    met
}

/// `AND` binds closer than `OR` (SPDX 2.3, annex D).
fn any<'a>(words: &mut &'a [&'a str], allowed: &[String]) -> bool {
    let mut met = all(words, allowed);
    while let Some(("OR", rest)) = next(words) {
        *words = rest;
        met |= all(words, allowed);
    }
    met
}

fn all<'a>(words: &mut &'a [&'a str], allowed: &[String]) -> bool {
    let mut met = one(words, allowed);
    while let Some(("AND", rest)) = next(words) {
        *words = rest;
        met &= one(words, allowed);
    }
    met
}

fn one<'a>(words: &mut &'a [&'a str], allowed: &[String]) -> bool {
    let (word, rest) = next(words).expect("a licence");
    *words = rest;
    if word == "(" {
        let met = any(words, allowed);
        *words = &words[1..];
        return met;
    }
    let mut name = word.to_owned();
    if let Some(("WITH", rest)) = next(words) {
        name = format!("{word} WITH {}", rest[0]);
        *words = &rest[1..];
    }
    allowed.contains(&name)
}

fn next<'a>(words: &&'a [&'a str]) -> Option<(&'a str, &'a [&'a str])> {
    words.split_first().map(|(first, rest)| (*first, rest))
}

#[test]
fn every_dependency_has_a_licence_that_is_allowed() {
    let allowed = list("licenses", "allow");
    let packages = packages();
    assert!(packages.len() > 100, "only {}", packages.len());
    for package in &packages {
        let licence = package["license"].as_str().unwrap_or("none");
        assert!(
            is_met(licence, &allowed),
            "{} {} is under {licence}",
            package["name"],
            package["version"]
        );
    }
    // Nor is anything allowed that nobody needs any more.
    for licence in &allowed {
        let needed = packages
            .iter()
            .filter_map(|package| package["license"].as_str())
            .any(|expression| expression.contains(licence.as_str()));
        assert!(needed, "{licence} is on the list, and no dependency has it");
    }
}

#[test]
fn every_dependency_comes_from_the_registry_and_none_is_banned() {
    let registries = list("sources", "allow-registry");
    let banned = list("bans", "deny");
    assert!(!banned.is_empty());
    for package in packages() {
        let name = package["name"].as_str().unwrap();
        assert!(!banned.iter().any(|banned| banned == name), "{name}");
        match package["source"].as_str() {
            Some(source) => {
                let known = registries
                    .iter()
                    .any(|registry| source == format!("registry+{registry}"));
                assert!(known, "{name} comes from {source}");
            }
            None => assert!(name.starts_with("netwatch-"), "{name} has no source"),
        }
    }
}

/// 48.0.3 to 48.0.8 mend what lets a component out of its sandbox.
#[test]
fn the_runtime_is_no_older_than_its_last_security_release() {
    for package in packages() {
        let name = package["name"].as_str().unwrap();
        if name == "wasmtime" || name.starts_with("wasmtime-wasi") {
            let version = package["version"].as_str().unwrap();
            let parts: Vec<u32> = version
                .split('.')
                .map(|part| part.parse().unwrap())
                .collect();
            assert!(parts >= vec![48, 0, 8], "{name} {version}");
        }
    }
}

#[test]
fn licence_expressions_are_understood() {
    let allowed = ["MIT", "Zlib", "Apache-2.0 WITH LLVM-exception"].map(str::to_owned);
    for (expression, met) in [
        ("MIT", true),
        ("GPL-3.0-only", false),
        ("MIT OR GPL-3.0-only", true),
        ("MIT/GPL-3.0-only", true),
        ("MIT AND GPL-3.0-only", false),
        ("GPL-3.0-only OR MIT AND Zlib", true),
        ("MIT OR Zlib AND GPL-3.0-only", true),
        ("(MIT OR Zlib) AND GPL-3.0-only", false),
        ("(MIT OR GPL-3.0-only) AND Zlib", true),
        ("Apache-2.0 WITH LLVM-exception", true),
        ("Apache-2.0", false),
    ] {
        assert_eq!(is_met(expression, &allowed), met, "{expression}");
    }
}
