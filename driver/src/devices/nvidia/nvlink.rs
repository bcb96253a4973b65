//! Which GPUs NVLink connects.

use crate::devices::Unit;

use super::facts::{Facts, NVLINK_PEERS};

/// The group of each GPU: GPUs are in one group when NVLink leads from one to the other, over however
/// many others. Numbered in the order of their first GPUs; `None`: no NVLink.
pub(super) fn groups(units: &[Unit]) -> Vec<Option<i64>> {
    let peers = |unit: &Unit| -> Vec<usize> {
        let ids = Facts::of(unit).texts(NVLINK_PEERS);
        let known = ids.iter();
        known
            .filter_map(|id| units.iter().position(|other| other.id.0 == *id))
            .collect()
    };
    let reach: Vec<Vec<usize>> = units.iter().map(peers).collect();
    let mut groups = vec![None; units.len()];
    let mut next = 0;
    for first in 0..units.len() {
        if groups.get(first) != Some(&None) || reach.get(first).is_none_or(Vec::is_empty) {
            continue;
        }
        let mut open = vec![first];
        while let Some(at) = open.pop() {
            let Some(group) = groups.get_mut(at).filter(|group| group.is_none()) else {
                continue;
            };
            *group = Some(next);
            open.extend(reach.get(at).into_iter().flatten());
            // A link may be seen from one end only.
            let back = reach.iter().enumerate();
            open.extend(
                back.filter(|(_, to)| to.contains(&at))
                    .map(|(from, _)| from),
            );
        }
        next += 1;
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::devices::Fact;
    use supercargo_host::plan::UnitId;

    fn gpu(id: &str, peers: &[&str]) -> Unit {
        let peers = peers.iter().map(|peer| (*peer).to_owned()).collect();
        Unit {
            id: UnitId(id.to_owned()),
            facts: [(NVLINK_PEERS.to_owned(), Fact::Texts(peers))].into(),
        }
    }

    #[test]
    fn gpus_that_nvlink_connects_over_others_are_one_group() {
        let units = [
            gpu("a", &["b"]),
            gpu("b", &["a", "d"]),
            gpu("c", &[]),
            gpu("d", &[]),
            gpu("e", &["f", "gone"]),
            gpu("f", &[]),
        ];
        assert_eq!(
            groups(&units),
            [Some(0), Some(0), None, Some(0), Some(1), Some(1)]
        );
    }
}
