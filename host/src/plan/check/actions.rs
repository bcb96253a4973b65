//! Steps: what each concerns, whether a grant admits it, and what it is in terms of hardware.

use super::{Offence, Place, Why, device, devices};
use crate::plan::grants::{
    Below, DaemonGrant, Grant, Grants, Name, OptionGrant, PropertyGrant, Scalar, Span, SysfsGrant,
    sensitive,
};
use crate::plan::{ClaimOnNode, DeviceOfClaim, Step, UnitId};
use crate::policy::configuration::{Action, Placement, Plan, Variable};

/// What `bind-pci-driver` without a driver is called in grants.
const NO_DRIVER: &str = "none";

/// Attributes of PCI devices that reach beyond the device or past its driver.
const SENSITIVE_SYSFS: &[&str] = &[
    "config",
    "driver",
    "driver_override",
    "enable",
    "iommu_group",
    "msi_bus",
    "new_id",
    "remove",
    "rescan",
    "reset",
    "reset_method",
    "resource",
    "rom",
    "sriov_",
    "subsystem",
    "uevent",
    "vpd",
];

/// The kind of a step, in the words of the WIT.
pub(in crate::plan) fn name(action: &Action) -> &'static str {
    match action {
        Action::SetComputeMode(_) => "set-compute-mode",
        Action::SetTimeSlice(_) => "set-time-slice",
        Action::SetMigMode(_) => "set-mig-mode",
        Action::CreateGpuInstance(_) => "create-gpu-instance",
        Action::CreateComputeInstance(_) => "create-compute-instance",
        Action::DestroyGpuInstance(_) => "destroy-gpu-instance",
        Action::BindPciDriver(_) => "bind-pci-driver",
        Action::StartDaemon(_) => "start-daemon",
        Action::StopDaemon(_) => "stop-daemon",
        Action::OpenImexChannel(_) => "open-imex-channel",
        Action::ActivateFabricPartition(_) => "activate-fabric-partition",
        Action::WriteSysfs(_) => "write-sysfs",
        Action::SetProperty(_) => "set-property",
    }
}

/// What keeps a step from being admitted, if anything does.
pub(super) fn offence(
    index: usize,
    action: &Action,
    plan: &Plan,
    claim: &ClaimOnNode,
    grants: &Grants,
) -> Option<Offence> {
    let place = Place::Step {
        index,
        action: name(action),
    };
    let positions = match positions(index, action, plan) {
        Ok(positions) => positions,
        Err(position) => {
            return Some(Offence::nowhere(
                place,
                "gpu-instance",
                position.to_string(),
            ));
        }
    };
    let devices = match devices(claim, &positions) {
        Ok(devices) => devices,
        Err(position) => return Some(Offence::nowhere(place, "device", position.to_string())),
    };
    if let Some((field, value, reason)) = senseless(action) {
        return Some(Offence::never(place, field, value, reason));
    }
    let shared = devices
        .iter()
        .filter_map(|device| Some((*device, reaches(action, device)?)))
        .next();

    let admitting = |grant: &&Grant| admits(grant, action);
    let here = |grant: &&Grant| {
        let mut devices = devices.iter();
        let selector = grant.devices.as_ref();
        selector.is_none_or(|selector| devices.all(|device| selector.matches(device)))
    };
    let mut in_full = grants.iter().filter(admitting).filter(here);
    if in_full.any(|grant| grant.shared_devices || shared.is_none()) {
        return None;
    }
    let (field, value) = field(action, grants);
    let missing = least(action, grants).map(|grant| {
        Box::new(Grant {
            shared_devices: shared.is_some(),
            ..grant
        })
    });
    let why = if missing.is_none() {
        Why::Never("holds what no grant can name")
    } else if grants.iter().filter(admitting).any(|grant| here(&grant)) {
        let (device, how) = shared?;
        Why::Shared {
            device: device.device.clone(),
            how,
        }
    } else if grants.iter().any(|grant| admitting(&grant)) {
        let names: Vec<&str> = devices
            .iter()
            .map(|device| device.device.as_str())
            .collect();
        Why::OtherDevices(names.join(", "))
    } else {
        Why::NotGranted
    };
    Some(Offence {
        place,
        field: field.to_owned(),
        value,
        why,
        missing,
    })
}

