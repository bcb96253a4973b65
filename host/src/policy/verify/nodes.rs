//! Checks the answer of `place`.

use std::collections::BTreeSet;

use super::{fault, position, reason, score};
use crate::policy::about::Hook;
use crate::policy::domain::{Domain, NodeSet};
use crate::policy::failure::CallError;
use crate::policy::limits::Limits;

const HOOK: Hook = Hook::Place;

pub(in crate::policy) fn node_sets(
    sets: &[NodeSet],
    domain: &Domain,
    limits: &Limits,
) -> Result<(), CallError> {
    let (count, limit) = (sets.len(), limits.proposals);
    if u32::try_from(count).map_or(true, |count| count > limit) {
        return Err(CallError::TooManyProposals { count, limit });
    }
    for (at, set) in sets.iter().enumerate() {
        score(at, set.score)?;
        reason(&set.reason)?;
        if u32::try_from(set.nodes.len()) != Ok(domain.nodes_needed) {
            let problem = format!(
                "has {} nodes; the domain needs {}",
                set.nodes.len(),
                domain.nodes_needed
            );
            return Err(fault(HOOK, format!("[{at}].nodes"), problem));
        }
        let mut seen = BTreeSet::new();
        for &node in &set.nodes {
            position(HOOK, || format!("[{at}].nodes"), node, domain.nodes.len())?;
            if !seen.insert(node) {
                return Err(fault(
                    HOOK,
                    format!("[{at}].nodes"),
                    format!("holds node {node} twice"),
                ));
            }
        }
        if let Some(missing) = domain.members.iter().find(|member| !seen.contains(member)) {
            let problem = format!("leaves out node {missing}, which is a member already");
            return Err(fault(HOOK, format!("[{at}].nodes"), problem));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::domain::CandidateNode;

    #[test]
    fn a_set_holds_as_many_nodes_as_needed_each_once_and_every_member() {
        let node = CandidateNode {
            clique: None,
            free_devices: 8,
            total_devices: 8,
        };
        let domain = Domain {
            nodes_needed: 2,
            nodes: vec![node; 3],
            members: vec![1],
            ..Domain::default()
        };
        let check = |nodes: &[u32]| {
            let set = NodeSet {
                nodes: nodes.to_vec(),
                score: 0.0,
                reason: String::new(),
            };
            node_sets(&[set], &domain, &Limits::default())
        };
        assert_eq!(check(&[2, 1]), Ok(()));
        for wrong in [&[1][..], &[1, 1], &[1, 3], &[0, 2], &[0, 1, 2]] {
            assert_eq!(check(wrong).unwrap_err().kind(), "bad_answer", "{wrong:?}");
        }
    }
}
