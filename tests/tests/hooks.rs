//! Every hook of the contract, called in a guest that is built from the WIT itself: the host's types and
//! the WIT cannot drift apart unseen, because a call compares them.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "hostile/guest.rs"]
#[allow(dead_code, reason = "the hostile tests use the rest")]
mod guest;

use std::sync::LazyLock;
use std::time::Duration;

use guest::{Describe, Guest, Proposed};
use supercargo_host::policy::configuration::{
    Action, AllocatedClaim, AllocatedDevice, CandidateParameters, Mount, SetMigMode, Violation,
};
use supercargo_host::policy::domain::{CandidateNode, Clique, Domain};
use supercargo_host::policy::input::{
    Amount, Constraint, ConstraintKind, Counter, DeviceTable, Pool, Request,
};
use supercargo_host::policy::inventory::{
    CurrentTaint, Fact, Hardware, HealthEvent, Incident, TaintChange, TaintEffect, Unit,
};
use supercargo_host::policy::types::{Consumption, ParameterSource, Parameters};
use supercargo_host::policy::{
    CallError, Engine, EngineOptions, Hook, Limits, Policy, Quantity, Situation, Value, check,
};

static ENGINE: LazyLock<Engine> = LazyLock::new(|| Engine::new(EngineOptions::default()).unwrap());

fn patient() -> Limits {
    Limits {
        deadline: Duration::from_secs(10),
        ..Limits::default()
    }
}

/// A guest of the whole contract; each hook answers what the closure lays out.
fn driver(lay_out: impl FnOnce(&mut Guest)) -> Policy {
    let mut guest = Guest {
        world: "driver-policy",
        ..Guest::empty()
    };
    guest.describes(&Describe {
        hooks: 0b111_1111,
        ..Describe::default()
    });
    lay_out(&mut guest);
    Policy::load(&ENGINE, &guest.component(), "{}", patient()).unwrap()
}

/// Has a hook answer the words at a place.
fn answer(guest: &mut Guest, hook: &'static str, words: &[u32]) {
    let answer = guest.words(words);
    guest
        .others
        .push((hook, format!("(i32.const {})", answer.pointer)));
}

fn parameters() -> Vec<Parameters> {
    vec![Parameters {
        requests: vec![0],
        driver: "gpu.example.com".into(),
        source: ParameterSource::Claim,
        json: r#"{"kind": "GpuConfig"}"#.into(),
    }]
}

fn claim() -> AllocatedClaim {
    let device = |name| AllocatedDevice {
        request: 0,
        driver: 0,
        pool: 1,
        name,
        share: None,
        admin_access: false,
    };
    AllocatedClaim {
        uid: "b1946ac9".into(),
        name: None,
        namespace: None,
        node: Some("node-1".into()),
        strings: ["gpu.example.com", "node-1", "gpu-0", "gpu-1"]
            .map(Into::into)
            .to_vec(),
        devices: vec![device(2), device(3)],
        attributes: vec![Value::Version(1), Value::Ints(vec![1, 2])],
        capacities: vec![Some(Quantity::whole(1)), None],
        parameters: parameters(),
    }
}

#[test]
fn select_is_handed_every_kind_of_thing_a_situation_can_hold() {
    let policy = driver(|guest| guest.proposes(&[Proposed::default()]));
    let quantity = Quantity::from_nanos(-1_500_000_000);
    let situation = Situation {
        strings: vec![
            "gpu.example.com".into(),
            "1.2.3".into(),
            "memory-slice-0".into(),
        ],
        pools: vec![Pool { driver: 0 }],
        devices: DeviceTable {
            pools: vec![0],
            attributes: vec![
                Value::Absent,
                Value::Int(-1),
                Value::Bool(true),
                Value::String(0),
                Value::Version(1),
                Value::Ints(vec![i64::MIN, i64::MAX]),
                Value::Bools(vec![true, false]),
                Value::Strings(vec![0, 1]),
                Value::Versions(Vec::new()),
            ],
            capacities: vec![Some(quantity), None],
            consumed: vec![quantity, Quantity::default()],
        },
        in_use: vec![0],
        counters: vec![Counter {
            pool: 0,
            counter_set: 2,
            name: 2,
            total: quantity,
            left: quantity,
        }],
        consumption: vec![Consumption {
            device: 0,
            counter: 0,
            amount: quantity,
        }],
        requests: vec![Request {
            slot: 0,
            amount: Amount::All,
            admin_access: true,
            capacities: vec![None, Some(quantity)],
            devices: vec![0],
        }],
        constraints: vec![Constraint {
            kind: ConstraintKind::DistinctAttribute,
            attribute: Some(0),
            requests: vec![0],
            reaches_beyond: true,
        }],
        parameters: parameters(),
        node: Some("node-1".into()),
        claim: Some("claim".into()),
        namespace: Some("default".into()),
    };
    let proposals = policy.select(&situation, None).unwrap();
    assert_eq!(
        (proposals[0].score, &*proposals[0].reason),
        (50.0, "because")
    );
}

