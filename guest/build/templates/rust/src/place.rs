//! Which nodes does a domain get? Those it has already, then those with the most free devices.

use std::cmp::Reverse;

use supercargo_guest::place::{Domain, Node, NodeSet};
use supercargo_guest::prelude::*;

use crate::MyPolicy;

impl Place for MyPolicy {
    fn place(_: &NoSettings, domain: Domain<'_>) -> Result<Vec<NodeSet>, Refusal> {
        let members: Vec<u32> = domain.members().map(Node::position).collect();
        let mut nodes: Vec<Node<'_>> = domain.nodes().collect();
        if nodes.len() < domain.nodes_needed() {
            return Err(Refusal::new("there are not enough nodes"));
        }
        nodes.sort_by_key(|node| {
            let joined = members.contains(&node.position());
            (!joined, Reverse(node.free_devices()))
        });
        nodes.truncate(domain.nodes_needed());
        Ok(vec![NodeSet::of(nodes).reason("the nodes with the most free devices")])
    }
}
