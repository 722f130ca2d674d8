//! What is drawn, instead of a colour: the style sheet gives it one, for light
//! and for dark.

use plotters::style::{Color, ShapeStyle};
use plotters_backend::BackendColor;

/// Colours and dash patterns there are for series. Those beyond would not be
/// told apart.
pub(crate) const SERIES: usize = 7;

/// Shades of the heat map.
pub(crate) const SHADES: usize = 8;

/// A kind of mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ink {
    /// The line of a series.
    Line(usize),
    /// The band around it.
    Band(usize),
    /// A single point of it.
    Dot(usize),
    /// Failed measurements.
    Loss,
    /// A cell of the heat map, from few to many.
    Shade(usize),
    /// A bar.
    Bar,
    /// Grid lines.
    Grid,
    /// The axes.
    Axis,
    /// Labels.
    Label,
    /// A plot's or panel's heading.
    Heading,
}

const LINES: [&str; SERIES + 1] = ["l0", "l1", "l2", "l3", "l4", "l5", "l6", "lx"];
const BANDS: [&str; SERIES + 1] = ["b0", "b1", "b2", "b3", "b4", "b5", "b6", "bx"];
const DOTS: [&str; SERIES + 1] = ["p0", "p1", "p2", "p3", "p4", "p5", "p6", "px"];
const SHADE: [&str; SHADES] = ["h0", "h1", "h2", "h3", "h4", "h5", "h6", "h7"];

impl Ink {
    /// The class of the style sheet.
    pub(super) fn class(self) -> &'static str {
        let of = |classes: &[&'static str; SERIES + 1], number: usize| classes[number.min(SERIES)];
        match self {
            Ink::Line(number) => of(&LINES, number),
            Ink::Band(number) => of(&BANDS, number),
            Ink::Dot(number) => of(&DOTS, number),
            Ink::Loss => "loss",
            Ink::Shade(number) => SHADE[number.min(SHADES - 1)],
            Ink::Bar => "bar",
            Ink::Grid => "grid",
            Ink::Axis => "axis",
            Ink::Label => "label",
            Ink::Heading => "heading",
        }
    }

    /// From the colour that [`Ink::color`] made of it.
    pub(super) fn of(color: BackendColor) -> Ink {
        let number = usize::from(color.rgb.1);
        match color.rgb.0 {
            1 => Ink::Line(number),
            2 => Ink::Band(number),
            3 => Ink::Dot(number),
            4 => Ink::Loss,
            5 => Ink::Shade(number),
            6 => Ink::Bar,
            7 => Ink::Grid,
            8 => Ink::Axis,
            9 => Ink::Heading,
            _ => Ink::Label,
        }
    }

    /// Filled shapes of it.
    pub(super) fn filled(self) -> ShapeStyle {
        Color::filled(&self)
    }
}

/// Plotters passes colours on and nothing else, so that a colour says what is
/// meant.
impl Color for Ink {
    fn to_backend_color(&self) -> BackendColor {
        let (kind, number) = match *self {
            Ink::Label => (0, 0),
            Ink::Line(number) => (1, number),
            Ink::Band(number) => (2, number),
            Ink::Dot(number) => (3, number),
            Ink::Loss => (4, 0),
            Ink::Shade(number) => (5, number),
            Ink::Bar => (6, 0),
            Ink::Grid => (7, 0),
            Ink::Axis => (8, 0),
            Ink::Heading => (9, 0),
        };
        BackendColor {
            alpha: 1.0,
            rgb: (kind, u8::try_from(number).unwrap_or(u8::MAX), 0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plotters_colours_carry_what_is_meant() {
        for ink in [
            Ink::Line(3),
            Ink::Band(0),
            Ink::Dot(200),
            Ink::Loss,
            Ink::Shade(7),
            Ink::Bar,
            Ink::Grid,
            Ink::Axis,
            Ink::Label,
            Ink::Heading,
        ] {
            assert_eq!(Ink::of(ink.to_backend_color()), ink);
        }
        assert_eq!(Ink::Dot(200).class(), "px");
    }
}
