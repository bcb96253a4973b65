//! From which nodes a pool can be reached that is not one node's own: devices on a network, or a rack's.
//!
//! Who takes a device of such a pool, or publishes one, changes what is known of those nodes, and of no other.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{Node, NodeSelector};
use k8s_openapi::api::resource::v1::ResourceSlice;
use supercargo_host::node_selector::NodeTerms;

/// The nodes that some slices, or some of their devices, are for.
#[derive(Debug, Default)]
pub(super) struct Reach {
    all: bool,
    names: BTreeSet<String>,
    selectors: Vec<NodeTerms>,
}

impl Reach {
    pub(super) fn of<'a>(slices: impl Iterator<Item = &'a ResourceSlice>) -> Self {
        let mut reach = Self::default();
        for slice in slices {
            let spec = &slice.spec;
            if spec.per_device_node_selection == Some(true) {
                for device in spec.devices.iter().flatten() {
                    let (all, name) = (device.all_nodes, device.node_name.as_ref());
                    reach.add(all, name, device.node_selector.as_ref());
                }
            } else {
                let (all, name) = (spec.all_nodes, spec.node_name.as_ref());
                reach.add(all, name, spec.node_selector.as_ref());
            }
        }
        reach
    }

    fn add(&mut self, all: Option<bool>, name: Option<&String>, selector: Option<&NodeSelector>) {
        self.all |= all == Some(true);
        self.names.extend(name.cloned());
        if let Some(selector) = selector {
            let terms = NodeTerms::lenient(selector);
            // Whoever cannot read it can decide for no node.
            self.all |= terms.first_error().is_some();
            self.selectors.push(terms);
        }
    }

    pub(super) fn includes(&self, node: &Node) -> bool {
        self.all
            || node
                .metadata
                .name
                .as_ref()
                .is_some_and(|name| self.names.contains(name))
            || self.selectors.iter().any(|terms| terms.matches(node))
    }
}
