//! Why things are as they are: what stands in the way of what is pending, and how policies chose.
//!
//! Nodes that say the same are told together, so that five thousand nodes make a few lines; device
//! by device only where that was asked for.

use super::devices::fold;
use super::style::{FAINT, GOOD, PLAIN, STRONG, WAITING, paint};
use super::table::printable;

/// Something pending or explained: a pod or a claim.
#[derive(Debug, Clone, Default)]
pub struct Subject {
    /// `pod namespace/name` or `claim namespace/name`.
    pub name: String,
    /// How it ended, in a few words.
    pub summary: String,
    /// Whether it is pending.
    pub pending: bool,
    /// What concerns it as a whole.
    pub notes: Vec<String>,
    /// What single nodes say, in name order.
    pub nodes: Vec<NodeReason>,
    /// Which node comes closest, and how close.
    pub closest: Option<String>,
}

/// What one node says.
#[derive(Debug, Clone, Default)]
pub struct NodeReason {
    /// The node.
    pub node: String,
    /// What it says, in sentences.
    pub notes: Vec<String>,
    /// What its devices say, by request.
    pub requests: Vec<RequestReason>,
    /// How policies took part.
    pub policies: Vec<PolicyReason>,
}

/// How the devices of a node stand to a request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RequestReason {
    /// The request, with its claim where the pod has several.
    pub request: String,
    /// What it wants: `4 of gpu.nvidia.com`.
    pub wants: String,
    /// Devices that would do, taken alone.
    pub eligible: Vec<String>,
    /// All devices that were looked at.
    pub seen: usize,
    /// The rules that refused others, in the order they are applied.
    pub refused: Vec<RuleReason>,
    /// What is wrong beyond single devices: a constraint, a counter, a broken pool.
    pub notes: Vec<String>,
}

/// What one rule refused.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RuleReason {
    /// The rule, in a few words: `in use`, `selector 0 of the class is false`.
    pub rule: String,
    /// The devices, each with what the rule says to it.
    pub devices: Vec<(String, String)>,
}

/// What a policy proposed.
#[derive(Debug, Clone, Default)]
pub struct PolicyReason {
    /// The policy, and what it was asked about.
    pub policy: String,
    /// What came of it.
    pub outcome: String,
    /// Its proposals, best first.
    pub proposals: Vec<Proposal>,
}

/// One proposal.
#[derive(Debug, Clone, Default)]
pub struct Proposal {
    /// The devices.
    pub devices: String,
    /// Its score.
    pub score: String,
    /// Its reason, in the policy's words.
    pub reason: String,
    /// What the host said to it.
    pub verdict: String,
    /// Whether it is what the claim got.
    pub used: bool,
}

/// How much is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// Counts by rule.
    Rules,
    /// Every device.
    Devices,
}

/// All subjects, under a heading.
pub fn reasons(heading: &str, subjects: &[Subject], detail: Detail) -> String {
    let mut text = format!("{}\n", paint(STRONG, heading));
    for subject in subjects {
        text.push('\n');
        one(&mut text, subject, detail);
    }
    text
}

fn line(text: &mut String, indent: usize, style: anstyle::Style, content: &str) {
    for part in printable(content).lines() {
        text.extend(std::iter::repeat_n(' ', indent));
        text.push_str(&paint(style, part));
        text.push('\n');
    }
}

fn one(text: &mut String, subject: &Subject, detail: Detail) {
    let style = if subject.pending { WAITING } else { GOOD };
    let name = paint(STRONG, &printable(&subject.name));
    text.push_str(&format!(
        "  {name}: {}\n",
        paint(style, &printable(&subject.summary))
    ));
    for note in &subject.notes {
        line(text, 4, PLAIN, note);
    }
    // Nodes whose say is equal to the letter are one entry.
    let mut said: Vec<(String, Vec<&str>)> = Vec::new();
    for node in &subject.nodes {
        let mut body = String::new();
        node_body(&mut body, node, detail, subject.nodes.len() <= TOLD_APART);
        match said.iter_mut().find(|(known, _)| *known == body) {
            Some((_, nodes)) => nodes.push(&node.node),
            None => said.push((body, vec![&node.node])),
        }
    }
    for (body, nodes) in said {
        let title = match nodes.len() {
            1 => fold(nodes),
            count => format!("{} ({count} nodes)", fold(nodes)),
        };
        line(text, 4, STRONG, &title);
        text.push_str(&body);
    }
    if let Some(closest) = &subject.closest {
        line(text, 4, FAINT, &format!("closest: {closest}"));
    }
}

/// With more nodes than this, what only tells devices apart (who holds them) is left out, so that
/// nodes can be told together.
const TOLD_APART: usize = 8;

