//! From devices to `AllocationResult`s, as upstream writes them.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{NodeSelector, NodeSelectorRequirement, NodeSelectorTerm};
use k8s_openapi::api::resource::v1::{
    AllocationResult, DeviceAllocationConfiguration, DeviceAllocationResult,
    DeviceRequestAllocationResult,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as ApiQuantity;

use super::capacity::Consumption;
use super::plan::Claims;
use super::search::{Picked, Search};
use super::view::Flags;
use super::{AllocateError, Allocation, DeviceIndex, RequestIndex};

impl Search<'_> {
    /// The allocation that the search ended with.
    pub(super) fn outcome(&self) -> Result<Allocation, AllocateError> {
        let mut devices: BTreeMap<RequestIndex, Vec<DeviceIndex>> = BTreeMap::new();
        let mut results = Vec::with_capacity(self.plan.claims.len());
        let mut selected = vec![None; self.plan.requests.len()];
        for (variant, request) in self.chosen() {
            if let Some(selected) = selected.get_mut(request) {
                *selected = Some(variant);
            }
        }
        for claim in 0..self.plan.claims.len() {
            let picked: Vec<Picked> = (self.picked.iter().copied())
                .filter(|picked| {
                    self.plan
                        .variants
                        .get(picked.variant)
                        .is_some_and(|variant| variant.claim == claim)
                })
                .collect();
            for one in &picked {
                let index = self.plan.index_of(one.variant);
                let device = self.device_at(one.position);
                devices.entry(index).or_default().push(DeviceIndex(device));
            }
            let listed: Vec<DeviceRequestAllocationResult> = picked
                .iter()
                .map(|one| self.result(*one))
                .collect::<Result<_, _>>()?;
            let config = configurations(self.plan, claim, &selected);
            let some = |empty: bool| (!empty).then_some(());
            results.push(AllocationResult {
                allocation_timestamp: None,
                devices: Some(DeviceAllocationResult {
                    config: some(config.is_empty()).map(|()| config),
                    results: some(listed.is_empty()).map(|()| listed),
                }),
                node_selector: self.node_selector(&picked)?,
            });
        }
        Ok(Allocation {
            results,
            devices,
            steps: self.steps,
        })
    }

    fn result(&self, picked: Picked) -> Result<DeviceRequestAllocationResult, AllocateError> {
        let inventory = &self.allocator.inventory;
        let index = self.device_at(picked.position);
        let device = inventory.device(index);
        let slice = inventory.slice(inventory.published(index).slice);
        let pool = inventory.pool(slice.pool);
        let asked = self.plan.variants.get(picked.variant);
        let admin = asked.is_some_and(|asked| asked.admin);
        let tolerations = asked.map(|asked| asked.tolerations).unwrap_or_default();
        let shareable = self.flags_at(picked.position).has(Flags::SHAREABLE);
        let mut consumed_capacity = None;
        if shareable
            && !admin
            && let Consumption::Amounts(amounts) =
                self.consumption(picked.variant, picked.position)?
        {
            let consumed: BTreeMap<String, ApiQuantity> = (device.capacity.iter().flatten())
                .zip(amounts)
                .map(|((name, _), one)| (name.clone(), ApiQuantity(one.quantity.to_string())))
                .collect();
            consumed_capacity = (!consumed.is_empty()).then_some(consumed);
        }
        let binding = self.allocator.features.device_binding;
        let list =
            |list: &Option<Vec<String>>| list.clone().filter(|list| binding && !list.is_empty());
        Ok(DeviceRequestAllocationResult {
            admin_access: admin.then_some(true),
            binding_conditions: list(&device.binding_conditions),
            binding_failure_conditions: list(&device.binding_failure_conditions),
            consumed_capacity,
            device: device.name.clone(),
            driver: pool.driver.to_string(),
            pool: pool.name.to_string(),
            request: self.plan.result_name(picked.variant),
            share_id: shareable.then(|| self.allocator.share_ids.next()),
            skip_node_operations: None,
            tolerations: (!tolerations.is_empty()).then(|| tolerations.to_vec()),
        })
    }

    fn node_selector(&self, picked: &[Picked]) -> Result<Option<NodeSelector>, AllocateError> {
        let inventory = &self.allocator.inventory;
        let mut term = NodeSelectorTerm::default();
        for one in picked {
            let index = self.device_at(one.position);
            let device = inventory.device(index);
            let spec = &inventory
                .slice(inventory.published(index).slice)
                .object
                .spec;
            let (name, selector) = if spec.per_device_node_selection == Some(true) {
                (&device.node_name, &device.node_selector)
            } else {
                (&spec.node_name, &spec.node_selector)
            };
            if name.is_some() || device.binds_to_node == Some(true) {
                return Ok(Some(only(self.node.name)));
            }
            match selector
                .as_ref()
                .map(|selector| selector.node_selector_terms.as_slice())
            {
                None | Some([]) => {}
                Some([one]) => {
                    extend(&mut term.match_fields, one.match_fields.as_deref());
                    extend(
                        &mut term.match_expressions,
                        one.match_expressions.as_deref(),
                    );
                }
                Some(more) => {
                    return Err(AllocateError::Fatal(format!(
                        "create NodeSelector for device {}: unsupported ResourceSlice.NodeSelector with {} terms",
                        inventory.id(index),
                        more.len()
                    )));
                }
            }
        }
        let some = term.match_fields.is_some() || term.match_expressions.is_some();
        Ok(some.then(|| NodeSelector {
            node_selector_terms: vec![term],
        }))
    }
}

