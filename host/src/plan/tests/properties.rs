//! Nothing outside the grants ever passes, and what is said to be missing is what is missing.
//!
//! Random plans meet random grants. The judge here knows neither the check nor its matching: patterns
//! are regular expressions, the words that no star admits are marked where they are made up, and every
//! entry is held against every grant in plain loops.

use proptest::prelude::*;
use regex::Regex;
use serde_json::{Value, json};

use super::super::{ClaimOnNode, DeviceOfClaim, Grants, check, offences};
use super::{grants, holding, no_edits, nothing, whole};
use crate::policy::configuration::{
    Access, Action, ContainerEdits, CreateGpuInstance, DestroyGpuInstance, DeviceNode, Mount,
    NetworkInterface, OpenImexChannel, Placement, Plan, PropertyValue, SetMigMode, SetProperty,
    SetTimeSlice, TimeSlice, Variable, WriteSysfs,
};

/// Paths with whether a star may admit them as device node, source and target; `None`: no path at all.
const PATHS: [(&str, Option<[bool; 3]>); 10] = [
    ("/dev/nvidia0", Some([true, false, false])),
    ("/dev/nvidia-caps/nvidia-cap1", Some([true, false, false])),
    ("/dev/mem", Some([false, false, false])),
    ("/opt/x/lib.so", Some([false, true, true])),
    ("/opt/y/lib.so", Some([false, true, true])),
    ("/etc/shadow", Some([false, false, false])),
    ("/opt/x/..", None),
    ("/opt//lib.so", None),
    ("opt/x", None),
    ("/", None),
];
const PATH_PATTERNS: [&str; 9] = [
    "/dev/*",
    "/dev/nvidia*",
    "/dev/*/*",
    "/dev/mem",
    "/opt/x/*",
    "/opt/*/lib.so",
    "/etc/*",
    "/*/*/*",
    "/*/*",
];
const VARIABLES: [(&str, Option<bool>); 5] = [
    ("CUDA_X", Some(true)),
    ("CUDA_Y", Some(true)),
    ("LD_PRELOAD", Some(false)),
    ("A=B", None),
    ("", None),
];
const VARIABLE_PATTERNS: [&str; 5] = ["*", "CUDA_*", "CUDA_X", "LD_*", "LD_PRELOAD"];
const ATTRIBUTES: [(&str, Option<bool>); 4] = [
    ("power/control", Some(true)),
    ("reset", Some(false)),
    ("../reset", None),
    ("power/../x", None),
];
const PROFILES: [&str; 3] = ["1g.5gb", "3g.20gb", "7g.40gb"];
const PROFILE_PATTERNS: [&str; 3] = ["*", "*.20gb", "3g.*"];

fn one_of<T: Copy + std::fmt::Debug + 'static>(all: &'static [T]) -> impl Strategy<Value = T> {
    prop::sample::select(all)
}

fn placement() -> impl Strategy<Value = Placement> {
    (0..6_u32, 0..6_u32).prop_map(|(start, size)| Placement { start, size })
}

fn action() -> impl Strategy<Value = Action> {
    let device = 0..4_u32;
    let interval = one_of(&[TimeSlice::Short, TimeSlice::Long]);
    prop_oneof![
        (device.clone(), interval)
            .prop_map(|(device, interval)| Action::SetTimeSlice(SetTimeSlice { device, interval })),
        (device.clone(), any::<bool>())
            .prop_map(|(device, enabled)| Action::SetMigMode(SetMigMode { device, enabled })),
        (
            device.clone(),
            one_of(&PROFILES),
            prop::option::of(placement())
        )
            .prop_map(|(device, profile, placement)| Action::CreateGpuInstance(
                CreateGpuInstance {
                    device,
                    profile: profile.to_owned(),
                    placement,
                }
            )),
        (device.clone(), placement()).prop_map(|(device, placement)| {
            Action::DestroyGpuInstance(DestroyGpuInstance { device, placement })
        }),
        (0..2060_u32).prop_map(|channel| Action::OpenImexChannel(OpenImexChannel { channel })),
        (
            device.clone(),
            one_of(&ATTRIBUTES),
            one_of(&["on", "5", "-0"])
        )
            .prop_map(
                |(device, (attribute, _), value)| Action::WriteSysfs(WriteSysfs {
                    device,
                    attribute: attribute.to_owned(),
                    value: value.to_owned(),
                })
            ),
        (device, -2..12_i64).prop_map(|(device, value)| Action::SetProperty(SetProperty {
            device,
            name: "limit".to_owned(),
            value: PropertyValue::Int(value),
        })),
    ]
}

