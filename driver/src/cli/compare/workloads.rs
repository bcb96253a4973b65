//! What was asked for, and what came of it, counted the same way for every contender.

use k8s_openapi::api::resource::v1::ResourceClaim;
use supercargo_host::scheduling::{ClaimState, Input, Schedule, Task, full_name};

use crate::claims::{device_id, results, short, wants};
use crate::render::comparison::{Measure, Workload};
use crate::render::topology::Holder;
use crate::topology::{Holders, Topology, label};

/// The claims of each task: positions among all claims.
pub(super) struct Workloads {
    claims: Vec<Vec<usize>>,
    /// How many devices each claim asks for, `None` where that is open.
    wanted: Vec<Option<usize>>,
}

/// The workloads as the legend shows them, in order.
pub(super) fn shown(input: &Input) -> Vec<Workload> {
    let wants = |claims: &[usize]| {
        let wants = claims
            .iter()
            .filter_map(|&at| input.claims.get(at))
            .map(wants);
        wants.collect::<Vec<_>>().join(" + ")
    };
    let of = |task: &Task| match task {
        Task::Pod(pod) => full_name(&pod.pod.metadata),
        Task::Claim(at) => input
            .claims
            .get(*at)
            .map_or_else(String::new, |claim| full_name(&claim.metadata)),
    };
    input
        .tasks
        .iter()
        .map(|task| Workload {
            name: short(&of(task)),
            wants: wants(&claims_of(task)),
        })
        .collect()
}

fn claims_of(task: &Task) -> Vec<usize> {
    match task {
        Task::Pod(pod) => pod
            .claims
            .iter()
            .filter_map(|claim| claim.claim.as_ref().ok().copied())
            .collect(),
        Task::Claim(claim) => vec![*claim],
    }
}

/// How many devices a claim asks for, where it says so.
fn count(claim: &ResourceClaim) -> Option<usize> {
    let requests = claim.spec.as_ref()?.devices.as_ref()?.requests.as_ref()?;
    let mut sum: usize = 0;
    for request in requests {
        let exactly = request.exactly.as_ref()?;
        if exactly.allocation_mode.as_deref() == Some("All") {
            return None;
        }
        sum = sum.checked_add(usize::try_from(exactly.count.unwrap_or(1)).ok()?)?;
    }
    Some(sum)
}

impl Workloads {
    pub(super) fn of(input: &Input) -> Self {
        Self {
            claims: input.tasks.iter().map(claims_of).collect(),
            wanted: input.claims.iter().map(count).collect(),
        }
    }

    /// Who has which device; a shared claim counts for the first who uses it.
    pub(super) fn holders(&self, schedule: &Schedule) -> Holders {
        let mut holders = Holders::new();
        for (at, claim) in schedule.claims.iter().enumerate() {
            let holder = match claim.state {
                ClaimState::Before => Holder::Before,
                ClaimState::ForPod | ClaimState::Now(_) => {
                    match self.claims.iter().position(|claims| claims.contains(&at)) {
                        Some(workload) => Holder::Workload(workload),
                        None => continue,
                    }
                }
                ClaimState::Pending(_) => continue,
            };
            for result in results(&claim.claim).filter(|result| result.admin_access != Some(true)) {
                holders.insert(device_id(result), holder);
            }
        }
        holders
    }

    /// The workloads without a place.
    pub(super) fn pending(&self, schedule: &Schedule) -> Vec<usize> {
        let unallocated = |&at: &usize| {
            schedule
                .claims
                .get(at)
                .is_none_or(|claim| !claim.is_allocated())
        };
        let waits = |claims: &Vec<usize>| claims.is_empty() || claims.iter().any(unallocated);
        (0..self.claims.len())
            .filter(|&at| self.claims.get(at).is_some_and(waits))
            .collect()
    }

    /// What can be counted, more being better.
    pub(super) fn measures(
        &self,
        schedule: &Schedule,
        topology: &Topology,
        by: Option<&str>,
    ) -> Vec<Measure> {
        let placed = self.claims.len() - self.pending(schedule).len();
        let mut measures = vec![Measure {
            what: "workloads placed".to_owned(),
            value: placed,
            of: Some(self.claims.len()),
        }];

        let new = |state: &ClaimState| matches!(state, ClaimState::ForPod | ClaimState::Now(_));
        let claims = schedule.claims.iter().zip(&self.wanted);
        let several: Vec<_> = claims
            .filter(|(claim, wanted)| {
                !matches!(claim.state, ClaimState::Before) && wanted.is_some_and(|n| n > 1)
            })
            .collect();
        if let Some(by) = by
            && !several.is_empty()
            && !topology.group_of.is_empty()
        {
            let together = several.iter().filter(|(claim, _)| {
                let mut groups =
                    results(&claim.claim).map(|result| topology.group_of.get(&device_id(result)));
                let first = groups.next().flatten();
                new(&claim.state) && first.is_some() && groups.all(|group| group == first)
            });
            measures.push(Measure {
                what: format!("claims within one {}", label(by)),
                value: together.count(),
                of: Some(several.len()),
            });
        }
        let slots = topology
            .nodes
            .iter()
            .flat_map(|node| &node.groups)
            .flat_map(|group| group.slots.iter().map(|slot| (group.partitioned, slot)));
        let mut at_work = (0, 0);
        for (partitioned, slot) in
            slots.filter(|(_, slot)| matches!(slot.holder, Holder::Workload(_)))
        {
            if partitioned {
                at_work.1 += slot.cells
            } else {
                at_work.0 += slot.cells
            }
        }
        if !topology.group_of.is_empty() {
            measures.push(Measure {
                what: "devices at work".to_owned(),
                value: at_work.0,
                of: None,
            });
        }
        if topology.is_partitioned() {
            measures.push(Measure {
                what: "slices at work".to_owned(),
                value: at_work.1,
                of: None,
            });
        }
        measures.push(Measure {
            what: "groups left whole".to_owned(),
            value: topology.whole_groups(),
            of: Some(topology.groups()),
        });
        measures
    }
}
