//! An allocation problem in a few lines, for a person who looks at a failure.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use k8s_openapi::api::resource::v1::ResourceSlice;

use super::Problem;
use crate::difference::shortened;

impl Problem {
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