/// The devices that a step names; none: it is about the claim as a whole. The reference that is none.
fn positions(index: usize, action: &Action, plan: &Plan) -> Result<Vec<u32>, u32> {
    Ok(match action {
        Action::SetComputeMode(step) => vec![step.device],
        Action::SetTimeSlice(step) => vec![step.device],
        Action::SetMigMode(step) => vec![step.device],
        Action::CreateGpuInstance(step) => vec![step.device],
        Action::CreateComputeInstance(step) => {
            let earlier = usize::try_from(step.gpu_instance).ok();
            let earlier = earlier.filter(|&earlier| earlier < index);
            match earlier.and_then(|earlier| plan.actions.get(earlier)) {
                Some(Action::CreateGpuInstance(earlier)) => vec![earlier.device],
                _ => return Err(step.gpu_instance),
            }
        }
        Action::DestroyGpuInstance(step) => vec![step.device],
        Action::BindPciDriver(step) => vec![step.device],
        Action::StartDaemon(step) => step.devices.clone(),
        Action::StopDaemon(_) | Action::OpenImexChannel(_) => Vec::new(),
        Action::ActivateFabricPartition(step) => step.devices.clone(),
        Action::WriteSysfs(step) => vec![step.device],
        Action::SetProperty(step) => vec![step.device],
    })
}

/// The names of the devices that a step names; none where it is about the claim as a whole.
pub(in crate::plan) fn device_names(
    index: usize,
    action: &Action,
    plan: &Plan,
    claim: &ClaimOnNode,
) -> Vec<String> {
    let positions = positions(index, action, plan).unwrap_or_default();
    let devices = positions.iter().filter_map(|at| device(claim, *at));
    devices.map(|device| device.device.clone()).collect()
}

/// Field, value and problem of what no grant can make right.
fn senseless(action: &Action) -> Option<(&'static str, String, &'static str)> {
    let plain = |field, name: &str| {
        let wrong = Name::just(name).is_none();
        wrong.then(|| (field, name.to_owned(), "is no plain name"))
    };
    match action {
        Action::CreateGpuInstance(step) => plain("profile", &step.profile),
        Action::CreateComputeInstance(step) => plain("profile", &step.profile),
        Action::BindPciDriver(step) => match step.driver.as_deref() {
            Some(NO_DRIVER) => Some((
                "driver",
                NO_DRIVER.to_owned(),
                "is what grants call no driver at all",
            )),
            driver => plain("driver", driver?),
        },
        Action::StartDaemon(step) => plain("daemon", &step.daemon).or_else(|| {
            let wrong = |option: &&Variable| {
                !sensitive::is_variable(&option.name)
                    || sensitive::environment(&option.name)
                    || option.value.contains('\0')
            };
            let option = step.options.iter().find(wrong)?;
            Some(("options", option.name.clone(), "is no option for a daemon"))
        }),
        Action::StopDaemon(step) => plain("daemon", &step.daemon),
        Action::OpenImexChannel(step) if step.channel > 2047 => Some((
            "channel",
            step.channel.to_string(),
            "is beyond the last channel, 2047",
        )),
        Action::ActivateFabricPartition(step) if step.devices.is_empty() => Some((
            "devices",
            String::new(),
            "names no device that the partition must hold",
        )),
        Action::WriteSysfs(step) => {
            let wrong = Below::just(&step.attribute).is_none();
            let attribute = || step.attribute.clone();
            wrong.then(|| {
                (
                    "attribute",
                    attribute(),
                    "is no plain path below the device's folder",
                )
            })
        }
        Action::SetProperty(step) => plain("name", &step.name),
        _ => None,
    }
}

