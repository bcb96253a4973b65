//! Devices drawn where they are: a box a group (an NVLink domain, a NUMA node, a partitioned GPU),
//! a letter a workload.
//!
//! ```text
//! ┌ NVLink 0 ─────┐ ┌ NVLink 1 ─────┐     ┌ gpu-0 ────────────────────────┐
//! │ A   A   B   · │ │ ■   ■   ·   · │     │ A   A   A   A │ B   B │ · │ · │
//! └───────────────┘ └───────────────┘     └───────────────┴───────┴───┴───┘
//! ```
//!
//! Whole devices stand beside each other; parts of one device (slots that take several cells, as a
//! MIG instance takes memory slices) are fenced off from each other.

use unicode_width::UnicodeWidthStr;

use super::style::{self, FAINT, PLAIN, STRONG, paint};
use super::table::printable;

/// Who has a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder {
    /// Nobody.
    Free,
    /// A claim that was allocated before anything was decided here.
    Before,
    /// The workload of this number; see [`letter`].
    Workload(usize),
    /// Nobody, and nobody can have it: tainted.
    Unusable,
}

/// One device, or one part of a partitioned device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot {
    /// Who has it.
    pub holder: Holder,
    /// How many cells it takes in the drawing.
    pub cells: usize,
}

/// Devices that belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// What to write on the box.
    pub title: String,
    /// The devices or parts, in order.
    pub slots: Vec<Slot>,
    /// Whether the slots are parts of one device.
    pub partitioned: bool,
}

/// A node's groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// The node's name.
    pub name: String,
    /// Its groups, in order.
    pub groups: Vec<Group>,
}

/// The letter that stands for workload `n`: A to Z, a to z, then `#`.
pub fn letter(n: usize) -> char {
    ('A'..='Z').chain('a'..='z').nth(n).unwrap_or('#')
}

/// A drawing: lines and the columns each takes on screen (styling not counted).
#[derive(Debug, Clone, Default)]
pub struct Drawing {
    lines: Vec<(String, usize)>,
}

impl Drawing {
    /// Columns of the widest line.
    pub fn width(&self) -> usize {
        self.lines
            .iter()
            .map(|(_, width)| *width)
            .max()
            .unwrap_or(0)
    }

    /// Number of lines.
    pub fn height(&self) -> usize {
        self.lines.len()
    }

    /// Adds a line in one style.
    pub fn line(&mut self, style: anstyle::Style, text: &str) {
        let text = printable(text);
        let width = text.width();
        self.lines.push((paint(style, &text), width));
    }

    fn push(&mut self, text: String, width: usize) {
        self.lines.push((text, width));
    }

    fn append_right(&mut self, other: Self, gap: usize) {
        let left = self.width();
        for (at, (text, width)) in other.lines.into_iter().enumerate() {
            let empty = at >= self.lines.len();
            if empty {
                self.lines.push((String::new(), 0));
            }
            if let Some((line, line_width)) = self.lines.get_mut(at) {
                let pad = left - *line_width + gap;
                line.extend(std::iter::repeat_n(' ', pad));
                line.push_str(&text);
                *line_width = left + gap + width;
            }
        }
    }

    pub(super) fn append_below(&mut self, other: Self) {
        self.lines.extend(other.lines);
    }

    /// The lines, each ended, indented by `indent` columns; spaces at line ends are not written.
    pub fn text(&self, indent: usize) -> String {
        let mut text = String::new();
        for (line, width) in &self.lines {
            if *width > 0 {
                text.extend(std::iter::repeat_n(' ', indent));
                text.push_str(line.trim_end());
            }
            text.push('\n');
        }
        text
    }
}

/// Drawings beside each other, `gap` columns apart; below each other where `width` does not hold
/// them.
pub fn beside(drawings: Vec<Drawing>, gap: usize, width: usize) -> Drawing {
    let total =
        drawings.iter().map(Drawing::width).sum::<usize>() + gap * drawings.len().saturating_sub(1);
    let mut all = Drawing::default();
    for (at, drawing) in drawings.into_iter().enumerate() {
        if at == 0 {
            all = drawing;
        } else if total <= width {
            all.append_right(drawing, gap);
        } else {
            all.push(String::new(), 0);
            all.append_below(drawing);
        }
    }
    all
}

/// The boxes of one node under its name, in rows of at most `width` columns.
pub fn node(node: &Node, width: usize) -> Drawing {
    let mut drawing = Drawing::default();
    drawing.line(STRONG, &node.name);
    let mut row = Drawing::default();
    for group in &node.groups {
        let group = boxed(group);
        if row.height() > 0 && row.width() + 1 + group.width() > width {
            drawing.append_below(std::mem::take(&mut row));
        }
        if row.height() == 0 {
            row = group;
        } else {
            row.append_right(group, 1);
        }
    }
    drawing.append_below(row);
    drawing
}

