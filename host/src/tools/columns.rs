//! Tables for a terminal.

use std::fmt::Write;

/// On which side a column's text stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Left,
    Right,
}

/// A table in the making.
#[derive(Debug)]
pub(super) struct Columns {
    sides: Vec<Side>,
    rows: Vec<Vec<String>>,
}

impl Columns {
    /// With a heading for each column.
    pub(super) fn new(headings: &[(&str, Side)]) -> Columns {
        Columns {
            sides: headings.iter().map(|(_, side)| *side).collect(),
            rows: vec![
                headings
                    .iter()
                    .map(|(text, _)| (*text).to_owned())
                    .collect(),
            ],
        }
    }

    /// Adds a row. Names in it are chosen by strangers: what would move the
    /// terminal's cursor is shown escaped.
    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows
            .push(cells.into_iter().map(|cell| plain(&cell)).collect());
    }

    /// The table as text.
    pub(super) fn text(&self) -> String {
        let widths: Vec<usize> = (0..self.sides.len())
            .map(|column| {
                let cells = self.rows.iter().filter_map(|row| row.get(column));
                cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
            })
            .collect();
        let mut text = String::new();
        for row in &self.rows {
            let mut line = String::new();
            for ((cell, side), width) in row.iter().zip(&self.sides).zip(&widths) {
                let width = *width;
                // Writing into a string cannot fail.
                let _ = match side {
                    Side::Left => write!(line, "{cell:<width$}  "),
                    Side::Right => write!(line, "{cell:>width$}  "),
                };
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

/// A text whose control characters are escaped.
pub(super) fn plain(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_control_characters_are_shown() {
        let mut columns = Columns::new(&[("name", Side::Left), ("n", Side::Right)]);
        columns.row(["é\u{1b}[2J".to_owned(), "1".to_owned()]);
        columns.row(["b".to_owned(), "1,000".to_owned()]);
        assert_eq!(
            columns.text(),
            "name            n\né\\u{1b}[2J      1\nb           1,000\n"
        );
    }
}
