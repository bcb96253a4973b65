//! The inventory with a policy that announces and judges, built here as users build theirs.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock};

use k8s_openapi::jiff::Timestamp;
use supercargo::devices::simulated::{Simulated, Topology};
use supercargo::devices::{HealthEvent, Source};
use supercargo::journal::{self, Journal};
use supercargo::node::inventory::{Concern, Inventory, Views};
use supercargo::node::slices::Owner;
use supercargo::serving::Serving;
use supercargo_guest_build::Builder;
use supercargo_host::configuration::Configuration;
use supercargo_host::journal::{Line, Recorder};
use supercargo_host::policy::{Engine, EngineOptions, Limits, Policy};
use tempfile::TempDir;

const TOPOLOGY: &str = include_str!("../../examples/topologies/h100-nvlink.yaml");

/// What the policy runs on, and its component.
fn built() -> &'static (Engine, Vec<u8>) {
    static BUILT: OnceLock<(Engine, Vec<u8>)> = OnceLock::new();
    BUILT.get_or_init(|| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let builder = Builder::new(root.canonicalize().unwrap()).unwrap();
        let built = builder.build_all(&["warden"]).unwrap();
        let engine = Engine::new(EngineOptions::default()).unwrap();
        (engine, std::fs::read(&built[0].path).unwrap())
    })
}

/// A policy with these settings.
fn warden(settings: &str) -> Serving {
    let (engine, component) = built();
    let patient = Limits {
        deadline: std::time::Duration::from_secs(10),
        ..Limits::default()
    };
    let configuration = Configuration::single("site-warden", "warden.wasm");
    Serving {
        policy: Policy::load(engine, component, settings, patient).unwrap(),
        entry: Arc::new(configuration.policies[0].clone()),
        recorder: None,
    }
}

struct Node {
    source: Arc<dyn Source>,
    policy: Arc<Mutex<Option<Serving>>>,
    inventory: Inventory,
    views: Views,
    _folder: TempDir,
}

fn node(policy: Option<Serving>) -> Node {
    let folder = tempfile::tempdir().unwrap();
    let topology = Topology::parse("node.yaml", TOPOLOGY).unwrap();
    let hardware = Simulated::open(topology, &folder.path().join("hardware")).unwrap();
    let source: Arc<dyn Source> = Arc::new(hardware);
    let policy = Arc::new(Mutex::new(policy));
    let serving = Arc::clone(&policy);
    let owner = Owner {
        driver: "gpu.nvidia.com".to_owned(),
        node: "node-1".to_owned(),
    };
    let (inventory, views) = Inventory::new(
        Arc::clone(&source),
        owner,
        Arc::new(move |_| serving.lock().unwrap().clone()),
        folder.path().join("health.json"),
    )
    .unwrap();
    Node {
        source,
        policy,
        inventory,
        views,
        _folder: folder,
    }
}

impl Node {
    fn names(&self) -> Vec<String> {
        let announced = self.views.announced.borrow();
        let devices = announced.devices.iter();
        devices.map(|one| one.device.name.clone()).collect()
    }

    fn taints(&self) -> Vec<String> {
        let announced = self.views.announced.borrow();
        let all = announced.devices.iter().flat_map(|one| {
            let taints = one.device.taints.iter().flatten();
            taints.map(|taint| {
                let value = taint.value.as_deref().unwrap_or_default();
                format!("{} {}={value}:{}", one.device.name, taint.key, taint.effect)
            })
        });
        all.collect()
    }

    fn trouble(&self, concern: Concern) -> String {
        let troubles = self.views.troubles.borrow();
        troubles.get(&concern).cloned().unwrap_or_default()
    }

    fn serves(&mut self, policy: Option<Serving>) {
        *self.policy.lock().unwrap() = policy;
        self.inventory.look(now());
    }

    fn happens(&mut self, unit: usize, healthy: bool) {
        let units = self.source.discover().unwrap();
        let event = HealthEvent {
            unit: Some(units[unit].id.clone()),
            device: None,
            source: if healthy { "recovered" } else { "xid" }.to_owned(),
            code: if healthy { 0 } else { 79 },
            message: "the GPU has fallen off the bus".to_owned(),
            healthy,
        };
        self.inventory.happened(&event, now());
    }
}

fn now() -> Timestamp {
    Timestamp::from_second(1_000).unwrap()
}

#[test]
fn a_policy_renames_hides_and_shares_what_is_announced() {
    let node = node(Some(warden(
        r#"{"name": "site", "hide": ["0000:1b:00.0"]}"#,
    )));
    assert_eq!(node.names()[..2], ["site-0", "site-2"]);
    assert_eq!(node.names().len(), 7);
    let announced = node.views.announced.borrow();
    let second = &announced.devices[1];
    assert_eq!(second.unit.0, "0000:43:00.0");
    let attributes = second.device.attributes.as_ref().unwrap();
    let uuid = attributes["uuid"].string.as_ref().unwrap();
    assert!(uuid.starts_with("GPU-"), "{uuid}");
    let memory = &second.device.capacity.as_ref().unwrap()["memory"];
    assert_eq!(memory.value.0, "81559Mi");
    let range = memory.request_policy.as_ref().unwrap().valid_range.as_ref();
    assert_eq!(range.unwrap().step.as_ref().unwrap().0, "1Mi");
    assert_eq!(second.device.allow_multiple_allocations, Some(true));
    assert_eq!(announced.counter_sets[0].counters["slots"].value.0, "7");
    let used = &second.device.consumes_counters.as_ref().unwrap()[0];
    assert_eq!(used.counter_set, "boards");
}

