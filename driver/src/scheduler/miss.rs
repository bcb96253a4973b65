//! Why a node does not do, in the few words that an Event has room for.
//!
//! The kube-scheduler puts the words of all nodes into one message and counts nodes that say the same to
//! the letter. So nodes that miss by the same rule say the same here, with the closest of them: the
//! message then has one part a rule, however many nodes there are.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::Node;
use k8s_openapi::api::resource::v1::{DeviceRequest, ResourceClaim};
use supercargo_host::allocator::{Allocator, DeviceIndex, Plan, RequestIndex};
use supercargo_host::placement::{Answer, Decision, Outcome};

use crate::topology::label;

/// The most bytes of what one rule says. An Event's note has 1024.
const MOST: usize = 240;
/// The most rules that are told apart in one answer.
const RULES: usize = 8;

/// Why a node does not do.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Miss {
    /// Too few devices for a request, taken alone.
    Few {
        /// The request.
        request: String,
        /// Its class, or its classes.
        class: String,
        /// How many it needs.
        needed: usize,
        /// How many it could have.
        have: usize,
    },
    /// Too few devices that have an attribute in common.
    Apart {
        /// The attribute.
        attribute: String,
        /// How many must have it in common.
        needed: usize,
        /// How many have, at most.
        have: usize,
    },
    /// Each request could be served, but not all of them together.
    Together,
    /// A policy sees no way, and the administrator wants its word to count.
    Policy {
        /// The policy.
        policy: Arc<str>,
        /// Why.
        reason: String,
    },
    /// Something is wrong with the node's pools, or the search took too long.
    Broken(String),
    /// The node is not known here yet.
    Unknown,
    /// There was no time left to look at it.
    Late,
    /// A claim has its devices elsewhere.
    Elsewhere(String),
    /// What is being freed there is for another pod.
    Closed(String),
}

impl Miss {
    /// What a while alone puts right.
    pub(super) fn passes(&self) -> Option<&'static str> {
        match self {
            Self::Unknown => Some("a node is not known to Supercargo yet"),
            Self::Late => Some("there was no time left to look at all nodes"),
            _ => None,
        }
    }

    /// What a decision that found nothing says.
    pub(super) fn of(
        plan: &Plan<'_, '_>,
        allocator: &Allocator,
        node: &Node,
        decision: &Decision,
    ) -> Self {
        if let Some(failure) = &decision.failure {
            return Self::Broken(failure.to_string());
        }
        let refusing = decision
            .consultations
            .iter()
            .find(|asked| asked.outcome == Outcome::Unschedulable);
        if let Some(asked) = refusing {
            let reason = match &asked.answer {
                Answer::Refused(reason) => reason.clone(),
                Answer::Failed(error) => error.to_string(),
                Answer::NotServing => "it does not serve".to_owned(),
                Answer::Proposals(_) => "none of its proposals can be had".to_owned(),
            };
            return Self::Policy {
                policy: Arc::clone(&asked.policy),
                reason,
            };
        }
        measure(plan, allocator, node).unwrap_or_else(Self::Broken)
    }

    /// How close the node comes; more is closer.
    fn have(&self) -> usize {
        match self {
            Self::Few { have, .. } | Self::Apart { have, .. } => *have,
            _ => 0,
        }
    }

    /// The rule alone.
    fn rule(&self) -> Self {
        let mut rule = self.clone();
        if let Self::Few { have, .. } | Self::Apart { have, .. } = &mut rule {
            *have = 0;
        }
        rule
    }

    /// What the nodes of a rule say, of which `node` comes closest and misses like this.
    fn text(&self, node: &str) -> String {
        let text = match self {
            Self::Few {
                request,
                class,
                needed,
                have,
            } => format!("{request}: {needed} × {class} needed, at most {have} free ({node})"),
            Self::Apart {
                attribute,
                needed,
                have,
            } => format!(
                "{needed} free devices with one {} needed, at most {have} have ({node})",
                label(attribute)
            ),
            Self::Together => {
                "each request could be served alone, but not all of them together".to_owned()
            }
            Self::Policy { policy, reason } => format!("policy {policy}: {reason}"),
            Self::Broken(why) => why.clone(),
            Self::Unknown => "the node is not known to Supercargo yet".to_owned(),
            Self::Late => "there was no time left to look at it; it is tried again".to_owned(),
            Self::Elsewhere(claim) => format!("ResourceClaim {claim} has its devices elsewhere"),
            Self::Closed(pod) => format!("devices are being freed there for pod {pod}"),
        };
        match text.get(..text.floor_char_boundary(MOST)) {
            Some(cut) if cut.len() < text.len() => format!("{cut}…"),
            _ => text,
        }
    }
}

