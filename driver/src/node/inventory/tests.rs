//! The inventory over simulated hardware, with the source's own view and the built-in rule.

use super::*;
use crate::devices::simulated::{Simulated, Topology};
use crate::node::plugin::Health;

const H100: &str = include_str!("../../../../examples/topologies/h100-nvlink.yaml");
const A100: &str = include_str!("../../../../examples/topologies/a100-mig.yaml");

struct Node {
    folder: tempfile::TempDir,
    topology: &'static str,
    inventory: Inventory,
    views: Views,
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn open(folder: &tempfile::TempDir, topology: &str) -> (Inventory, Views) {
    let topology = Topology::parse("node.yaml", topology).unwrap();
    let source = Simulated::open(topology, &folder.path().join("hardware")).unwrap();
    let owner = Owner {
        driver: "gpu.nvidia.com".to_owned(),
        node: "node-1".to_owned(),
    };
    let file = folder.path().join("data/health.json");
    Inventory::new(Arc::new(source), owner, Arc::new(|_| None), file).unwrap()
}

fn node(topology: &'static str) -> Node {
    let folder = tempfile::tempdir().unwrap();
    let (inventory, views) = open(&folder, topology);
    Node {
        folder,
        topology,
        inventory,
        views,
    }
}

impl Node {
    /// Writes a health file and follows what comes of it.
    fn becomes(&mut self, file: &str, condition: &str, second: i64) {
        std::fs::write(self.folder.path().join("hardware").join(file), condition).unwrap();
        while let Some(event) = self.inventory.source.next_event(Duration::ZERO).unwrap() {
            self.inventory.happened(&event, at(second));
        }
    }

    fn restarted(mut self) -> Self {
        (self.inventory, self.views) = open(&self.folder, self.topology);
        self
    }

    /// Devices that are tainted, with their taints.
    fn tainted(&self) -> Vec<String> {
        let announced = self.views.announced.borrow();
        let taints = announced.devices.iter().flat_map(|one| {
            let taints = one.device.taints.iter().flatten();
            taints.map(|taint| {
                let value = taint.value.as_deref().unwrap_or_default();
                let since = taint.time_added.as_ref().map(|time| time.0.as_second());
                let Some(since) = since else {
                    return format!("{} {}={value}:{}", one.device.name, taint.key, taint.effect);
                };
                let (name, key, effect) = (&one.device.name, &taint.key, &taint.effect);
                format!("{name} {key}={value}:{effect} since {since}")
            })
        });
        taints.collect()
    }

