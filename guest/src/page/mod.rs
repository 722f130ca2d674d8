//! `GET /`: the page that shows what was measured.
//!
//! It is made here as a whole, and says the same without JavaScript: periods are
//! links, hosts a form, plots are within the page. The script only looks again
//! from time to time and puts in what changed. Nothing is asked of other servers.

pub mod asked;
pub mod assets;
mod breakdown;
mod hosts;
mod html;
pub mod login;
mod shell;
mod tests;

pub use asked::{Asked, By};

use crate::limits::MAX_PANELS;
use crate::plot::latency::{overview, panel, period, series};
use crate::plot::{Width, heatmap, rate, text};
use crate::stats::table::Table;
use html::Html;
use shell::{Shell, document};

/// What is stored, and what is about to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Storage {
    /// Segments.
    pub segments: u64,
    /// Bytes of them; `None` where nobody has measured.
    pub bytes: Option<u64>,
    /// Journals that are not published yet.
    pub journals: u64,
    /// When the first report of all was received, milliseconds since 1970 UTC.
    pub first_ms: Option<u64>,
    /// … and the last published one.
    pub last_ms: Option<u64>,
}

/// All that is on the page.
#[derive(Clone, Debug)]
pub struct View<'a> {
    /// What was asked.
    pub asked: &'a Asked,
    /// The answer by host, of all hosts.
    pub table: &'a Table,
    /// The answer by what else was asked for.
    pub breakdown: Option<&'a Table>,
    /// What is stored.
    pub storage: Storage,
    /// The time, milliseconds since 1970 UTC.
    pub now_ms: u64,
    /// What kept the question from being answered as it was asked.
    pub fault: Option<&'a str>,
}

/// The table with those hosts only that were asked for.
pub fn only_hosts(mut table: Table, hosts: &[String]) -> Table {
    if !hosts.is_empty() {
        table.groups.retain(|group| hosts.contains(&group.name));
    }
    table
}

/// The page.
pub fn render(view: &View<'_>) -> String {
    let asked = view.asked;
    let filtered;
    let chosen = if asked.hosts.is_empty() {
        view.table
    } else {
        filtered = only_hosts(view.table.clone(), &asked.hosts);
        &filtered
    };
    let mut html = Html::default();
    controls(&mut html, view);
    html.raw("<div id=\"live\">");
    notices(&mut html, view);
    facts(&mut html, view, chosen);
    plot_section(
        &mut html,
        "Latency",
        "Median of each host, on one scale.",
        |html| {
            html.raw(&overview(chosen, Width::Wide).inline("wide"));
            html.raw(&overview(chosen, Width::Narrow).inline("narrow"));
        },
    );
    hosts::table(&mut html, chosen);
    panels(&mut html, chosen);
    let explained = if asked.hosts.is_empty() {
        "How often which latency occurred; the colours are on a logarithmic scale."
    } else {
        "How often which latency occurred, over all hosts; the colours are on a logarithmic scale."
    };
    plot_section(&mut html, "Distribution of latency", explained, |html| {
        html.raw(&heatmap(view.table, Width::Wide).inline("wide"));
        html.raw(&heatmap(view.table, Width::Narrow).inline("narrow"));
    });
    breakdown::section(&mut html, view);
    storage(&mut html, view);
    html.raw("</div>");
    document(
        &Shell {
            title: "Latency",
            refresh: asked.refresh.filter(|_| asked.is_live()).unwrap_or(0),
            script: true,
            logged_in: true,
        },
        html,
    )
}

