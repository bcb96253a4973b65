//! Random clusters: what is found in them, and how small it gets.

use supercargo_guest::testkit::Fixture;

use super::*;

#[test]
fn random_clusters_find_no_fault_in_the_examples() {
    for name in POLICIES {
        let folder = fixtures_of(name);
        let output = supercargo(&[
            "policy",
            "test",
            path(&folder),
            "--policy",
            &component(name),
            "--random",
            "150",
            "-o",
            "json",
        ]);
        assert_eq!(output.status.code(), Some(0), "{name}: {}", told(&output));
        assert_eq!(json(&output)["random"]["tried"], 150);
    }
}

#[test]
fn what_is_worse_than_first_fit_is_shrunk_to_a_fixture_that_fails() {
    // Spreading is what the policy is for; by locality that is a fault, and two devices together show it.
    let folder = fixtures_of("spread-numa");
    let flags = [
        "policy",
        "test",
        path(&folder),
        "--policy",
        &component("spread-numa"),
    ];
    let found = supercargo(
        &[
            &flags[..],
            &["--random", "200", "--worse-by", "locality", "-o", "json"],
        ]
        .concat(),
    );
    assert_eq!(found.status.code(), Some(1), "{}", told(&found));
    let fault = &json(&found)["random"]["fault"];
    assert_eq!(fault["kind"], "worse-by-locality");
    let file = fault["fixture"].as_str().unwrap();
    let fixture = std::fs::read_to_string(file).unwrap();
    assert_eq!(
        fixture.matches("- name: dev-").count(),
        3,
        "two of one NUMA node, one of another:\n{fixture}"
    );
    let again = supercargo(&flags);
    assert_eq!(again.status.code(), Some(1), "{}", told(&again));
    assert!(
        told(&again).contains("its devices are not together"),
        "{}",
        told(&again)
    );
}

/// A policy that breaks in one place: what is found, and the least that leads there.
fn brittle(fault: &str, more: &[&str]) -> (Value, Fixture) {
    let folder = TempDir::new().unwrap();
    let settings = format!("{{fault: {fault}}}");
    let seen: String = ["0", "1"]
        .map(|numa| format!("- {{name: gpu-{numa}, attributes: {{resource.kubernetes.io/numaNode: {{int: {numa}}}}}}}\n"))
        .concat();
    let text = format!(
        "driver: gpu.example.com\nsettings: {settings}\ndevices:\n{seen}requests: [{{name: gpu, count: 1}}]\n"
    );
    write(&folder, "seen.yaml", &text);
    let policy = component("brittle");
    let run = ["policy", "test", path(&folder), "--policy", &policy];
    let found = supercargo(&[&run[..], &["--random", "500", "-o", "json"], more].concat());
    assert_eq!(found.status.code(), Some(1), "{fault}: {}", told(&found));
    let fault = json(&found)["random"]["fault"].clone();
    let file = fault["fixture"].as_str().unwrap();
    let fixture = Fixture::parse(&std::fs::read_to_string(file).unwrap()).unwrap();
    // What was found is a test that fails for as long as the fault is there.
    let again = supercargo(&["policy", "test", file, "--policy", &policy]);
    assert_eq!(again.status.code(), Some(1), "{}", told(&again));
    assert!(
        !told(&again).contains("does not implement"),
        "{}",
        told(&again)
    );
    (fault, fixture)
}

/// Devices, and the count of each request.
fn size(fixture: &Fixture) -> (usize, Vec<u32>) {
    let counts = fixture.requests.iter().map(|request| request.count);
    (fixture.devices.len(), counts.collect())
}

#[test]
fn a_trap_is_found_and_shrunk_to_the_three_devices_that_spring_it() {
    let (fault, fixture) = brittle("trapsAtThree", &[]);
    assert_eq!(fault["kind"], "crashed");
    assert_eq!(size(&fixture), (3, vec![1]));
    assert!(fixture.then.is_empty() && fixture.constraints.is_empty());
    let numa: std::collections::BTreeSet<String> = fixture
        .devices
        .iter()
        .map(|device| format!("{:?}", device.attributes))
        .collect();
    assert_eq!(numa.len(), 1, "all of one NUMA node: {numa:?}");
}

#[test]
fn what_runs_over_a_limit_is_found_and_shrunk_to_what_leads_there() {
    let (fault, fixture) = brittle("loopsForTwo", &[]);
    assert_eq!(fault["kind"], "timeout");
    assert_eq!(size(&fixture), (0, vec![1, 1]), "two requests are enough");

    let (fault, fixture) = brittle("hoardsForNone", &[]);
    assert_eq!(fault["kind"], "memory_limit");
    assert_eq!(size(&fixture), (1, vec![1]));
    assert!(fixture.devices[0].attributes.is_empty());
}

#[test]
fn a_device_that_may_not_serve_is_found_and_shrunk_to_two_requests() {
    let (fault, fixture) = brittle("trespasses", &[]);
    assert_eq!(fault["kind"], "device_of_another_request");
    let (devices, requests) = size(&fixture);
    assert!(devices <= 2 && requests == [1, 1], "{fixture:?}");

    let (fault, fixture) = brittle("stints", &[]);
    assert_eq!(fault["kind"], "wrong_count");
    assert_eq!(size(&fixture), (0, vec![2]));
}

#[test]
fn a_fault_of_prepare_becomes_a_fixture_of_prepare() {
    let (fault, fixture) = brittle("trapsWhenPreparing", &[]);
    assert_eq!(fault["kind"], "crashed");
    assert_eq!(fixture.hook.as_deref(), Some("prepare"));
    assert_eq!(size(&fixture).0, 2, "{fixture:?}");
}

#[test]
fn fewer_claims_than_under_first_fit_are_found_and_shrunk_to_the_claim_that_is_left_out() {
    let (fault, fixture) = brittle("takesTheLast", &["--worse-by", "placed"]);
    assert_eq!(fault["kind"], "worse-by-placed");
    assert_eq!(
        fault["told"],
        "claims that find devices: 1, under first fit 2"
    );
    assert_eq!(size(&fixture), (2, vec![1]));
    assert_eq!(fixture.then.len(), 1);
    // Without the measure it is a matter of taste.
    let folder = TempDir::new().unwrap();
    write(
        &folder,
        "seen.yaml",
        "driver: a.example\nsettings: {fault: takesTheLast}\ndevices: [{name: a}]\nrequests: [{name: r}]\n",
    );
    let policy = component("brittle");
    let run = ["policy", "test", path(&folder), "--policy", &policy];
    let none = supercargo(&[&run[..], &["--random", "100"]].concat());
    assert_eq!(none.status.code(), Some(0), "{}", told(&none));
    assert!(told(&none).contains("100 random clusters from seed 0: no fault found"));
}
