//! What is refused and how it is told; what an attacker would try.

use serde_json::json;

use super::super::{Grants, Place, Step, UnitId, Why, check, offences};
use super::{grants, holding, no_edits, nothing, whole};
use crate::policy::configuration::{
    Access, Action, ComputeMode, ContainerEdits, ContainerHook, CreateComputeInstance,
    CreateGpuInstance, DestroyGpuInstance, DeviceNode, DeviceStatus, HookStage, Mount, Placement,
    Plan, SetComputeMode, SetMigMode, SetTimeSlice, StartDaemon, StopDaemon, TimeSlice, Variable,
    WriteSysfs,
};

fn steps(actions: Vec<Action>) -> Plan {
    Plan {
        actions,
        ..nothing()
    }
}

fn edit(edit: ContainerEdits) -> Plan {
    Plan {
        edits: vec![edit],
        ..nothing()
    }
}

fn slice(device: u32) -> Action {
    Action::SetTimeSlice(SetTimeSlice {
        device,
        interval: TimeSlice::Long,
    })
}

fn mount(host: &str, container: &str) -> Plan {
    edit(ContainerEdits {
        mounts: vec![Mount {
            host_path: host.to_owned(),
            container_path: container.to_owned(),
            writable: false,
            executable: false,
        }],
        ..no_edits()
    })
}

fn node(path: &str) -> Plan {
    edit(ContainerEdits {
        device_nodes: vec![DeviceNode {
            path: path.to_owned(),
            host_path: None,
            kind: None,
            access: Access::READ,
            mode: None,
            uid: None,
            gid: None,
        }],
        ..no_edits()
    })
}

fn variable(name: &str) -> Plan {
    edit(ContainerEdits {
        environment: vec![Variable {
            name: name.to_owned(),
            value: "x".to_owned(),
        }],
        ..no_edits()
    })
}

fn hook(path: &str, arguments: &[&str], variable: Option<&str>) -> Plan {
    let variables = variable.map(|name| Variable {
        name: name.to_owned(),
        value: "x".to_owned(),
    });
    edit(ContainerEdits {
        hooks: vec![ContainerHook {
            stage: HookStage::CreateContainer,
            path: path.to_owned(),
            arguments: arguments
                .iter()
                .map(|&argument| argument.to_owned())
                .collect(),
            environment: variables.into_iter().collect(),
            timeout: None,
        }],
        ..no_edits()
    })
}

#[test]
fn without_grants_only_the_plan_that_does_nothing_passes() {
    let claim = holding(vec![whole("gpu-0", "gpu")]);
    assert!(check(nothing(), &claim, &Grants::default()).is_ok());
    for plan in [
        steps(vec![slice(0)]),
        mount("/opt/x/y", "/opt/x/y"),
        node("/dev/nvidia0"),
        variable("X"),
        hook("/usr/bin/x", &[], None),
    ] {
        assert!(check(plan, &claim, &Grants::default()).is_err());
    }
}

#[test]
fn positions_become_hardware() {
    let claim = holding(vec![whole("gpu-0", "gpu"), whole("gpu-1", "gpu")]);
    let granted = grants(json!([{"setTimeSlice": ["long"]}]));
    let approved = check(steps(vec![slice(1)]), &claim, &granted).unwrap();
    let unit = UnitId("unit-of-gpu-1".to_owned());
    let interval = TimeSlice::Long;
    assert_eq!(approved.steps(), [Step::SetTimeSlice { unit, interval }]);
}

