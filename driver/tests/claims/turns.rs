//! Who works at once, seen from the hardware: what is done there waits for what is done elsewhere.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use k8s_openapi::api::resource::v1::Device;
use serde_json::json;
use supercargo::devices::simulated::Simulated;
use supercargo::devices::{
    Announced, DeviceError, Exposure, HealthEvent, PreparedStep, Source, Undo, Unit,
};
use supercargo_host::plan::{Step, UnitId};

use super::node::{Claim, Node};

/// Far longer than anything takes that does not wait for what never comes.
const BOUND: Duration = Duration::from_secs(60);

/// Hardware on which each step takes until so many steps are under way on different GPUs.
#[derive(Debug)]
struct Meeting {
    hardware: Simulated,
    wanted: usize,
    /// How many steps are under way on each GPU, and how many different GPUs there were at once.
    under_way: Mutex<(BTreeMap<UnitId, usize>, usize)>,
    changed: Condvar,
}

impl Meeting {
    fn of(wanted: usize, hardware: Simulated) -> Self {
        Self {
            hardware,
            wanted,
            under_way: Mutex::default(),
            changed: Condvar::new(),
        }
    }
}

impl Source for Meeting {
    fn name(&self) -> &'static str {
        self.hardware.name()
    }

    fn discover(&self) -> Result<Vec<Unit>, DeviceError> {
        self.hardware.discover()
    }

    fn announce(&self, units: &[Unit]) -> Result<Announced, DeviceError> {
        self.hardware.announce(units)
    }

    fn expose(&self, unit: &UnitId, device: &Device) -> Result<Exposure, DeviceError> {
        self.hardware.expose(unit, device)
    }

    fn prepare_step(
        &self,
        claim: &str,
        step: &Step,
        earlier: &[PreparedStep],
    ) -> Result<PreparedStep, DeviceError> {
        self.hardware.prepare_step(claim, step, earlier)
    }

    fn apply(
        &self,
        claim: &str,
        step: &Step,
        earlier: &[PreparedStep],
    ) -> Result<Exposure, DeviceError> {
        let unit = step.units()[0].clone();
        let mut now = self.under_way.lock().unwrap();
        let here = now.0.entry(unit.clone()).or_default();
        *here += 1;
        assert_eq!(*here, 1, "two claims change {unit} at once");
        now.1 = now.1.max(now.0.len());
        self.changed.notify_all();
        let wait = |now: &mut (_, usize)| now.1 < self.wanted;
        let (mut now, waited) = self.changed.wait_timeout_while(now, BOUND, wait).unwrap();
        assert!(!waited.timed_out(), "nobody else is at work");
        now.0.remove(&unit);
        drop(now);
        self.hardware.apply(claim, step, earlier)
    }

    fn undo(&self, claim: &str, undo: &Undo) -> Result<(), DeviceError> {
        self.hardware.undo(claim, undo)
    }

    fn next_event(&self, wait: Duration) -> Result<Option<HealthEvent>, DeviceError> {
        self.hardware.next_event(wait)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn claims_of_different_gpus_go_on_side_by_side_and_those_of_one_in_turn() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::new(folder.path());
    node.foreman(json!({"prepare": [{"longTurns": true}, {"exclusive": true}]}));
    let share = |name: &str, gpu: &str, share: &str| {
        Claim::of(name, &[gpu]).result(json!({"shareID": format!("{share}-0-0-0-0")}))
    };
    let all = [
        share("a", "gpu-0", "1"),
        share("b", "gpu-1", "2"),
        share("c", "gpu-0", "3"),
        share("d", "gpu-1", "4"),
    ];
    for claim in &all {
        node.has(claim);
    }
    let meeting = |hardware| Arc::new(Meeting::of(2, hardware)) as Arc<dyn Source>;
    let (claims, _) = node.start_with("boot-1", meeting).await;
    let each = all
        .iter()
        .map(async |claim| claims.prepare(&claim.named()).await);
    for prepared in futures::future::join_all(each).await {
        prepared.unwrap();
    }
    assert_eq!(claims.prepared().len(), 4);
}
