//! A recorded decision in words: what a policy was asked, what it said, and what became of that.

mod told;

use std::collections::BTreeMap;

use supercargo_host::journal::{Placed, Question, Recorded, Reply, Subject, Verdict};
use supercargo_host::placement::Outcome;
use supercargo_host::policy::input::Amount;
use supercargo_host::policy::{Choice, Proposal, Quantity, Situation, Value};

use super::allocation::show_score;
use super::devices::fold;
use super::style::{BAD, FAINT, GOOD, PLAIN, STRONG, WAITING, paint};
use super::table::{Cell, Column, Table, printable};

/// How much of the question is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// How many devices of which kind.
    InShort,
    /// Every device with what the policy was told about it.
    Devices,
}

/// One decision, several lines.
pub fn decision(recorded: &Recorded, asked: Asked) -> String {
    let policy = &recorded.policy;
    let subject = &recorded.subject;
    let node = if subject.node.is_empty() {
        String::new()
    } else {
        format!(" on {}", paint(STRONG, &printable(&subject.node)))
    };
    let time = recorded.time.as_deref().unwrap_or("at some time");
    let digest = policy.digest.hex();
    let digest = digest.get(..12).unwrap_or_default();
    let mut text = format!(
        "{}{node}: {} asks {} {} (sha256:{digest})\n",
        paint(FAINT, &printable(time)),
        recorded.question.hook().name(),
        paint(STRONG, &printable(&policy.name)),
        printable(&policy.version),
    );
    if let Question::Select(situation) = &recorded.question {
        for line in wanted(situation, subject) {
            text.push_str(&format!("  {line}\n"));
        }
        if asked == Asked::Devices {
            let columns = (&policy.interests.attributes, &policy.interests.capacities);
            for line in devices(situation, subject, columns).lines() {
                text.push_str(&format!("    {line}\n"));
            }
        }
    }
    let verdicts = match &recorded.verdict {
        Verdict::Allocation { proposals, .. } => proposals.as_slice(),
        Verdict::Accepted | Verdict::Refused(_) => &[],
    };
    for (number, line) in reply(&recorded.answer, subject).into_iter().enumerate() {
        let verdict = verdicts.get(number).map(|verdict| match verdict.reason() {
            // Another node may yet be taken.
            "used" => "can be had",
            other => other,
        });
        let verdict = verdict.map_or_else(String::new, |verdict| {
            let style = if verdict == "can be had" {
                GOOD
            } else {
                WAITING
            };
            format!(": {}", paint(style, verdict))
        });
        text.push_str(&format!("  {}{verdict}\n", printable(&line)));
    }
    let end = match &recorded.verdict {
        Verdict::Allocation {
            outcome: Outcome::FirstFit,
            ..
        } => Some(paint(WAITING, "first fit decides instead")),
        Verdict::Allocation {
            outcome: Outcome::Unschedulable,
            ..
        } => Some(paint(WAITING, "so nothing is allocated on this node")),
        Verdict::Refused(why) => Some(paint(BAD, &printable(&format!("refused: {why}")))),
        Verdict::Allocation { .. } | Verdict::Accepted => None,
    };
    if let Some(end) = end {
        text.push_str(&format!("  {end}\n"));
    }
    text
}

/// What became of a pod or claim, in a line for each claim.
pub fn placed(placed: &Placed) -> String {
    let who = placed
        .pod
        .as_deref()
        .map_or_else(|| "the claim".to_owned(), |pod| format!("pod {pod}"));
    let time = paint(
        FAINT,
        &printable(placed.time.as_deref().unwrap_or("at some time")),
    );
    let mut text = match (&placed.node, &placed.pending) {
        (Some(node), _) => format!(
            "{time}: {} goes to {}\n",
            printable(&who),
            paint(STRONG, &printable(node))
        ),
        (None, why) => format!(
            "{time}: {} {}\n",
            printable(&who),
            paint(
                WAITING,
                &printable(&format!(
                    "stays pending: {}",
                    why.as_deref().unwrap_or("no reason was told")
                ))
            )
        ),
    };
    for claim in placed
        .claims
        .iter()
        .filter(|claim| !claim.devices.is_empty())
    {
        let mut by_request: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for device in &claim.devices {
            by_request
                .entry(&device.request)
                .or_default()
                .push(last(&device.device));
        }
        let got: Vec<String> = by_request
            .into_iter()
            .map(|(request, devices)| format!("{request}: {}", fold(devices)))
            .collect();
        text.push_str(&format!(
            "  {} has {}\n",
            printable(&claim.claim),
            paint(GOOD, &printable(&got.join("; ")))
        ));
    }
    text
}

