//! Throughput and latency over connections, as one SVG: a column for each size of
//! report, lines with the range of their rounds.

use crate::results::{Results, Round};
use crate::targets::Target;
use std::fmt::Write as _;

/// Colours of Okabe and Ito ("Color Universal Design", 2008), by target; dashes
/// tell the lines apart as well.
const STYLE: &str = "
svg{background:#fff;color:#222;font:12px system-ui,sans-serif}
text{fill:currentColor}.small{font-size:11px}.title{font-size:13px;font-weight:600}
.grid{stroke:#ddd}.axis{stroke:#888}
.line{fill:none;stroke-width:2}.range{stroke-width:1;opacity:.6}
.t0{stroke:#999;fill:#999}.t1{stroke:#d55e00;fill:#d55e00}.t2{stroke:#e69f00;fill:#e69f00}
.t3{stroke:#cc79a7;fill:#cc79a7}.t4{stroke:#56b4e9;fill:#56b4e9}.t5{stroke:#0072b2;fill:#0072b2}
.t6{stroke:#009e73;fill:#009e73}
.line.t0,.line.t1,.line.t2,.line.t3,.line.t4,.line.t5,.line.t6{fill:none}
.line.t1,.line.t2{stroke-dasharray:6 3}.line.t0{stroke-dasharray:2 3}.line.t3{stroke-dasharray:8 2 2 2}
@media (prefers-color-scheme:dark){svg{background:#16181c;color:#ddd}.grid{stroke:#333}.axis{stroke:#777}}
";

const PANEL_WIDTH: f64 = 250.0;
const PANEL_HEIGHT: f64 = 170.0;
const GAP: f64 = 62.0;
const TOP: f64 = 44.0;
const LEGEND: f64 = 50.0;

/// One of the two rows of panels.
struct Measure {
    name: &'static str,
    value: fn(&Round) -> f64,
    logarithmic: bool,
}

const MEASURES: [Measure; 2] = [
    Measure {
        name: "requests/s",
        value: |round| round.per_second,
        logarithmic: false,
    },
    Measure {
        name: "99th percentile, ms",
        value: |round| round.p99_ms,
        logarithmic: true,
    },
];

/// Where on the x axis, and min, median, max of the rounds.
type Point = (usize, f64, f64, f64);

/// Draws everything that was measured.
pub(crate) fn render(results: &Results) -> String {
    let sizes = distinct(results.cells.iter().map(|cell| cell.size.clone()));
    let connections = distinct(results.cells.iter().map(|cell| cell.connections));
    let width = GAP + sizes.len() as f64 * (PANEL_WIDTH + GAP);
    let height = TOP + 2.0 * (PANEL_HEIGHT + GAP) + LEGEND;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" role=\"img\">\
         <title>Requests per second and latency over connections</title>\
         <desc>Medians of alternating rounds with their ranges, on {}; the numbers are in the table.</desc>\
         <style>{STYLE}</style>",
        results.machine
    );
    for (row, measure) in MEASURES.iter().enumerate() {
        for (column, size) in sizes.iter().enumerate() {
            let panel = Panel {
                left: GAP + column as f64 * (PANEL_WIDTH + GAP),
                top: TOP + row as f64 * (PANEL_HEIGHT + GAP),
                scale: Scale::of(measure, results, size),
                places: connections.len(),
            };
            panel.frame(
                &mut out,
                &format!("{size} reports: {}", measure.name),
                &connections,
            );
            for target in Target::ALL {
                let points = points(results, size, &connections, target, measure);
                panel.line(&mut out, target, &points);
            }
        }
    }
    legend(&mut out, results, height - LEGEND + 20.0);
    out.push_str("</svg>\n");
    out
}

fn distinct<T: PartialEq>(values: impl Iterator<Item = T>) -> Vec<T> {
    let mut distinct = Vec::new();
    for value in values {
        if !distinct.contains(&value) {
            distinct.push(value);
        }
    }
    distinct
}

fn points(
    results: &Results,
    size: &str,
    connections: &[usize],
    target: Target,
    measure: &Measure,
) -> Vec<Point> {
    let places = connections.iter().enumerate();
    places
        .filter_map(|(place, connections)| {
            let spread = results
                .find(size, *connections, target)?
                .spread(measure.value);
            Some((place, spread.min, spread.median, spread.max))
        })
        .collect()
}

/// How values become heights between 0 and 1, and where the grid is.
struct Scale {
    logarithmic: bool,
    low: f64,
    high: f64,
    marks: Vec<f64>,
}

impl Scale {
    fn of(measure: &Measure, results: &Results, size: &str) -> Scale {
        let cells = results.cells.iter().filter(|cell| cell.size == size);
        let values = cells.flat_map(|cell| cell.rounds.iter().map(measure.value));
        let (mut low, mut high) = (f64::MAX, f64::MIN_POSITIVE);
        for value in values {
            low = low.min(value);
            high = high.max(value);
        }
        if measure.logarithmic {
            let (low, high) = (low.max(1e-3).log10().floor(), high.log10().ceil());
            let high = high.max(low + 1.0);
            let decades = (high - low).round() as i32;
            Scale {
                logarithmic: true,
                low,
                high,
                marks: (0..=decades)
                    .map(|n| 10f64.powf(low + f64::from(n)))
                    .collect(),
            }
        } else {
            let step = step(high);
            let steps = (high / step).ceil() as i32;
            Scale {
                logarithmic: false,
                low: 0.0,
                high: step * f64::from(steps),
                marks: (0..=steps).map(|n| step * f64::from(n)).collect(),
            }
        }
    }

    fn height(&self, value: f64) -> f64 {
        let value = if self.logarithmic {
            value.max(1e-3).log10()
        } else {
            value
        };
        (value - self.low) / (self.high - self.low)
    }
}

/// 1, 2 or 5 times a power of ten, so that a scale has four to eight steps.
fn step(high: f64) -> f64 {
    let magnitude = 10f64.powf((high / 8.0).log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|times| times * magnitude);
    steps
        .into_iter()
        .find(|step| high / step <= 8.0)
        .unwrap_or(high)
}

struct Panel {
    left: f64,
    top: f64,
    scale: Scale,
    places: usize,
}

impl Panel {
    fn x(&self, place: usize) -> f64 {
        self.left + PANEL_WIDTH * (place as f64 + 0.5) / self.places as f64
    }

    fn y(&self, value: f64) -> f64 {
        self.top + PANEL_HEIGHT * (1.0 - self.scale.height(value))
    }

    fn frame(&self, out: &mut String, title: &str, connections: &[usize]) {
        let (left, right) = (self.left, self.left + PANEL_WIDTH);
        let bottom = self.top + PANEL_HEIGHT;
        let _ = write!(
            out,
            "<text class=\"title\" x=\"{left}\" y=\"{}\">{title}</text>",
            self.top - 12.0
        );
        for mark in &self.scale.marks {
            let y = self.y(*mark);
            let _ = write!(
                out,
                "<line class=\"grid\" x1=\"{left}\" y1=\"{y:.1}\" x2=\"{right}\" y2=\"{y:.1}\"/>\
                 <text class=\"small\" text-anchor=\"end\" x=\"{}\" y=\"{:.1}\">{}</text>",
                left - 6.0,
                y + 4.0,
                label(*mark)
            );
        }
        let _ = write!(
            out,
            "<line class=\"axis\" x1=\"{left}\" y1=\"{bottom}\" x2=\"{right}\" y2=\"{bottom}\"/>"
        );
        for (place, connections) in connections.iter().enumerate() {
            let unit = match (place, connections) {
                (0, 1) => " connection",
                _ => "",
            };
            let _ = write!(
                out,
                "<text class=\"small\" text-anchor=\"middle\" x=\"{:.1}\" y=\"{}\">{connections}{unit}</text>",
                self.x(place),
                bottom + 16.0
            );
        }
    }

    fn line(&self, out: &mut String, target: Target, points: &[Point]) {
        let class = class(target);
        let path: Vec<_> = points
            .iter()
            .map(|(place, _, median, _)| format!("{:.1},{:.1}", self.x(*place), self.y(*median)))
            .collect();
        if path.is_empty() {
            return;
        }
        let _ = write!(
            out,
            "<polyline class=\"line {class}\" points=\"{}\"/>",
            path.join(" ")
        );
        for (place, min, median, max) in points {
            let (x, y) = (self.x(*place), self.y(*median));
            let _ = write!(
                out,
                "<line class=\"range {class}\" x1=\"{x:.1}\" y1=\"{:.1}\" x2=\"{x:.1}\" y2=\"{:.1}\"/>\
                 <circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\"/>",
                self.y(*min),
                self.y(*max)
            );
        }
    }
}

fn class(target: Target) -> String {
    let at = Target::ALL.iter().position(|other| *other == target);
    format!("t{}", at.unwrap_or(0))
}

fn label(value: f64) -> String {
    match value {
        0.0 => "0".to_owned(),
        v if v >= 1_000.0 => format!("{} k", v / 1_000.0),
        v => format!("{v}"),
    }
}

fn legend(out: &mut String, results: &Results, y: f64) {
    let mut x = GAP;
    let present = |target: &Target| results.cells.iter().any(|cell| cell.target == *target);
    for target in Target::ALL.into_iter().filter(present) {
        let name = target.label().replace('`', "");
        let class = class(target);
        let _ = write!(
            out,
            "<line class=\"line {class}\" x1=\"{x}\" y1=\"{y}\" x2=\"{}\" y2=\"{y}\"/>\
             <text x=\"{}\" y=\"{}\">{name}</text>",
            x + 26.0,
            x + 32.0,
            y + 4.0
        );
        x += 52.0 + 7.0 * name.len() as f64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_has_round_marks_above_all_values() {
        for (high, expected) in [(85_000.0, 20_000.0), (9.0, 2.0), (1.0, 0.2), (40.0, 5.0)] {
            assert!(
                (step(high) / expected - 1.0).abs() < 1e-9,
                "{high}: {}",
                step(high)
            );
        }
    }
}
