//! The page for those who may not read yet.

use super::html::Html;
use super::shell::{Shell, document};
use crate::http::access::Denied;

/// The form of a login, or how reading is opened where it is closed; with what
/// was wrong with the last attempt.
pub fn render(denied: Denied) -> String {
    section(|html| match denied {
        Denied::Closed => closed(html),
        Denied::Missing => form(html, None),
        Denied::Expired => form(html, Some("The login is over. Please log in again.")),
        Denied::Wrong => form(html, Some("This is not the server’s READ_TOKEN.")),
    })
}

/// A form from a page of somebody else.
pub fn foreign() -> String {
    let why = "The form came from another site, or a proxy changes Host without sending \
               X-Forwarded-Host. Please log in here.";
    section(|html| form(html, Some(why)))
}

fn section(content: impl FnOnce(&mut Html)) -> String {
    let mut html = Html::default();
    html.raw("<section class=\"login\">");
    content(&mut html);
    html.raw("</section>");
    let shell = Shell {
        title: "Log in",
        refresh: 0,
        script: false,
        logged_in: false,
    };
    document(&shell, html)
}

fn form(html: &mut Html, wrong: Option<&str>) {
    html.element("h2", "", "Log in");
    html.raw("<form method=\"post\" action=\"login\">");
    if let Some(wrong) = wrong {
        html.raw("<p class=\"notice\" role=\"alert\" id=\"wrong\">")
            .text(wrong)
            .raw("</p>");
    }
    html.raw("<label for=\"token\">READ_TOKEN</label>");
    html.raw("<input type=\"password\" id=\"token\" name=\"token\" required=\"required\" ");
    html.raw("autocomplete=\"current-password\" autofocus=\"autofocus\" spellcheck=\"false\"");
    html.raw(if wrong.is_some() {
        " aria-describedby=\"wrong\"/>"
    } else {
        "/>"
    });
    html.raw("<button type=\"submit\">Log in</button></form>");
    html.element(
        "p",
        "quiet",
        "It is in the environment or the configuration that the server was started with. A server \
         that made one up printed it when it started.",
    );
}

fn closed(html: &mut Html) {
    html.element("h2", "", "Reading is closed");
    html.element(
        "p",
        "",
        "This server takes reports, and shows nothing of them, because it has no READ_TOKEN. Start it \
         with one and log in with it here:",
    );
    html.element("pre", "", "READ_TOKEN=… netwatch-server");
    html.element("p", "", "Under a WASI runtime:");
    html.element(
        "pre",
        "",
        "wasmtime serve -Scli --dir DATA::/data --env DATA_DIR=/data --env READ_TOKEN=… netwatch_guest.wasm",
    );
    html.element(
        "p",
        "quiet",
        "Any text of up to 512 visible characters will do; openssl rand -hex 16 makes a good one.",
    );
}