#[test]
fn a_refusal_names_every_place_field_and_missing_grant() {
    let claim = holding(vec![whole("gpu-0", "gpu")]);
    let plan = Plan {
        actions: vec![
            slice(0),
            Action::SetComputeMode(SetComputeMode {
                device: 0,
                mode: ComputeMode::ExclusiveProcess,
            }),
            Action::CreateGpuInstance(CreateGpuInstance {
                device: 0,
                profile: "3g.20gb".to_owned(),
                placement: None,
            }),
        ],
        ..mount("/opt/x/lib.so", "/usr/lib/lib.so")
    };
    let granted = grants(json!([{"setTimeSlice": ["long"], "setComputeMode": ["shared"]}]));
    let refused = check(plan, &claim, &granted).unwrap_err();
    insta::assert_snapshot!(refused.to_string(), @r#"the plan was refused and nothing of it was done: actions[1] set-compute-mode: mode "exclusiveProcess" is not granted; actions[2] create-gpu-instance: profile "3g.20gb" is not granted; edits[0].mounts[0]: host-path "/opt/x/lib.so" is not granted; missing in the policy's grants: [{"setComputeMode":["exclusiveProcess"],"createGpuInstance":["3g.20gb"],"mounts":[{"hostPath":"/opt/x/lib.so","containerPath":"/usr/lib/lib.so"}]}]"#);
}

#[test]
fn a_grant_holds_on_the_devices_it_names() {
    let claim = holding(vec![whole("gpu-0", "gpu"), whole("mig-0", "mig")]);
    let granted = grants(json!([{"devices": {"attributes": {"type": "gpu"}},
        "setTimeSlice": ["long"], "environment": ["X"]}]));
    assert!(check(steps(vec![slice(0)]), &claim, &granted).is_ok());
    let told = offences(&steps(vec![slice(1)]), &claim, &granted);
    assert_eq!(told[0].why, Why::OtherDevices("mig-0".to_owned()));
    let of = |device| {
        let mut plan = variable("X");
        plan.edits[0].device = device;
        plan
    };
    assert!(check(of(Some(0)), &claim, &granted).is_ok());
    assert!(check(of(Some(1)), &claim, &granted).is_err());
    assert!(
        check(of(None), &claim, &granted).is_err(),
        "all containers are mig-0's too"
    );
}

#[test]
fn grants_do_not_add_up() {
    let claim = holding(vec![whole("gpu-0", "gpu")]);
    let granted = grants(json!([
        {"mounts": [{"hostPath": "/opt/x/*", "containerPath": "/opt/x/*"}]},
        {"mounts": [{"hostPath": "/opt/y/*", "containerPath": "/opt/y/*"}]},
    ]));
    assert!(check(mount("/opt/x/a", "/opt/x/b"), &claim, &granted).is_ok());
    let told = offences(&mount("/opt/x/a", "/opt/y/a"), &claim, &granted);
    assert_eq!(told[0].field, "container-path");
}

#[test]
fn what_others_may_be_using_is_left_alone() {
    let mut shared = whole("gpu-0", "gpu");
    shared.share_id = Some("s".to_owned());
    let mut watched = whole("gpu-0", "gpu");
    watched.admin_access = true;
    let mut part = whole("gpu-0", "gpu");
    part.whole_unit = false;
    let granted = json!({"setTimeSlice": ["long"]});
    let also_shared = json!({"setTimeSlice": ["long"], "sharedDevices": true});
    for device in [shared, watched, part] {
        let claim = holding(vec![device]);
        let refused = check(steps(vec![slice(0)]), &claim, &grants(json!([granted]))).unwrap_err();
        assert!(matches!(refused.offences[0].why, Why::Shared { .. }));
        assert!(refused.missing()[0].shared_devices);
        assert!(check(steps(vec![slice(0)]), &claim, &grants(json!([also_shared]))).is_ok());
    }
}

#[test]
fn a_partition_is_made_where_it_stands_and_nowhere_else() {
    let mut part = whole("gpu-0-mig-3g-4", "mig");
    part.whole_unit = false;
    part.memory_slices = Some(Placement { start: 4, size: 4 });
    let claim = holding(vec![part]);
    let granted = grants(
        json!([{"setMigMode": [true, false], "createGpuInstance": ["*"],
        "createComputeInstance": ["*"], "destroyGpuInstance": true}]),
    );
    let mode = |enabled| Action::SetMigMode(SetMigMode { device: 0, enabled });
    let make = |placement: Option<(u32, u32)>| {
        Action::CreateGpuInstance(CreateGpuInstance {
            device: 0,
            profile: "3g.20gb".to_owned(),
            placement: placement.map(|(start, size)| Placement { start, size }),
        })
    };
    let instance = Action::CreateComputeInstance(CreateComputeInstance {
        gpu_instance: 1,
        profile: "3g.20gb".to_owned(),
    });
    let good = steps(vec![mode(true), make(Some((4, 4))), instance]);
    assert_eq!(check(good, &claim, &granted).unwrap().steps().len(), 3);
    let destroy = |start, size| {
        let placement = Placement { start, size };
        Action::DestroyGpuInstance(DestroyGpuInstance {
            device: 0,
            placement,
        })
    };
    assert!(check(steps(vec![destroy(6, 2)]), &claim, &granted).is_ok());
    for beyond in [
        mode(false),
        make(None),
        make(Some((0, 4))),
        make(Some((4, 5))),
        make(Some((4, 0))),
        make(Some((u32::MAX, u32::MAX))),
        destroy(0, 4),
        destroy(3, 2),
    ] {
        let told = offences(&steps(vec![beyond]), &claim, &granted);
        assert!(matches!(told[0].why, Why::Shared { .. }), "{told:?}");
    }
}

#[test]
fn positions_that_are_none_are_refused_whatever_is_granted() {
    let claim = holding(vec![whole("gpu-0", "gpu")]);
    let everything = grants(
        json!([{"setTimeSlice": ["long"], "createComputeInstance": ["*"],
        "startDaemon": [{"name": "mps", "command": ["/bin/mps"]}], "environment": ["*"]}]),
    );
    let dangling = Action::CreateComputeInstance(CreateComputeInstance {
        gpu_instance: 0,
        profile: "1c".to_owned(),
    });
    let daemon = Action::StartDaemon(StartDaemon {
        daemon: "mps".to_owned(),
        devices: vec![0, 7],
        options: Vec::new(),
    });
    for action in [slice(1), dangling, daemon] {
        let told = offences(&steps(vec![action]), &claim, &everything);
        assert!(matches!(told[0].why, Why::Never(_)), "{told:?}");
        assert_eq!(told[0].missing, None);
    }
    let mut plan = variable("X");
    plan.edits[0].device = Some(1);
    plan.edits.push(ContainerEdits {
        made_by: vec![0],
        ..no_edits()
    });
    plan.statuses.push(DeviceStatus {
        device: 9,
        json: "{}".to_owned(),
    });
    let places: Vec<_> = offences(&plan, &claim, &everything)
        .iter()
        .map(|o| o.place)
        .collect();
    let made_by = Place::Edit {
        index: 1,
        list: "made-by",
        entry: 0,
    };
    assert_eq!(places, [Place::Containers(0), made_by, Place::Status(0)]);
}

#[test]
fn a_star_admits_neither_memory_nor_disks_nor_the_node_itself() {
    let claim = holding(vec![whole("gpu-0", "gpu")]);
    let wide = grants(
        json!([{"environment": ["*"], "deviceNodes": [{"hostPath": "/dev/*"}],
        "mounts": [{"hostPath": "/*"}, {"hostPath": "/*/*"}, {"hostPath": "/*/*/*"}]}]),
    );
    for good in [
        node("/dev/nvidia0"),
        variable("CUDA_X"),
        mount("/opt/x/y", "/opt/x/y"),
    ] {
        assert!(check(good, &claim, &wide).is_ok());
    }
    for bad in [
        node("/dev/mem"),
        node("/dev/sda"),
        variable("LD_PRELOAD"),
        variable("PATH"),
        mount("/etc", "/etc"),
        mount("/etc/shadow", "/etc/shadow"),
        mount("/usr", "/usr"),
        mount("/var/lib/kubelet", "/var/lib/kubelet"),
        mount("/usr/bin/env", "/usr/bin/env"),
    ] {
        let refused = check(bad, &claim, &wide).unwrap_err();
        assert!(!refused.missing().is_empty(), "in full it can be granted");
    }
}

#[test]
fn paths_that_climb_are_granted_by_nothing() {
    let claim = holding(vec![whole("gpu-0", "gpu")]);
    let wide = grants(
        json!([{"deviceNodes": [{"hostPath": "/dev/*"}, {"hostPath": "/dev/*/*"}],
            "mounts": [{"hostPath": "/opt/*"}, {"hostPath": "/opt/*/*"}, {"hostPath": "/opt/x/*"}],
            "writeSysfs": [{"attribute": "power/*", "values": ["on"]}, {"attribute": "*", "values": ["on"]}],
        }]),
    );
    for path in [
        "/opt/..",
        "/opt/../etc",
        "/opt//x",
        "/opt/x/",
        "/",
        "",
        "opt/x",
        "/opt/x\0y",
        "/opt/.",
    ] {
        let told = offences(&mount(path, "/opt/x"), &claim, &wide);
        assert!(matches!(told[0].why, Why::Never(_)), "{path:?}: {told:?}");
        let told = offences(&mount("/opt/x", path), &claim, &wide);
        assert!(matches!(told[0].why, Why::Never(_)), "{path:?}: {told:?}");
    }
    assert!(check(node("/dev/../etc"), &claim, &wide).is_err());
    let sysfs = |attribute: &str| {
        steps(vec![Action::WriteSysfs(WriteSysfs {
            device: 0,
            attribute: attribute.to_owned(),
            value: "on".to_owned(),
        })])
    };
    assert!(check(sysfs("power/control"), &claim, &wide).is_ok());
    for attribute in [
        "../x",
        "power/../reset",
        "/power",
        "power/",
        "reset",
        "resource0",
        "driver/unbind",
    ] {
        assert!(
            check(sysfs(attribute), &claim, &wide).is_err(),
            "{attribute}"
        );
    }
}

#[test]
fn a_hook_gets_no_word_that_is_not_granted() {
    let claim = holding(vec![whole("gpu-0", "gpu")]);
    let granted = grants(
        json!([{"hooks": [{"path": "/usr/bin/ctk", "stages": ["createContainer"],
        "arguments": ["--link=/opt/*"], "environment": ["*"]}]}]),
    );
    for own_name in ["ctk", "/usr/bin/ctk", ""] {
        let good = hook("/usr/bin/ctk", &[own_name, "--link=/opt/x"], Some("X"));
        assert!(check(good, &claim, &granted).is_ok(), "{own_name}");
    }
    for (bad, field) in [
        (hook("/usr/bin/sh", &["sh"], None), "path"),
        (hook("/usr/bin/ctk", &["rmmod"], None), "arguments[0]"),
        (
            hook("/usr/bin/ctk", &["ctk", "--link=/opt/.."], None),
            "arguments",
        ),
        (
            hook("/usr/bin/ctk", &["ctk", "-c", "id"], None),
            "arguments",
        ),
        (
            hook("/usr/bin/ctk", &["ctk"], Some("LD_PRELOAD")),
            "environment",
        ),
    ] {
        assert_eq!(offences(&bad, &claim, &granted)[0].field, field);
    }
}

#[test]
fn the_command_of_a_daemon_is_the_administrators() {
    let claim = holding(vec![whole("gpu-0", "gpu")]);
    let granted = grants(
        json!([{"startDaemon": [{"name": "mps", "command": ["/usr/bin/mps", "-f"],
        "options": [{"name": "THREADS", "min": 1, "max": 100}]}]}]),
    );
    assert_eq!(granted.daemon("mps").unwrap(), ["/usr/bin/mps", "-f"]);
    let start = |name: &str, value: &str| {
        steps(vec![Action::StartDaemon(StartDaemon {
            daemon: "mps".to_owned(),
            devices: vec![0],
            options: vec![Variable {
                name: name.to_owned(),
                value: value.to_owned(),
            }],
        })])
    };
    assert!(check(start("THREADS", "50"), &claim, &granted).is_ok());
    for (name, value) in [
        ("THREADS", "101"),
        ("THREADS", "+50"),
        ("THREADS", "50 "),
        ("OTHER", "1"),
        ("LD_PRELOAD", "1"),
    ] {
        let told = offences(&start(name, value), &claim, &granted);
        assert_eq!(told[0].field, "options", "{name}={value}");
    }
    let stop = |name: &str| {
        let daemon = name.to_owned();
        steps(vec![Action::StopDaemon(StopDaemon { daemon })])
    };
    assert!(check(stop("mps"), &claim, &granted).is_ok());
    assert!(check(stop("sshd"), &claim, &granted).is_err());
}
