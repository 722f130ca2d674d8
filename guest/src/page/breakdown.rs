//! Who measured, and from where.

use super::View;
use super::asked::{Asked, By};
use super::hosts::{cells, close, open};
use super::html::Html;
use crate::limits::MAX_BREAKDOWN_ROWS;
use crate::plot::text;
use crate::stats::table::Group;

/// Links to the breakdowns, and the one that was asked for. None is shown unasked,
/// since it takes reading all reports of the period.
pub(super) fn section(html: &mut Html, view: &View<'_>) {
    html.raw("<section id=\"breakdown\">")
        .element("h2", "", "Who measured, and from where");
    html.raw("<nav class=\"periods\" aria-label=\"Breakdown\"><ul>");
    for by in By::ALL {
        let asked = Asked {
            by: Some(by),
            ..view.asked.clone()
        };
        let url = format!("{}#breakdown", asked.url());
        html.raw("<li>")
            .link(&url, words(by), view.asked.by == Some(by))
            .raw("</li>");
    }
    html.raw("</ul></nav>");
    match (view.asked.by, view.breakdown) {
        (Some(by), Some(table)) => {
            let mut groups: Vec<&Group> = table.groups.iter().collect();
            groups.sort_by_cached_key(|group| std::cmp::Reverse(group.total.samples));
            let caption = format!("{}, by the number of measurements", words(by));
            open(html, words(by), &caption, &[words(by)]);
            for group in groups.iter().take(MAX_BREAKDOWN_ROWS) {
                html.raw("<tr><th scope=\"row\">")
                    .name(&text::cut(&group.name, 60))
                    .raw("</th>");
                cells(html, &group.total);
                html.raw("</tr>");
            }
            close(html, groups.is_empty(), 9);
            if let Some(more @ 1..) = groups.len().checked_sub(MAX_BREAKDOWN_ROWS) {
                html.element("p", "quiet", &format!("{more} more are not shown."));
            }
        }
        _ => {
            html.element(
                "p",
                "quiet",
                "Choose one; it takes reading all reports of the period.",
            );
        }
    }
    html.raw("</section>");
}

fn words(by: By) -> &'static str {
    match by {
        By::Client => "Client",
        By::Country => "Country",
        By::City => "City",
        By::Network => "Network (AS number)",
    }
}
