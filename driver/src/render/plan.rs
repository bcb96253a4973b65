//! Plans as diffs: what is, what will be, and what the grants lack.

use serde::Serialize;
use supercargo_host::objects::write;
use supercargo_host::plan::{Change, Grant};

use super::style::{BAD, FAINT, GOOD, PLAIN, STRONG, paint};
use super::table::{Cell, Column, Table, printable};

/// A claim, and what is planned for it.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlannedClaim {
    /// `namespace/name`.
    pub claim: String,
    /// Why it cannot be prepared as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// The parts, each with the policy that serves it.
    pub parts: Vec<PlannedPart>,
}

/// The devices of a claim that one policy serves, and what it plans for them.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlannedPart {
    /// The policy; none: the host makes and shows the devices, and nothing else is done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// The devices.
    pub devices: Vec<String>,
    /// What changes.
    pub changes: Vec<Change>,
    /// Why the plan cannot be carried out, grants aside: wrong parameters, a policy that declines.
    pub problems: Vec<String>,
    /// What would have to be added to the policy's grants.
    pub missing_grants: Vec<Grant>,
}

impl PlannedClaim {
    /// Whether everything can be carried out.
    pub fn is_admitted(&self) -> bool {
        let refused = |change: &Change| change.refused.is_some();
        self.problem.is_none()
            && self
                .parts
                .iter()
                .all(|part| part.problems.is_empty() && !part.changes.iter().any(refused))
    }
}

/// For people.
pub fn diff(claims: &[PlannedClaim], width: Option<usize>) -> String {
    let mut text = String::new();
    for (number, claim) in claims.iter().enumerate() {
        if number > 0 {
            text.push('\n');
        }
        text.push_str(&paint(STRONG, &printable(&claim.claim)));
        text.push('\n');
        if let Some(problem) = &claim.problem {
            text.push_str(&format!(
                "{} {}\n",
                paint(BAD, "error:"),
                printable(problem)
            ));
        }
        for part in &claim.parts {
            text.push_str(&part_text(part, width));
        }
    }
    let admitted = claims.iter().filter(|claim| claim.is_admitted()).count();
    text.push_str(&format!(
        "\n{admitted} of {} can be prepared\n",
        super::count(claims.len(), "claim")
    ));
    text
}

fn part_text(part: &PlannedPart, width: Option<usize>) -> String {
    let devices = super::devices::fold(part.devices.iter().map(String::as_str));
    let mut text = match &part.policy {
        Some(policy) => format!("{devices}: policy {policy}\n"),
        None => {
            format!("{devices}: no policy, shown to the containers as the node announces them\n")
        }
    };
    for problem in &part.problems {
        text.push_str(&format!(
            "{} {}\n",
            paint(BAD, "error:"),
            printable(problem)
        ));
    }
    if part.changes.is_empty() {
        if part.policy.is_some() && part.problems.is_empty() {
            text.push_str("nothing is changed\n");
        }
        return text;
    }
    let mut table = Table::new(vec![
        Column::fixed("DEVICE"),
        Column::fixed("CHANGE"),
        Column::fixed("NOW"),
        Column::wrapping("PLANNED", 20),
        Column::wrapping("GRANTED", 20),
    ]);
    for change in &part.changes {
        let stays = change.before.as_deref() == Some(change.after.as_str());
        let style = if stays { FAINT } else { PLAIN };
        let device = match change.devices.as_slice() {
            [] => "(all)".to_owned(),
            devices => super::devices::fold(devices.iter().map(String::as_str)),
        };
        table.push(vec![
            Cell::plain(device),
            Cell::plain(change.what.as_str()),
            Cell::new(FAINT, change.before.as_deref().unwrap_or("-")),
            Cell::new(style, change.after.as_str()),
            match (&change.refused, &change.place) {
                (Some(why), _) => Cell::new(BAD, format!("no: {why}")),
                (None, Some(_)) => Cell::new(GOOD, "yes"),
                (None, None) => Cell::new(FAINT, "not needed"),
            },
        ]);
    }
    text.push_str(&table.render(width));
    if !part.missing_grants.is_empty() {
        let policy = part.policy.as_deref().unwrap_or_default();
        text.push_str(&format!("missing in the grants of policy {policy}:\n"));
        let grants = serde_json::to_value(&part.missing_grants).unwrap_or_default();
        text.push_str(&printable_lines(&write::yaml_values(&[grants])));
    }
    text
}

/// Text of several lines, fit to be printed.
fn printable_lines(text: &str) -> String {
    text.lines()
        .map(|line| format!("  {}\n", printable(line)))
        .collect()
}