/// What each node says, in order: what its rule says, with the closest miss by that rule.
pub(super) fn texts<'a>(
    misses: impl Iterator<Item = (&'a str, &'a Miss)> + Clone,
) -> Vec<Arc<str>> {
    let mut closest: BTreeMap<Miss, (usize, &str)> = BTreeMap::new();
    for (node, miss) in misses.clone() {
        let entry = closest.entry(miss.rule()).or_insert((miss.have(), node));
        if miss.have() > entry.0 {
            *entry = (miss.have(), node);
        }
    }
    let mut said: BTreeMap<Miss, Arc<str>> = BTreeMap::new();
    let mut told = Vec::new();
    let other: Arc<str> = "other reasons; see `supercargo allocate --explain`".into();
    for (_, miss) in misses {
        let rule = miss.rule();
        let text = match said.get(&rule) {
            Some(text) => Arc::clone(text),
            None if said.len() >= RULES => Arc::clone(&other),
            None => {
                let (have, node) = closest.get(&rule).copied().unwrap_or_default();
                let text: Arc<str> = with(rule.clone(), have).text(node).into();
                said.insert(rule, Arc::clone(&text));
                text
            }
        };
        told.push(text);
    }
    told
}

fn with(mut rule: Miss, most: usize) -> Miss {
    if let Miss::Few { have, .. } | Miss::Apart { have, .. } = &mut rule {
        *have = most;
    }
    rule
}

/// One way to serve a request.
struct Way {
    class: String,
    needed: usize,
    devices: Vec<DeviceIndex>,
}

fn measure(plan: &Plan<'_, '_>, allocator: &Allocator, node: &Node) -> Result<Miss, String> {
    let claims = plan.claims();
    for (at, claim) in claims.iter().enumerate() {
        let mut served: Vec<(&str, Way)> = Vec::new();
        for (position, request) in requests(claim).iter().enumerate() {
            let ways = ways(plan, node, at, position, request)?;
            // Of alternatives, the one that lacks least.
            let lacks = |way: &Way| way.needed.saturating_sub(way.devices.len());
            let Some(way) = ways.into_iter().min_by_key(lacks) else {
                continue;
            };
            if lacks(&way) > 0 {
                let request = match claims.len() {
                    1 => format!("request {}", request.name),
                    _ => {
                        let claim = claim.metadata.name.as_deref().unwrap_or_default();
                        format!("claim {claim} request {}", request.name)
                    }
                };
                return Ok(Miss::Few {
                    request,
                    class: way.class,
                    needed: way.needed,
                    have: way.devices.len(),
                });
            }
            served.push((&request.name, way));
        }
        if let Some(miss) = apart(allocator, claim, &served) {
            return Ok(miss);
        }
    }
    Ok(Miss::Together)
}

fn requests(claim: &ResourceClaim) -> &[DeviceRequest] {
    let spec = claim.spec.as_ref().and_then(|spec| spec.devices.as_ref());
    spec.and_then(|devices| devices.requests.as_deref())
        .unwrap_or_default()
}

