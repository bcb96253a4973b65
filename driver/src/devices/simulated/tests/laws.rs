//! What holds for any plans: undoing what ran, after any number of steps, leaves nothing behind.

use proptest::prelude::*;

use super::*;

const GPUS: usize = 2;

fn topology() -> String {
    A100.replace(
        "  migMode: true\n",
        "  migMode: true\n  sysfs: {power/control: auto}\n",
    ) + "imexChannels: 4\nfabric: {partitions: [{id: 1, gpus: [0, 1]}, {id: 2, gpus: [0]}]}\n"
}

fn unit(at: usize) -> UnitId {
    let addresses = ["0000:07:00.0", "0000:0f:00.0"];
    UnitId(addresses[at % GPUS].to_owned())
}

fn step() -> impl Strategy<Value = Step> {
    let profiles = [
        "1g.5gb",
        "1g.5gb+me",
        "1g.10gb",
        "2g.10gb",
        "3g.20gb",
        "4g.20gb",
        "7g.40gb",
    ];
    let place = prop_oneof![Just(None), (0..8_u32, 1..5_u32).prop_map(Some)];
    prop_oneof![
        (0..GPUS, prop_oneof![Just(TimeSlice::Short), Just(TimeSlice::Long)])
            .prop_map(|(at, interval)| set_time_slice(unit(at), interval)),
        (0..GPUS).prop_map(|at| Step::SetComputeMode {
            unit: unit(at),
            mode: ComputeMode::Prohibited,
        }),
        (0..GPUS, any::<bool>()).prop_map(|(at, enabled)| mig_mode(unit(at), enabled)),
        4 => (0..GPUS, 0..profiles.len(), place)
            .prop_map(move |(at, profile, place)| instance(unit(at), profiles[profile], place)),
        2 => (0..4_usize, 0..profiles.len(), any::<bool>()).prop_map(move |(of, profile, part)| {
            let part = if part { "1c." } else { "" };
            compute(of, &format!("{part}{}", profiles[profile]))
        }),
        (0..GPUS, 0..8_u32, 1..5_u32).prop_map(|(at, start, size)| Step::DestroyGpuInstance {
            unit: unit(at),
            placement: Placement { start, size },
        }),
        (0..GPUS).prop_map(|at| Step::BindPciDriver { unit: unit(at), driver: None }),
        (0..GPUS, any::<bool>()).prop_map(|(at, on)| Step::WriteSysfs {
            unit: unit(at),
            attribute: "power/control".to_owned(),
            value: if on { "on" } else { "off" }.to_owned(),
        }),
        (0..GPUS, 1..9_i64).prop_map(|(at, watts)| Step::SetProperty {
            unit: unit(at),
            name: "power-limit-milliwatts".to_owned(),
            value: PropertyValue::Int(watts),
        }),
        (0..5_u32).prop_map(|channel| Step::OpenImexChannel { channel }),
        (1..3_u32).prop_map(|partition| Step::ActivateFabricPartition {
            partition,
            units: (0..3 - partition as usize).map(unit).collect(),
        }),
        (any::<bool>(), 0..3_u32).prop_map(|(first, threads)| Step::StartDaemon {
            daemon: if first { "mps" } else { "dcgm" }.to_owned(),
            units: vec![unit(0)],
            options: vec![("threads".to_owned(), threads.to_string())],
        }),
        any::<bool>().prop_map(|first| Step::StopDaemon {
            daemon: if first { "mps" } else { "dcgm" }.to_owned(),
        }),
    ]
}

/// Those of the steps that the hardware accepts one after the other.
fn accepted(node: &Node, claim: &str, steps: &[Step]) -> Vec<PreparedStep> {
    let mut prepared: Vec<PreparedStep> = Vec::new();
    for step in steps {
        // Positions of instances move with what is left out.
        let mut step = step.clone();
        if let Step::CreateComputeInstance { gpu_instance, .. } = &mut step {
            let makes = |one: &PreparedStep| matches!(one.step, Step::CreateGpuInstance { .. });
            let made: Vec<usize> = (0..prepared.len())
                .filter(|at| makes(&prepared[*at]))
                .collect();
            let Some(at) = made.get(*gpu_instance % made.len().max(1)) else {
                continue;
            };
            *gpu_instance = *at;
        }
        if let Ok(step) = node.source.prepare_step(claim, &step, &prepared) {
            prepared.push(step);
        }
    }
    prepared
}

/// Runs steps until one is refused, and says how many ran.
fn run_some(node: &Node, claim: &str, prepared: &[PreparedStep], most: usize) -> usize {
    let ran = prepared.iter().enumerate().take(most);
    ran.take_while(|(at, step)| {
        let earlier = &prepared[..*at];
        let first = node.source.apply(claim, &step.step, earlier).ok();
        let again = node.source.apply(claim, &step.step, earlier).ok();
        assert_eq!(first, again, "{:?} twice", step.step);
        first.is_some()
    })
    .count()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn whatever_ran_of_a_plan_its_undos_leave_nothing_behind(
        steps in prop::collection::vec(step(), 1..10),
        cut in 0..10_usize,
        undone_before in 0..10_usize,
    ) {
        let node = node(&topology());
        let start = node.files();
        let prepared = accepted(&node, "claim-a", &steps);
        prop_assert_eq!(&node.files(), &start, "settling changes nothing");
        run_some(&node, "claim-a", &prepared, cut);
        // The process dies while it takes back, and begins anew.
        let undos: Vec<_> = prepared.iter().rev().filter_map(|one| one.undo.as_ref()).collect();
        for undo in undos.iter().take(undone_before) {
            node.source.undo("claim-a", undo).unwrap();
        }
        node.undo("claim-a", &prepared).unwrap();
        prop_assert_eq!(node.files(), start);
    }

    #[test]
    fn two_claims_that_end_in_any_order_leave_nothing_behind(
        one in prop::collection::vec(step(), 1..8),
        other in prop::collection::vec(step(), 1..8),
        cut in 0..8_usize,
    ) {
        // Taking an instance away from another claim is between these two, so it is left out.
        let kept = |steps: Vec<Step>| -> Vec<Step> {
            let destroys = |step: &Step| matches!(step, Step::DestroyGpuInstance { .. });
            steps.into_iter().filter(|step| !destroys(step)).collect()
        };
        let node = node(&topology());
        let start = node.files();
        let first = accepted(&node, "claim-a", &kept(one));
        run_some(&node, "claim-a", &first, usize::MAX);
        let second = accepted(&node, "claim-b", &kept(other));
        run_some(&node, "claim-b", &second, cut);
        node.undo("claim-a", &first).unwrap();
        node.undo("claim-b", &second).unwrap();
        prop_assert_eq!(node.files(), start);
    }

    #[test]
    fn instances_never_overlap_and_never_use_more_than_there_is(
        steps in prop::collection::vec(step(), 1..24),
    ) {
        let node = node(&topology());
        for (number, step) in steps.iter().enumerate() {
            let claim = format!("claim-{number}");
            let prepared = accepted(&node, &claim, std::slice::from_ref(step));
            run_some(&node, &claim, &prepared, 1);
        }
        for at in 0..GPUS {
            let there = partitions::instances(&node.source.state, at).unwrap();
            let mut slices = Vec::new();
            for one in &there {
                slices.extend(one.placement.start..one.placement.start + one.placement.size);
            }
            let distinct: std::collections::BTreeSet<_> = slices.iter().collect();
            prop_assert_eq!(distinct.len(), slices.len());
            let media = there.iter().filter(|one| one.profile.ends_with("+me")).count();
            prop_assert!(media <= 1);
        }
    }
}