fn edits() -> impl Strategy<Value = ContainerEdits> {
    let names = prop::collection::vec(one_of(&VARIABLES), 0..3);
    let nodes = prop::collection::vec(
        (
            one_of(&PATHS),
            prop::option::of(one_of(&PATHS)),
            any::<bool>(),
        ),
        0..2,
    );
    let mounts = prop::collection::vec(
        (one_of(&PATHS), one_of(&PATHS), any::<bool>(), any::<bool>()),
        0..2,
    );
    let interfaces = prop::collection::vec(one_of(&["eth0", "ib0", "lo", "a/b"]), 0..2);
    let groups = prop::collection::vec(0..5_u32, 0..2);
    let device = prop::option::of(0..4_u32);
    (device, names, nodes, mounts, interfaces, groups).prop_map(
        |(device, names, nodes, mounts, interfaces, groups)| ContainerEdits {
            device,
            environment: names
                .into_iter()
                .map(|(name, _)| Variable {
                    name: name.to_owned(),
                    value: "x".to_owned(),
                })
                .collect(),
            device_nodes: nodes
                .into_iter()
                .map(|((path, _), host, make)| DeviceNode {
                    path: path.to_owned(),
                    host_path: host.map(|(path, _)| path.to_owned()),
                    kind: None,
                    access: if make {
                        Access::READ | Access::MAKE
                    } else {
                        Access::READ
                    },
                    mode: None,
                    uid: None,
                    gid: None,
                })
                .collect(),
            mounts: mounts
                .into_iter()
                .map(|((host, _), (container, _), writable, executable)| Mount {
                    host_path: host.to_owned(),
                    container_path: container.to_owned(),
                    writable,
                    executable,
                })
                .collect(),
            network_interfaces: interfaces
                .into_iter()
                .map(|name| NetworkInterface {
                    host_name: name.to_owned(),
                    container_name: "net0".to_owned(),
                })
                .collect(),
            additional_groups: groups,
            ..no_edits()
        },
    )
}

fn plan() -> impl Strategy<Value = Plan> {
    let actions = prop::collection::vec(action(), 0..4);
    let edits = prop::collection::vec(edits(), 0..3);
    (actions, edits).prop_map(|(actions, edits)| Plan {
        actions,
        edits,
        ..nothing()
    })
}

fn patterns(all: &'static [&'static str]) -> impl Strategy<Value = Vec<&'static str>> {
    prop::collection::vec(one_of(all), 0..3)
}

/// A grant as it is written, so that the judge reads the same text.
fn grant() -> impl Strategy<Value = Value> {
    let steps = (
        prop::collection::vec(one_of(&["short", "long"]), 0..2),
        prop::collection::vec(any::<bool>(), 0..2),
        patterns(&PROFILE_PATTERNS),
        any::<bool>(),
        prop::option::of((0..2048_u32, 0..2048_u32)),
        prop::option::of(one_of(&["power/control", "*/*", "*", "reset"])),
        prop::option::of((-3..3_i64, 3..14_i64)),
    );
    let mounts = (
        one_of(&PATH_PATTERNS),
        prop::option::of(one_of(&PATH_PATTERNS)),
        any::<bool>(),
        any::<bool>(),
    );
    let nodes = (
        one_of(&PATH_PATTERNS),
        prop::option::of(one_of(&PATH_PATTERNS)),
        any::<bool>(),
    );
    let edits = (
        patterns(&VARIABLE_PATTERNS),
        prop::collection::vec(mounts, 0..3),
        prop::collection::vec(nodes, 0..3),
        patterns(&["*", "eth*", "lo"]),
        prop::option::of(1..5_u32),
    );
    let who = (prop::option::of(one_of(&["gpu", "mig"])), any::<bool>());
    (who, steps, edits).prop_map(|((kind, shared), steps, edits)| {
        let (slices, modes, profiles, destroy, channels, sysfs, bounds) = steps;
        let (names, mounts, nodes, interfaces, group) = edits;
        let mut grant = json!({
            "sharedDevices": shared, "setTimeSlice": slices, "setMigMode": modes,
            "createGpuInstance": profiles, "destroyGpuInstance": destroy, "environment": names,
            "networkInterfaces": interfaces,
            "mounts": mounts.iter().map(|(host, container, writable, executable)| json!({
                "hostPath": host, "containerPath": container, "writable": writable,
                "executable": executable})).collect::<Vec<_>>(),
            "deviceNodes": nodes.iter().map(|(host, container, make)| json!({
                "hostPath": host, "containerPath": container,
                "access": if *make { json!(["read", "make"]) } else { json!(["read"]) }})).collect::<Vec<_>>(),
        });
        if let Some(kind) = kind {
            grant["devices"] = json!({"attributes": {"type": kind}});
        }
        if let Some((a, b)) = channels {
            grant["openImexChannel"] = json!([format!("{}-{}", a.min(b), a.max(b))]);
        }
        if let Some(attribute) = sysfs {
            grant["writeSysfs"] = json!([{"attribute": attribute, "values": ["on"], "min": 0, "max": 9}]);
        }
        if let Some((min, max)) = bounds {
            grant["setProperty"] = json!([{"name": "limit", "min": min, "max": max}]);
        }
        if let Some(group) = group {
            grant["additionalGroups"] = json!([group]);
        }
        grant
    })
}