#[test]
fn a_wrong_answer_is_refused_and_what_was_announced_stays() {
    let mut node = node(Some(warden(r#"{"name": "site"}"#)));
    node.serves(Some(warden(r#"{"name": "other", "babble": true}"#)));
    assert_eq!(node.names()[0], "site-0");
    let trouble = node.trouble(Concern::Publish);
    assert!(
        trouble.contains("device other-0, attributes[example.com/rack]"),
        "{trouble}"
    );
    node.serves(Some(warden(r#"{"name": "other"}"#)));
    assert_eq!(node.names()[0], "other-0");
    assert_eq!(node.trouble(Concern::Publish), "");
    node.serves(None);
    assert_eq!(node.names()[0], "gpu-0");
}

#[test]
fn where_nothing_was_announced_before_the_sources_own_view_is() {
    let node = node(Some(warden("{}")));
    assert_eq!(node.names()[0], "gpu-0");
    let trouble = node.trouble(Concern::Publish);
    assert!(trouble.contains("have no name yet"), "{trouble}");
}

#[test]
fn a_policy_judges_by_what_happened_before_and_clears_its_own_taints() {
    let mut node = node(Some(warden(r#"{"name": "site", "patience": 1}"#)));
    node.happens(3, false);
    assert_eq!(node.taints(), [""; 0]);
    node.happens(3, false);
    assert_eq!(
        node.taints(),
        ["site-3 gpu.nvidia.com/xid=seen-2:NoExecute"]
    );
    node.happens(3, true);
    assert_eq!(node.taints(), [""; 0]);
}

#[test]
fn where_a_policy_fails_to_judge_the_built_in_rule_does() {
    for fault in ["crash", "trespass"] {
        let settings = format!(r#"{{"name": "site", "{fault}": true}}"#);
        let mut node = node(Some(warden(&settings)));
        node.happens(3, false);
        assert_eq!(node.taints(), ["site-3 gpu.nvidia.com/xid=79:NoSchedule"]);
        let trouble = node.trouble(Concern::Assess);
        assert!(trouble.starts_with("policy warden: "), "{trouble}");
        node.happens(3, true);
        assert_eq!(node.taints(), [""; 0], "{fault}");
    }
}

#[test]
fn devices_of_another_name_are_as_ill_as_their_hardware() {
    let mut node = node(Some(warden(r#"{"name": "site"}"#)));
    node.happens(3, false);
    node.serves(None);
    assert_eq!(node.taints(), ["gpu-3 gpu.nvidia.com/xid=79:NoSchedule"]);
    node.happens(3, true);
    node.serves(Some(warden(r#"{"name": "site"}"#)));
    assert_eq!(node.taints(), [""; 0]);
}

#[test]
fn what_a_policy_announces_and_judges_is_in_the_journal_and_can_be_replayed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("journal");
    let journal = Arc::new(Journal::open(&file).unwrap());
    journal.keep(&built().1).unwrap();
    let recorded = |settings: &str| Serving {
        recorder: Some(Arc::clone(&journal) as Arc<dyn Recorder>),
        ..warden(settings)
    };
    let mut node = node(Some(recorded(r#"{"name": "site"}"#)));
    node.happens(3, false);
    node.serves(Some(recorded(r#"{"name": "other", "babble": true}"#)));

    let mut lines = Vec::new();
    let bad = journal::read(&file, &mut |_, line| match line {
        Line::Decision(one) => lines.push(format!(
            "{} {} {}: {:?}",
            one.policy.name,
            one.question.hook().name(),
            one.subject.devices.get(3).map_or("", String::as_str),
            one.verdict
        )),
        other => panic!("{other:?}"),
    });
    assert!(bad.unwrap().is_empty());
    let judged = "site-warden assess gpu.nvidia.com/node-1/site-3: Accepted";
    assert_eq!(lines[..2], ["site-warden publish : Accepted", judged]);
    assert!(lines[2].contains("Refused(\"what the policy announces cannot be published"));

    let replay = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_supercargo"));
        let output = command.args(arguments).arg(&file).output().unwrap();
        (output.status.code(), format!("{output:?}"))
    };
    let (code, told) = replay(&["policy", "replay"]);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains(" same, 0 differ"), "{told}");
    // They concern no claim.
    let (code, told) = replay(&["explain", "--claim", "a"]);
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("nothing in "), "{told}");
}
