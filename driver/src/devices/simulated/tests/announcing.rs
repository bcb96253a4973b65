//! What is announced, as golden files and by the rules of the API.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use k8s_openapi::api::resource::v1::{Device, DeviceAttribute};

use super::*;
use crate::node::slices::{self, Owner};

fn announced(topology: &str) -> Announced {
    let node = node(topology);
    let units = node.source.discover().unwrap();
    let announced = node.source.announce(&units).unwrap();
    let owner = Owner {
        driver: nvidia::DRIVER.to_owned(),
        node: "node-1".to_owned(),
    };
    slices::check(&owner, &announced).unwrap();
    announced
}

/// A device, a line for each thing it says.
fn told(device: &Device) -> String {
    let mut told = format!("{}\n", device.name);
    for (name, value) in device.attributes.iter().flatten() {
        writeln!(told, "  {name} = {}", value_of(value)).unwrap();
    }
    for (name, capacity) in device.capacity.iter().flatten() {
        writeln!(told, "  {name}: {}", capacity.value.0).unwrap();
    }
    for consumed in device.consumes_counters.iter().flatten() {
        for (name, counter) in &consumed.counters {
            writeln!(
                told,
                "  {} {name} -{}",
                consumed.counter_set, counter.value.0
            )
            .unwrap();
        }
    }
    told
}

fn value_of(value: &DeviceAttribute) -> String {
    let text = value.string.as_ref().map(|text| format!("{text:?}"));
    let version = value.version.as_ref().map(|version| format!("v{version}"));
    let number = value.int.map(|number| number.to_string());
    text.or(version).or(number).unwrap()
}

#[test]
fn a_whole_gpu_says_what_nvidias_driver_says_and_where_nvlink_leads() {
    let announced = announced(H100);
    assert_eq!(announced.devices.len(), 8);
    assert!(announced.counter_sets.is_empty());
    insta::assert_snapshot!(told(&announced.devices[5].device));
}

#[test]
fn gpus_of_one_nvlink_group_say_the_same_group() {
    let groups: Vec<i64> = announced(H100)
        .devices
        .iter()
        .map(|one| {
            one.device.attributes.as_ref().unwrap()["supercargo.dev/nvlinkGroup"]
                .int
                .unwrap()
        })
        .collect();
    assert_eq!(groups, [0, 0, 0, 0, 1, 1, 1, 1]);
}

#[test]
fn a_gpu_in_mig_mode_is_announced_in_parts_that_counters_keep_apart() {
    let announced = announced(A100);
    let names: Vec<&str> = announced
        .devices
        .iter()
        .map(|one| one.device.name.as_str())
        .collect();
    insta::assert_snapshot!(names.join("\n"));
    let half = announced
        .devices
        .iter()
        .find(|one| one.device.name == "gpu-0-mig-3g20gb-9-4");
    insta::assert_snapshot!(told(&half.unwrap().device));
    let set = &announced.counter_sets[1];
    let counters: Vec<String> = set
        .counters
        .iter()
        .map(|(name, counter)| format!("{name} {}", counter.value.0))
        .collect();
    insta::assert_snapshot!(format!("{}\n{}", set.name, counters.join("\n")));
}

#[test]
fn a_gpu_that_changes_mode_at_once_is_announced_whole_and_in_parts() {
    let both = H100.replace("imexChannels", "partitioning: dynamic\nimexChannels");
    let announced = announced(&both);
    assert_eq!(announced.devices.len(), 8 * (1 + 25));
    let whole = &announced.devices[0].device;
    let all = &whole.consumes_counters.as_ref().unwrap()[0];
    assert_eq!(all.counters, announced.counter_sets[0].counters);
    assert_eq!(
        whole.capacity.as_ref().unwrap()["memory"].value.0,
        "81559Mi"
    );
}

#[test]
fn a_gpu_that_needs_a_reset_is_announced_as_it_stands() {
    let off = A100.replace("migMode: true", "migMode: false");
    let names: BTreeSet<String> = announced(&off)
        .devices
        .into_iter()
        .map(|one| one.device.name)
        .collect();
    assert_eq!(names, ["gpu-0".to_owned(), "gpu-1".to_owned()].into());
    let hidden = A100.replace("partitioning: dynamic\n", "");
    assert_eq!(announced(&hidden).devices, []);
}

#[test]
fn what_is_announced_does_not_follow_what_claims_change_for_a_while() {
    let node = node(&H100.replace("imexChannels", "partitioning: dynamic\nimexChannels"));
    let before = node.source.discover().unwrap();
    node.run("claim-a", &[mig_mode(node.unit(0), true)])
        .unwrap();
    assert_eq!(node.read("gpu-0/mig-mode"), "enabled");
    assert_eq!(node.source.discover().unwrap(), before);
}

#[test]
fn a_container_sees_the_very_device_and_cannot_write() {
    let node = node(H100);
    let announced = announced(H100);
    let device = &announced.devices[2];
    let seen = node.source.expose(&node.unit(2), &device.device).unwrap();
    let uuid = node.read("gpu-2/uuid");
    assert_eq!(seen.environment["SUPERCARGO_DEVICE_GPU_2"], uuid);
    assert_eq!(seen.environment["NVIDIA_VISIBLE_DEVICES"], "void");
    assert_eq!(seen.mounts.len(), 1);
    let mount = &seen.mounts[0];
    assert_eq!(mount.container_path, "/var/run/supercargo/devices/gpu-2");
    assert!(!mount.writable);
    assert_eq!(
        fs::read_to_string(Path::new(&mount.host_path).join("uuid"))
            .unwrap()
            .trim(),
        uuid
    );
}

#[test]
fn device_nodes_are_shown_as_far_as_the_host_has_them() {
    let with = A100.replace(
        "  migMode: true\n",
        "  deviceNodes: [/dev/null, /dev/supercargo-none]\n",
    );
    let node = node(&with);
    let announced = node
        .source
        .announce(&node.source.discover().unwrap())
        .unwrap();
    let seen = node
        .source
        .expose(&node.unit(0), &announced.devices[0].device)
        .unwrap();
    let paths: Vec<&str> = seen
        .device_nodes
        .iter()
        .map(|node| node.path.as_str())
        .collect();
    assert_eq!(paths, ["/dev/null"]);
}
