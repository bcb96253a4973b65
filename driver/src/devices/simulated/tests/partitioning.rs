//! GPU instances: what a GPU refuses, and how partitions of several claims stand side by side.

use super::*;

fn refusal(result: Result<Vec<PreparedStep>, DeviceError>) -> String {
    let error = result.unwrap_err();
    assert!(matches!(error, DeviceError::Refused { .. }), "{error}");
    error.to_string()
}

#[test]
fn a_partition_is_there_while_its_claim_lasts() {
    let node = node(A100);
    let start = node.files();
    let steps = [
        mig_mode(node.unit(0), true),
        instance(node.unit(0), "3g.20gb", Some((4, 4))),
        compute(1, "1c.3g.20gb"),
        compute(1, "2c.3g.20gb"),
    ];
    let prepared = node.prepare("claim-a", &steps).unwrap();
    assert_eq!(node.files(), start, "settling changes nothing");
    let made = node.apply("claim-a", &prepared).unwrap();
    assert_eq!(node.read("gpu-0/mig/4-4/profile"), "3g.20gb");
    assert_eq!(node.read("gpu-0/mig/4-4/compute-instances/0"), "1c.3g.20gb");
    assert_eq!(node.read("gpu-0/mig/4-4/compute-instances/1"), "2c.3g.20gb");
    assert_eq!(
        made[1].mounts[0].container_path,
        "/var/run/supercargo/gpu-instances/gpu-0-4-4"
    );
    let there = node.files();
    assert_eq!(node.apply("claim-a", &prepared).unwrap(), made);
    assert_eq!(node.files(), there, "running again changes nothing");
    node.undo("claim-a", &prepared).unwrap();
    node.undo("claim-a", &prepared).unwrap();
    assert_eq!(node.files(), start);
}

#[test]
fn an_instance_sits_where_its_profile_may_and_nobody_else_does() {
    let node = node(A100);
    let ask = |profile: &str, at| node.run("claim-b", &[instance(node.unit(0), profile, at)]);
    node.run(
        "claim-a",
        &[instance(node.unit(0), "2g.10gb", Some((2, 2)))],
    )
    .unwrap();
    let elsewhere = refusal(ask("3g.20gb", Some((2, 4))));
    assert!(elsewhere.contains("it can at 0-4, 4-4"), "{elsewhere}");
    let taken = refusal(ask("4g.20gb", Some((0, 4))));
    assert!(taken.contains("taken by 2g.10gb at 2-2"), "{taken}");
    let full = refusal(ask("7g.40gb", None));
    assert!(full.contains("no place is free"), "{full}");
    let unknown = ask("5g.30gb", None).unwrap_err().to_string();
    assert!(unknown.contains("it has 1g.5gb, 1g.5gb+me"), "{unknown}");
    let found = ask("3g.20gb", None).unwrap();
    let placed = instance(node.unit(0), "3g.20gb", Some((4, 4)));
    assert_eq!(found[0].step, placed, "the first place that is free");
}

#[test]
fn engines_run_out_before_memory_does() {
    let node = node(A100);
    let media = |claim, start| {
        let step = instance(node.unit(0), "1g.5gb+me", Some((start, 1)));
        node.run(claim, &[step])
    };
    media("claim-a", 0).unwrap();
    let second = refusal(media("claim-b", 1));
    assert!(
        second.contains("needs 1 jpeg-engines, and 0 of 1 are left"),
        "{second}"
    );
}

#[test]
fn one_plan_sees_the_instances_that_it_makes() {
    let node = node(A100);
    let steps = [
        instance(node.unit(0), "3g.20gb", None),
        instance(node.unit(0), "3g.20gb", None),
    ];
    let prepared = node.prepare("claim-a", &steps).unwrap();
    let places: Vec<Step> = prepared.iter().map(|one| one.step.clone()).collect();
    let at = |start| instance(node.unit(0), "3g.20gb", Some((start, 4)));
    assert_eq!(places, [at(0), at(4)]);
    let third = [
        steps[0].clone(),
        steps[1].clone(),
        instance(node.unit(0), "1g.5gb", None),
    ];
    refusal(node.prepare("claim-a", &third));
}

#[test]
fn compute_instances_share_the_slices_of_theirs() {
    let node = node(A100);
    let with = |inner: &[&str]| {
        let mut steps = vec![instance(node.unit(0), "3g.20gb", None)];
        steps.extend(inner.iter().map(|profile| compute(0, profile)));
        node.prepare("claim-a", &steps)
    };
    with(&["1c.3g.20gb", "1c.3g.20gb", "1c.3g.20gb"]).unwrap();
    let full = refusal(with(&["2c.3g.20gb", "2c.3g.20gb"]));
    assert!(
        full.contains("needs 2 compute slices, and 1 of 3 are left"),
        "{full}"
    );
    refusal(with(&["3g.20gb", "1c.3g.20gb"]));
    for wrong in ["3c.3g.20gb", "0c.3g.20gb", "1c.4g.20gb", "c.3g.20gb"] {
        let error = with(&[wrong]).unwrap_err();
        assert!(matches!(error, DeviceError::Unsupported { .. }), "{error}");
    }
    let nowhere = node
        .prepare("claim-a", &[compute(0, "3g.20gb")])
        .unwrap_err();
    assert!(
        nowhere.to_string().contains("makes no GPU instance"),
        "{nowhere}"
    );
}