#[test]
fn place_answers_sets_of_nodes() {
    let policy = driver(|guest| {
        let nodes = guest.words(&[1, 0]);
        let score = 25.0_f64.to_bits();
        let set = guest.words(&[
            nodes.pointer,
            2,
            0,
            u32::try_from(score >> 32).unwrap(),
            0,
            0,
        ]);
        answer(guest, "place", &[0, set.pointer, 1]);
    });
    let node = CandidateNode {
        clique: Some(0),
        free_devices: 4,
        total_devices: 4,
    };
    let mut domain = Domain {
        nodes_needed: 2,
        cliques: vec![Clique { nodes: 2, taken: 0 }],
        nodes: vec![node; 2],
        ..Domain::default()
    };
    let sets = policy.place(&domain, None).unwrap();
    assert_eq!((&*sets[0].nodes, sets[0].score), (&[1, 0][..], 25.0));
    domain.nodes_needed = 1;
    assert_eq!(
        policy.place(&domain, None).unwrap_err().kind(),
        "bad_answer"
    );
}

#[test]
fn validate_answers_violations_with_their_field() {
    let policy = driver(|guest| {
        let field = guest.bytes(b"sharing.strategy");
        let message = guest.bytes(b"must be MPS");
        let list = guest.words(&[field.pointer, field.length, message.pointer, message.length]);
        answer(guest, "validate", &[list.pointer, 1]);
    });
    let candidate = CandidateParameters {
        driver: "gpu.example.com".into(),
        source: ParameterSource::DeviceClass,
        json: "{}".into(),
    };
    let expected = Violation {
        field: "sharing.strategy".to_owned(),
        message: "must be MPS".to_owned(),
    };
    assert_eq!(policy.validate(&candidate, None).unwrap(), [expected]);
}

