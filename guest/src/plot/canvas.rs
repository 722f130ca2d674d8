//! The drawing backend: SVG with classes for colours, in quarters of a pixel.

use super::ink::Ink;
use super::text::{escape, put_number};
use plotters_backend::text_anchor::{HPos, VPos};
use plotters_backend::{
    BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingBackend, DrawingErrorKind,
};
use std::convert::Infallible;

/// Units of the drawing in a pixel: plotters has whole numbers only, and lines
/// in whole pixels are jagged.
pub(super) const FINE: i32 = 4;

/// Takes what is drawn.
pub(super) struct Canvas<'a> {
    size: (u32, u32),
    out: &'a mut String,
    /// The path that shapes of the same ink are still being added to.
    path: Option<Ink>,
}

type Drawn = Result<(), DrawingErrorKind<Infallible>>;

impl<'a> Canvas<'a> {
    /// A canvas of so many pixels.
    pub(super) fn new((width, height): (u32, u32), out: &'a mut String) -> Self {
        let fine = FINE.unsigned_abs();
        Canvas {
            size: (width * fine, height * fine),
            out,
            path: None,
        }
    }

    fn begin_path(&mut self, ink: Ink) {
        if self.path != Some(ink) {
            self.end_path();
            self.open("path", ink);
            self.out.push_str(" d=\"");
            self.path = Some(ink);
        }
    }

    fn end_path(&mut self) {
        if self.path.take().is_some() {
            self.out.push_str("\"/>");
        }
    }

    fn open(&mut self, element: &str, ink: Ink) {
        for part in ["<", element, " class=\"", ink.class(), "\""] {
            self.out.push_str(part);
        }
    }

    fn attribute(&mut self, name: &str, value: i32) {
        for part in [" ", name, "=\""] {
            self.out.push_str(part);
        }
        put_number(self.out, value, FINE);
        self.out.push('"');
    }

    /// Adds lines from point to point; true if there was one.
    fn lines(&mut self, ink: Ink, points: impl IntoIterator<Item = BackendCoord>) -> bool {
        let mut points = points.into_iter();
        let Some(mut last) = points.next() else {
            return false;
        };
        self.begin_path(ink);
        self.pair('M', last);
        for point in points {
            self.pair('l', (point.0 - last.0, point.1 - last.1));
            last = point;
        }
        true
    }

    fn pair(&mut self, command: char, (x, y): BackendCoord) {
        self.out.push(command);
        put_number(self.out, x, FINE);
        if y >= 0 {
            self.out.push(' ');
        }
        put_number(self.out, y, FINE);
    }

    fn step(&mut self, command: char, by: i32) {
        self.out.push(command);
        put_number(self.out, by, FINE);
    }
}

impl Drop for Canvas<'_> {
    fn drop(&mut self) {
        self.end_path();
    }
}

impl DrawingBackend for Canvas<'_> {
    type ErrorType = Infallible;

    fn get_size(&self) -> (u32, u32) {
        self.size
    }

    fn ensure_prepared(&mut self) -> Drawn {
        Ok(())
    }

    fn present(&mut self) -> Drawn {
        self.end_path();
        Ok(())
    }

    fn draw_pixel(&mut self, (x, y): BackendCoord, color: BackendColor) -> Drawn {
        self.draw_rect((x, y), (x + 1, y + 1), &color, true)
    }

    fn draw_line<S: BackendStyle>(
        &mut self,
        from: BackendCoord,
        to: BackendCoord,
        style: &S,
    ) -> Drawn {
        self.draw_path([from, to], style)
    }

    fn draw_rect<S: BackendStyle>(
        &mut self,
        (left, top): BackendCoord,
        (right, bottom): BackendCoord,
        style: &S,
        _fill: bool,
    ) -> Drawn {
        self.begin_path(Ink::of(style.color()));
        self.pair('M', (left, top));
        self.step('h', right - left);
        self.step('v', bottom - top);
        self.step('h', left - right);
        self.out.push('z');
        Ok(())
    }

    fn draw_path<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        path: I,
        style: &S,
    ) -> Drawn {
        self.lines(Ink::of(style.color()), path);
        Ok(())
    }

    fn fill_polygon<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        corners: I,
        style: &S,
    ) -> Drawn {
        if self.lines(Ink::of(style.color()), corners) {
            self.out.push('z');
        }
        Ok(())
    }

    fn draw_circle<S: BackendStyle>(
        &mut self,
        center: BackendCoord,
        radius: u32,
        style: &S,
        _fill: bool,
    ) -> Drawn {
        self.end_path();
        self.open("circle", Ink::of(style.color()));
        self.attribute("cx", center.0);
        self.attribute("cy", center.1);
        self.attribute("r", i32::try_from(radius).unwrap_or(FINE));
        self.out.push_str("/>");
        Ok(())
    }

    fn draw_text<S: BackendTextStyle>(&mut self, text: &str, style: &S, at: BackendCoord) -> Drawn {
        self.end_path();
        self.open("text", Ink::of(style.color()));
        self.attribute("x", at.0);
        self.attribute("y", at.1);
        let anchor = style.anchor();
        self.out.push_str(match anchor.v_pos {
            VPos::Top => " dy=\".8em\"",
            VPos::Center => " dy=\".35em\"",
            VPos::Bottom => "",
        });
        self.out.push_str(match anchor.h_pos {
            HPos::Left => ">",
            HPos::Center => " text-anchor=\"middle\">",
            HPos::Right => " text-anchor=\"end\">",
        });
        escape(text, self.out);
        self.out.push_str("</text>");
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use plotters::style::Color;

    #[test]
    fn shapes_of_one_ink_share_a_path_in_quarters_of_a_pixel() {
        let mut out = String::new();
        let mut canvas = Canvas::new((10, 5), &mut out);
        assert_eq!(canvas.get_size(), (40, 20));
        let (bar, line) = (Ink::Bar.to_backend_color(), Ink::Line(2).to_backend_color());
        canvas.draw_rect((0, 4), (8, 5), &bar, true).unwrap();
        canvas.draw_rect((9, -4), (10, 3), &bar, true).unwrap();
        canvas.draw_path([(0, 0), (3, -7), (6, 2)], &line).unwrap();
        canvas.draw_path([], &line).unwrap();
        canvas.draw_circle((4, 4), 8, &line, true).unwrap();
        drop(canvas);
        assert_eq!(
            out,
            concat!(
                r#"<path class="bar" d="M0 1h2v.25h-2zM2.25-1h.25v1.75h-.25z"/>"#,
                r#"<path class="l2" d="M0 0l.75-1.75l.75 2.25"/>"#,
                r#"<circle class="l2" cx="1" cy="1" r="2"/>"#,
            )
        );
    }
}
