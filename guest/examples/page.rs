//! Writes the page and its plots into a directory, with statistics that are made
//! up, to be looked at: `cargo run --release --example page --features testing OUT`.
#![allow(clippy::unwrap_used)]

use netwatch_guest::http::access::Denied;
use netwatch_guest::page::assets::Asset;
use netwatch_guest::page::{Asked, Storage, View, login, render};
use netwatch_guest::plot::{Width, fixture, heatmap, picture, rate};
use netwatch_guest::stats::table::Table;
use std::fs;
use std::path::PathBuf;

fn main() {
    let out: PathBuf = std::env::args_os().nth(1).unwrap_or("page".into()).into();
    fs::create_dir_all(&out).unwrap();
    let table = fixture::day();
    let mut countries = table.clone();
    for (group, name) in countries.groups.iter_mut().zip(["DE", "US", "FR", "JP"]) {
        group.name = name.to_owned();
    }
    let write = |name: &str, content: String| fs::write(out.join(name), content).unwrap();
    for asset in [Asset::Style, Asset::Script, Asset::Icon] {
        write(asset.path().trim_start_matches('/'), asset.content());
    }
    write("index.html", page("by=country", &table, Some(&countries)));
    write(
        "chosen.html",
        page("host=GitHub&since=2026-11-24T12:00", &table, None),
    );
    write("empty.html", page("", &fixture::empty(), None));
    write("login.html", login::render(Denied::Wrong));
    write("closed.html", login::render(Denied::Closed));
    write("latency.svg", picture(&table, Width::Wide).standalone());
    write("heatmap.svg", heatmap(&table, Width::Wide).standalone());
    write("rate.svg", rate(&table, Width::Wide).standalone());
}

fn page(query: &str, table: &Table, breakdown: Option<&Table>) -> String {
    let asked = Asked::parse(query);
    render(&View {
        asked: &asked,
        table,
        breakdown,
        storage: Storage {
            segments: 1440,
            bytes: Some(1_234_567_890),
            journals: 2,
            first_ms: Some(fixture::SINCE_MS - 30 * 86_400_000),
            last_ms: Some(fixture::SINCE_MS + 86_340_000),
        },
        now_ms: fixture::SINCE_MS + 86_400_000,
        fault: None,
    })
}