fn controls(html: &mut Html, view: &View<'_>) {
    let asked = view.asked;
    html.raw("<nav class=\"periods\" aria-label=\"Period\"><ul>");
    for preset in &asked::PRESETS {
        let url = asked.with_preset(preset).url();
        html.raw("<li>");
        html.link(&url, preset.words, asked.preset == Some(preset.name));
        html.raw("</li>");
    }
    html.raw("</ul></nav>");
    let is_open = asked.preset.is_none() || !asked.hosts.is_empty();
    html.raw("<details class=\"choice\"");
    html.raw(if is_open { " open=\"open\">" } else { ">" });
    html.raw("<summary>Choose hosts, period and refresh</summary>");
    html.raw("<form method=\"get\" action=\"./\">");
    host_choice(html, view);
    let (since, until) = match asked.preset {
        Some(_) => (String::new(), String::new()),
        None => (
            field(&asked.since, view.table.since_ms),
            field(&asked.until, view.table.until_ms),
        ),
    };
    html.raw("<fieldset><legend>Period of your own (UTC)</legend><div class=\"row\">");
    for (name, label, value) in [("since", "From", &since), ("until", "Until", &until)] {
        html.raw("<label>").text(label);
        html.raw(" <input type=\"datetime-local\" name=\"")
            .raw(name)
            .raw("\" value=\"");
        html.text(value).raw("\"/></label>");
    }
    html.raw("</div></fieldset>");
    html.raw("<fieldset><legend>Look again</legend><div class=\"row\"><label>Every ");
    html.raw("<select name=\"refresh\">");
    for seconds in asked::REFRESHES {
        let is_chosen = asked.refresh.unwrap_or(asked::REFRESHES[2]) == seconds;
        html.raw("<option value=\"")
            .raw(&seconds.to_string())
            .raw("\"");
        html.raw(if is_chosen {
            " selected=\"selected\">"
        } else {
            ">"
        });
        let words = match seconds {
            0 => "never".to_owned(),
            seconds => text::span(u64::from(seconds) * 1000),
        };
        html.text(&words).raw("</option>");
    }
    html.raw("</select></label></div></fieldset>");
    if let Some(preset) = asked.preset {
        html.raw("<input type=\"hidden\" name=\"period\" value=\"")
            .raw(preset)
            .raw("\"/>");
    }
    if let Some(by) = asked.by {
        html.raw("<input type=\"hidden\" name=\"by\" value=\"")
            .raw(by.name())
            .raw("\"/>");
    }
    html.raw("<p class=\"row\"><button type=\"submit\">Show</button> ");
    html.link("./", "Reset", false).raw("</p></form></details>");
}

/// What a field for a date and time may hold; what was asked in another form
/// ("-2h") is shown as what it came to.
fn field(asked: &str, came_to_ms: u64) -> String {
    match asked.as_bytes() {
        [] => String::new(),
        [b'0'..=b'9', ..] if asked.len() == 16 => asked.to_owned(),
        _ => text::Moment::of(came_to_ms).for_form(),
    }
}

fn host_choice(html: &mut Html, view: &View<'_>) {
    html.raw("<fieldset><legend>Hosts (none for all)</legend><div class=\"hosts\">");
    let known = view.table.groups.iter().map(|group| group.name.as_str());
    let gone = view.asked.hosts.iter().map(String::as_str);
    let gone = gone.filter(|host| view.table.groups.iter().all(|group| group.name != *host));
    for host in known.chain(gone) {
        html.raw("<label><input type=\"checkbox\" name=\"host\" value=\"")
            .text(host)
            .raw("\"");
        if view.asked.hosts.iter().any(|asked| asked == host) {
            html.raw(" checked=\"checked\"");
        }
        html.raw("/> ").name(&text::cut(host, 60)).raw("</label>");
    }
    if view.table.groups.is_empty() && view.asked.hosts.is_empty() {
        html.element("span", "quiet", "no host was measured in this period");
    }
    html.raw("</div></fieldset>");
}

fn notices(html: &mut Html, view: &View<'_>) {
    let table = view.table;
    if let Some(fault) = view.fault {
        html.raw("<p class=\"notice\" role=\"alert\">")
            .text(fault)
            .raw("</p>");
    }
    if !table.problems.is_empty() {
        html.raw(
            "<div class=\"notice\"><p>Some files could not be read; what is in them is not \
                  shown:</p><ul>",
        );
        for problem in &table.problems {
            html.element("li", "", &text::cut(problem, 300));
        }
        html.raw("</ul></div>");
    }
    if table.unknown_reports > 0 {
        let unknown = format!(
            "{} of {} reports have no measurements where they are looked for; see the settings STATS_*.",
            text::count(table.unknown_reports),
            text::count(table.reports)
        );
        html.element("p", "notice", &unknown);
    }
}