fn node_body(text: &mut String, node: &NodeReason, detail: Detail, apart: bool) {
    for note in &node.notes {
        line(text, 6, PLAIN, note);
    }
    for request in &node.requests {
        let devices = if request.seen == 1 {
            "device"
        } else {
            "devices"
        };
        let would = request.eligible.len();
        line(
            text,
            6,
            PLAIN,
            &format!(
                "{} wants {}: {would} of {} {devices} would do",
                request.request, request.wants, request.seen
            ),
        );
        for rule in &request.refused {
            let names = fold(rule.devices.iter().map(|(name, _)| name.as_str()));
            let count = rule.devices.len();
            if detail == Detail::Rules {
                let shown = if names.chars().count() > 60 {
                    String::new()
                } else {
                    format!(": {names}")
                };
                let mut whys = rule.devices.iter().map(|(_, why)| why.as_str());
                let first = whys.next().unwrap_or_default();
                let same = apart && !first.is_empty() && whys.all(|why| why == first);
                let said = if same { first } else { &rule.rule };
                line(text, 8, PLAIN, &format!("{count} × {said}{shown}"));
                if apart && !same && !first.is_empty() && first != rule.rule {
                    let device = rule
                        .devices
                        .first()
                        .map_or("", |(device, _)| device.as_str());
                    line(text, 10, FAINT, &format!("{device}: {first}, and so on"));
                }
                continue;
            }
            line(text, 8, PLAIN, &format!("{count} × {}", rule.rule));
            for (device, why) in &rule.devices {
                let why = if why.is_empty() { &rule.rule } else { why };
                line(text, 10, FAINT, &format!("{device}: {why}"));
            }
        }
        if detail == Detail::Devices && !request.eligible.is_empty() {
            line(text, 8, PLAIN, &format!("{would} × would do"));
            line(
                text,
                10,
                FAINT,
                &fold(request.eligible.iter().map(String::as_str)),
            );
        }
        for note in &request.notes {
            line(text, 8, PLAIN, note);
        }
    }
    for policy in &node.policies {
        line(
            text,
            6,
            PLAIN,
            &format!("policy {}: {}", policy.policy, policy.outcome),
        );
        for proposal in &policy.proposals {
            let style = if proposal.used { GOOD } else { FAINT };
            let reason = if proposal.reason.is_empty() {
                String::new()
            } else {
                format!("  {}", proposal.reason)
            };
            line(
                text,
                8,
                style,
                &format!("score {}  {}{reason}", proposal.score, proposal.devices),
            );
            line(text, 10, style, &proposal.verdict);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject() -> Subject {
        let node = |node: &str, held: usize| NodeReason {
            node: node.into(),
            requests: vec![RequestReason {
                request: "gpus".into(),
                wants: "8 of gpu.nvidia.com".into(),
                eligible: (held..8).map(|n| format!("gpu-{n}")).collect(),
                seen: 8,
                refused: vec![RuleReason {
                    rule: "in use".into(),
                    devices: (0..held)
                        .map(|n| (format!("gpu-{n}"), format!("in use by train/w-{n}")))
                        .collect(),
                }],
                notes: Vec::new(),
            }],
            ..NodeReason::default()
        };
        Subject {
            name: "pod train/big".into(),
            summary: "fits on none of 4 nodes".into(),
            pending: true,
            notes: Vec::new(),
            nodes: vec![
                node("gpu-1", 3),
                node("gpu-2", 5),
                node("gpu-3", 3),
                NodeReason {
                    node: "cpu".into(),
                    notes: vec!["no devices".into()],
                    ..NodeReason::default()
                },
            ],
            closest: Some("gpu-1, 5 of 8".into()),
        }
    }

    fn plain(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    #[test]
    fn nodes_that_say_the_same_are_told_together() {
        let text = plain(&reasons("Pending", &[subject()], Detail::Rules));
        assert_eq!(
            text,
            [
                "Pending",
                "",
                "  pod train/big: fits on none of 4 nodes",
                "    gpu-1 gpu-3 (2 nodes)",
                "      gpus wants 8 of gpu.nvidia.com: 5 of 8 devices would do",
                "        3 × in use: gpu-[0-2]",
                "          gpu-0: in use by train/w-0, and so on",
                "    gpu-2",
                "      gpus wants 8 of gpu.nvidia.com: 3 of 8 devices would do",
                "        5 × in use: gpu-[0-4]",
                "          gpu-0: in use by train/w-0, and so on",
                "    cpu",
                "      no devices",
                "    closest: gpu-1, 5 of 8",
                "",
            ]
            .join("\n")
        );
    }

    #[test]
    fn each_device_is_told_on_demand() {
        let text = plain(&reasons("Pending", &[subject()], Detail::Devices));
        assert!(
            text.contains("          gpu-1: in use by train/w-1\n"),
            "{text}"
        );
        assert!(text.contains("          gpu-[3-7]\n"), "{text}");
    }

    #[test]
    fn proposals_are_told_with_score_reason_and_verdict() {
        let policy = PolicyReason {
            policy: "nvlink".into(),
            outcome: "its second proposal is used".into(),
            proposals: vec![Proposal {
                devices: "gpu-[0-3]".into(),
                score: "90".into(),
                reason: "one group\nhas it".into(),
                verdict: "used".into(),
                used: true,
            }],
        };
        let node = NodeReason {
            node: "a".into(),
            policies: vec![policy],
            ..NodeReason::default()
        };
        let subject = Subject {
            name: "pod x".into(),
            summary: "on a".into(),
            nodes: vec![node],
            ..Subject::default()
        };
        let text = plain(&reasons("Explained", &[subject], Detail::Rules));
        assert!(
            text.contains(
                "        score 90  gpu-[0-3]  one group\n        has it\n          used\n"
            ),
            "{text}"
        );
    }
}
