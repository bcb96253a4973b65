//! A recorded allocation problem: cluster objects, what is in use, claims, and upstream's answer.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use k8s_openapi::api::core::v1::Node;
use k8s_openapi::api::resource::v1::{AllocationResult, DeviceClass, ResourceClaim, ResourceSlice};
use serde::Deserialize;
use serde_json::Value;
use supercargo_host::allocator::{
    AllocateError, AllocatedState, Allocation, Allocator, Budget, DeviceId, Features, Guidance,
};
use supercargo_host::quantity::Quantity;

use crate::case::CaseError;
use crate::difference::{differences, normal_results, shortened};
use crate::verify::{Situation, violations};

/// Far beyond what any recorded problem takes: a search that needs more is a finding.
pub const BUDGET: Budget = Budget {
    steps: 5_000_000,
    deadline: None,
};

/// One line of a file of allocation problems.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// Unique in its file.
    pub name: String,
    features: Vec<String>,
    #[serde(default)]
    sweep: bool,
    node: Option<Node>,
    nodes: Option<Vec<Node>>,
    classes: Option<Vec<DeviceClass>>,
    slices: Option<Vec<ResourceSlice>>,
    claims: Option<Vec<ResourceClaim>>,
    allocated_devices: Option<Vec<String>>,
    #[serde(rename = "allocatedSharedDeviceIDs")]
    allocated_shared_device_ids: Option<Vec<String>>,
    aggregated_capacity: Option<BTreeMap<String, BTreeMap<String, String>>>,
    #[serde(default)]
    expect: Expect,
    expected: Option<Expected>,
    expected_fit: Option<Vec<String>>,
}

/// How [`Expected`] is to be compared.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Expect {
    #[serde(default)]
    result_order_significant: bool,
    error_substring: Option<String>,
}

/// Upstream's answer; no results and no error means "does not fit".
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Expected {
    results: Value,
    error: Option<String>,
    #[serde(default)]
    node_local_error: bool,
}

impl Problem {
    /// Reads one line.
    pub fn parse(line: &str) -> Result<Self, CaseError> {
        let problem: Self = serde_json::from_str(line)?;
        problem.features()?;
        problem.state()?;
        match (problem.sweep, &problem.node, &problem.nodes) {
            (true, _, None) | (false, None, _) => return Err(CaseError::Nodes),
            _ => {}
        }
        match (problem.sweep, &problem.expected, &problem.expected_fit) {
            (true, _, None) => Err(CaseError::Answer("expectedFit")),
            (false, None, _) => Err(CaseError::Answer("expected")),
            _ => Ok(problem),
        }
    }

    /// The gates that are on.
    pub fn features(&self) -> Result<Features, CaseError> {
        let mut features = Features {
            admin_access: false,
            prioritized_list: false,
            partitionable_devices: false,
            device_taints: false,
            device_binding: false,
            consumable_capacity: false,
            list_type_attributes: false,
        };
        for gate in &self.features {
            let on = match gate.as_str() {
                "DRAAdminAccess" => &mut features.admin_access,
                "DRAPrioritizedList" => &mut features.prioritized_list,
                "DRAPartitionableDevices" => &mut features.partitionable_devices,
                "DRADeviceTaints" => &mut features.device_taints,
                "DRADeviceBindingConditions+DRAResourceClaimDeviceStatus" => {
                    &mut features.device_binding
                }
                "DRAConsumableCapacity" => &mut features.consumable_capacity,
                "DRAListTypeAttributes" => &mut features.list_type_attributes,
                other => return Err(CaseError::Feature(other.to_owned())),
            };
            *on = true;
        }
        Ok(features)
    }

    /// What is in use.
    pub fn state(&self) -> Result<AllocatedState, CaseError> {
        let mut state = AllocatedState::default();
        for id in self.allocated_devices.iter().flatten() {
            state.devices.insert(device_id(id)?);
        }
        for id in self.allocated_shared_device_ids.iter().flatten() {
            let shared = || CaseError::SharedDevice(id.clone());
            let (device, share) = id.rsplit_once('/').ok_or_else(shared)?;
            state
                .shared
                .insert((device_id(device).map_err(|_| shared())?, share.into()));
        }
        for (device, capacities) in self.aggregated_capacity.iter().flatten() {
            let consumed = state.capacity.entry(device_id(device)?).or_default();
            for (name, text) in capacities {
                let amount = text.parse::<Quantity>().map_err(|_| CaseError::Quantity {
                    device: device.clone(),
                    name: name.clone(),
                    text: text.clone(),
                })?;
                consumed.insert(name.clone(), amount);
            }
        }
        Ok(state)
    }