/// The figures that are looked for first.
fn facts(html: &mut Html, view: &View<'_>, chosen: &Table) {
    let sum = |part: fn(&crate::stats::table::Summary) -> u64| -> u64 {
        chosen.groups.iter().map(|group| part(&group.total)).sum()
    };
    let (samples, errors) = (sum(|total| total.samples), sum(|total| total.errors));
    let loss = match samples {
        0 => "–".to_owned(),
        _ => text::percent(errors as f64 * 100.0 / samples as f64),
    };
    html.raw("<p class=\"period\">").text(&period(chosen));
    html.raw(" <span id=\"shown\" class=\"quiet\">shown at ");
    html.text(&text::Moment::of(view.now_ms / 1000 * 1000).time())
        .raw("</span></p>");
    html.raw("<dl class=\"facts\">");
    for (name, value) in [
        ("Hosts", text::count(chosen.groups.len() as u64)),
        ("Measurements", text::count(samples)),
        ("Lost", loss),
        ("Reports", text::count(chosen.reports)),
    ] {
        html.raw("<div>")
            .element("dt", "", name)
            .element("dd", "", &value)
            .raw("</div>");
    }
    html.raw("</dl>");
}

fn plot_section(html: &mut Html, heading: &str, explained: &str, plots: impl FnOnce(&mut Html)) {
    html.raw("<section>")
        .element("h2", "", heading)
        .element("p", "quiet", explained);
    plots(html);
    html.raw("</section>");
}

fn panels(html: &mut Html, chosen: &Table) {
    html.raw("<section>").element("h2", "", "Each host");
    html.element(
        "p",
        "quiet",
        "Line: median. Band: up to the 95th percentile. Bars on top: measurements that failed, the \
         longer the more. Each panel has a scale of its own.",
    );
    html.raw("<div class=\"panels\">");
    let all = series(chosen);
    for series in all.iter().take(MAX_PANELS) {
        html.raw(&panel(chosen, series).inline("panel"));
    }
    html.raw("</div>");
    if let Some(more @ 1..) = all.len().checked_sub(MAX_PANELS) {
        let more = format!("{more} more are in the table only; choose hosts to see them here.");
        html.element("p", "quiet", &more);
    }
    html.raw("</section>");
}

fn storage(html: &mut Html, view: &View<'_>) {
    let storage = view.storage;
    html.raw("<section>")
        .element("h2", "", "Reports and storage");
    html.raw(&rate(view.table, Width::Wide).inline("wide"));
    html.raw(&rate(view.table, Width::Narrow).inline("narrow"));
    html.raw("<dl class=\"facts\">");
    let when = |ms: Option<u64>| {
        ms.map_or("–".to_owned(), |ms| {
            text::Moment::of(ms / 60_000 * 60_000).date_and_time()
        })
    };
    for (name, value) in [
        ("Files", text::count(storage.segments)),
        (
            "Size of them",
            storage.bytes.map_or("–".to_owned(), text::bytes),
        ),
        ("Journals not published yet", text::count(storage.journals)),
        ("First report (UTC)", when(storage.first_ms)),
        ("Last published (UTC)", when(storage.last_ms)),
    ] {
        html.raw("<div>")
            .element("dt", "", name)
            .element("dd", "", &value)
            .raw("</div>");
    }
    html.raw("</dl><p class=\"quiet\">The same elsewhere: ");
    let question = view.asked.question(None);
    html.link(
        &format!("api/v1/stats?{question}"),
        "statistics as JSON",
        false,
    )
    .raw(", ");
    for (name, words) in [
        ("latency", "latency"),
        ("heatmap", "distribution"),
        ("rate", "reports"),
    ] {
        html.link(
            &view.asked.plot_url(name),
            &format!("{words} as SVG"),
            false,
        )
        .raw(", ");
    }
    html.link(
        &format!("api/v1/reports?{question}"),
        "the reports themselves",
        false,
    )
    .raw(", ");
    html.link("openapi.json", "the API", false)
        .raw(".</p></section>");
}
