//! Columns that fit the terminal.
//!
//! Where the output is no terminal every row is one line, whatever its length: `grep` and `awk`
//! see whole rows. On a terminal the columns that may wrap give way, the widest first, until the
//! table fits; a terminal too narrow even for that gets the lines as they are.

use anstyle::Style;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::style::{PLAIN, STRONG, paint};

const GAP: usize = 3;

/// A column's heading, and whether its cells may be broken over several lines.
#[derive(Debug, Clone)]
pub struct Column {
    title: String,
    /// The least width a wrapped cell gets; `None`: never wrapped.
    narrowest: Option<usize>,
}

impl Column {
    /// A column whose cells stay on one line.
    pub fn fixed(title: &str) -> Self {
        Self {
            title: title.to_owned(),
            narrowest: None,
        }
    }

    /// A column with a name from outside, in capitals like the others.
    pub fn named(title: &str) -> Self {
        Self {
            title: printable(&title.to_uppercase()),
            narrowest: None,
        }
    }

    /// A column that gives way down to `narrowest` when the terminal is narrow.
    pub fn wrapping(title: &str, narrowest: usize) -> Self {
        Self {
            title: title.to_owned(),
            narrowest: Some(narrowest),
        }
    }
}

/// A text in one style.
#[derive(Debug, Clone)]
pub struct Cell {
    text: String,
    style: Style,
}

impl Cell {
    /// `text` in `style`.
    pub fn new(style: Style, text: impl Into<String>) -> Self {
        Self {
            text: printable(&text.into()),
            style,
        }
    }

    /// `text` as the terminal is.
    pub fn plain(text: impl Into<String>) -> Self {
        Self::new(PLAIN, text)
    }

    /// Nothing.
    pub fn empty() -> Self {
        Self::plain("")
    }
}

/// Rows under headings.
#[derive(Debug, Clone)]
pub struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// A table without rows.
    pub fn new(columns: Vec<Column>) -> Self {
        Self {
            columns,
            rows: Vec::new(),
        }
    }

    /// Adds a row; cells beyond the columns are dropped, missing ones are empty.
    pub fn push(&mut self, row: Vec<Cell>) {
        self.rows.push(row);
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The table as text, `width` columns wide at most where that can be had.
    pub fn render(&self, width: Option<usize>) -> String {
        let widths = self.widths(width);
        let heading: Vec<Cell> = self
            .columns
            .iter()
            .map(|column| Cell::new(STRONG, column.title.as_str()))
            .collect();
        let mut text = String::new();
        for row in std::iter::once(&heading).chain(&self.rows) {
            lay_out(row, &widths, &mut text);
        }
        text
    }

    fn widths(&self, limit: Option<usize>) -> Vec<usize> {
        let mut widths: Vec<usize> = self
            .columns
            .iter()
            .enumerate()
            .map(|(at, column)| {
                let cells = self
                    .rows
                    .iter()
                    .filter_map(|row| row.get(at))
                    .map(|cell| cell.text.width());
                cells.max().unwrap_or(0).max(column.title.width())
            })
            .collect();
        let Some(limit) = limit else { return widths };
        let gaps = GAP * widths.len().saturating_sub(1);
        let mut excess = (widths.iter().sum::<usize>() + gaps).saturating_sub(limit);
        while excess > 0 {
            let widest = widths
                .iter_mut()
                .zip(&self.columns)
                .filter_map(|(width, column)| {
                    let narrowest = column.narrowest?.max(column.title.width());
                    (*width > narrowest).then_some(width)
                });
            let Some(widest) = widest.max() else { break };
            *widest -= 1;
            excess -= 1;
        }
        // Lines broken at words seldom fill their column: close up what is left.
        for (at, (width, column)) in widths.iter_mut().zip(&self.columns).enumerate() {
            let cells = self.rows.iter().filter_map(|row| row.get(at));
            let lines = cells.flat_map(|cell| wrap(&cell.text, *width));
            *width = lines
                .map(|line| line.width())
                .max()
                .unwrap_or(0)
                .max(column.title.width());
        }
        widths
    }
}