    /// The nodes to try: of a sweep all, else the one.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        match (self.sweep, &self.nodes, &self.node) {
            (true, Some(nodes), _) => nodes,
            (_, _, Some(node)) => std::slice::from_ref(node),
            _ => &[],
        }
    }

    /// The slices.
    #[must_use]
    pub fn slices(&self) -> &[ResourceSlice] {
        self.slices.as_deref().unwrap_or_default()
    }

    /// The device classes.
    #[must_use]
    pub fn classes(&self) -> &[DeviceClass] {
        self.classes.as_deref().unwrap_or_default()
    }

    /// The claims to allocate, in order.
    #[must_use]
    pub fn claims(&self) -> Vec<&ResourceClaim> {
        self.claims.iter().flatten().collect()
    }

    /// Answers the case and compares: `Err` is the readable difference.
    pub fn check(&self) -> Result<(), String> {
        let features = self.features().map_err(|error| error.to_string())?;
        let state = self.state().map_err(|error| error.to_string())?;
        let allocator = Allocator::new(features, self.slices(), self.classes());
        let claims = self.claims();
        let allocate =
            |node: &Node| allocator.allocate(&state, node, &claims, &Guidance::default(), BUDGET);
        match (&self.expected_fit, &self.expected, self.nodes()) {
            (Some(want), _, nodes) if self.sweep => check_sweep(want, nodes, allocate),
            (_, Some(want), [node]) => self.check_answer(want, &allocate(node)),
            _ => Err("the case has no answer to compare with".to_owned()),
        }
    }

    fn check_answer(
        &self,
        want: &Expected,
        got: &Result<Option<Allocation>, AllocateError>,
    ) -> Result<(), String> {
        match (&want.error, got) {
            (Some(text), Err(AllocateError::Fatal(_) | AllocateError::NodeLocal(_))) => {
                let error = got
                    .as_ref()
                    .err()
                    .map(ToString::to_string)
                    .unwrap_or_default();
                let part = self.expect.error_substring.as_deref().unwrap_or(text);
                if !error.contains(part) {
                    return Err(format!("want an error with {part:?}\ngot error {error:?}"));
                }
                let node_local = matches!(got, Err(AllocateError::NodeLocal(_)));
                if node_local != want.node_local_error {
                    return Err(format!(
                        "nodeLocalError: want {}, got {node_local}: {error}",
                        want.node_local_error
                    ));
                }
                Ok(())
            }
            (Some(text), got) => Err(format!("want error {text:?}\ngot {}", outline(got))),
            (None, Err(_)) => Err(format!(
                "want {}\ngot {}",
                outline_recorded(&want.results),
                outline(got)
            )),
            (None, Ok(allocation)) => {
                let got_results = match allocation {
                    None => Value::Null,
                    Some(allocation) => serde_json::to_value(&allocation.results)
                        .map_err(|error| error.to_string())?,
                };
                if want.results.is_null() != got_results.is_null() {
                    return Err(format!(
                        "want {}\ngot {}",
                        outline_recorded(&want.results),
                        outline(got)
                    ));
                }
                let ordered = self.expect.result_order_significant;
                let wrong = differences(
                    "results",
                    &normal_results(&want.results, ordered),
                    &normal_results(&got_results, ordered),
                );
                if wrong.is_empty() {
                    Ok(())
                } else {
                    Err(wrong.join("\n"))
                }
            }
        }
    }

    /// Whether upstream found an allocation.
    #[must_use]
    pub fn fits(&self) -> bool {
        self.expected
            .as_ref()
            .is_some_and(|expected| !expected.results.is_null())
    }

    /// The rules that upstream's recorded allocation breaks: none, or the verifier is wrong.
    pub fn violations_of_recorded(&self) -> Result<Vec<String>, CaseError> {
        let (Some(Expected { results, .. }), [node]) = (&self.expected, self.nodes()) else {
            return Ok(Vec::new());
        };
        let Some(mut results) = Option::<Vec<AllocationResult>>::deserialize(results)? else {
            return Ok(Vec::new());
        };
        // Recorded share ids are all alike; real ones never are.
        let devices = results
            .iter_mut()
            .filter_map(|result| result.devices.as_mut());
        let shares = devices
            .flat_map(|devices| devices.results.iter_mut().flatten())
            .enumerate();
        for (i, device) in shares.filter(|(_, device)| device.share_id.is_some()) {
            device.share_id = Some(format!("share-{i}"));
        }
        let situation = Situation {
            features: self.features()?,
            slices: self.slices(),
            classes: self.classes(),
            state: &self.state()?,
            node,
            claims: &self.claims(),
        };
        Ok(violations(&situation, &results))
    }

    /// The inputs in a few lines.
    #[must_use]
    pub fn inputs(&self) -> String {
        let mut text = String::new();
        let gates = self.features.join(" +");
        let _ = writeln!(
            text,
            "gates: {}{gates}",
            if gates.is_empty() { "none" } else { "+" }
        );
        match self.nodes() {
            [node] => {
                let labels = serde_json::to_string(&node.metadata.labels).unwrap_or_default();
                let _ = writeln!(
                    text,
                    "node {} {labels}",
                    node.metadata.name.as_deref().unwrap_or_default()
                );
            }
            nodes => {
                let _ = writeln!(text, "{} nodes", nodes.len());
            }
        }
        for slice in self.slices().iter().take(12) {
            let _ = writeln!(text, "slice {}", slice_outline(slice));
        }
        if self.slices().len() > 12 {
            let _ = writeln!(text, "... {} slices in all", self.slices().len());
        }
        for claim in self.claims() {
            let name = claim.metadata.name.as_deref().unwrap_or_default();
            let spec = serde_json::to_string(&claim.spec.as_ref().map(|spec| &spec.devices))
                .unwrap_or_default();
            let _ = writeln!(text, "claim {name}: {}", shortened(&spec, 1500));
        }
        let in_use: Vec<&str> = (self.allocated_devices.iter().flatten())
            .chain(self.allocated_shared_device_ids.iter().flatten())
            .chain(self.aggregated_capacity.iter().flat_map(BTreeMap::keys))
            .map(String::as_str)
            .collect();
        if !in_use.is_empty() {
            let _ = writeln!(text, "in use: {}", shortened(&in_use.join(", "), 600));
        }
        text.truncate(text.trim_end().len());
        text
    }
}

