//! Markup being written. Whatever was not written here is text, and escaped.

use crate::plot::text::escape;

/// HTML that is also well-formed XML, so that a simple check can tell that no
/// text became markup.
#[derive(Debug, Default)]
pub(super) struct Html(String);

impl Html {
    /// Markup of this program's.
    pub(super) fn raw(&mut self, markup: &str) -> &mut Self {
        self.0.push_str(markup);
        self
    }

    /// Anybody's text, in an element or a quoted attribute.
    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        escape(text, &mut self.0);
        self
    }

    /// A name that somebody else chose: whichever way it is written, it does not
    /// turn around what stands beside it.
    pub(super) fn name(&mut self, name: &str) -> &mut Self {
        self.raw("<bdi>").text(name).raw("</bdi>")
    }

    /// `<element class="…">text</element>`
    pub(super) fn element(&mut self, element: &str, class: &str, text: &str) -> &mut Self {
        self.raw("<").raw(element);
        if !class.is_empty() {
            self.raw(" class=\"").raw(class).raw("\"");
        }
        self.raw(">").text(text).raw("</").raw(element).raw(">")
    }

    /// `<a href="…">text</a>`, marked where it leads to what is shown.
    pub(super) fn link(&mut self, url: &str, text: &str, is_current: bool) -> &mut Self {
        self.raw("<a href=\"").text(url).raw("\"");
        if is_current {
            self.raw(" aria-current=\"true\"");
        }
        self.raw(">").text(text).raw("</a>")
    }

    /// The markup.
    pub(super) fn into_string(self) -> String {
        self.0
    }
}