/// A whole GPU, a share of one, and a partition.
fn claim() -> ClaimOnNode {
    let share = DeviceOfClaim {
        share_id: Some("s".to_owned()),
        ..whole("gpu-1", "gpu")
    };
    let part = DeviceOfClaim {
        whole_unit: false,
        memory_slices: Some(Placement { start: 2, size: 3 }),
        ..whole("mig-0", "mig")
    };
    holding(vec![whole("gpu-0", "gpu"), share, part])
}

fn like(pattern: &Value, value: &str, star: bool) -> bool {
    let pattern = pattern.as_str().unwrap();
    let literal = !pattern.contains('*');
    let expression = format!("^{}$", regex::escape(pattern).replace(r"\*", "[^/]*"));
    Regex::new(&expression).unwrap().is_match(value) && (star || literal)
}

fn any_like(patterns: &Value, value: &str, star: bool) -> bool {
    patterns
        .as_array()
        .unwrap()
        .iter()
        .any(|pattern| like(pattern, value, star))
}

fn list(grant: &Value, field: &str) -> Vec<Value> {
    grant[field].as_array().cloned().unwrap_or_default()
}

/// Whether a grant is about these devices of [`claim`].
fn about(grant: &Value, devices: &[u32]) -> bool {
    let kind = &grant["devices"]["attributes"]["type"];
    devices
        .iter()
        .all(|device| kind.is_null() || kind == if *device < 2 { "gpu" } else { "mig" })
}

fn step_is_granted(action: &Action, grants: &[Value]) -> bool {
    let within = |p: &Placement| p.size >= 1 && (2..5).contains(&p.start) && p.start + p.size <= 5;
    let (device, harmless_to_parts) = match action {
        Action::SetTimeSlice(step) => (Some(step.device), false),
        Action::SetMigMode(step) => (Some(step.device), step.enabled),
        Action::CreateGpuInstance(step) => (
            Some(step.device),
            step.placement.as_ref().is_some_and(within),
        ),
        Action::DestroyGpuInstance(step) => (Some(step.device), within(&step.placement)),
        Action::WriteSysfs(step) => (Some(step.device), false),
        Action::SetProperty(step) => (Some(step.device), false),
        Action::OpenImexChannel(_) => (None, true),
        other => panic!("{other:?} is not made up here"),
    };
    let devices = match device {
        Some(device) if device > 2 => return false,
        Some(device) => vec![device],
        None => vec![0, 1, 2],
    };
    let alone = match device {
        None | Some(0) => true,
        Some(1) => false,
        Some(_) => harmless_to_parts,
    };
    grants.iter().any(|grant| {
        let admitted = match action {
            Action::SetTimeSlice(step) => {
                let word = if step.interval == TimeSlice::Long {
                    "long"
                } else {
                    "short"
                };
                list(grant, "setTimeSlice").contains(&json!(word))
            }
            Action::SetMigMode(step) => list(grant, "setMigMode").contains(&json!(step.enabled)),
            Action::CreateGpuInstance(step) => {
                any_like(&grant["createGpuInstance"], &step.profile, true)
            }
            Action::DestroyGpuInstance(_) => grant["destroyGpuInstance"] == json!(true),
            Action::OpenImexChannel(step) => list(grant, "openImexChannel").iter().any(|span| {
                let (first, last) = span.as_str().unwrap().split_once('-').unwrap();
                let numbers = first.parse::<u32>().unwrap()..=last.parse::<u32>().unwrap();
                numbers.contains(&step.channel)
            }),
            Action::WriteSysfs(step) => {
                let (_, star) = *ATTRIBUTES
                    .iter()
                    .find(|(name, _)| *name == step.attribute)
                    .unwrap();
                star.is_some_and(|star| {
                    list(grant, "writeSysfs")
                        .iter()
                        .any(|sysfs| like(&sysfs["attribute"], &step.attribute, star))
                        && step.value != "-0"
                })
            }
            Action::SetProperty(step) => list(grant, "setProperty").iter().any(|property| {
                let PropertyValue::Int(value) = step.value else {
                    return false;
                };
                property["min"].as_i64().unwrap() <= value
                    && value <= property["max"].as_i64().unwrap()
            }),
            _ => false,
        };
        admitted && about(grant, &devices) && (alone || grant["sharedDevices"] == json!(true))
    })
}