fn boxed(group: &Group) -> Drawing {
    let mut middle = String::new();
    let mut bottom = String::new();
    let mut inner = 0;
    for (at, slot) in group.slots.iter().enumerate() {
        let fenced = at > 0 && group.partitioned;
        if at > 0 {
            middle.push_str(if fenced { "│" } else { " " });
            bottom.push(if fenced { '┴' } else { '─' });
            inner += 1;
        }
        let cells = slot.cells.max(1);
        let columns = cells * 4 - 1;
        middle.push_str(&content(slot.holder, cells));
        bottom.extend(std::iter::repeat_n('─', columns));
        inner += columns;
    }
    // A title longer than its devices widens the box.
    let title = printable(&group.title);
    let slack = (title.width() + 3).saturating_sub(inner);
    middle.extend(std::iter::repeat_n(' ', slack));
    bottom.extend(std::iter::repeat_n('─', slack));
    let width = inner + slack;
    let rule = width - title.width() - 2;
    let mut drawing = Drawing::default();
    drawing.push(
        format!("┌ {} {}┐", paint(FAINT, &title), "─".repeat(rule)),
        width + 2,
    );
    drawing.push(format!("│{middle}│"), width + 2);
    drawing.push(format!("└{bottom}┘"), width + 2);
    drawing
}

fn content(holder: Holder, cells: usize) -> String {
    let (symbol, style) = match holder {
        Holder::Free => ('·', FAINT),
        Holder::Before => ('■', FAINT),
        Holder::Unusable => ('×', PLAIN),
        Holder::Workload(n) => (letter(n), style::nth(n)),
    };
    let text: String = (0..cells)
        .map(|cell| {
            if cell == 0 {
                format!(" {symbol} ")
            } else {
                format!("  {symbol} ")
            }
        })
        .collect();
    // One run of style a slot, so that the escape codes stay few.
    paint(style, &text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(holders: &[Holder]) -> Vec<Slot> {
        holders
            .iter()
            .map(|&holder| Slot { holder, cells: 1 })
            .collect()
    }

    fn plain(drawing: &Drawing) -> String {
        anstream::adapter::strip_str(&drawing.text(0)).to_string()
    }

    #[test]
    fn whole_devices_stand_beside_each_other() {
        let a = Holder::Workload(0);
        let drawn = node(
            &Node {
                name: "node-a".into(),
                groups: vec![
                    Group {
                        title: "NVLink 0".into(),
                        slots: whole(&[a, a, Holder::Free, Holder::Before]),
                        partitioned: false,
                    },
                    Group {
                        title: "NVLink 1".into(),
                        slots: whole(&[Holder::Unusable]),
                        partitioned: false,
                    },
                ],
            },
            80,
        );
        assert_eq!(
            plain(&drawn),
            "node-a\n\
             ┌ NVLink 0 ─────┐ ┌ NVLink 1 ─┐\n\
             │ A   A   ·   ■ │ │ ×         │\n\
             └───────────────┘ └───────────┘\n"
        );
    }

    #[test]
    fn parts_of_a_device_are_fenced_off() {
        let slots = vec![
            Slot {
                holder: Holder::Workload(1),
                cells: 2,
            },
            Slot {
                holder: Holder::Free,
                cells: 1,
            },
            Slot {
                holder: Holder::Workload(60),
                cells: 1,
            },
        ];
        let drawn = boxed(&Group {
            title: "gpu-0".into(),
            slots,
            partitioned: true,
        });
        assert_eq!(
            plain(&drawn),
            "┌ gpu-0 ────────┐\n\
             │ B   B │ · │ # │\n\
             └───────┴───┴───┘\n"
        );
    }

    #[test]
    fn boxes_that_do_not_fit_go_to_the_next_row() {
        let group = Group {
            title: "g".into(),
            slots: whole(&[Holder::Free]),
            partitioned: false,
        };
        let drawn = node(
            &Node {
                name: "n".into(),
                groups: vec![group; 3],
            },
            13,
        );
        assert_eq!(drawn.height(), 1 + 3 + 3);
    }

    #[test]
    fn drawings_that_do_not_fit_beside_each_other_go_below() {
        let mut one = Drawing::default();
        one.line(PLAIN, "abc");
        let mut two = one.clone();
        two.line(PLAIN, "d");
        assert_eq!(
            plain(&beside(vec![one.clone(), two.clone()], 2, 8)),
            "abc  abc\n     d\n"
        );
        assert_eq!(plain(&beside(vec![one, two], 2, 7)), "abc\n\nabc\nd\n");
    }
}