fn lay_out(row: &[Cell], widths: &[usize], text: &mut String) {
    let cells: Vec<(Vec<String>, Style)> = row
        .iter()
        .zip(widths)
        .map(|(cell, &width)| (wrap(&cell.text, width), cell.style))
        .collect();
    let height = cells
        .iter()
        .map(|(lines, _)| lines.len())
        .max()
        .unwrap_or(0)
        .max(1);
    for line in 0..height {
        let mut pending = 0;
        for ((lines, style), &width) in cells.iter().zip(widths) {
            let piece = lines.get(line).map_or("", String::as_str);
            if !piece.is_empty() {
                text.extend(std::iter::repeat_n(' ', pending));
                text.push_str(&paint(*style, piece));
                pending = 0;
                pending += width.saturating_sub(piece.width());
            } else {
                pending += width;
            }
            pending += GAP;
        }
        text.push('\n');
    }
}

/// Breaks `text` at spaces into lines of at most `width` columns; a word too long is cut.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let width = width.max(1);
    let mut lines = Vec::new();
    for paragraph in text.split('\n') {
        let mut line = String::new();
        for word in paragraph.split(' ') {
            if !line.is_empty() && line.width() + 1 + word.width() > width {
                lines.push(std::mem::take(&mut line));
            } else if !line.is_empty() {
                line.push(' ');
            }
            for character in word.chars() {
                if line.width() + character.width().unwrap_or(0) > width {
                    lines.push(std::mem::take(&mut line));
                }
                line.push(character);
            }
        }
        lines.push(line);
    }
    lines
}

/// Names, reasons and messages come from manifests and from vendors' policies: what would steer the
/// terminal is shown, not sent.
pub fn printable(text: &str) -> String {
    text.chars()
        .map(|character| match character {
            '\n' => character,
            '\t' => ' ',
            _ if character.is_control() || is_bidi_control(character) => {
                char::REPLACEMENT_CHARACTER
            }
            _ => character,
        })
        .collect()
}

fn is_bidi_control(character: char) -> bool {
    matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(vec![
            Column::fixed("POD"),
            Column::wrapping("DEVICES", 8),
            Column::wrapping("WHY", 8),
        ]);
        table.push(vec![
            Cell::plain("train-0"),
            Cell::plain("gpu-0 gpu-1 gpu-2 gpu-3"),
            Cell::plain("fills a group that was already broken"),
        ]);
        table.push(vec![Cell::plain("x"), Cell::empty(), Cell::plain("none")]);
        table
    }

    #[test]
    fn without_a_terminal_a_row_is_a_line() {
        assert_eq!(
            anstream::adapter::strip_str(&table().render(None)).to_string(),
            "POD       DEVICES                   WHY\n\
             train-0   gpu-0 gpu-1 gpu-2 gpu-3   fills a group that was already broken\n\
             x                                   none\n"
        );
    }

    #[test]
    fn on_a_narrow_terminal_the_widest_columns_give_way() {
        assert_eq!(
            anstream::adapter::strip_str(&table().render(Some(44))).to_string(),
            [
                "POD       DEVICES       WHY",
                "train-0   gpu-0 gpu-1   fills a group",
                "          gpu-2 gpu-3   that was",
                "                        already broken",
                "x                       none",
                "",
            ]
            .join("\n")
        );
    }

    #[test]
    fn a_terminal_narrower_than_the_table_can_be_is_overrun_rather_than_looped_over() {
        let text = table().render(Some(3));
        assert!(text.lines().count() > 3);
    }

    #[test]
    fn a_long_word_is_cut_and_wide_characters_count_twice() {
        assert_eq!(wrap("abcdef gh", 4), ["abcd", "ef", "gh"]);
        assert_eq!(wrap("日本語", 4), ["日本", "語"]);
    }

    #[test]
    fn what_would_steer_the_terminal_is_shown_instead() {
        assert_eq!(
            printable("a\u{1b}[31mb\u{202e}c"),
            "a\u{fffd}[31mb\u{fffd}c"
        );
    }
}
