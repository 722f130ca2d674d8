//! Plots of statistics, as SVG.
//!
//! A plot says what its marks are (`class="l0"`, `class="loss"`) and not how they
//! look: [`STYLE`] does, for light and for dark, for whoever cannot tell some
//! colours apart (the palette of Okabe and Ito, "Color Universal Design", 2008,
//! with dashes besides), and for high contrast. It knows nothing of HTTP and of
//! where statistics come from.

mod axis;
mod canvas;
mod chart;
#[cfg(any(test, feature = "testing"))]
pub mod fixture;
mod heatmap;
mod ink;
pub(crate) mod latency;
mod rate;
#[cfg(test)]
pub(crate) mod tests;
pub(crate) mod text;

pub use heatmap::heatmap;
pub use latency::picture;
pub use rate::rate;

use text::escape;

/// How marks look.
pub const STYLE: &str = include_str!("style.css");

/// For how much room a plot is drawn. One that is scaled down has text that
/// nobody can read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    /// A desk's screen.
    Wide,
    /// A phone.
    Narrow,
}

impl Width {
    fn pixels(self) -> u32 {
        match self {
            Width::Wide => 960,
            Width::Narrow => 380,
        }
    }

    fn time_labels(self) -> u64 {
        match self {
            Width::Wide => 8,
            Width::Narrow => 4,
        }
    }

    /// Columns that can be told apart.
    fn columns(self) -> usize {
        match self {
            Width::Wide => 220,
            Width::Narrow => 76,
        }
    }
}

/// A drawing with what it says in words.
#[derive(Clone, Debug)]
pub struct Plot {
    title: String,
    description: String,
    size: (u32, u32),
    body: String,
}

impl Plot {
    fn new(title: String, description: String, size: (u32, u32), body: String) -> Plot {
        Plot {
            title,
            description,
            size,
            body,
        }
    }

    /// For a page that has [`STYLE`]; `class` says more about its place there.
    pub fn inline(&self, class: &str) -> String {
        let mut out = String::with_capacity(self.body.len() + 500);
        out.push_str("<svg class=\"plot ");
        escape(class, &mut out);
        out.push_str("\" role=\"img\"");
        self.finish(out, "")
    }

    /// A file of its own.
    pub fn standalone(&self) -> String {
        let mut out = String::with_capacity(self.body.len() + STYLE.len() + 500);
        out.push_str("<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"plot alone\" role=\"img\"");
        self.finish(out, STYLE)
    }

    fn finish(&self, mut out: String, style: &str) -> String {
        let (width, height) = self.size;
        let size =
            format!(" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\">");
        out.push_str(&size);
        out.push_str("<title>");
        escape(&self.title, &mut out);
        out.push_str("</title>");
        if !self.description.is_empty() {
            out.push_str("<desc>");
            escape(&self.description, &mut out);
            out.push_str("</desc>");
        }
        if !style.is_empty() {
            out.push_str("<style>");
            out.push_str(style);
            out.push_str("</style><rect class=\"paper\" width=\"100%\" height=\"100%\"/>");
        }
        out.push_str(&self.body);
        out.push_str("</svg>");
        out
    }
}