    fn unhealthy(&self) -> Vec<String> {
        let health = self.views.health.borrow();
        let ill = health
            .devices
            .iter()
            .filter(|one| one.health == Health::Unhealthy);
        ill.map(|one| one.device.clone()).collect()
    }
}

#[test]
fn without_a_policy_the_sources_own_view_is_announced() {
    let node = node(H100);
    let announced = node.views.announced.borrow().clone();
    assert_eq!(announced.devices.len(), 8);
    assert_eq!(node.tainted(), [""; 0]);
    assert_eq!(node.views.health.borrow().devices.len(), 8);
    assert!(node.views.troubles.borrow().is_empty());
}

#[test]
fn a_device_that_falls_ill_is_tainted_and_loses_the_taint_when_it_is_well() {
    let mut node = node(H100);
    node.becomes("gpu-3/health", "xid 79", 100);
    assert_eq!(
        node.tainted(),
        ["gpu-3 gpu.nvidia.com/xid=79:NoSchedule since 100"]
    );
    assert_eq!(node.unhealthy(), ["gpu-3"]);
    node.becomes("gpu-3/health", "ok", 200);
    assert_eq!(node.tainted(), [""; 0]);
    assert_eq!(node.unhealthy(), [""; 0]);
}

#[test]
fn a_taint_that_grows_worse_counts_from_then() {
    let mut node = node(H100);
    node.becomes("gpu-0/health", "xid 31", 100);
    node.becomes("gpu-0/health", "xid 79", 200);
    let tainted = ["gpu-0 gpu.nvidia.com/xid=79:NoSchedule since 200"];
    assert_eq!(node.tainted(), tainted);
}

#[test]
fn what_cannot_be_looked_at_is_neither_well_nor_newly_seen() {
    let mut node = node(H100);
    node.becomes("gpu-3/health", "xid 79", 100);
    let states = |node: &Node| {
        let report = node.views.health.borrow();
        let of = |device: usize| report.devices[device].health;
        (of(0), of(3), report.seen)
    };
    node.inventory.turn(Duration::ZERO, || at(200));
    assert_eq!(states(&node), (Health::Healthy, Health::Unhealthy, at(200)));

    let file = node.folder.path().join("hardware/gpu-0/health");
    std::fs::write(&file, "so-so").unwrap();
    node.inventory.turn(Duration::ZERO, || at(300));
    assert_eq!(states(&node), (Health::Unknown, Health::Unhealthy, at(200)));

    std::fs::write(&file, "ok").unwrap();
    node.inventory.turn(Duration::ZERO, || at(400));
    assert_eq!(states(&node), (Health::Healthy, Health::Unhealthy, at(400)));
}

#[test]
fn what_an_application_causes_keeps_nobody_away() {
    let mut node = node(H100);
    node.becomes("gpu-0/health", "xid 31", 100);
    assert_eq!(
        node.tainted(),
        ["gpu-0 gpu.nvidia.com/xid=31:None since 100"]
    );
    assert_eq!(node.unhealthy(), [""; 0]);
}

#[test]
fn taints_outlive_a_restart_with_their_time_and_still_go_when_the_device_is_well() {
    let mut node = node(H100);
    node.becomes("gpu-3/health", "xid 79", 100);
    let mut node = node.restarted();
    let tainted = ["gpu-3 gpu.nvidia.com/xid=79:NoSchedule since 100"];
    assert_eq!(node.tainted(), tainted);
    assert_eq!(node.unhealthy(), ["gpu-3"]);
    // The hardware tells the same once more.
    node.becomes("gpu-3/health", "xid 79", 300);
    assert_eq!(node.tainted(), tainted);
    node.becomes("gpu-3/health", "ok", 400);
    assert_eq!(node.restarted().tainted(), [""; 0]);
}

#[test]
fn a_device_that_became_well_while_nobody_looked_loses_its_taint() {
    let mut node = node(H100);
    node.becomes("gpu-3/health", "xid 79", 100);
    std::fs::write(node.folder.path().join("hardware/gpu-3/health"), "ok").unwrap();
    let mut node = node.restarted();
    assert_eq!(node.unhealthy(), ["gpu-3"]);
    node.becomes("gpu-2/health", "xid 31", 200);
    assert_eq!(node.unhealthy(), [""; 0]);
}

#[test]
fn a_lost_node_taints_all_and_leaves_what_is_ill_of_its_own() {
    let mut node = node(H100);
    node.becomes("gpu-3/health", "xid 79", 100);
    node.becomes("health", "lost", 200);
    assert_eq!(node.unhealthy().len(), 8);
    assert_eq!(node.tainted().len(), 9);
    node.becomes("health", "ok", 300);
    assert_eq!(
        node.tainted(),
        ["gpu-3 gpu.nvidia.com/xid=79:NoSchedule since 100"]
    );
}

#[test]
fn an_ill_gpu_taints_every_partition_of_it_and_an_ill_partition_only_itself() {
    let mut node = node(A100);
    node.becomes("gpu-0/health", "ecc 2", 100);
    let of_first = |name: &String| name.starts_with("gpu-0-mig-");
    let ill = node.unhealthy();
    assert_eq!(ill.len(), 25);
    assert!(ill.iter().all(of_first));
    node.becomes("gpu-0/health", "ok", 200);
    assert_eq!(node.tainted(), [""; 0]);

    let event = HealthEvent {
        unit: Some(supercargo_host::plan::UnitId("0000:0f:00.0".to_owned())),
        device: Some("gpu-1-mig-2g10gb-14-4".to_owned()),
        source: "xid".to_owned(),
        code: 94,
        message: "contained".to_owned(),
        healthy: false,
    };
    node.inventory.happened(&event, at(300));
    assert_eq!(node.unhealthy(), ["gpu-1-mig-2g10gb-14-4"]);
}

#[test]
fn two_things_that_are_wrong_pass_together_when_the_device_is_well() {
    let mut node = node(H100);
    node.becomes("gpu-3/health", "xid 79", 100);
    node.becomes("gpu-3/health", "nvlink 4", 150);
    assert_eq!(
        node.tainted(),
        [
            "gpu-3 gpu.nvidia.com/xid=79:NoSchedule since 100",
            "gpu-3 gpu.nvidia.com/nvlink=4:NoSchedule since 150",
        ]
    );
    node.becomes("gpu-3/health", "ok", 200);
    assert_eq!(node.tainted(), [""; 0]);
}

#[test]
fn nobody_is_woken_when_nothing_changes() {
    let mut node = node(H100);
    node.views.announced.mark_unchanged();
    node.views.health.mark_unchanged();
    node.inventory.look(at(100));
    assert!(!node.views.announced.has_changed().unwrap());
    assert!(!node.views.health.has_changed().unwrap());
}

#[test]
fn a_file_that_is_torn_is_set_aside_and_said() {
    let mut node = node(H100);
    node.becomes("gpu-3/health", "xid 79", 100);
    let file = node.folder.path().join("data/health.json");
    std::fs::write(&file, "{\"version\": 1, \"cond").unwrap();
    let node = node.restarted();
    assert_eq!(node.tainted(), [""; 0]);
    assert!(node.folder.path().join("data/health.broken").exists());
    let troubles = node.views.troubles.borrow();
    assert!(
        troubles[&Concern::Restore].contains("taints from before are lost"),
        "{troubles:?}"
    );
}

#[tokio::test]
async fn events_are_followed_until_it_is_stopped() {
    let Node {
        folder,
        inventory,
        mut views,
        ..
    } = node(H100);
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = tokio::spawn(inventory.run(async {
        let _ = stopped.await;
    }));
    std::fs::write(folder.path().join("hardware/gpu-1/health"), "xid 79").unwrap();
    let ill = |report: &HealthReport| {
        report
            .devices
            .iter()
            .any(|one| one.health == Health::Unhealthy)
    };
    views.health.wait_for(ill).await.unwrap();
    stop.send(()).unwrap();
    running.await.unwrap();
}