fn check_sweep(
    want: &[String],
    nodes: &[Node],
    allocate: impl Fn(&Node) -> Result<Option<Allocation>, AllocateError>,
) -> Result<(), String> {
    let mut fit = Vec::new();
    for node in nodes {
        let name = node.metadata.name.clone().unwrap_or_default();
        match allocate(node) {
            Ok(Some(_)) => fit.push(Value::from(name)),
            Ok(None) => {}
            Err(error) => return Err(format!("node {name}: {error}")),
        }
    }
    let want = Value::Array(want.iter().cloned().map(Value::from).collect());
    let wrong = differences("nodes that fit", &want, &Value::Array(fit));
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(wrong.join("\n"))
    }
}

/// Parses `driver/pool/device`; a pool's name may itself contain slashes.
fn device_id(id: &str) -> Result<DeviceId, CaseError> {
    let wrong = || CaseError::Device(id.to_owned());
    let (driver, rest) = id.split_once('/').ok_or_else(wrong)?;
    let (pool, device) = rest.rsplit_once('/').ok_or_else(wrong)?;
    Ok(DeviceId {
        driver: driver.into(),
        pool: pool.into(),
        device: device.into(),
    })
}

fn outline(got: &Result<Option<Allocation>, AllocateError>) -> String {
    match got {
        Ok(Some(allocation)) => serde_json::to_value(&allocation.results).map_or_else(
            |error| error.to_string(),
            |results| outline_recorded(&results),
        ),
        Ok(None) => "no fit".to_owned(),
        Err(AllocateError::NodeLocal(text)) => format!("node-local error {text:?}"),
        Err(error) => format!("error {:?}", error.to_string()),
    }
}

/// Which devices each request got.
fn outline_recorded(results: &Value) -> String {
    let Some(results) = results.as_array() else {
        return "no fit".to_owned();
    };
    let claims = results.iter().enumerate().map(|(i, result)| {
        let devices = result.pointer("/devices/results").and_then(Value::as_array);
        let devices = devices.into_iter().flatten().map(|device| {
            let field = |name: &str| device.get(name).and_then(Value::as_str).unwrap_or_default();
            format!(
                "{}={}/{}/{}",
                field("request"),
                field("driver"),
                field("pool"),
                field("device")
            )
        });
        format!("#{i}[{}]", devices.collect::<Vec<_>>().join(" "))
    });
    format!("a fit: {}", claims.collect::<Vec<_>>().join(" "))
}

fn slice_outline(slice: &ResourceSlice) -> String {
    let spec = &slice.spec;
    let mut text = format!(
        "{} {}/{} generation {} of {} slices",
        slice.metadata.name.as_deref().unwrap_or_default(),
        spec.driver,
        spec.pool.name,
        spec.pool.generation,
        spec.pool.resource_slice_count,
    );
    if let Some(node) = &spec.node_name {
        let _ = write!(text, ", node {node}");
    }
    if spec.all_nodes == Some(true) {
        text += ", all nodes";
    }
    if spec.node_selector.is_some() {
        text += ", node selector";
    }
    if spec.per_device_node_selection == Some(true) {
        text += ", nodes per device";
    }
    let devices: Vec<&str> = spec
        .devices
        .iter()
        .flatten()
        .map(|device| device.name.as_str())
        .collect();
    let _ = write!(
        text,
        ": {} devices {}",
        devices.len(),
        shortened(&devices.join(" "), 200)
    );
    if let Some(counters) = &spec.shared_counters {
        let _ = write!(text, "; {} counter sets", counters.len());
    }
    text
}