/// Whether stars may admit a path in the role, if it is a path at all.
fn role(path: &str, role: usize) -> Option<bool> {
    let (_, roles) = PATHS.iter().find(|(known, _)| *known == path).unwrap();
    roles.map(|roles| roles[role])
}

fn both_paths(grant: &Value, paths: (&str, &str), roles: (usize, usize)) -> bool {
    let (Some(host), Some(container)) = (role(paths.0, roles.0), role(paths.1, roles.1)) else {
        return false;
    };
    let there = match &grant["containerPath"] {
        Value::Null => paths.0 == paths.1 && like(&grant["hostPath"], paths.1, container),
        pattern => like(pattern, paths.1, container),
    };
    like(&grant["hostPath"], paths.0, host) && there
}

fn edits_are_granted(edits: &ContainerEdits, grants: &[Value]) -> bool {
    let devices = match edits.device {
        Some(device) if device > 2 => return false,
        Some(device) => vec![device],
        None => vec![0, 1, 2],
    };
    let grants: Vec<&Value> = grants
        .iter()
        .filter(|grant| about(grant, &devices))
        .collect();
    let names = edits.environment.iter().all(|variable| {
        let (_, star) = *VARIABLES
            .iter()
            .find(|(name, _)| *name == variable.name)
            .unwrap();
        star.is_some_and(|star| {
            grants
                .iter()
                .any(|g| any_like(&g["environment"], &variable.name, star))
        })
    });
    let nodes = edits.device_nodes.iter().all(|node| {
        let host = node.host_path.as_deref().unwrap_or(&node.path);
        let make = node.access == (Access::READ | Access::MAKE);
        grants
            .iter()
            .flat_map(|g| list(g, "deviceNodes"))
            .any(|granted| {
                let may_make = list(&granted, "access").contains(&json!("make"));
                both_paths(&granted, (host, &node.path), (0, 0)) && (may_make || !make)
            })
    });
    let mounts = edits.mounts.iter().all(|mount| {
        let paths = (mount.host_path.as_str(), mount.container_path.as_str());
        grants
            .iter()
            .flat_map(|g| list(g, "mounts"))
            .any(|granted| {
                both_paths(&granted, paths, (1, 2))
                    && (granted["writable"] == json!(true) || !mount.writable)
                    && (granted["executable"] == json!(true) || !mount.executable)
            })
    });
    let interfaces = edits.network_interfaces.iter().all(|interface| {
        let name = &interface.host_name;
        name != "a/b"
            && grants
                .iter()
                .any(|g| any_like(&g["networkInterfaces"], name, name != "lo"))
    });
    let groups = edits.additional_groups.iter().all(|group| {
        *group != 0
            && grants
                .iter()
                .any(|g| list(g, "additionalGroups").contains(&json!(group)))
    });
    names && nodes && mounts && interfaces && groups
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_outside_the_grants_passes_and_everything_inside_does(
        plan in plan(),
        written in prop::collection::vec(grant(), 0..4),
    ) {
        let granted = plan.actions.iter().all(|action| step_is_granted(action, &written))
            && plan.edits.iter().all(|edits| edits_are_granted(edits, &written));
        let steps = plan.actions.len();
        let checked = check(plan, &claim(), &grants(json!(written)));
        prop_assert_eq!(checked.is_ok(), granted, "{:?}", checked);
        if let Ok(approved) = checked {
            prop_assert_eq!(approved.steps().len(), steps);
        }
    }

    #[test]
    fn the_grants_that_are_said_to_be_missing_are_all_that_is_missing(
        plan in plan(),
        written in prop::collection::vec(grant(), 0..3),
    ) {
        let claim = claim();
        let before = grants(json!(written));
        let told = offences(&plan, &claim, &before);
        let missing = super::super::Refused { offences: told.clone() }.missing();
        let mut written: Vec<_> = before.into();
        written.extend(missing);
        // As the administrator would: through the text of the file.
        let text = serde_json::to_string(&written).unwrap();
        let after: Grants = serde_json::from_str(&text).unwrap();
        let left = offences(&plan, &claim, &after);
        let hopeless: Vec<_> = told.into_iter().filter(|offence| offence.missing.is_none()).collect();
        prop_assert_eq!(left, hopeless);
    }
}
