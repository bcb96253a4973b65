//! Settings: they change something that can be read back, and come back as they were.

use super::*;

#[test]
fn a_time_slice_is_set_on_the_gpu_of_the_step_and_reset() {
    let node = node(H100);
    let start = node.files();
    let steps = [set_time_slice(node.unit(3), TimeSlice::Short)];
    let done = node.run("claim-a", &steps).unwrap();
    assert_eq!(node.read("gpu-3/time-slice"), "short");
    assert_eq!(node.read("gpu-2/time-slice"), "driver-default");
    node.undo("claim-a", &done).unwrap();
    assert_eq!(node.files(), start);
}

#[test]
fn claims_that_share_a_gpu_end_in_any_order() {
    let node = node(H100);
    let start = node.files();
    let set = |claim, interval| {
        let steps = [set_time_slice(node.unit(0), interval)];
        node.run(claim, &steps).unwrap()
    };
    let first = set("claim-a", TimeSlice::Short);
    let second = set("claim-b", TimeSlice::Long);
    node.undo("claim-a", &first).unwrap();
    assert_eq!(node.read("gpu-0/time-slice"), "long");
    node.undo("claim-b", &second).unwrap();
    assert_eq!(node.files(), start);
}

#[test]
fn properties_keep_their_kind_and_unknown_ones_are_refused() {
    let node = node(H100);
    let set = |name: &str, value| Step::SetProperty {
        unit: node.unit(0),
        name: name.to_owned(),
        value,
    };
    let limit = set("power-limit-milliwatts", PropertyValue::Int(350_000));
    let done = node.run("claim-a", &[limit]).unwrap();
    assert_eq!(
        node.read("gpu-0/properties/power-limit-milliwatts"),
        "350000"
    );
    node.undo("claim-a", &done).unwrap();
    assert_eq!(
        node.read("gpu-0/properties/power-limit-milliwatts"),
        "700000"
    );

    let wrong = set("power-limit-milliwatts", PropertyValue::Bool(true));
    let error = node.run("claim-a", &[wrong]).unwrap_err().to_string();
    assert!(error.contains("it is a whole number"), "{error}");
    let unknown = set("fan", PropertyValue::Int(1));
    let error = node.run("claim-a", &[unknown]).unwrap_err();
    assert!(matches!(error, DeviceError::Unsupported { .. }), "{error}");
}

#[test]
fn a_gpu_in_use_keeps_its_kernel_driver() {
    let node = node(H100);
    let bind = Step::BindPciDriver {
        unit: node.unit(0),
        driver: Some("vfio-pci".to_owned()),
    };
    node.write("gpu-0/processes", "4711 train.py");
    let error = node
        .run("claim-a", std::slice::from_ref(&bind))
        .unwrap_err();
    assert!(
        error.to_string().contains("in use by 4711 train.py"),
        "{error}"
    );
    assert_eq!(node.read("gpu-0/pci-driver"), "nvidia");
    node.write("gpu-0/processes", "");
    node.run("claim-a", &[bind]).unwrap();
    assert_eq!(node.read("gpu-0/pci-driver"), "vfio-pci");
}

#[test]
fn an_attribute_of_sysfs_is_written_where_the_hardware_has_it_and_nowhere_else() {
    let with = A100.replace("  migMode: true\n", "  sysfs: {power/control: auto}\n");
    let node = node(&with);
    let write = |attribute: &str| Step::WriteSysfs {
        unit: node.unit(0),
        attribute: attribute.to_owned(),
        value: "on\n".to_owned(),
    };
    node.run("claim-a", &[write("power/control")]).unwrap();
    assert_eq!(node.read("gpu-0/sysfs/power/control"), "on");
    for elsewhere in [
        "power/state",
        "../time-slice",
        "/etc/passwd",
        "power/../../uuid",
    ] {
        let error = node.run("claim-a", &[write(elsewhere)]).unwrap_err();
        assert!(matches!(error, DeviceError::Unsupported { .. }), "{error}");
    }
}

#[test]
fn channels_daemons_and_fabric_partitions_belong_to_one_claim() {
    let node = node(H100);
    let start = node.files();
    let channel = Step::OpenImexChannel { channel: 7 };
    let quad = |gpus: std::ops::Range<usize>, partition| Step::ActivateFabricPartition {
        partition,
        units: gpus.map(|at| node.unit(at)).collect(),
    };
    let daemon = Step::StartDaemon {
        daemon: "mps".to_owned(),
        units: vec![node.unit(0)],
        options: vec![("threads".to_owned(), "50".to_owned())],
    };
    let steps = [channel.clone(), quad(0..4, 2), daemon];
    let prepared = node.prepare("claim-a", &steps).unwrap();
    let made = node.apply("claim-a", &prepared).unwrap();
    assert_eq!(
        made[2].mounts[0].container_path,
        "/var/run/supercargo/daemons/mps"
    );
    assert_eq!(node.read("daemons/claim-a.mps/options"), "threads=50");
    for refused in [channel, quad(0..4, 2), quad(0..8, 1), quad(0..3, 3)] {
        assert!(node.run("claim-b", &[refused]).is_err());
    }
    node.run("claim-b", &[quad(4..8, 3)]).unwrap();
    let stop = Step::StopDaemon {
        daemon: "mps".to_owned(),
    };
    let stopped = node.run("claim-a", &[stop]).unwrap();
    assert!(!node.path("daemons/claim-a.mps").exists());
    node.undo("claim-a", &stopped).unwrap();
    assert_eq!(node.read("daemons/claim-a.mps/units"), node.unit(0).0);
    node.undo("claim-a", &prepared).unwrap();
    node.source
        .undo("claim-b", prepared[1].undo.as_ref().unwrap())
        .unwrap();
    let mut end = node.files();
    end.remove(&node.path("fabric-partitions/3"));
    assert_eq!(end, start);
}

#[test]
fn the_hardware_is_as_it_was_left_when_the_process_comes_back() {
    let node = node(H100);
    let steps = [Step::SetComputeMode {
        unit: node.unit(1),
        mode: ComputeMode::ExclusiveProcess,
    }];
    let done = node.run("claim-a", &steps).unwrap();
    let topology = Topology::parse("node.yaml", H100).unwrap();
    let back = Simulated::open(topology, node.folder.path()).unwrap();
    assert_eq!(node.read("gpu-1/compute-mode"), "exclusive-process");
    back.undo("claim-a", done[0].undo.as_ref().unwrap())
        .unwrap();
    assert_eq!(node.read("gpu-1/compute-mode"), "shared");
}

#[test]
fn a_folder_of_other_hardware_is_refused() {
    let node = node(H100);
    let topology = Topology::parse("node.yaml", A100).unwrap();
    let error = Simulated::open(topology, node.folder.path()).unwrap_err();
    assert!(error.to_string().contains("a folder of its own"), "{error}");
}