#[test]
fn prepare_answers_a_plan_and_unprepare_may_not_edit_containers() {
    let policy = driver(|guest| {
        let action = guest.words(&[2, 0, 1, 1, 0, 0, 0, 0, 0, 0]);
        let (host, inside) = (guest.bytes(b"/run/mps"), guest.bytes(b"/tmp/mps"));
        let mount = guest.words(&[host.pointer, host.length, inside.pointer, inside.length, 1]);
        let mut edits = [0; 16];
        (edits[0], edits[1]) = (1, 0);
        (edits[6], edits[7]) = (mount.pointer, 1);
        let edits = guest.words(&edits);
        let json = guest.bytes(br#"{"mig": true}"#);
        let status = guest.words(&[1, json.pointer, json.length]);
        let plan = [0, action.pointer, 1, edits.pointer, 1, status.pointer, 1];
        answer(guest, "prepare", &plan);
        answer(guest, "unprepare", &plan);
    });
    let plan = policy.prepare(&claim(), None).unwrap();
    assert_eq!(
        plan.actions,
        [Action::SetMigMode(SetMigMode {
            device: 1,
            enabled: true
        })]
    );
    assert_eq!(plan.edits[0].device, Some(0));
    let mount = Mount {
        host_path: "/run/mps".to_owned(),
        container_path: "/tmp/mps".to_owned(),
        writable: true,
        executable: false,
    };
    assert_eq!(plan.edits[0].mounts, [mount]);
    assert_eq!(plan.statuses[0].json, r#"{"mig": true}"#);
    let error = policy.unprepare(&claim(), None).unwrap_err();
    assert!(
        matches!(error, CallError::BadAnswer { hook: Hook::Unprepare, at, .. } if at == "edits")
    );
}

#[test]
fn publish_answers_an_announcement() {
    let policy = driver(|guest| {
        let texts: Vec<u32> = ["gpu-0", "model", "h100"]
            .iter()
            .flat_map(|text| {
                let slice = guest.bytes(text.as_bytes());
                [slice.pointer, slice.length]
            })
            .collect();
        let strings = guest.words(&texts).pointer;
        let names = guest.words(&[1]).pointer;
        let devices = guest.words(&[0, 0, 1]).pointer;
        let attributes = guest.words(&[3, 0, 2, 0]).pointer;
        let mut words = [0; 19];
        words[1..9].copy_from_slice(&[strings, 3, names, 1, 0, 0, devices, 1]);
        words[9..11].copy_from_slice(&[attributes, 1]);
        answer(guest, "publish", &words);
    });
    let mut hardware = Hardware {
        node: None,
        strings: vec!["0000:01:00.0".into(), "pci".into(), "pci.vendor".into()],
        units: vec![Unit { id: 0, source: 1 }],
        facts: vec![Fact {
            unit: 0,
            name: 2,
            value: Value::Int(0x10de),
        }],
    };
    let announcement = policy.publish(&hardware, None).unwrap();
    assert!(announcement.devices[0].shareable);
    assert_eq!(announcement.attributes, [Value::String(2)]);
    hardware.units.clear();
    assert_eq!(
        policy.publish(&hardware, None).unwrap_err().kind(),
        "bad_answer"
    );
}

#[test]
fn assess_answers_taints() {
    let policy = driver(|guest| {
        let key = guest.bytes(b"gpu.example.com/ill");
        let change = guest.words(&[0, 0, key.pointer, key.length, 0, 0, 2]);
        answer(guest, "assess", &[0, change.pointer, 1]);
    });
    let incident = Incident {
        devices: vec!["gpu-0".into()],
        taints: vec![CurrentTaint {
            device: 0,
            key: "x".into(),
            effect: TaintEffect::None,
        }],
        event: HealthEvent {
            device: Some(0),
            source: "xid".into(),
            code: 79,
            message: "GPU has fallen off the bus".into(),
            occurrences: 1,
            seconds_since_first: 0,
        },
    };
    let changes = policy.assess(&incident, None).unwrap();
    assert!(
        matches!(&changes[0], TaintChange::Set(taint) if taint.effect == TaintEffect::NoExecute)
    );
}

#[test]
fn a_configuration_policy_needs_no_other_interface() {
    let mut guest = Guest {
        world: "configuration-policy",
        ..Guest::empty()
    };
    guest.describes(&Describe {
        hooks: 0b11100,
        ..Describe::default()
    });
    let reason = guest.bytes(b"two policies want one GPU");
    answer(
        &mut guest,
        "prepare",
        &[1, reason.pointer, reason.length, 0, 0, 0, 0],
    );
    let policy = Policy::load(&ENGINE, &guest.component(), "{}", patient()).unwrap();
    let error = policy.prepare(&claim(), None).unwrap_err();
    assert!(
        matches!(error, CallError::Refused(refusal) if refusal.reason == "two policies want one GPU")
    );
    let error = policy.select(&Situation::default(), None).unwrap_err();
    assert_eq!(error, CallError::NotImplemented(Hook::Select));
}

#[test]
fn inspecting_tells_all_there_is_to_know() {
    let mut guest = Guest {
        world: "driver-policy",
        ..Guest::empty()
    };
    guest.describes(&Describe {
        hooks: 0b1,
        attributes: &["gpu.example.com/uuid"],
        ..Describe::default()
    });
    let component = guest.component();
    let inspection = check(&ENGINE, &component, None, patient());
    assert_eq!(inspection.problems, []);
    assert_eq!(inspection.bytes, component.len() as u64);
    assert_eq!(inspection.exported, Hook::ALL);
    assert_eq!(
        (inspection.parts.core_instances, inspection.parts.memories),
        (1, 1)
    );
    assert_eq!(inspection.memory_bytes, Some(65536));
    assert!(inspection.imports.is_empty());
    assert!(inspection.digest.to_string().starts_with("sha256:"));
    let description = inspection.description.unwrap();
    assert_eq!(description.hooks, [Hook::Select]);
    assert_eq!(description.interests.attributes, ["gpu.example.com/uuid"]);
}
