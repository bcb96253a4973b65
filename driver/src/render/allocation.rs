//! The table of `supercargo allocate`: who gets which devices, from where, chosen by whom, and why.

use super::devices::fold;
use super::style::{FAINT, GOOD, PLAIN, STRONG, WAITING};
use super::table::{Cell, Column, Table};

/// One claim of a pod, or a claim that no pod uses.
#[derive(Debug, Clone, Default)]
pub struct Row {
    /// The pod, `None` for a claim without one.
    pub pod: Option<String>,
    /// The claim, or the pod's own name for it where there is none.
    pub claim: String,
    /// The node, where one was found.
    pub node: Option<String>,
    /// How it stands.
    pub state: State,
    /// What the claim got.
    pub devices: Vec<DeviceRow>,
    /// The policies that chose, in the order they did.
    pub policies: Vec<String>,
    /// What the policies gave the node.
    pub score: Option<f64>,
    /// Why these devices; for a pending claim, why none, in a few words.
    pub why: String,
}

/// How a claim stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum State {
    /// Allocated in this run.
    Allocated,
    /// Was allocated before this run, or for an earlier pod in it.
    Kept,
    /// Has no devices.
    #[default]
    Pending,
}

/// One device of a claim.
#[derive(Debug, Clone, Default)]
pub struct DeviceRow {
    /// The request it is for, `request/alternative` where there are alternatives.
    pub request: String,
    /// Who publishes it.
    pub driver: String,
    /// Its pool.
    pub pool: String,
    /// Its name.
    pub device: String,
    /// What is particular: admin access, a share of its capacity.
    pub terms: Vec<String>,
    /// Attributes and capacities, `name=value`.
    pub attributes: Vec<String>,
}

/// One line a claim.
pub fn table(rows: &[Row], width: Option<usize>) -> String {
    let mut table = Table::new(vec![
        Column::wrapping("POD", 12),
        Column::wrapping("CLAIM", 12),
        Column::fixed("NODE"),
        Column::wrapping("DEVICES", 14),
        Column::wrapping("POLICY", 8),
        Column::wrapping("WHY", 20),
    ]);
    let mut last = None;
    for row in rows {
        table.push(vec![
            pod(row, &mut last),
            Cell::plain(row.claim.as_str()),
            node(row),
            Cell::new(state(row), devices(&row.devices)),
            policies(row),
            why(row),
        ]);
    }
    table.render(width)
}

/// One line a device, with its attributes.
pub fn wide(rows: &[Row], width: Option<usize>) -> String {
    let mut table = Table::new(vec![
        Column::wrapping("POD", 12),
        Column::wrapping("CLAIM", 12),
        Column::fixed("NODE"),
        Column::fixed("REQUEST"),
        Column::fixed("DRIVER"),
        Column::fixed("POOL"),
        Column::fixed("DEVICE"),
        Column::wrapping("POLICY", 8),
        Column::fixed("SCORE"),
        Column::wrapping("WHY", 20),
        Column::wrapping("ATTRIBUTES", 24),
    ]);
    let mut last = None;
    for row in rows {
        let none = [DeviceRow::default()];
        let devices = if row.devices.is_empty() {
            &none[..]
        } else {
            &row.devices
        };
        for (at, device) in devices.iter().enumerate() {
            let first = at == 0;
            let once = |cell: Cell| if first { cell } else { Cell::empty() };
            let shown = if device.terms.is_empty() {
                device.device.clone()
            } else {
                format!("{} ({})", device.device, device.terms.join(", "))
            };
            let score = row.score.map_or_else(String::new, show_score);
            table.push(vec![
                if first {
                    pod(row, &mut last)
                } else {
                    Cell::empty()
                },
                once(Cell::plain(row.claim.as_str())),
                once(node(row)),
                Cell::plain(device.request.as_str()),
                Cell::plain(device.driver.as_str()),
                Cell::plain(device.pool.as_str()),
                Cell::new(state(row), shown),
                once(policies(row)),
                once(Cell::plain(score)),
                once(why(row)),
                Cell::new(FAINT, device.attributes.join(" ")),
            ]);
        }
    }
    table.render(width)
}

