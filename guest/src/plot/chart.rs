//! A plot's frame: two axes with their labels and grid, a heading, and room for
//! marks. What goes in is drawn by those who know what it means.

use super::axis::Axis;
use super::canvas::{Canvas, FINE};
use super::ink::Ink;
use plotters::chart::{ChartBuilder, ChartContext};
use plotters::coord::Shift;
use plotters::coord::cartesian::Cartesian2d;
use plotters::drawing::{DrawingArea, DrawingAreaErrorKind, IntoDrawingArea};
use plotters::element::{PathElement, Rectangle};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{IntoFont, TextStyle};
use std::convert::Infallible;

/// The canvas does not fail; fonts, which plotters could ask for, are not used.
pub(super) type Drawn = Result<(), DrawingAreaErrorKind<Infallible>>;

type Area<'a> = DrawingArea<Canvas<'a>, Shift>;
type Context<'a> = ChartContext<'a, Canvas<'a>, Cartesian2d<Axis, Axis>>;

/// Where the parts of a plot are, pixels.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    /// Of the whole.
    pub(super) size: (u32, u32),
    /// Above the field in which values are drawn.
    pub(super) top: u32,
    /// For the labels to the left of it.
    pub(super) left: u32,
    /// For the labels below it.
    pub(super) bottom: u32,
}

/// To the right of the field: half of a label.
const RIGHT: u32 = 18;

/// A plot being drawn.
pub(super) struct Chart<'a> {
    area: Area<'a>,
    context: Context<'a>,
}

/// Draws a plot; `marks` is called when its frame is there.
pub(super) fn draw(
    layout: Layout,
    x: Axis,
    y: Axis,
    marks: &mut dyn FnMut(&mut Chart<'_>) -> Drawn,
) -> String {
    let mut body = String::new();
    let area = Canvas::new(layout.size, &mut body).into_drawing_area();
    // An error cannot come from the canvas; what is drawn until then is shown.
    let _ = framed(&area, layout, x, y).and_then(|context| {
        let mut chart = Chart {
            area: area.clone(),
            context,
        };
        marks(&mut chart)
    });
    drop(area);
    body
}

/// Draws without axes.
pub(super) fn draw_bare(
    size: (u32, u32),
    x: Axis,
    y: Axis,
    marks: &mut dyn FnMut(&mut Chart<'_>) -> Drawn,
) -> String {
    let mut body = String::new();
    let area = Canvas::new(size, &mut body).into_drawing_area();
    let mut builder = ChartBuilder::on(&area);
    builder.margin(2 * FINE);
    let _ = builder.build_cartesian_2d(x, y).and_then(|context| {
        let mut chart = Chart {
            area: area.clone(),
            context,
        };
        marks(&mut chart)
    });
    drop(builder);
    drop(area);
    body
}

fn framed<'a>(
    area: &Area<'a>,
    layout: Layout,
    x: Axis,
    y: Axis,
) -> Result<Context<'a>, DrawingAreaErrorKind<Infallible>> {
    let fine = FINE.unsigned_abs();
    let mut context = ChartBuilder::on(area)
        .margin_top(layout.top * fine)
        .margin_right(RIGHT * fine)
        .y_label_area_size(layout.left * fine)
        .x_label_area_size(layout.bottom * fine)
        .build_cartesian_2d(x, y)?;
    context
        .configure_mesh()
        .disable_x_mesh()
        .set_all_tick_mark_size(3 * FINE)
        .axis_style(Ink::Axis)
        .bold_line_style(Ink::Grid)
        .label_style(style(Ink::Label))
        .draw()?;
    Ok(context)
}

/// The style sheet sizes text; plotters only places it.
fn style(ink: Ink) -> TextStyle<'static> {
    ("sans-serif", 12 * FINE).into_font().color(&ink)
}

impl<'a> Chart<'a> {
    /// Where values lie, in units of the canvas.
    pub(super) fn place(&self, x: f64, y: f64) -> (i32, i32) {
        self.context.backend_coord(&(x, y))
    }

    /// Lines from value to value.
    pub(super) fn line(&mut self, ink: Ink, points: Vec<(f64, f64)>) -> Drawn {
        let points = points.into_iter().map(|(x, y)| self.place(x, y));
        let points: Vec<_> = points.collect();
        self.area.draw(&PathElement::new(points, ink))
    }

    /// A shape with these corners.
    pub(super) fn shape(&mut self, ink: Ink, corners: Vec<(f64, f64)>) -> Drawn {
        let corners = corners.into_iter().map(|(x, y)| self.place(x, y));
        let corners: Vec<_> = corners.collect();
        self.area
            .draw(&plotters::element::Polygon::new(corners, ink.filled()))
    }

    /// A rectangle between two values.
    pub(super) fn rectangle(&mut self, ink: Ink, one: (f64, f64), other: (f64, f64)) -> Drawn {
        let corners = [self.place(one.0, one.1), self.place(other.0, other.1)];
        self.area.draw(&Rectangle::new(corners, ink.filled()))
    }

    /// A rectangle in units of the canvas.
    pub(super) fn rectangle_at(&mut self, ink: Ink, corners: [(i32, i32); 2]) -> Drawn {
        self.area.draw(&Rectangle::new(corners, ink.filled()))
    }

    /// A dot on a value; its radius in quarters of a pixel.
    pub(super) fn dot(&mut self, ink: Ink, (x, y): (f64, f64), radius: i32) -> Drawn {
        let center = self.place(x, y);
        self.area.draw(&plotters::element::Circle::new(
            center,
            radius,
            ink.filled(),
        ))
    }

    /// A line between two places, pixels.
    pub(super) fn stroke(&mut self, ink: Ink, from: (i32, i32), to: (i32, i32)) -> Drawn {
        let fine = |(x, y): (i32, i32)| (x * FINE, y * FINE);
        self.area
            .draw(&PathElement::new(vec![fine(from), fine(to)], ink))
    }

    /// Text whose baseline begins there, pixels.
    pub(super) fn text(&mut self, ink: Ink, text: &str, at: (i32, i32)) -> Drawn {
        self.anchored(ink, text, at, HPos::Left)
    }

    /// Text whose baseline ends there, pixels.
    pub(super) fn text_before(&mut self, ink: Ink, text: &str, at: (i32, i32)) -> Drawn {
        self.anchored(ink, text, at, HPos::Right)
    }

    /// Says in the middle what there is none of.
    pub(super) fn nothing(&mut self, what: &str) -> Drawn {
        let (width, height) = self.area.dim_in_pixel();
        let fine = FINE.unsigned_abs() * 2;
        let middle = (width / fine, height / fine);
        let at = (
            i32::try_from(middle.0).unwrap_or(0),
            i32::try_from(middle.1).unwrap_or(0),
        );
        self.anchored(
            Ink::Label,
            &format!("No {what} in this period"),
            at,
            HPos::Center,
        )
    }

    fn anchored(&mut self, ink: Ink, text: &str, (x, y): (i32, i32), anchor: HPos) -> Drawn {
        let style = style(ink).pos(Pos::new(anchor, VPos::Bottom));
        self.area.draw_text(text, &style, (x * FINE, y * FINE))
    }
}
