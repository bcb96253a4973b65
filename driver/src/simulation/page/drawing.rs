//! Who has which device, node by node.

use std::fmt::Write as _;

use super::super::run::Ran;
use super::escape;
use crate::render::topology::{Group, Holder, letter};

/// The most nodes that are drawn; what a reader can take in.
const NODES: usize = 64;
/// Colours of workloads in the style sheet.
const COLOURS: usize = 6;

pub(super) fn drawing(contenders: &[Ran], at: f64) -> String {
    let Some(first) = contenders.first().filter(|ran| !ran.nodes.is_empty()) else {
        return String::new();
    };
    let when = if first.samples.len() > 2 && at.is_finite() {
        format!(
            "At {}, when under {} it is at its worst",
            super::chart::moment(at, first.length),
            first.name
        )
    } else {
        "In the end".to_owned()
    };
    let by = first.group_by.as_deref().map_or_else(String::new, |by| {
        format!(
            " Devices stand in groups by {}.",
            crate::topology::label(by)
        )
    });
    let mut html = format!(
        "<h2>Who has what</h2>\n<p class=\"note\">{}.{}</p>\n<ul class=\"legend\">",
        escape(&when),
        escape(&by)
    );
    for (number, kind) in first.kinds.iter().enumerate() {
        let wants = if kind.wants.is_empty() {
            String::new()
        } else {
            format!(": {}", kind.wants)
        };
        let _ = write!(
            html,
            "<li><span class=\"key w{}\">{}</span> {}{}</li>",
            number % COLOURS,
            letter(number),
            escape(&kind.name),
            escape(&wants)
        );
    }
    html.push_str(
        "<li><span class=\"key before\">&#9632;</span> in use before</li>\
         <li><span class=\"key free\">&#183;</span> free</li>\
         <li><span class=\"key stranded\">&#183;</span> free, but stranded</li></ul>\n",
    );
    for ran in contenders {
        let _ = write!(
            html,
            "<h3>{}</h3>\n<div class=\"nodes\">\n",
            escape(&ran.name)
        );
        for node in ran.nodes.iter().take(NODES) {
            let _ = write!(
                html,
                "<div class=\"node\"><b>{}</b><div class=\"groups\">",
                escape(&node.name)
            );
            for one in &node.groups {
                html.push_str(&group(one, ran));
            }
            html.push_str("</div></div>\n");
        }
        html.push_str("</div>\n");
        if ran.nodes.len() > NODES {
            let _ = writeln!(
                html,
                "<p class=\"note\">and {} more nodes</p>",
                ran.nodes.len() - NODES
            );
        }
    }
    html
}

fn group(group: &Group, ran: &Ran) -> String {
    let broken = group
        .slots
        .iter()
        .any(|slot| matches!(slot.holder, Holder::Before | Holder::Workload(_)));
    let mut html = format!(
        "<div class=\"group\"><i>{}</i><div class=\"devices\">",
        escape(&group.title)
    );
    for slot in &group.slots {
        let (class, sign, words) = match slot.holder {
            Holder::Free if broken => {
                ("stranded".to_owned(), '\u{b7}', "free, stranded".to_owned())
            }
            Holder::Free => ("free".to_owned(), '\u{b7}', "free".to_owned()),
            Holder::Before => ("before".to_owned(), '\u{25a0}', "in use before".to_owned()),
            Holder::Unusable => ("free".to_owned(), '\u{d7}', "unusable".to_owned()),
            Holder::Workload(kind) => {
                let name = ran
                    .kinds
                    .get(kind)
                    .map_or("a workload", |kind| kind.name.as_str());
                (
                    format!("w{}", kind % COLOURS),
                    letter(kind),
                    name.to_owned(),
                )
            }
        };
        // A part of a device is as wide as the units it takes.
        let width = if slot.cells > 1 {
            format!(
                " style=\"width:calc({0} * 1.35rem + {1}px)\"",
                slot.cells,
                (slot.cells - 1) * 2
            )
        } else {
            String::new()
        };
        let _ = write!(
            html,
            "<span class=\"{class}\" role=\"img\" aria-label=\"{0}\" title=\"{0}\"{width}>{sign}</span>",
            escape(&words)
        );
    }
    html.push_str("</div></div>");
    html
}