/// A score as policies give it: whole numbers without a fraction, others with two digits.
pub fn show_score(score: f64) -> String {
    if score.fract() == 0.0 {
        format!("{score:.0}")
    } else {
        format!("{score:.2}")
    }
}

fn state(row: &Row) -> anstyle::Style {
    match row.state {
        State::Allocated => GOOD,
        State::Kept => PLAIN,
        State::Pending => WAITING,
    }
}

/// The pod's name on the first of its rows only.
fn pod<'a>(row: &'a Row, last: &mut Option<&'a str>) -> Cell {
    let Some(pod) = row.pod.as_deref() else {
        *last = None;
        return Cell::new(FAINT, "(no pod)");
    };
    if last.replace(pod) == Some(pod) {
        Cell::empty()
    } else {
        Cell::new(STRONG, pod)
    }
}

fn node(row: &Row) -> Cell {
    match (&row.node, row.state) {
        (_, State::Pending) => Cell::new(WAITING, "pending"),
        (Some(node), _) => Cell::plain(node.as_str()),
        (None, _) => Cell::new(FAINT, "any"),
    }
}

fn policies(row: &Row) -> Cell {
    if row.policies.is_empty() {
        Cell::new(FAINT, "-")
    } else {
        Cell::plain(row.policies.join(" "))
    }
}

fn why(row: &Row) -> Cell {
    let style = if row.state == State::Pending {
        WAITING
    } else {
        PLAIN
    };
    Cell::new(style, row.why.as_str())
}

/// Devices by request, where a claim has several; names folded unless something is particular.
pub fn devices(devices: &[DeviceRow]) -> String {
    let Some(first) = devices.first() else {
        return "-".to_owned();
    };
    let several = devices.iter().any(|device| device.request != first.request);
    let mut parts = Vec::new();
    for group in devices.chunk_by(|a, b| a.request == b.request && a.terms == b.terms) {
        let Some(head) = group.first() else { continue };
        let mut text = fold(group.iter().map(|device| device.device.as_str()));
        if !head.terms.is_empty() {
            text.push_str(&format!(" ({})", head.terms.join(", ")));
        }
        parts.push(if several || head.request.contains('/') {
            format!("{}: {text}", head.request)
        } else {
            text
        });
    }
    parts.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(request: &str, name: &str) -> DeviceRow {
        DeviceRow {
            request: request.into(),
            device: name.into(),
            ..DeviceRow::default()
        }
    }

    #[test]
    fn devices_are_told_by_request_where_there_are_several() {
        assert_eq!(devices(&[]), "-");
        let gpus: Vec<_> = (0..4)
            .map(|n| device("gpus", &format!("gpu-{n}")))
            .collect();
        assert_eq!(devices(&gpus), "gpu-[0-3]");
        let mut both = gpus;
        both.push(device("nic", "nic-1"));
        assert_eq!(devices(&both), "gpus: gpu-[0-3]; nic: nic-1");
        let mut share = device("gpu/small", "gpu-0");
        share.terms = vec!["memory 10Gi".into()];
        assert_eq!(devices(&[share]), "gpu/small: gpu-0 (memory 10Gi)");
    }

    #[test]
    fn a_pods_name_stands_once_over_its_claims() {
        let row = |claim: &str| Row {
            pod: Some("train-0".into()),
            claim: claim.into(),
            node: Some("a".into()),
            state: State::Allocated,
            devices: vec![device("r", "gpu-0")],
            why: "first fit".into(),
            ..Row::default()
        };
        let pending = Row {
            claim: "lone".into(),
            why: "no node fits".into(),
            ..Row::default()
        };
        let text =
            anstream::adapter::strip_str(&table(&[row("x"), row("y"), pending], None)).to_string();
        assert_eq!(
            text,
            [
                "POD        CLAIM   NODE      DEVICES   POLICY   WHY",
                "train-0    x       a         gpu-0     -        first fit",
                "           y       a         gpu-0     -        first fit",
                "(no pod)   lone    pending   -         -        no node fits",
                "",
            ]
            .join("\n")
        );
    }
}