#[test]
fn an_instance_in_use_is_not_removed_and_its_gpu_keeps_its_mode() {
    let node = node(A100);
    let start = node.files();
    let made = node
        .run(
            "claim-a",
            &[instance(node.unit(0), "3g.20gb", Some((0, 4)))],
        )
        .unwrap();
    node.write("gpu-0/mig/0-4/processes", "4711 train.py");
    let busy = node.undo("claim-a", &made).unwrap_err().to_string();
    assert!(busy.contains("in use by 4711 train.py"), "{busy}");
    let off = refusal(node.run("claim-b", &[mig_mode(node.unit(0), false)]));
    assert!(off.contains("there is a GPU instance at 0-4"), "{off}");
    node.write("gpu-0/mig/0-4/processes", "");
    node.undo("claim-a", &made).unwrap();
    assert_eq!(node.files(), start);
}

#[test]
fn a_gpu_without_mig_mode_makes_no_instance() {
    let node = node(H100);
    let off = refusal(node.run("claim-a", &[instance(node.unit(0), "1g.10gb", None)]));
    assert!(off.contains("mig-mode is off"), "{off}");
}

#[test]
fn mig_mode_goes_off_when_the_last_partition_is_gone_whoever_turned_it_on() {
    let node = node(H100);
    let start = node.files();
    let make = |claim, start| {
        let steps = [
            mig_mode(node.unit(0), true),
            instance(node.unit(0), "3g.40gb", Some((start, 4))),
        ];
        node.run(claim, &steps).unwrap()
    };
    let only_instance = |claim, start| {
        node.run(
            claim,
            &[instance(node.unit(0), "3g.40gb", Some((start, 4)))],
        )
        .unwrap()
    };
    let (first, second) = (make("claim-a", 0), only_instance("claim-b", 4));
    node.undo("claim-a", &first).unwrap();
    assert_eq!(
        node.read("gpu-0/mig-mode"),
        "enabled",
        "claim-b stands on it"
    );
    node.undo("claim-b", &second).unwrap();
    assert_eq!(node.files(), start);
}

#[test]
fn an_instance_that_was_removed_comes_back_as_it_was() {
    let node = node(A100);
    node.run(
        "claim-a",
        &[
            instance(node.unit(0), "2g.10gb", Some((2, 2))),
            compute(0, "2g.10gb"),
        ],
    )
    .unwrap();
    let there = node.files();
    let destroy = |start, size| Step::DestroyGpuInstance {
        unit: node.unit(0),
        placement: Placement { start, size },
    };
    let steps = [destroy(2, 2), instance(node.unit(0), "4g.20gb", None)];
    let done = node.run("claim-b", &steps).unwrap();
    assert_eq!(node.read("gpu-0/mig/0-4/profile"), "4g.20gb");
    assert!(!node.path("gpu-0/mig/2-2").exists());
    node.undo("claim-b", &done).unwrap();
    assert_eq!(node.files(), there);
    let none = refusal(node.prepare("claim-b", &[destroy(0, 2)]));
    assert!(none.contains("there is none"), "{none}");
}

#[test]
fn what_others_made_is_never_undone() {
    let node = node(A100);
    let planned = node
        .prepare(
            "claim-a",
            &[instance(node.unit(0), "3g.20gb", Some((0, 4)))],
        )
        .unwrap();
    node.run(
        "claim-b",
        &[instance(node.unit(0), "3g.20gb", Some((0, 4)))],
    )
    .unwrap();
    let there = node.files();
    refusal(node.apply("claim-a", &planned).map(|_| Vec::new()));
    node.undo("claim-a", &planned).unwrap();
    assert_eq!(node.files(), there);
}

#[test]
fn without_a_policy_the_built_in_steps_make_the_partition_that_the_claim_got() {
    let node = node(&H100.replace("imexChannels", "partitioning: dynamic\nimexChannels"));
    let start = node.files();
    let announced = node
        .source
        .announce(&node.source.discover().unwrap())
        .unwrap();
    let named = |name: &str| {
        let mut devices = announced.devices.iter();
        devices.find(|one| one.device.name == name).unwrap().clone()
    };
    let devices = [
        named("gpu-1-mig-1g10gb-me-20-3"),
        named("gpu-0-mig-3g40gb-9-4"),
        named("gpu-2"),
    ];
    let unmade = node
        .source
        .expose(&devices[1].unit, &devices[1].device)
        .unwrap_err();
    assert!(
        unmade.to_string().contains("there is no GPU instance"),
        "{unmade}"
    );
    let steps = node.source.built_in_steps(&devices).unwrap();
    assert_eq!(steps.len(), 6, "{steps:?}");
    let done = node.run("claim-a", &steps).unwrap();
    assert_eq!(node.read("gpu-1/mig/3-1/compute-instances/0"), "1g.10gb+me");
    let seen = node
        .source
        .expose(&devices[1].unit, &devices[1].device)
        .unwrap();
    let uuid = node.read("gpu-0/mig/4-4/uuid");
    assert_eq!(
        seen.environment["SUPERCARGO_DEVICE_GPU_0_MIG_3G40GB_9_4"],
        uuid
    );
    assert!(uuid.starts_with("MIG-"), "{uuid}");
    node.undo("claim-a", &done).unwrap();
    assert_eq!(node.files(), start);
}
