//! From a schedule to the rows of the table.

use k8s_openapi::api::resource::v1::{DeviceRequestAllocationResult, ResourceClaim};
use supercargo_host::placement::{Answer, Consultation, Decision, Outcome};
use supercargo_host::scheduling::{
    Chosen, ClaimOutcome, ClaimState, Pending, PodOutcome, Schedule, full_name,
};

use crate::claims::{device_id, results, short};
use crate::inventory::{Inventory, show};
use crate::render::allocation::{DeviceRow, Row, State};

/// A row for every claim of every pod, then one for every claim that no pod uses.
pub(super) fn rows(schedule: &Schedule, inventory: &Inventory<'_>) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut first_user: Vec<Option<&PodOutcome>> = vec![None; schedule.claims.len()];
    for pod in &schedule.pods {
        for entry in &pod.claims {
            let found = entry
                .claim
                .as_ref()
                .ok()
                .and_then(|&at| Some((at, schedule.claims.get(at)?)));
            let Some((at, claim)) = found else {
                rows.push(Row {
                    pod: Some(short(&full_name(&pod.pod.metadata))),
                    claim: entry.entry.clone(),
                    why: pending(&pod.result),
                    ..Row::default()
                });
                continue;
            };
            let mut row = row(claim, inventory);
            row.pod = Some(short(&full_name(&pod.pod.metadata)));
            match &pod.result {
                Ok(chosen) => {
                    row.node = Some(chosen.node.clone());
                    tell(
                        &mut row,
                        at,
                        claim,
                        chosen,
                        first_user.get(at).copied().flatten(),
                    );
                }
                Err(_) => {
                    row.why = pending(&pod.result);
                    // The claim may have its devices; it is the pod that waits.
                    row.state = State::Pending;
                }
            }
            if let Some(user) = first_user.get_mut(at) {
                user.get_or_insert(pod);
            }
            rows.push(row);
        }
    }
    for (claim, user) in schedule.claims.iter().zip(&first_user) {
        if user.is_none() {
            rows.push(lone(claim, inventory));
        }
    }
    rows
}

fn row(claim: &ClaimOutcome, inventory: &Inventory<'_>) -> Row {
    Row {
        claim: short(&full_name(&claim.claim.metadata)),
        devices: results(&claim.claim)
            .map(|result| device(result, inventory))
            .collect(),
        ..Row::default()
    }
}

fn tell(
    row: &mut Row,
    at: usize,
    claim: &ClaimOutcome,
    chosen: &Chosen,
    first_user: Option<&PodOutcome>,
) {
    row.state = State::Kept;
    let position = chosen
        .allocated
        .iter()
        .position(|&allocated| allocated == at);
    match (position, chosen.decision.as_deref(), first_user) {
        (Some(position), Some(decision), _) => {
            row.state = State::Allocated;
            chosen_by(row, position, decision);
        }
        (_, _, Some(user)) => {
            row.why = format!("shared with {}", short(&full_name(&user.pod.metadata)))
        }
        _ if matches!(claim.state, ClaimState::Before) => row.why = "allocated before".to_owned(),
        _ => row.why = "shared".to_owned(),
    }
}

/// Which policies chose the devices of the claim at `position`, and why.
fn chosen_by(row: &mut Row, position: usize, decision: &Decision) {
    let asked: Vec<&Consultation> = decision
        .consultations
        .iter()
        .filter(|consultation| consultation.claim == position)
        .collect();
    let several = asked.len() > 1;
    let mut reasons = Vec::new();
    for consultation in asked {
        let reason = reason(consultation);
        reasons.push(if several {
            format!("{}: {reason}", consultation.policy)
        } else {
            reason
        });
        row.policies.push(consultation.policy.to_string());
        row.score = decision.score;
    }
    row.why = if reasons.is_empty() {
        "first fit".to_owned()
    } else {
        reasons.join("; ")
    };
}

/// What came of asking a policy, in a sentence.
pub(super) fn reason(consultation: &Consultation) -> String {
    let fallback = match consultation.outcome {
        Outcome::Proposal(used) => {
            let Answer::Proposals(proposals) = &consultation.answer else {
                return String::new();
            };
            return match proposals.get(used) {
                Some(proposal) if !proposal.reason.is_empty() => proposal.reason.clone(),
                _ => format!("proposal {} of {}", used + 1, proposals.len()),
            };
        }
        Outcome::FirstFit => "first fit instead",
        Outcome::Unschedulable => "no devices",
    };
    match &consultation.answer {
        Answer::Proposals(proposals) if proposals.is_empty() => {
            format!("{fallback}: nothing proposed")
        }
        Answer::Proposals(proposals) => format!(
            "{fallback}: none of {} proposals can be used",
            proposals.len()
        ),
        Answer::Refused(reason) if reason.is_empty() => {
            format!("{fallback}: the policy sees no way")
        }
        Answer::Refused(reason) => format!("{fallback}: {reason}"),
        Answer::NotServing => format!("{fallback}: the policy is not serving"),
        Answer::Failed(error) => format!("{fallback}: the policy failed: {error}"),
    }
}

fn lone(claim: &ClaimOutcome, inventory: &Inventory<'_>) -> Row {
    let mut row = row(claim, inventory);
    match &claim.state {
        ClaimState::Before => {
            row.state = State::Kept;
            row.why = "allocated before".to_owned();
            row.node = only_node(&claim.claim);
        }
        ClaimState::Now(chosen) => {
            row.state = State::Allocated;
            row.node = Some(chosen.node.clone());
            match chosen.decision.as_deref() {
                Some(decision) => chosen_by(&mut row, 0, decision),
                None => row.why = "first fit".to_owned(),
            }
        }
        ClaimState::ForPod => row.state = State::Kept,
        ClaimState::Pending(reason) => {
            row.why = reason.as_ref().map_or_else(String::new, Pending::in_short)
        }
    }
    row
}

/// The node of an allocation that is good for one node only.
fn only_node(claim: &ResourceClaim) -> Option<String> {
    let selector = claim
        .status
        .as_ref()?
        .allocation
        .as_ref()?
        .node_selector
        .as_ref()?;
    let [term] = selector.node_selector_terms.as_slice() else {
        return None;
    };
    let [field] = term.match_fields.as_deref()? else {
        return None;
    };
    match field.values.as_deref()? {
        [node] if field.key == "metadata.name" && field.operator == "In" => Some(node.clone()),
        _ => None,
    }
}

fn pending(result: &Result<Chosen, Pending>) -> String {
    result
        .as_ref()
        .err()
        .map_or_else(String::new, Pending::in_short)
}

fn device(result: &DeviceRequestAllocationResult, inventory: &Inventory<'_>) -> DeviceRow {
    let mut terms = Vec::new();
    if result.admin_access == Some(true) {
        terms.push("admin access".to_owned());
    }
    let consumed = result.consumed_capacity.iter().flatten();
    terms.extend(consumed.map(|(name, amount)| format!("{name} {}", amount.0)));
    let published = inventory.device(&device_id(result));
    let attributes = published
        .iter()
        .flat_map(|device| device.attributes.iter().flatten());
    let capacities = published
        .iter()
        .flat_map(|device| device.capacity.iter().flatten());
    let attributes = attributes.map(|(name, value)| format!("{name}={}", show(value)));
    DeviceRow {
        request: result.request.clone(),
        driver: result.driver.clone(),
        pool: result.pool.clone(),
        device: result.device.clone(),
        terms,
        attributes: attributes
            .chain(capacities.map(|(name, capacity)| format!("{name}={}", capacity.value.0)))
            .collect(),
    }
}