fn only(node: &str) -> NodeSelector {
    NodeSelector {
        node_selector_terms: vec![NodeSelectorTerm {
            match_expressions: None,
            match_fields: Some(vec![NodeSelectorRequirement {
                key: "metadata.name".to_owned(),
                operator: "In".to_owned(),
                values: Some(vec![node.to_owned()]),
            }]),
        }],
    }
}

/// Adds requirements that are not there yet; the order of values does not matter.
fn extend(
    all: &mut Option<Vec<NodeSelectorRequirement>>,
    more: Option<&[NodeSelectorRequirement]>,
) {
    let values = |requirement: &NodeSelectorRequirement| {
        let mut values = requirement.values.clone().unwrap_or_default();
        values.sort();
        values.dedup();
        values
    };
    for new in more.unwrap_or_default() {
        let all = all.get_or_insert_default();
        let known = all.iter().any(|old| {
            old.key == new.key && old.operator == new.operator && values(old) == values(new)
        });
        if !known {
            all.push(new.clone());
        }
    }
}

/// The configuration of a claim: of its classes, each once, in the order of requests; then its own,
/// as far as it concerns what was selected. What concerns all requests names none.
fn configurations(
    plan: &Claims<'_>,
    claim: usize,
    selected: &[Option<usize>],
) -> Vec<DeviceAllocationConfiguration> {
    let mut all = Vec::new();
    let mut of_class: BTreeMap<&str, std::ops::Range<usize>> = BTreeMap::new();
    // The names under which each request, as selected, is known.
    let mut names: Vec<(&str, Option<String>)> = Vec::new();
    for (index, request) in plan.requests.iter().enumerate() {
        let chosen = if request.prioritized {
            selected.get(index).copied().flatten()
        } else {
            Some(request.variants.start)
        };
        let (true, Some(chosen)) = (request.claim == claim, chosen) else {
            continue;
        };
        let result_name = plan.result_name(chosen);
        names.push((
            request.name,
            request.prioritized.then(|| result_name.clone()),
        ));
        let Some(class) = plan.variants.get(chosen).and_then(|variant| variant.class) else {
            continue;
        };
        let class_name = class.metadata.name.as_deref().unwrap_or_default();
        if let Some(range) = of_class.get(class_name) {
            for config in all.get_mut(range.clone()).into_iter().flatten() {
                let config: &mut DeviceAllocationConfiguration = config;
                config
                    .requests
                    .get_or_insert_default()
                    .push(result_name.clone());
            }
            continue;
        }
        let start = all.len();
        for config in class
            .spec
            .iter()
            .flat_map(|spec| spec.config.iter().flatten())
        {
            all.push(DeviceAllocationConfiguration {
                opaque: config.opaque.clone(),
                requests: Some(vec![result_name.clone()]),
                source: "FromClass".to_owned(),
            });
        }
        of_class.insert(class_name, start..all.len());
    }
    let object = plan.claims.get(claim).map(|claim| claim.object);
    let own = object
        .and_then(|object| object.spec.as_ref()?.devices.as_ref())
        .and_then(|devices| devices.config.as_deref());
    let concerns = |requests: &[String], (name, full): &(&str, Option<String>)| {
        requests
            .iter()
            .any(|request| request == name || Some(request) == full.as_ref())
    };
    for config in own.unwrap_or_default() {
        let requests = config.requests.as_deref().unwrap_or_default();
        if requests.is_empty() || names.iter().any(|names| concerns(requests, names)) {
            all.push(DeviceAllocationConfiguration {
                opaque: config.opaque.clone(),
                requests: config.requests.clone(),
                source: "FromClaim".to_owned(),
            });
        }
    }
    for config in &mut all {
        let requests = config.requests.as_deref().unwrap_or_default();
        if requests.is_empty() || names.iter().all(|names| concerns(requests, names)) {
            config.requests = None;
        }
    }
    all
}
