//! Topologies that are wrong: each mistake is told with its line, field and cure.

use super::*;

fn mistake(from: &str, to: &str) -> String {
    assert!(H100.contains(from), "{from}");
    let wrong = H100.replacen(from, to, 1);
    Topology::parse("node.yaml", &wrong)
        .unwrap_err()
        .to_string()
}

#[test]
fn each_mistake_is_told_with_its_line_field_and_cure() {
    let mistakes = [
        ("kind: Topology", "kind: Cluster"),
        ("supercargo.dev/v1alpha1", "supercargo.dev/v2"),
        ("numaNode: 0", "numanode: 0"),
        ("numaNode: 0", "numaNode: zero"),
        ("model: H100-SXM5-80GB", "model: H900"),
        ("pciBusID: 0000:0b:00.0", "pciBusID: 0b:00.0"),
        ("pciBusID: 0000:0b:00.0", "pciBusID: 0000:1b:00.0"),
        ("uuid: GPU-", "uuid: "),
        ("580.95.05", "five"),
        ("moduleID: 1", "deviceNodes: [/etc/passwd]"),
        ("moduleID: 1", "deviceNodes: [/dev/../etc/passwd]"),
        ("moduleID: 1", "sysfs: {../power: on}"),
        ("moduleID: 1", "properties: {fan_speed: 1}"),
        (
            "{gpus: [0, 1, 2, 3], links: 18}",
            "{gpus: [0, 8], links: 18}",
        ),
        ("{gpus: [0, 1, 2, 3], links: 18}", "{gpus: [0], links: 18}"),
        (
            "{gpus: [0, 1, 2, 3], links: 18}",
            "{gpus: [0, 1], links: 99}",
        ),
        ("cliqueID: 1", "# cliqueID: 1"),
        ("{id: 2,", "{id: 1,"),
        ("imexChannels: 2048", "imexChannels: 4096"),
        (
            "imexChannels: 2048",
            "health: [{afterSteps: 1, write: unwell}]",
        ),
        (
            "imexChannels: 2048",
            "models: {X: {productName: X, brand: X, architecture: X, cudaComputeCapability: '1', memory: -1, pciDevice: '0x0001'}}",
        ),
        (
            "imexChannels: 2048",
            "models: {X: {productName: X, brand: X, architecture: X, cudaComputeCapability: '1', memory: 1Gi, pciDevice: '0x0001', migProfiles: [{name: 1g.1gb, id: 1, memory: 1Gi, computeSlices: 1, memorySlices: 9, starts: [8], multiprocessors: 1}]}}",
        ),
        ("gpus:\n", "gpus: []\nfoo:\n"),
        ("driver: {", "driver: ["),
    ];
    let told: Vec<String> = mistakes
        .iter()
        .map(|(from, to)| mistake(from, to))
        .collect();
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn a_model_of_the_topologys_own_is_as_good_as_a_built_in_one() {
    let own = H100.replace(
        "imexChannels: 2048",
        "models:\n  H100-SXM5-80GB: {productName: NVIDIA H100 96GB, brand: Nvidia, architecture: Hopper, cudaComputeCapability: '9.0', memory: 96Gi, pciDevice: '0x2337'}",
    );
    let node = node(&own);
    assert_eq!(node.read("gpu-0/product-name"), "NVIDIA H100 96GB");
    let mig = node
        .prepare("claim-a", &[mig_mode(node.unit(0), true)])
        .unwrap_err();
    assert!(matches!(mig, DeviceError::Unsupported { .. }), "{mig}");
}

#[test]
fn a_file_that_is_too_large_or_missing_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("node.yaml");
    let missing = Topology::read(&file).unwrap_err().to_string();
    assert!(missing.contains("no such file"), "{missing}");
    fs::write(&file, "#".repeat((1 << 20) + 1)).unwrap();
    let large = Topology::read(&file).unwrap_err().to_string();
    assert!(large.contains("larger than"), "{large}");
}