/// How a step on a device reaches beyond what the claim holds, if it does.
fn reaches(action: &Action, device: &DeviceOfClaim) -> Option<&'static str> {
    if matches!(action, Action::OpenImexChannel(_) | Action::StopDaemon(_)) {
        // About the claim and what was made for it.
        return None;
    }
    if device.admin_access {
        return Some("the claim has administrative access to it");
    }
    if device.share_id.is_some() {
        return Some("the claim holds a share of it");
    }
    if device.whole_unit {
        return None;
    }
    let own = |placement: Option<Placement>| {
        let slices = device.memory_slices.zip(placement);
        slices.is_some_and(|(slices, placement)| inside(slices, placement))
    };
    let within = match action {
        Action::SetMigMode(step) => step.enabled,
        Action::CreateGpuInstance(step) => own(step.placement),
        Action::DestroyGpuInstance(step) => own(Some(step.placement)),
        Action::CreateComputeInstance(_) => true,
        _ => false,
    };
    (!within).then_some("other claims may hold parts of the same hardware")
}

fn inside(slices: Placement, placement: Placement) -> bool {
    let end = |placement: Placement| u64::from(placement.start) + u64::from(placement.size);
    placement.size > 0 && slices.start <= placement.start && end(placement) <= end(slices)
}

/// Whether a grant admits a step, devices aside.
fn admits(grant: &Grant, action: &Action) -> bool {
    match action {
        Action::SetComputeMode(step) => grant.set_compute_mode.contains(&step.mode),
        Action::SetTimeSlice(step) => grant.set_time_slice.contains(&step.interval),
        Action::SetMigMode(step) => grant.set_mig_mode.contains(&step.enabled),
        Action::CreateGpuInstance(step) => any(&grant.create_gpu_instance, &step.profile),
        Action::CreateComputeInstance(step) => any(&grant.create_compute_instance, &step.profile),
        Action::DestroyGpuInstance(_) => grant.destroy_gpu_instance,
        Action::BindPciDriver(step) => match &step.driver {
            Some(driver) => any(&grant.bind_pci_driver, driver),
            // Leaving a device without a driver is granted by its full name.
            None => grant
                .bind_pci_driver
                .iter()
                .any(|name| name.admits(NO_DRIVER, true)),
        },
        Action::StartDaemon(step) => grant.start_daemon.iter().any(|daemon| {
            daemon.name == step.daemon && step.options.iter().all(|option| daemon.admits(option))
        }),
        Action::StopDaemon(step) => grant
            .start_daemon
            .iter()
            .any(|daemon| daemon.name == step.daemon),
        Action::OpenImexChannel(step) => spans(&grant.open_imex_channel, step.channel),
        Action::ActivateFabricPartition(step) => {
            spans(&grant.activate_fabric_partition, step.partition)
        }
        Action::WriteSysfs(step) => grant.write_sysfs.iter().any(|sysfs| {
            let attribute = &step.attribute;
            sysfs.attribute.admits(attribute, is_sensitive(attribute))
                && sysfs.admits_value(&step.value)
        }),
        Action::SetProperty(step) => grant
            .set_property
            .iter()
            .any(|property| property.admits(&step.name, &step.value)),
    }
}

fn any(names: &[Name], name: &str) -> bool {
    names.iter().any(|pattern| pattern.admits(name, false))
}

fn spans(spans: &[Span], number: u32) -> bool {
    spans.iter().any(|span| span.holds(number))
}

fn is_sensitive(attribute: &str) -> bool {
    let mut parts = attribute.split('/');
    parts.any(|part| SENSITIVE_SYSFS.iter().any(|start| part.starts_with(start)))
}

