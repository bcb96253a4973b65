//! The picture of `supercargo compare`: the same workloads, placed by each contender, side by side.

use super::style::{self, FAINT, GOOD, PLAIN, STRONG, WAITING, paint};
use super::table::{Cell, Column, Table};
use super::topology::{Drawing, Node, beside, letter, node};

/// Everything there is to show.
#[derive(Debug, Clone, Default)]
pub struct Comparison {
    /// What is compared, in a line.
    pub title: String,
    /// The workloads, in the order they came; the letter follows from the position.
    pub workloads: Vec<Workload>,
    /// Whether something was in use before.
    pub used_before: bool,
    /// What each contender made of it; the first is what the others are measured against.
    pub contenders: Vec<Contender>,
}

/// Something that asked for devices.
#[derive(Debug, Clone, Default)]
pub struct Workload {
    /// Its name.
    pub name: String,
    /// What it asked for, in a few words.
    pub wants: String,
}

/// One way to place the workloads.
#[derive(Debug, Clone, Default)]
pub struct Contender {
    /// Its name: `first fit`, or the policy's.
    pub name: String,
    /// Who has what in the end.
    pub nodes: Vec<Node>,
    /// Workloads (positions) that found no place.
    pub pending: Vec<usize>,
    /// Its results, in the same order for every contender.
    pub measures: Vec<Measure>,
}

/// One result that can be compared. More is better.
#[derive(Debug, Clone, Default)]
pub struct Measure {
    /// What was counted.
    pub what: String,
    /// How many.
    pub value: usize,
    /// Out of how many, where that says something.
    pub of: Option<usize>,
}

/// Columns between drawings.
const GAP: usize = 4;

/// Draws it for a terminal of `width` columns.
pub fn comparison(comparison: &Comparison, width: usize) -> String {
    let mut text = format!("{}\n\n", paint(STRONG, &comparison.title));
    text.push_str(&legend(comparison));
    text.push('\n');
    // Narrow drawings with many rows stand beside each other, wide ones do not.
    let each = width.saturating_sub(2 + GAP * comparison.contenders.len().saturating_sub(1))
        / comparison.contenders.len().max(1);
    let draw = |contender| draw(contender, &comparison.workloads, each);
    let drawings = comparison.contenders.iter().map(draw).collect();
    text.push_str(&beside(drawings, GAP, width.saturating_sub(2)).text(2));
    text.push('\n');
    text.push_str(&gains(comparison));
    text
}

fn legend(comparison: &Comparison) -> String {
    let names = comparison
        .workloads
        .iter()
        .map(|workload| workload.name.chars().count())
        .max()
        .unwrap_or(0);
    let mut text = String::new();
    for (at, workload) in comparison.workloads.iter().enumerate() {
        let symbol = paint(style::nth(at), &letter(at).to_string());
        let name = super::table::printable(&workload.name);
        let wants = paint(FAINT, &super::table::printable(&workload.wants));
        text.push_str(&format!("  {symbol}  {name:names$}  {wants}\n"));
    }
    if comparison.used_before {
        text.push_str(&format!("  {}\n", paint(FAINT, "■  in use before")));
    }
    text
}

fn draw(contender: &Contender, workloads: &[Workload], width: usize) -> Drawing {
    let mut drawing = Drawing::default();
    drawing.line(STRONG, &contender.name.to_uppercase());
    for one in &contender.nodes {
        drawing.append_below(node(one, width));
    }
    if contender.pending.is_empty() {
        drawing.line(GOOD, "nothing waits");
    } else {
        for &at in &contender.pending {
            let name = workloads
                .get(at)
                .map_or("", |workload| workload.name.as_str());
            drawing.line(WAITING, &format!("waiting: {} {name}", letter(at)));
        }
    }
    drawing
}

fn gains(comparison: &Comparison) -> String {
    let Some(base) = comparison.contenders.first() else {
        return String::new();
    };
    let mut columns = vec![Column::fixed("")];
    columns.extend(
        comparison
            .contenders
            .iter()
            .map(|contender| Column::named(contender.name.as_str())),
    );
    let alone = comparison.contenders.len() == 2;
    if alone {
        columns.push(Column::fixed("GAIN"));
    }
    let mut table = Table::new(columns);
    for (at, measure) in base.measures.iter().enumerate() {
        let nothing = |contender: &Contender| {
            contender
                .measures
                .get(at)
                .is_none_or(|measure| measure.value == 0)
        };
        if comparison.contenders.iter().all(nothing) {
            continue;
        }
        let mut row = vec![Cell::plain(measure.what.as_str())];
        for contender in &comparison.contenders {
            let Some(other) = contender.measures.get(at) else {
                continue;
            };
            let style = match other.value.cmp(&measure.value) {
                std::cmp::Ordering::Greater => GOOD,
                std::cmp::Ordering::Less => WAITING,
                std::cmp::Ordering::Equal => PLAIN,
            };
            let value = match other.of {
                Some(of) => format!("{} of {of}", other.value),
                None => other.value.to_string(),
            };
            row.push(Cell::new(style, value));
        }
        if alone
            && let Some(other) = comparison
                .contenders
                .get(1)
                .and_then(|contender| contender.measures.get(at))
        {
            row.push(gain(measure.value, other.value));
        }
        table.push(row);
    }
    table
        .render(None)
        .lines()
        .map(|line| format!("  {line}\n"))
        .collect()
}

fn gain(from: usize, to: usize) -> Cell {
    match to.cmp(&from) {
        std::cmp::Ordering::Greater => Cell::new(GOOD, format!("+{}", to - from)),
        std::cmp::Ordering::Less => Cell::new(WAITING, format!("-{}", from - to)),
        std::cmp::Ordering::Equal => Cell::empty(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::topology::{Group, Holder, Slot};

    fn contender(name: &str, holders: [Holder; 4], pending: Vec<usize>) -> Contender {
        let groups = holders
            .chunks(2)
            .enumerate()
            .map(|(at, holders)| Group {
                title: format!("nvlink {at}"),
                slots: holders
                    .iter()
                    .map(|&holder| Slot { holder, cells: 1 })
                    .collect(),
                partitioned: false,
            })
            .collect();
        let placed = 2 - pending.len();
        Contender {
            name: name.into(),
            nodes: vec![Node {
                name: "node-a".into(),
                groups,
            }],
            pending,
            measures: vec![
                Measure {
                    what: "pods placed".into(),
                    value: placed,
                    of: Some(2),
                },
                Measure {
                    what: "groups left whole".into(),
                    value: 0,
                    of: None,
                },
            ],
        }
    }

    #[test]
    fn two_contenders_stand_side_by_side_with_the_gain() {
        let (a, b, free, before) = (
            Holder::Workload(0),
            Holder::Workload(1),
            Holder::Free,
            Holder::Before,
        );
        let shown = comparison(
            &Comparison {
                title: "scene.yaml: 2 pods, 4 devices".into(),
                workloads: vec![
                    Workload {
                        name: "small".into(),
                        wants: "1 of gpu.example.com".into(),
                    },
                    Workload {
                        name: "training".into(),
                        wants: "2 of gpu.example.com".into(),
                    },
                ],
                used_before: true,
                contenders: vec![
                    contender("first fit", [a, free, free, before], vec![1]),
                    contender("nvlink-groups", [b, b, a, before], vec![]),
                ],
            },
            80,
        );
        let shown = anstream::adapter::strip_str(&shown).to_string();
        insta::assert_snapshot!(shown);
    }
}
