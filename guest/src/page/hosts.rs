//! The table of hosts.

use super::html::Html;
use crate::plot::latency::{series, sparkline};
use crate::plot::text;
use crate::stats::table::{Summary, Table};

/// Loss above which a cell is marked, percent.
const MUCH_LOSS: f64 = 1.0;

/// A row for each host.
pub(super) fn table(html: &mut Html, chosen: &Table) {
    html.raw("<section>").element("h2", "", "Hosts");
    open(
        html,
        "Hosts",
        "Latency of each host over the whole period",
        &["Host", "Median over time"],
    );
    for series in series(chosen) {
        let group = series.group;
        html.raw("<tr><th scope=\"row\">")
            .name(&text::cut(&group.name, 60))
            .raw("</th><td>");
        html.raw(&sparkline(chosen, &series).inline("spark"))
            .raw("</td>");
        cells(html, &group.total);
        html.raw("</tr>");
    }
    close(html, chosen.groups.is_empty(), 10);
    html.raw("</section>");
}

/// The head of a table of summaries, in a region that can be scrolled with the
/// keyboard where it is wider than the screen.
pub(super) fn open(html: &mut Html, label: &str, caption: &str, first: &[&str]) {
    html.raw("<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"")
        .text(label);
    html.raw(", table\"><table>")
        .element("caption", "", caption);
    html.raw("<thead><tr>");
    for name in first {
        html.raw("<th scope=\"col\">").text(name).raw("</th>");
    }
    for name in [
        "Samples", "p50", "p90", "p95", "p99", "Max", "Loss", "Clients",
    ] {
        html.raw("<th scope=\"col\" class=\"number\">")
            .text(name)
            .raw("</th>");
    }
    html.raw("</tr></thead><tbody>");
}

/// The cells of a summary.
pub(super) fn cells(html: &mut Html, total: &Summary) {
    let latency = |value: Option<f64>| value.map_or("–".to_owned(), text::latency);
    html.element("td", "number", &text::count(total.samples));
    for value in [total.p50, total.p90, total.p95, total.p99, total.max] {
        html.element("td", "number", &latency(value));
    }
    let loss = total.loss_percent();
    let class = match loss {
        Some(loss) if loss >= MUCH_LOSS => "number much",
        _ => "number",
    };
    html.element("td", class, &loss.map_or("–".to_owned(), text::percent));
    html.element("td", "number", &text::count(total.clients));
}

/// The end of a table.
pub(super) fn close(html: &mut Html, is_empty: bool, columns: usize) {
    if is_empty {
        html.raw("<tr><td colspan=\"").raw(&columns.to_string());
        html.raw("\">No measurements in this period</td></tr>");
    }
    html.raw("</tbody></table></div>");
}
