//! What every page has: head, banner, landmarks.

use super::assets::Asset;
use super::html::Html;

/// A page's surroundings.
pub(super) struct Shell {
    /// What it is about.
    pub(super) title: &'static str,
    /// Seconds until a browser without JavaScript loads it again; 0 for never.
    pub(super) refresh: u32,
    /// Whether it has the script.
    pub(super) script: bool,
    /// Whether there is somebody to log out.
    pub(super) logged_in: bool,
}

/// The document around what `main` holds.
pub(super) fn document(shell: &Shell, main: Html) -> String {
    let mut html = Html::default();
    html.raw("<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"/>");
    html.raw("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>");
    html.raw("<meta name=\"color-scheme\" content=\"light dark\"/>");
    html.raw("<title>")
        .text(shell.title)
        .raw(" · NetWatch</title>");
    html.raw("<link rel=\"icon\" href=\"")
        .raw(&Asset::Icon.url())
        .raw("\"/>");
    html.raw("<link rel=\"stylesheet\" href=\"")
        .raw(&Asset::Style.url())
        .raw("\"/>");
    if shell.script {
        html.raw("<script src=\"").raw(&Asset::Script.url());
        html.raw("\" defer=\"defer\"></script>");
    }
    if shell.refresh > 0 {
        html.raw("<noscript><meta http-equiv=\"refresh\" content=\"");
        html.raw(&shell.refresh.to_string()).raw("\"/></noscript>");
    }
    html.raw("</head><body><a class=\"skip\" href=\"#main\">To the content</a><header>");
    html.raw("<h1><a href=\"./\">NetWatch</a></h1>");
    if shell.logged_in {
        html.raw("<div id=\"controls\"></div><form method=\"post\" action=\"logout\">");
        html.raw("<button type=\"submit\">Log out</button></form>");
    }
    html.raw("</header><main id=\"main\">")
        .raw(&main.into_string())
        .raw("</main>");
    html.raw("<footer><p>netwatch-server ")
        .raw(env!("CARGO_PKG_VERSION"));
    html.raw(". Times are UTC.</p></footer></body></html>");
    html.into_string()
}
