//! What every plot must be, whatever the statistics.
#![allow(clippy::unwrap_used, clippy::panic)]

pub(crate) mod xml;

use super::*;
use crate::stats::table::{Bucket, Summary, Table};
use fixture::{SINCE_MS, day, empty, group};

/// Every plot there is, drawn every way.
fn all(table: &Table) -> Vec<String> {
    let mut drawn = vec![
        picture(table, Width::Wide).standalone(),
        picture(table, Width::Narrow).standalone(),
    ];
    for width in [Width::Wide, Width::Narrow] {
        for plot in [
            heatmap(table, width),
            rate(table, width),
            latency::overview(table, width),
        ] {
            drawn.push(plot.standalone());
            drawn.push(plot.inline("a"));
        }
    }
    for series in latency::series(table) {
        drawn.push(latency::panel(table, &series).inline("panel"));
        drawn.push(latency::sparkline(table, &series).inline("spark"));
    }
    drawn
}

fn bucket(step: u64, summary: Summary) -> Bucket {
    Bucket {
        start_ms: SINCE_MS + step * 600_000,
        summary,
    }
}

fn took(p50: f64) -> Summary {
    Summary {
        samples: 10,
        p50: Some(p50),
        p95: Some(p50 * 2.0),
        ..Summary::default()
    }
}

/// The data of the paths of a class.
fn paths<'a>(svg: &'a str, class: &str) -> Vec<&'a str> {
    let open = format!("<path class=\"{class}\" d=\"");
    let parts = svg.split(open.as_str()).skip(1);
    parts.map(|part| part.split('"').next().unwrap()).collect()
}

#[test]
fn every_plot_is_well_formed_and_says_in_words_what_it_shows() {
    for svg in all(&day()) {
        xml::check(&svg).unwrap();
        assert!(
            svg.contains("role=\"img\"") && svg.contains("<title>"),
            "{svg:.300}"
        );
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg:.300}");
    }
}

#[test]
fn hostile_names_stay_text_and_are_cut() {
    for name in [
        "</svg><script>alert(1)</script>",
        "\"><img src=x onerror=alert(1)>",
        "' onload='alert(1)",
        "]]><!--",
        "&lt;&#60;",
        "\u{202e}\u{202b}שלום\u{0}\u{1b}[31m",
        "🦀👩‍👩‍👧‍👦",
        &"x".repeat(10_000),
        &"<".repeat(10_000),
        "",
    ] {
        let mut table = empty();
        table.groups = vec![group(
            name,
            vec![bucket(1, took(5.0)), bucket(2, took(6.0))],
        )];
        for svg in all(&table) {
            xml::check(&svg).unwrap_or_else(|error| panic!("{name:.40}: {error}"));
            for text in ["<script", "<img", "onload='", "\u{202e}", "\u{0}"] {
                assert!(!svg.contains(text), "{text} of {name:.40}");
            }
            assert!(!svg.contains(&"x".repeat(200)), "not cut");
            assert!(svg.len() < 12_000 + STYLE.len(), "{}", svg.len());
        }
    }
}

#[test]
fn nothing_to_draw_is_said() {
    let table = empty();
    for plot in [
        picture(&table, Width::Narrow),
        heatmap(&table, Width::Wide),
        rate(&table, Width::Narrow),
    ] {
        let svg = plot.standalone();
        xml::check(&svg).unwrap();
        assert!(svg.contains(" in this period</text>"), "{svg}");
    }
    for svg in all(&Table::default()) {
        xml::check(&svg).unwrap();
    }
}

#[test]
fn a_line_ends_at_a_gap_and_a_lone_bucket_is_a_dot() {
    let mut table = empty();
    let steps = [1, 2, 3, 7, 8, 20];
    let buckets = steps.map(|step| bucket(step, took(10.0)));
    table.groups = vec![group("a", buckets.into())];
    let svg = latency::panel(&table, &latency::series(&table)[0]).inline("");
    let line = paths(&svg, "l0").concat();
    assert_eq!(line.matches('M').count(), 2, "{line}");
    assert_eq!(line.matches('l').count(), 3, "{line}");
    assert_eq!(svg.matches("<circle class=\"p0\"").count(), 1);
    assert_eq!(paths(&svg, "b0").concat().matches('z').count(), 3);
}