/// An answer, a line a proposal; one line where it is something else.
pub fn reply(reply: &Reply, subject: &Subject) -> Vec<String> {
    match reply {
        Reply::Proposals(proposals) => proposals
            .iter()
            .enumerate()
            .map(|(number, one)| format!("proposes {}: {}", number + 1, proposal(one, subject)))
            .collect(),
        Reply::Refused(reason) if reason.is_empty() => vec!["sees no way".to_owned()],
        Reply::Refused(reason) => vec![format!("sees no way: {reason}")],
        Reply::Failed(failure) => vec![format!("fails: {}", failure.message)],
        other => told::told(other, subject),
    }
}

fn proposal(proposal: &Proposal, subject: &Subject) -> String {
    let how = match proposal.choice {
        Choice::Exact(_) => "just",
        Choice::Prefer(_) => "rather",
    };
    let several = subject.requests.len() > 1;
    let parts: Vec<String> = proposal
        .choice
        .assignments()
        .iter()
        .map(|assignment| {
            let names = assignment.devices.iter().map(|&at| {
                let name = subject.devices.get(at as usize);
                name.map_or("(unknown)", |name| last(name))
            });
            let devices = match proposal.choice {
                Choice::Exact(_) => fold(names),
                Choice::Prefer(_) => names.collect::<Vec<_>>().join(" "),
            };
            match subject.requests.get(assignment.request as usize) {
                Some(request) if several => format!("{request}: {devices}"),
                _ => devices,
            }
        })
        .collect();
    let reason = if proposal.reason.is_empty() {
        String::new()
    } else {
        format!(", because {}", proposal.reason)
    };
    format!(
        "{how} {} (score {}){reason}",
        parts.join("; "),
        show_score(proposal.score)
    )
}

/// What is asked for, a line a request.
fn wanted(situation: &Situation, subject: &Subject) -> Vec<String> {
    let requests = situation
        .requests
        .iter()
        .enumerate()
        .map(|(number, request)| {
            let names = request
                .devices
                .iter()
                .filter_map(|&at| subject.devices.get(at as usize));
            let names = fold(names.map(|name| last(name)));
            let amount = match request.amount {
                Amount::Exactly(count) => count.to_string(),
                Amount::All => "all".to_owned(),
            };
            let name = subject
                .requests
                .get(number)
                .map_or("a request", String::as_str);
            let eligible = request.devices.len();
            printable(&format!(
                "{name} wants {amount} of {eligible} eligible: {names}"
            ))
        });
    requests.collect()
}

fn devices(
    situation: &Situation,
    subject: &Subject,
    (attributes, capacities): (&Vec<String>, &Vec<String>),
) -> String {
    let names = attributes.iter().chain(capacities);
    let mut columns = vec![Column::fixed("DEVICE")];
    columns.extend(names.map(|name| Column::named(last(name))));
    columns.push(Column::fixed(""));
    let mut table = Table::new(columns);
    for (row, name) in subject.devices.iter().enumerate() {
        let mut cells = vec![Cell::plain(last(name))];
        let own = |width: usize| row * width..(row + 1) * width;
        for value in situation
            .devices
            .attributes
            .get(own(attributes.len()))
            .unwrap_or_default()
        {
            cells.push(Cell::plain(show(value, &situation.strings)));
        }
        for amount in situation
            .devices
            .capacities
            .get(own(capacities.len()))
            .unwrap_or_default()
        {
            cells.push(Cell::plain(amount.map_or_else(|| "-".to_owned(), quantity)));
        }
        let in_use = situation.in_use.iter().any(|&at| at as usize == row);
        cells.push(Cell::new(
            if in_use { WAITING } else { PLAIN },
            if in_use { "in use" } else { "" },
        ));
        table.push(cells);
    }
    table.render(None)
}

fn show(value: &Value, strings: &[std::sync::Arc<str>]) -> String {
    let text = |at: &u32| {
        strings
            .get(*at as usize)
            .map_or("(unknown)", |text| text)
            .to_owned()
    };
    fn list<T>(items: &[T], show: impl Fn(&T) -> String) -> String {
        format!("[{}]", items.iter().map(show).collect::<Vec<_>>().join(" "))
    }
    match value {
        Value::Absent => "-".to_owned(),
        Value::Int(int) => int.to_string(),
        Value::Bool(truth) => truth.to_string(),
        Value::String(at) | Value::Version(at) => text(at),
        Value::Ints(ints) => list(ints, i64::to_string),
        Value::Bools(truths) => list(truths, bool::to_string),
        Value::Strings(texts) | Value::Versions(texts) => list(texts, text),
    }
}

/// Sizes as people write them, where they are whole.
fn quantity(quantity: Quantity) -> String {
    if quantity.nanos != 0 {
        #[expect(clippy::cast_precision_loss, reason = "shown to people")]
        return format!("{}", quantity.as_nanos() as f64 / 1e9);
    }
    let units = quantity.units;
    for (shift, suffix) in [(40, "Ti"), (30, "Gi"), (20, "Mi")] {
        if units != 0 && units % (1_i64 << shift) == 0 {
            return format!("{}{suffix}", units >> shift);
        }
    }
    units.to_string()
}

fn last(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}
