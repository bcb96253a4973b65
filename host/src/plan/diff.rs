//! A plan as a list of changes, for people: what is now, what will be, and what the grants lack.

use serde::Serialize;

use super::check::actions::{device_names, name, step, step_on, word};
use super::grants::{accesses, host_path};
use super::{ClaimOnNode, Offence, Place, Step, UnitId};
use crate::policy::configuration::{ContainerEdits, Plan, PropertyValue};

/// One line of a diff.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// Where in the plan; `None`: the host does it of its own accord, which needs no grant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// The devices it concerns, by name; none: all of the claim.
    pub devices: Vec<String>,
    /// What changes, such as `time slice` or `mount`.
    pub what: String,
    /// What is now; `None` where nothing is replaced, or nothing is known of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// What will be.
    pub after: String,
    /// Why the grants do not admit it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

/// The changes that a plan means, in its order. `offences` are those of the same plan; `before` tells
/// what a step would replace, in the words of the plan.
pub fn changes(
    plan: &Plan,
    claim: &ClaimOnNode,
    offences: &[Offence],
    before: impl Fn(&Step) -> Option<String>,
) -> Vec<Change> {
    let refused = |place: Place| {
        let offence = offences.iter().find(|offence| offence.place == place)?;
        Some(format!("{} {}", offence.field, offence.why))
    };
    let actions = plan.actions.iter().enumerate().map(|(index, action)| {
        let place = Place::Step {
            index,
            action: name(action),
        };
        // A position that is none is an offence, and what it is about is told all the same.
        let (what, after) = step_on(action, |_| Some(UnitId::default()), |_| Some(Vec::new()))
            .map(|step| told(&step, "actions"))
            .unwrap_or_default();
        Change {
            place: Some(place),
            devices: device_names(index, action, plan, claim),
            what,
            before: step(action, claim).and_then(|step| before(&step)),
            after,
            refused: refused(place),
        }
    });
    let edits = plan.edits.iter().enumerate().flat_map(|(index, edits)| {
        let position = edits.device.and_then(|at| usize::try_from(at).ok());
        let device = position.and_then(|at| claim.devices.get(at));
        let devices: Vec<String> = device
            .map(|device| device.device.clone())
            .into_iter()
            .collect();
        let unknown = refused(Place::Containers(index));
        entries(edits)
            .into_iter()
            .map(move |(list, entry, what, after)| {
                let place = Place::Edit { index, list, entry };
                Change {
                    place: Some(place),
                    devices: devices.clone(),
                    what: what.to_owned(),
                    before: None,
                    after,
                    refused: refused(place).or_else(|| unknown.clone()),
                }
            })
    });
    actions.chain(edits).collect()
}

/// The changes that steps of the host's own mean, in their order.
#[must_use]
pub fn own_changes(
    steps: &[Step],
    claim: &ClaimOnNode,
    before: impl Fn(&Step) -> Option<String>,
) -> Vec<Change> {
    let steps = steps.iter().map(|step| {
        let units = match step {
            Step::CreateComputeInstance { gpu_instance, .. } => {
                steps.get(*gpu_instance).map(Step::units)
            }
            step => Some(step.units()),
        };
        let units = units.unwrap_or_default();
        let devices = claim.devices.iter();
        let (what, after) = told(step, "steps");
        Change {
            place: None,
            devices: devices
                .filter(|device| units.contains(&device.unit))
                .map(|device| device.device.clone())
                .collect(),
            what,
            before: before(step),
            after,
            refused: None,
        }
    });
    steps.collect()
}