/// The least grant that admits a step; none where it cannot be worded.
fn least(action: &Action, grants: &Grants) -> Option<Grant> {
    let mut grant = Grant::default();
    match action {
        Action::SetComputeMode(step) => grant.set_compute_mode.push(step.mode),
        Action::SetTimeSlice(step) => grant.set_time_slice.push(step.interval),
        Action::SetMigMode(step) => grant.set_mig_mode.push(step.enabled),
        Action::CreateGpuInstance(step) => {
            grant.create_gpu_instance.push(Name::just(&step.profile)?)
        }
        Action::CreateComputeInstance(step) => {
            grant
                .create_compute_instance
                .push(Name::just(&step.profile)?);
        }
        Action::DestroyGpuInstance(_) => grant.destroy_gpu_instance = true,
        Action::BindPciDriver(step) => {
            let driver = step.driver.as_deref().unwrap_or(NO_DRIVER);
            grant.bind_pci_driver.push(Name::just(driver)?);
        }
        Action::StartDaemon(step) => {
            grant
                .start_daemon
                .push(daemon(&step.daemon, &step.options, grants));
        }
        Action::StopDaemon(step) => grant.start_daemon.push(daemon(&step.daemon, &[], grants)),
        Action::OpenImexChannel(step) => grant.open_imex_channel.push(Span::one(step.channel)),
        Action::ActivateFabricPartition(step) => {
            grant
                .activate_fabric_partition
                .push(Span::one(step.partition));
        }
        Action::WriteSysfs(step) => grant.write_sysfs.push(SysfsGrant {
            attribute: Below::just(&step.attribute)?,
            min: None,
            max: None,
            values: vec![Scalar::Text(step.value.clone())],
        }),
        Action::SetProperty(step) => grant.set_property.push(PropertyGrant {
            name: step.name.clone(),
            min: None,
            max: None,
            values: vec![Scalar::from(&step.value)],
        }),
    }
    Some(grant)
}

/// A daemon with options. Its command is the administrator's to write, unless it is written already.
fn daemon(name: &str, options: &[Variable], grants: &Grants) -> DaemonGrant {
    let command = match grants.daemon(name) {
        Some(command) => command.to_vec(),
        None => vec![format!("/path/to/{name}")],
    };
    let options = options.iter().map(|option| OptionGrant {
        name: option.name.clone(),
        min: None,
        max: None,
        values: vec![Scalar::Text(option.value.clone())],
    });
    DaemonGrant {
        name: name.to_owned(),
        command,
        options: options.collect(),
    }
}

/// The field of a step that the grants would have to admit, and its value.
fn field(action: &Action, grants: &Grants) -> (&'static str, String) {
    match action {
        Action::SetComputeMode(step) => ("mode", word(&step.mode)),
        Action::SetTimeSlice(step) => ("interval", word(&step.interval)),
        Action::SetMigMode(step) => ("enabled", step.enabled.to_string()),
        Action::CreateGpuInstance(step) => ("profile", step.profile.clone()),
        Action::CreateComputeInstance(step) => ("profile", step.profile.clone()),
        Action::DestroyGpuInstance(step) => {
            let Placement { start, size } = step.placement;
            ("placement", format!("{start}+{size}"))
        }
        Action::BindPciDriver(step) => {
            let driver = step.driver.as_deref().unwrap_or(NO_DRIVER);
            ("driver", driver.to_owned())
        }
        Action::StartDaemon(step) => {
            let named = |grant: &Grant| grant.start_daemon.iter().any(|d| d.name == step.daemon);
            if !grants.iter().any(named) {
                return ("daemon", step.daemon.clone());
            }
            let options = step.options.iter();
            let options: Vec<String> = options
                .map(|option| format!("{}={}", option.name, option.value))
                .collect();
            ("options", options.join(" "))
        }
        Action::StopDaemon(step) => ("daemon", step.daemon.clone()),
        Action::OpenImexChannel(step) => ("channel", step.channel.to_string()),
        Action::ActivateFabricPartition(step) => ("partition", step.partition.to_string()),
        Action::WriteSysfs(step) => {
            let sensitive = is_sensitive(&step.attribute);
            let named = |grant: &Grant| {
                let mut sysfs = grant.write_sysfs.iter();
                sysfs.any(|sysfs| sysfs.attribute.admits(&step.attribute, sensitive))
            };
            if !grants.iter().any(named) {
                return ("attribute", step.attribute.clone());
            }
            ("value", step.value.clone())
        }
        Action::SetProperty(step) => {
            let named = |grant: &Grant| grant.set_property.iter().any(|p| p.name == step.name);
            if !grants.iter().any(named) {
                return ("name", step.name.clone());
            }
            ("value", word(&Scalar::from(&step.value)))
        }
    }
}

