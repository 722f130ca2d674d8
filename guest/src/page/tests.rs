//! The page as markup: well-formed, complete, and nobody's text is markup.
#![cfg(test)]
#![allow(clippy::unwrap_used)]

use super::*;
use crate::http::access::Denied;
use crate::plot::fixture;
use crate::plot::tests::xml;

fn page(query: &str, table: &Table, breakdown: Option<&Table>) -> String {
    let asked = Asked::parse(query);
    render(&View {
        asked: &asked,
        table,
        breakdown,
        storage: Storage {
            segments: 12,
            bytes: Some(3 << 20),
            journals: 2,
            first_ms: Some(fixture::SINCE_MS),
            last_ms: None,
        },
        now_ms: fixture::SINCE_MS + 86_400_000,
        fault: None,
    })
}

#[test]
fn the_page_is_well_formed_and_shows_every_part() {
    let table = fixture::day();
    let html = page("by=country", &table, Some(&table));
    xml::check(&html).unwrap();
    for part in [
        "<main id=\"main\">",
        "Median of each host",
        "class=\"plot panel\"",
        "class=\"plot spark\"",
        "Distribution of latency",
        "Country, by the number of measurements",
        "3 MiB",
        "24 Nov 2026, 12:00 to 25 Nov 2026, 12:00 UTC",
        "scope=\"row\"",
    ] {
        assert!(html.contains(part), "{part}");
    }
    for group in &table.groups {
        assert!(html.contains(&group.name), "{}", group.name);
    }
    assert!(html.len() < 400_000, "{} bytes", html.len());
}

#[test]
fn nothing_measured_is_a_page_too() {
    for table in [fixture::empty(), Table::default()] {
        let html = page("by=client", &table, Some(&table));
        xml::check(&html).unwrap();
        assert!(html.contains("No measurements in this period"));
    }
}

#[test]
fn nobodys_text_becomes_markup() {
    let evil = "</script><script>alert(1)</script>\"'><img src=x onerror=alert(1)>";
    let mut table = fixture::day();
    table.groups[0].name = evil.to_owned();
    table.problems = vec![evil.to_owned()];
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("host", evil)
        .append_pair("since", evil)
        .append_pair("until", evil)
        .append_pair("by", "client")
        .finish();
    let html = page(&query, &table, Some(&table));
    xml::check(&html).unwrap();
    assert_eq!(html.matches("<script").count(), 1, "only the page's own");
    assert!(!html.contains("<img"));
}

#[test]
fn the_page_asks_nobody_else_and_has_no_inline_code_or_style() {
    let table = fixture::day();
    let pages = [
        page("", &table, None),
        login::render(Denied::Wrong),
        login::foreign(),
    ];
    for html in pages {
        xml::check(&html).unwrap();
        for text in [
            "http://",
            "https://",
            "//",
            " style=",
            "<style",
            " onclick",
            "javascript:",
        ] {
            let found = html.replace("http://www.w3.org/2000/svg", "");
            assert!(!found.contains(text), "{text}");
        }
    }
    for asset in [assets::Asset::Style, assets::Asset::Script] {
        let content = asset.content();
        assert!(
            !content.contains("http") && !content.contains("@import"),
            "{asset:?}"
        );
    }
}

#[test]
fn without_javascript_the_page_loads_again_only_where_that_was_asked() {
    let table = fixture::empty();
    let refreshes = |query| page(query, &table, None).contains("http-equiv=\"refresh\"");
    assert!(refreshes("refresh=60"));
    assert!(!refreshes(""));
    assert!(!refreshes("refresh=0"));
    assert!(!refreshes(
        "refresh=60&since=2026-11-24T10:00&until=2026-11-24T11:00"
    ));
}

#[test]
fn what_was_chosen_is_what_is_shown() {
    let table = fixture::day();
    let html = page("period=7d&host=GitHub&host=gone", &table, None);
    assert_eq!(html.matches("class=\"plot panel\"").count(), 1);
    assert_eq!(html.matches("checked=\"checked\"").count(), 2);
    assert!(html.contains("aria-current=\"true\">Last 7 days<"));
    assert!(html.contains("href=\"./?period=1h&amp;host=GitHub&amp;host=gone\""));
    let html = page("since=-2h&until=2026-11-24T13:00", &table, None);
    assert!(html.contains("name=\"since\" value=\"2026-11-24T12:00\""));
    assert!(html.contains("name=\"until\" value=\"2026-11-24T13:00\""));
}

#[test]
fn problems_and_unknown_reports_are_told() {
    let mut table = fixture::day();
    table.unknown_reports = 7;
    table.problems = vec!["reports-x.jsonl.zst: torn".to_owned()];
    let html = page("", &table, None);
    assert!(
        html.contains("reports-x.jsonl.zst: torn") && html.contains("7 of "),
        "{html:.200}"
    );
}

#[test]
fn the_login_says_what_was_wrong_and_how_reading_is_opened() {
    for (denied, text) in [
        (Denied::Missing, "name=\"token\""),
        (Denied::Expired, "The login is over"),
        (Denied::Wrong, "This is not the server"),
        (Denied::Closed, "--env READ_TOKEN="),
    ] {
        let html = login::render(denied);
        xml::check(&html).unwrap();
        assert!(html.contains(text), "{denied:?}");
    }
    assert!(!login::render(Denied::Closed).contains("<form"));
}

#[test]
fn an_assets_url_changes_with_its_content() {
    let urls = [assets::Asset::Style, assets::Asset::Script].map(assets::Asset::url);
    assert!(urls[0].starts_with("style.css?v=") && urls[1].starts_with("page.js?v="));
}