/// What a step changes, and to what. `plan` is what the list of steps is called to which it may refer.
fn told(step: &Step, plan: &str) -> (String, String) {
    let on = |enabled: bool| if enabled { "on" } else { "off" };
    let (what, after) = match step {
        Step::SetComputeMode { mode, .. } => ("compute mode", word(mode)),
        Step::SetTimeSlice { interval, .. } => ("time slice", word(interval)),
        Step::SetMigMode { enabled, .. } => ("MIG mode", on(*enabled).to_owned()),
        Step::CreateGpuInstance {
            profile, placement, ..
        } => (
            "GPU instance",
            match placement {
                Some(at) => format!("+ {profile} at {}-{}", at.start, at.size),
                None => format!("+ {profile}"),
            },
        ),
        Step::CreateComputeInstance {
            gpu_instance,
            profile,
        } => (
            "compute instance",
            format!("+ {profile} in {plan}[{gpu_instance}]"),
        ),
        Step::DestroyGpuInstance { placement: at, .. } => {
            ("GPU instance", format!("- at {}-{}", at.start, at.size))
        }
        Step::BindPciDriver { driver, .. } => {
            ("PCI driver", driver.clone().unwrap_or("none".to_owned()))
        }
        Step::StartDaemon {
            daemon, options, ..
        } => {
            let options = options.iter();
            let options = options.map(|(name, value)| format!(" {name}={value}"));
            (
                "daemon",
                format!("+ {daemon}{}", options.collect::<String>()),
            )
        }
        Step::StopDaemon { daemon } => ("daemon", format!("- {daemon}")),
        Step::OpenImexChannel { channel } => ("IMEX channel", format!("+ {channel}")),
        Step::ActivateFabricPartition { partition, .. } => {
            ("fabric partition", format!("+ {partition}"))
        }
        Step::WriteSysfs {
            attribute, value, ..
        } => {
            return (format!("sysfs {attribute}"), value.clone());
        }
        Step::SetProperty { name, value, .. } => {
            let value = match value {
                PropertyValue::Int(value) => value.to_string(),
                PropertyValue::Bool(value) => on(*value).to_owned(),
                PropertyValue::String(value) => value.clone(),
            };
            return (name.clone(), value);
        }
    };
    (what.to_owned(), after)
}

/// List, position in it, what and how of each entry of an edit.
fn entries(edits: &ContainerEdits) -> Vec<(&'static str, usize, &'static str, String)> {
    fn each<T>(
        all: &mut Vec<(&'static str, usize, &'static str, String)>,
        list: &'static str,
        what: &'static str,
        entries: &[T],
        told: impl Fn(&T) -> String,
    ) {
        let entries = entries.iter().enumerate();
        all.extend(entries.map(|(at, entry)| (list, at, what, format!("+ {}", told(entry)))));
    }
    let to = |host: &str, container: &str| {
        if host == container {
            host.to_owned()
        } else {
            format!("{host} as {container}")
        }
    };
    let mut all = Vec::new();
    each(&mut all, "environment", "env", &edits.environment, |v| {
        format!("{}={}", v.name, v.value)
    });
    each(
        &mut all,
        "device-nodes",
        "device node",
        &edits.device_nodes,
        |node| {
            let access: Vec<String> = accesses(node.access).map(|access| word(&access)).collect();
            format!(
                "{} ({})",
                to(host_path(node), &node.path),
                access.join(", ")
            )
        },
    );
    each(&mut all, "mounts", "mount", &edits.mounts, |mount| {
        let write = if mount.writable {
            "writable"
        } else {
            "read-only"
        };
        let run = if mount.executable { ", executable" } else { "" };
        format!(
            "{} ({write}{run})",
            to(&mount.host_path, &mount.container_path)
        )
    });
    each(&mut all, "hooks", "hook", &edits.hooks, |hook| {
        let arguments = hook.arguments.iter().skip(1);
        let arguments: String = arguments.map(|argument| format!(" {argument}")).collect();
        format!("{}{arguments} ({})", hook.path, word(&hook.stage))
    });
    each(
        &mut all,
        "network-interfaces",
        "interface",
        &edits.network_interfaces,
        |interface| to(&interface.host_name, &interface.container_name),
    );
    each(
        &mut all,
        "additional-groups",
        "group",
        &edits.additional_groups,
        u32::to_string,
    );
    each(&mut all, "made-by", "access", &edits.made_by, |made_by| {
        format!("what actions[{made_by}] makes")
    });
    all
}