/// A value as YAML has it.
pub(in crate::plan) fn word(value: &impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        Ok(other) => other.to_string(),
        Err(_) => String::new(),
    }
}

/// The step in terms of hardware; none where a position is none.
pub(in crate::plan) fn step(action: &Action, claim: &ClaimOnNode) -> Option<Step> {
    let unit = |position: u32| Some(device(claim, position)?.unit.clone());
    let units = |positions: &[u32]| {
        let mut units: Vec<_> = devices(claim, positions)
            .ok()?
            .into_iter()
            .map(|device| device.unit.clone())
            .collect();
        units.sort_unstable();
        units.dedup();
        Some(units)
    };
    step_on(action, unit, units)
}

/// The step in terms of what its positions stand for.
pub(in crate::plan) fn step_on(
    action: &Action,
    unit: impl Fn(u32) -> Option<UnitId>,
    units: impl Fn(&[u32]) -> Option<Vec<UnitId>>,
) -> Option<Step> {
    Some(match action {
        Action::SetComputeMode(step) => Step::SetComputeMode {
            unit: unit(step.device)?,
            mode: step.mode,
        },
        Action::SetTimeSlice(step) => Step::SetTimeSlice {
            unit: unit(step.device)?,
            interval: step.interval,
        },
        Action::SetMigMode(step) => Step::SetMigMode {
            unit: unit(step.device)?,
            enabled: step.enabled,
        },
        Action::CreateGpuInstance(step) => Step::CreateGpuInstance {
            unit: unit(step.device)?,
            profile: step.profile.clone(),
            placement: step.placement,
        },
        Action::CreateComputeInstance(step) => Step::CreateComputeInstance {
            gpu_instance: usize::try_from(step.gpu_instance).ok()?,
            profile: step.profile.clone(),
        },
        Action::DestroyGpuInstance(step) => Step::DestroyGpuInstance {
            unit: unit(step.device)?,
            placement: step.placement,
        },
        Action::BindPciDriver(step) => Step::BindPciDriver {
            unit: unit(step.device)?,
            driver: step.driver.clone(),
        },
        Action::StartDaemon(step) => Step::StartDaemon {
            daemon: step.daemon.clone(),
            units: units(&step.devices)?,
            options: step
                .options
                .iter()
                .map(|option| (option.name.clone(), option.value.clone()))
                .collect(),
        },
        Action::StopDaemon(step) => Step::StopDaemon {
            daemon: step.daemon.clone(),
        },
        Action::OpenImexChannel(step) => Step::OpenImexChannel {
            channel: step.channel,
        },
        Action::ActivateFabricPartition(step) => Step::ActivateFabricPartition {
            partition: step.partition,
            units: units(&step.devices)?,
        },
        Action::WriteSysfs(step) => Step::WriteSysfs {
            unit: unit(step.device)?,
            attribute: step.attribute.clone(),
            value: step.value.clone(),
        },
        Action::SetProperty(step) => Step::SetProperty {
            unit: unit(step.device)?,
            name: step.name.clone(),
            value: step.value.clone(),
        },
    })
}