#[test]
fn a_bucket_that_lost_everything_breaks_the_line_and_is_marked() {
    let mut table = empty();
    let lost = |errors| Summary {
        samples: 10,
        errors,
        ..Summary::default()
    };
    let buckets = [took(1.0), took(1.0), lost(10), took(1.0), took(1.0)];
    let buckets: Vec<_> = (1..)
        .zip(buckets)
        .map(|(step, summary)| bucket(step, summary))
        .collect();
    table.groups = vec![group("a", buckets)];
    let svg = latency::panel(&table, &latency::series(&table)[0]).inline("");
    assert_eq!(paths(&svg, "l0").concat().matches('M').count(), 2);
    let losses = paths(&svg, "loss");
    assert_eq!(losses.concat().matches('z').count(), 1, "{losses:?}");
    let height = |part: &str| {
        let after = part.split('v').nth(1).unwrap();
        after.split('h').next().unwrap().parse::<f64>().unwrap()
    };
    assert!((height(losses[0]) - 15.0).abs() < 0.1, "{losses:?}");
}

#[test]
fn a_slower_host_is_drawn_above_a_faster_one() {
    let mut table = empty();
    for (name, p50) in [("fast", 5.0), ("slow", 80.0)] {
        let buckets = vec![bucket(1, took(p50)), bucket(2, took(p50))];
        table.groups.push(group(name, buckets));
    }
    let svg = latency::overview(&table, Width::Wide).inline("");
    let height = |class| {
        let start = *paths(&svg, class).last().unwrap();
        let y = start
            .trim_start_matches('M')
            .split(['l', ' '])
            .nth(1)
            .unwrap();
        y.parse::<f64>().unwrap()
    };
    assert!(height("l1") < height("l0") - 50.0, "{svg}");
}

#[test]
fn the_heat_map_is_darkest_where_most_is_and_loses_nothing() {
    let mut table = empty();
    table.latency_bounds = vec![1.0, 10.0, 100.0];
    for (step, counts) in [
        (0, vec![1, 0, 0, 0]),
        (1, vec![0, 900, 0, 0]),
        (2, vec![0, 0, 0, 30]),
    ] {
        table.densities.push(crate::stats::table::Density {
            start_ms: SINCE_MS + step * 600_000,
            counts,
        });
    }
    let svg = heatmap(&table, Width::Wide).inline("");
    assert!(svg.contains("931 measurements, at most 900"), "{svg}");
    let cells = |class| paths(&svg, class).concat().matches('M').count() - 1;
    let shades = ["h0", "h1", "h2", "h3", "h4", "h5", "h6", "h7"].map(cells);
    assert_eq!(shades, [1, 0, 0, 0, 1, 0, 0, 1], "{svg}");
}

#[test]
fn many_buckets_are_drawn_in_bounded_size() {
    let mut table = day();
    table.bucket_ms = 60_000;
    let steps = 1440;
    table.report_rate = (0..steps).map(|s| (SINCE_MS + s * 60_000, s)).collect();
    table.densities = (0..steps)
        .map(|step| crate::stats::table::Density {
            start_ms: SINCE_MS + step * 60_000,
            counts: vec![step; 41],
        })
        .collect();
    let (heat, rate) = (heatmap(&table, Width::Wide), rate(&table, Width::Wide));
    assert!(heat.body.len() < 150_000, "{}", heat.body.len());
    assert!(rate.body.len() < 10_000, "{}", rate.body.len());
    let all: u64 = (0..steps).sum();
    assert!(rate.description.contains("at most"), "{}", rate.description);
    assert!(
        heat.description.contains(&text::count(all * 41)),
        "{}",
        heat.description
    );
}

#[test]
fn the_most_measured_hosts_have_colours_and_all_have_panels() {
    let mut table = empty();
    for number in 0..10_u64 {
        let summary = Summary {
            samples: 100 + number,
            ..took(5.0)
        };
        table
            .groups
            .push(group(&format!("host {number}"), vec![bucket(1, summary)]));
    }
    let numbers: Vec<_> = latency::series(&table).iter().map(|s| s.number).collect();
    assert_eq!(numbers, [7, 7, 7, 0, 1, 2, 3, 4, 5, 6]);
    let svg = picture(&table, Width::Wide).standalone();
    for number in 0..10 {
        assert!(
            svg.contains(&format!(
                "class=\"heading\" x=\"2\" y=\"16\">host {number}<"
            )),
            "{number}"
        );
    }
}

#[test]
fn every_class_that_is_drawn_has_a_style() {
    let mut svg = all(&day()).concat();
    svg.push_str(&all(&empty()).concat());
    let classes = svg
        .split(" class=\"")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap());
    let classes: std::collections::BTreeSet<_> = classes.filter(|c| !c.contains("plot")).collect();
    assert!(classes.len() > 20, "{classes:?}");
    for class in classes.into_iter().filter(|class| *class != "label") {
        assert!(
            STYLE.contains(&format!(".{class} ")) || STYLE.contains(&format!(".{class},")),
            "{class}"
        );
    }
}
