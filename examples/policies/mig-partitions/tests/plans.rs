//! What is planned for partitions.
#![expect(clippy::unwrap_used, reason = "a test may fail so")]

use mig_partitions::MigPartitions;
use supercargo_guest::bindings::exports::supercargo::policy::{configuration as raw, types};
use supercargo_guest::configuration::{Action, Placement, Plan};
use supercargo_guest::export::prepare;

/// Type, parent, profile, first slice and slices of a device.
type Row = (&'static str, &'static str, &'static str, i64, i64);

fn claim(devices: &[Row]) -> raw::AllocatedClaim {
    let mut strings: Vec<String> = vec!["gpu.nvidia.com".to_owned(), "node".to_owned()];
    let mut rows = Vec::new();
    let mut attributes = Vec::new();
    for (number, (kind, parent, profile, start, count)) in (0..).zip(devices) {
        let mut text = |text: String| {
            strings.push(text);
            u32::try_from(strings.len() - 1).unwrap()
        };
        rows.push(raw::AllocatedDevice {
            request: 0,
            driver: 0,
            pool: 1,
            name: text(format!("mig-{number}")),
            share: None,
            admin_access: false,
        });
        for word in [kind, parent, profile] {
            attributes.push(match *word {
                "" => types::Value::Absent,
                word => types::Value::String(text(word.to_owned())),
            });
        }
        attributes.extend([types::Value::Int(*start), types::Value::Int(*count)]);
    }
    raw::AllocatedClaim {
        uid: "u".to_owned(),
        name: None,
        namespace: None,
        node: None,
        strings,
        devices: rows,
        attributes,
        capacities: Vec::new(),
        parameters: Vec::new(),
    }
}

fn planned(claim: raw::AllocatedClaim) -> Result<Plan, String> {
    prepare::<MigPartitions>("{}".to_owned(), claim).map_err(|refusal| refusal.reason)
}

#[test]
fn each_partition_is_made_in_its_place_and_handed_on() {
    let devices = [
        ("mig", "GPU-a", "3g.20gb", 4, 4),
        ("mig", "GPU-b", "1g.5gb", 0, 1),
        ("mig", "GPU-a", "1g.5gb", 2, 1),
    ];
    let plan = planned(claim(&devices)).unwrap();
    let told: Vec<String> = plan
        .actions
        .iter()
        .map(|action| match action {
            Action::SetMigMode(step) => format!("{} mig {}", step.device, step.enabled),
            Action::CreateGpuInstance(step) => {
                let Placement { start, size } = step.placement.unwrap();
                format!("{} gi {} {start}+{size}", step.device, step.profile)
            }
            Action::CreateComputeInstance(step) => {
                format!("ci {} in {}", step.profile, step.gpu_instance)
            }
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        told,
        [
            "0 mig true",
            "0 gi 3g.20gb 4+4",
            "ci 3g.20gb in 1",
            "1 mig true",
            "1 gi 1g.5gb 0+1",
            "ci 1g.5gb in 4",
            "2 gi 1g.5gb 2+1",
            "ci 1g.5gb in 6",
        ]
    );
    let edits: Vec<_> = plan
        .edits
        .iter()
        .map(|edit| (edit.device, edit.made_by.clone()))
        .collect();
    assert_eq!(
        edits,
        [
            (Some(0), vec![1, 2]),
            (Some(1), vec![4, 5]),
            (Some(2), vec![6, 7])
        ]
    );
}

#[test]
fn a_whole_gpu_needs_nothing() {
    let plan = planned(claim(&[("gpu", "", "", 0, 0)])).unwrap();
    assert!(plan.actions.is_empty() && plan.edits.is_empty());
}

#[test]
fn a_partition_that_does_not_say_where_it_is_is_refused() {
    let error = planned(claim(&[("mig", "GPU-a", "", 0, 1)])).unwrap_err();
    assert!(
        error.starts_with("mig-0 has no gpu.nvidia.com/profile"),
        "{error}"
    );
    let error = planned(claim(&[("mig", "GPU-a", "1g.5gb", -1, 1)])).unwrap_err();
    assert!(
        error.starts_with("mig-0 has no supercargo.dev/memorySliceStart"),
        "{error}"
    );
}

#[test]
fn parameters_are_not_ignored() {
    let mut claim = claim(&[("mig", "GPU-a", "1g.5gb", 0, 1)]);
    claim.parameters.push(types::Parameters {
        requests: vec![0],
        driver: "gpu.nvidia.com".to_owned(),
        source: types::ParameterSource::Claim,
        json: "{}".to_owned(),
    });
    assert!(planned(claim).unwrap_err().contains("take no parameters"));
}
