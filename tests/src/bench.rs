//! What `make bench` measures: rows of one table, and the same as JSON.
//!
//! A figure alone depends on the machine. Where the upstream allocator is there, it solves the same
//! problems in the same run, and the ratio of the two is what may be quoted.

use std::fmt::Write as _;

use serde::Serialize;

pub mod allocations;
pub mod selectors;

/// One line of the table.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// What kind of thing is measured.
    pub group: &'static str,
    /// What is measured.
    pub name: String,
    /// Nanoseconds an operation, the median of ten stretches.
    pub ns: u64,
    /// The same with everything built anew: allocator from slices, selector from text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ns_with_new: Option<u64>,
    /// How often it ran.
    pub iterations: u64,
    /// Instructions an operation, in user mode, where the machine counts them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instructions: Option<u64>,
    /// What upstream takes, in the same run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream: Option<Upstream>,
    /// What the figure shows beyond itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// Upstream's times for the same operation.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Upstream {
    /// Nanoseconds an operation.
    pub ns: u64,
    /// With a new allocator each time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ns_with_new: Option<u64>,
    /// How many times faster this host is.
    pub ratio: f64,
}

impl Upstream {
    fn new(ns: u64, ns_with_new: Option<u64>, ours: u64) -> Self {
        let ratio = if ours == 0 {
            f64::NAN
        } else {
            ns as f64 / ours as f64
        };
        Self {
            ns,
            ns_with_new,
            ratio: (ratio * 10.0).round() / 10.0,
        }
    }
}

/// Something that can not be measured; the text says what and why.
pub type Failure = String;

/// Lays the rows out as one table. Columns that no row fills are left out.
#[must_use]
pub fn table(rows: &[Row]) -> String {
    let number = |value: Option<u64>| value.map(|value| format!("{value}")).unwrap_or_default();
    type Column<'a> = (&'a str, Box<dyn Fn(&Row) -> String>);
    let columns: [Column<'_>; 8] = [
        ("", Box::new(|row| row.group.to_owned())),
        ("", Box::new(|row| row.name.clone())),
        ("time", Box::new(|row| duration(row.ns))),
        (
            "with new",
            Box::new(|row| row.ns_with_new.map(duration).unwrap_or_default()),
        ),
        (
            "instructions",
            Box::new(move |row| number(row.instructions)),
        ),
        (
            "upstream",
            Box::new(|row| {
                row.upstream
                    .map(|upstream| duration(upstream.ns))
                    .unwrap_or_default()
            }),
        ),
        (
            "ratio",
            Box::new(|row| {
                row.upstream
                    .map(|upstream| format!("{:.1}x", upstream.ratio))
                    .unwrap_or_default()
            }),
        ),
        ("", Box::new(|row| row.note.clone().unwrap_or_default())),
    ];
    let mut lines = vec![String::new(); rows.len() + 1];
    for (i, (title, cell)) in columns.iter().enumerate() {
        let mut cells = vec![(*title).to_owned()];
        let mut previous = String::new();
        for row in rows {
            let text = cell(row);
            // A group is named once.
            let repeated = i == 0 && text == previous;
            previous.clone_from(&text);
            cells.push(if repeated { String::new() } else { text });
        }
        if cells.iter().skip(1).all(String::is_empty) {
            continue;
        }
        let width = cells
            .iter()
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or_default();
        for (line, cell) in lines.iter_mut().zip(&cells) {
            let _ = if title.is_empty() {
                write!(line, "{cell:width$}  ")
            } else {
                write!(line, "{cell:>width$}  ")
            };
        }
    }
    lines
        .iter()
        .map(|line| format!("{}\n", line.trim_end()))
        .collect()
}

/// Three digits and a unit.
fn duration(ns: u64) -> String {
    let (value, unit) = match ns {
        0..1_000 => return format!("{ns} ns"),
        1_000..1_000_000 => (ns as f64 / 1e3, "µs"),
        1_000_000..1_000_000_000 => (ns as f64 / 1e6, "ms"),
        _ => (ns as f64 / 1e9, "s"),
    };
    match value {
        value if value < 10.0 => format!("{value:.2} {unit}"),
        value if value < 100.0 => format!("{value:.1} {unit}"),
        value => format!("{value:.0} {unit}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(group: &'static str, name: &str, ns: u64) -> Row {
        Row {
            group,
            name: name.to_owned(),
            ns,
            ns_with_new: None,
            iterations: 1,
            instructions: None,
            upstream: None,
            note: None,
        }
    }

    #[test]
    fn columns_that_nothing_fills_are_left_out_and_groups_are_named_once() {
        let fast = Row {
            upstream: Some(Upstream::new(42_000, None, 4_000)),
            ..row("selector", "true", 4_000)
        };
        let table = table(&[fast, row("selector", "driver", 950)]);
        assert_eq!(
            table,
            "                     time  upstream  ratio\n\
             selector  true    4.00 µs   42.0 µs  10.5x\n          driver   950 ns\n"
        );
    }

    #[test]
    fn durations_have_three_digits() {
        let shown: Vec<String> = [0, 999, 1_000, 12_345, 123_456, 5_000_000, 2_500_000_000]
            .map(duration)
            .into();
        assert_eq!(
            shown,
            [
                "0 ns", "999 ns", "1.00 µs", "12.3 µs", "123 µs", "5.00 ms", "2.50 s"
            ]
        );
    }
}