fn ways(
    plan: &Plan<'_, '_>,
    node: &Node,
    claim: usize,
    position: usize,
    request: &DeviceRequest,
) -> Result<Vec<Way>, String> {
    let exactly = request.exactly.iter().map(|exactly| {
        let class = &exactly.device_class_name;
        (None, class, &exactly.allocation_mode, exactly.count)
    });
    let alternatives = request.first_available.iter().flatten().enumerate();
    let alternatives = alternatives.map(|(at, sub)| {
        let class = &sub.device_class_name;
        (Some(at), class, &sub.allocation_mode, sub.count)
    });
    let way = |(alternative, class, mode, count): (_, &String, &Option<String>, Option<i64>)| {
        let index = RequestIndex {
            claim,
            request: position,
            alternative,
        };
        let devices = plan.candidates(node, index).map_err(|it| it.to_string())?;
        let needed = match mode.as_deref() {
            // How many that is, only the search knows; one at least.
            Some("All") => 1,
            _ => usize::try_from(count.unwrap_or(1)).unwrap_or(usize::MAX),
        };
        Ok(Way {
            class: class.clone(),
            needed,
            devices,
        })
    };
    exactly.chain(alternatives).map(way).collect()
}

/// The first attribute that too few devices have in common.
fn apart(allocator: &Allocator, claim: &ResourceClaim, served: &[(&str, Way)]) -> Option<Miss> {
    let spec = claim.spec.as_ref()?.devices.as_ref()?;
    spec.constraints.iter().flatten().find_map(|constraint| {
        let attribute = constraint.match_attribute.as_ref()?;
        let concerned = |name: &str| {
            let names = constraint.requests.as_deref().unwrap_or_default();
            names.is_empty() || names.iter().any(|it| it.split('/').next() == Some(name))
        };
        let mut needed = 0;
        let mut groups: BTreeMap<String, Vec<DeviceIndex>> = BTreeMap::new();
        for (_, way) in served.iter().filter(|(name, _)| concerned(name)) {
            needed += way.needed;
            for device in &way.devices {
                let view = allocator.view(*device)?;
                if let Some(value) = view.attribute(attribute) {
                    let value = serde_json::to_string(value).ok()?;
                    let group = groups.entry(value).or_default();
                    if !group.contains(device) {
                        group.push(*device);
                    }
                }
            }
        }
        let have = groups.values().map(Vec::len).max().unwrap_or_default();
        (have < needed).then(|| Miss::Apart {
            attribute: attribute.clone(),
            needed,
            have,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn few(have: usize) -> Miss {
        Miss::Few {
            request: "request gpus".into(),
            class: "gpu.nvidia.com".into(),
            needed: 4,
            have,
        }
    }

    #[test]
    fn nodes_that_miss_by_one_rule_say_the_same_with_the_closest() {
        let apart = Miss::Apart {
            attribute: "gpu.nvidia.com/nvlinkGroup".into(),
            needed: 4,
            have: 3,
        };
        let misses = [("a", few(1)), ("b", few(2)), ("c", apart), ("d", few(0))];
        let told = texts(misses.iter().map(|(node, miss)| (*node, miss)));
        let mut said: Vec<&str> = told.iter().map(|text| &**text).collect();
        assert_eq!(
            said,
            [
                "request gpus: 4 × gpu.nvidia.com needed, at most 2 free (b)",
                "request gpus: 4 × gpu.nvidia.com needed, at most 2 free (b)",
                "4 free devices with one nvlinkGroup needed, at most 3 have (c)",
                "request gpus: 4 × gpu.nvidia.com needed, at most 2 free (b)",
            ]
        );
        said.sort_unstable();
        said.dedup();
        assert_eq!(said.len(), 2);
    }

    #[test]
    fn what_is_said_is_short_however_much_there_is_to_say() {
        let misses: Vec<(String, Miss)> = (0..5000)
            .map(|n| (format!("n{n}"), Miss::Broken(format!("é{n}").repeat(200))))
            .collect();
        let told = texts(misses.iter().map(|(node, miss)| (&**node, miss)));
        let mut said: Vec<&str> = told.iter().map(|text| &**text).collect();
        said.sort_unstable();
        said.dedup();
        assert_eq!((told.len(), said.len()), (5000, RULES + 1));
        assert!(said.iter().all(|text| text.len() <= MOST + '…'.len_utf8()));
    }
}
