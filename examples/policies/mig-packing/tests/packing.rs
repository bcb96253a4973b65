//! The policy as ordinary Rust: GPUs as NVIDIA's driver publishes them, claim after claim.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may fail so"
)]

use mig_packing::MigPacking;
use supercargo_guest::testkit::{Fixture, FixtureDevice, describe, expect, select};

/// Profile, slices, multiprocessors and places of a GPU with eight memory slices.
const PROFILES: [(&str, u32, u32, &[u32]); 5] = [
    ("1g", 1, 1, &[0, 1, 2, 3, 4, 5, 6]),
    ("2g", 2, 2, &[0, 2, 4]),
    ("3g", 4, 3, &[0, 4]),
    ("4g", 4, 4, &[0]),
    ("7g", 8, 7, &[0]),
];

struct Node {
    fixture: Fixture,
}

impl Node {
    fn with_gpus(count: u32) -> Self {
        let mut fixture = Fixture::new("gpu.nvidia.com");
        for gpu in 0..count {
            let set = format!("gpu-{gpu}-counter-set");
            for slice in 0..8 {
                fixture = fixture.counter(&set, &format!("memory-slice-{slice}"), "1");
            }
            fixture = fixture.counter(&set, "multiprocessors", "7");
            for (profile, slices, processors, starts) in PROFILES {
                for start in starts {
                    let name = format!("gpu-{gpu}-mig-{profile}-{start}");
                    let device = FixtureDevice::new(name).draws(
                        &set,
                        "multiprocessors",
                        processors.to_string(),
                    );
                    let draw = |device: FixtureDevice, slice: u32| {
                        device.draws(&set, &format!("memory-slice-{slice}"), "1")
                    };
                    fixture = fixture.device((*start..start + slices).fold(device, draw));
                }
            }
        }
        Self { fixture }
    }

    fn free(&self, profile: &str) -> Vec<String> {
        let part = format!("-mig-{profile}-");
        let question = self.fixture.clone().request("any", 1);
        select::<MigPacking>(&question)
            .map(|proposals| {
                proposals
                    .last()
                    .map(|p| p.devices["any"].clone())
                    .unwrap_or_default()
            })
            .unwrap_or_default()
            .into_iter()
            .filter(|name| name.contains(&part))
            .collect()
    }

    /// Serves a claim for partitions of one profile; the devices are in use then.
    fn claim(&mut self, profile: &str, count: u32) -> Vec<String> {
        let free = self.free(profile);
        let question =
            self.fixture
                .clone()
                .request_among("mig", count, free.iter().map(String::as_str));
        let proposals = select::<MigPacking>(&question).unwrap();
        let chosen = proposals[0].devices["mig"].clone();
        assert!(proposals[0].exact);
        for device in &chosen {
            self.occupy(device);
        }
        chosen
    }

    /// Serves a claim as first fit does: the first by name that is free.
    fn claim_first(&mut self, profile: &str) {
        let mut free = self.free(profile);
        free.sort();
        self.occupy(&free[0]);
    }

    fn occupy(&mut self, name: &str) {
        self.fixture = self.fixture.clone().mark_in_use(name);
    }
}

#[test]
fn the_first_small_partition_keeps_both_halves_for_large_ones() {
    let mut node = Node::with_gpus(1);
    // Slice 6 destroys the whole and the upper half; the lower half, where alone 4g fits, and all
    // places of 2g stay.
    assert_eq!(node.claim("1g", 1), ["gpu-0-mig-1g-6"]);
    assert_eq!(node.free("4g"), ["gpu-0-mig-4g-0"]);
    assert_eq!(node.free("2g").len(), 3);
}

#[test]
fn small_partitions_gather_on_a_gpu_that_is_broken_already() {
    let mut node = Node::with_gpus(3);
    node.occupy("gpu-1-mig-1g-0");
    for _ in 0..5 {
        let chosen = node.claim("1g", 1);
        assert!(chosen[0].starts_with("gpu-1-"), "{chosen:?}");
    }
    assert_eq!(node.free("7g").len(), 2, "two whole GPUs are still there");
}

#[test]
fn a_half_that_cannot_hold_4g_is_taken_first_for_3g() {
    let mut node = Node::with_gpus(1);
    assert_eq!(node.claim("3g", 1), ["gpu-0-mig-3g-4"]);
    assert_eq!(node.claim("4g", 1), ["gpu-0-mig-4g-0"]);
}

#[test]
fn several_partitions_of_one_claim_fit_together() {
    let mut node = Node::with_gpus(2);
    assert_eq!(node.claim("2g", 3).len(), 3);
    assert_eq!(node.free("7g").len(), 1, "all three are on one GPU");
}

#[test]
fn packing_leaves_a_whole_gpu_where_first_fit_leaves_none() {
    let mut packed = Node::with_gpus(2);
    let mut first_fit = Node::with_gpus(2);
    for profile in ["1g", "4g", "2g"] {
        packed.claim(profile, 1);
        first_fit.claim_first(profile);
    }
    assert_eq!(packed.free("7g").len(), 1);
    assert_eq!(first_fit.free("7g").len(), 0);
}

#[test]
fn a_claim_that_nothing_can_serve_is_refused() {
    let mut node = Node::with_gpus(1);
    node.claim("7g", 1);
    assert!(node.free("1g").is_empty());
}

#[test]
fn the_cost_is_named() {
    expect::<MigPacking>(include_str!("../fixtures/two-boards.yaml"));
    let fixture = Fixture::parse(include_str!("../fixtures/two-boards.yaml")).unwrap();
    let proposals = select::<MigPacking>(&fixture).unwrap();
    assert_eq!(
        proposals[0].reason,
        "no placement that is possible now is lost"
    );
}

#[test]
fn it_asks_for_counters_and_no_attributes() {
    let description = describe::<MigPacking>();
    assert!(description.interests.attributes.is_empty());
    assert_eq!(
        description.interests.context,
        supercargo_guest::Context::COUNTERS
    );
}
