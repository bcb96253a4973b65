//! Problems on many nodes, made rather than recorded: a sweep of thousands of nodes is megabytes of
//! JSON, and how time grows with nodes needs several. Their answers are counted here, without any
//! search: a claim for one device fits where one is free.

use fastrand::Rng;
use serde_json::{Value, json};

const DRIVER: &str = "gpu.example.com";

/// Nodes with devices, of which some are in use, and one claim to try on each node.
#[derive(Debug, Clone)]
pub struct Fleet {
    /// The problem's name.
    pub name: String,
    /// How many nodes.
    pub nodes: usize,
    /// Devices of each node, half of them on each of two NUMA nodes.
    pub per_node: usize,
    /// Devices in use, taken at random over all nodes.
    pub in_use: usize,
    /// What is asked for on each node.
    pub claim: FleetClaim,
}

/// What the claim asks for.
#[derive(Debug, Clone, Copy)]
pub enum FleetClaim {
    /// One device with at least half of the memory that every device has.
    One,
    /// Four devices on one NUMA node.
    FourOnOneNuma,
}

impl Fleet {
    /// The problem as a recorded case would have it, with its answer.
    #[must_use]
    pub fn problem(&self) -> Value {
        let node_name = |node: usize| format!("node-{node}");
        let mut ids: Vec<(usize, usize)> = (0..self.nodes)
            .flat_map(|node| (0..self.per_node).map(move |device| (node, device)))
            .collect();
        Rng::with_seed((self.nodes * 31 + self.in_use) as u64).shuffle(&mut ids);
        let (in_use, free) = ids.split_at(self.in_use.min(ids.len()));
        let mut free_by_numa = vec![[0_usize; 2]; self.nodes];
        for (node, device) in free {
            if let Some([low, high]) = free_by_numa.get_mut(*node) {
                *(if self.numa(*device) == 0 { low } else { high }) += 1;
            }
        }
        let fits = |free: &[usize; 2]| match self.claim {
            FleetClaim::One => free.iter().any(|free| *free >= 1),
            FleetClaim::FourOnOneNuma => free.iter().any(|free| *free >= 4),
        };
        let fit = free_by_numa
            .iter()
            .enumerate()
            .filter(|(_, free)| fits(free))
            .map(|(node, _)| node_name(node));
        let devices: Vec<Value> = (0..self.per_node)
            .map(|device| self.device(device))
            .collect();
        let slices = (0..self.nodes).map(|node| {
            json!({"metadata": {"name": format!("slice-{node}")}, "spec": {
                "driver": DRIVER, "nodeName": node_name(node), "devices": devices,
                "pool": {"name": node_name(node), "generation": 1, "resourceSliceCount": 1}}})
        });
        let nodes = (0..self.nodes).map(|node| {
            json!({"metadata": {"name": node_name(node), "labels": {"zone": "a", "region": "region-1"}}})
        });
        json!({
            "name": self.name,
            "features": [],
            "sweep": true,
            "nodes": nodes.collect::<Vec<_>>(),
            "classes": [{"metadata": {"name": "gpu"}, "spec": {
                "selectors": [{"cel": {"expression": format!("device.driver == {DRIVER:?}")}}]}}],
            "slices": slices.collect::<Vec<_>>(),
            "claims": [self.claim.claim()],
            "allocatedDevices": in_use.iter().map(|(node, device)| format!("{DRIVER}/{}/gpu-{device}", node_name(*node)))
                .collect::<Vec<_>>(),
            "allocatedSharedDeviceIDs": null,
            "aggregatedCapacity": {},
            "expectedFit": fit.collect::<Vec<_>>(),
        })
    }

    fn numa(&self, device: usize) -> usize {
        device * 2 / self.per_node.max(1)
    }

    fn device(&self, device: usize) -> Value {
        json!({
            "name": format!("gpu-{device}"),
            "attributes": {
                "index": {"int": device},
                "model": {"string": "h100"},
                "numa": {"int": self.numa(device)},
                "driverVersion": {"version": "1.10.3"},
            },
            "capacity": {"memory": {"value": "80Gi"}},
        })
    }
}

impl FleetClaim {
    fn claim(self) -> Value {
        let exactly = |count: usize| json!({"deviceClassName": "gpu", "allocationMode": "ExactCount", "count": count});
        let devices = match self {
            FleetClaim::One => {
                let memory = format!(
                    "device.capacity[{DRIVER:?}].memory.compareTo(quantity(\"40Gi\")) >= 0"
                );
                let mut exactly = exactly(1);
                if let Some(fields) = exactly.as_object_mut() {
                    fields.insert(
                        "selectors".to_owned(),
                        json!([{"cel": {"expression": memory}}]),
                    );
                }
                json!({"requests": [{"name": "req-0", "exactly": exactly}]})
            }
            FleetClaim::FourOnOneNuma => json!({
                "requests": [{"name": "req-0", "exactly": exactly(4)}],
                "constraints": [{"matchAttribute": format!("{DRIVER}/numa")}],
            }),
        };
        json!({"metadata": {"name": "claim-0"}, "spec": {"devices": devices}})
    }
}
