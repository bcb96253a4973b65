//! Checks the answers of `validate`, `prepare` and `unprepare`.
//!
//! Only what makes a plan readable: positions, lengths, absolute paths, steps that refer back. What a
//! plan may do is for the administrator's grants to say.

use super::{fault, position, text};
use crate::policy::about::Hook;
use crate::policy::configuration::{
    Action, ContainerEdits, Plan, PropertyValue, Variable, Violation,
};
use crate::policy::failure::CallError;

/// Steps of a plan, edits of it, and entries of any list in an edit.
const MOST_ENTRIES: usize = 256;

/// Bytes of a path, as the kernel has it.
const MOST_PATH: usize = 4096;

/// Bytes of a name.
const MOST_NAME: usize = 256;

/// Bytes of a JSON object for the claim's status.
const MOST_JSON: usize = 10 * 1024;

/// Channels of IMEX.
const CHANNELS: usize = 2048;

pub(in crate::policy) fn violations(violations: &[Violation]) -> Result<(), CallError> {
    let hook = Hook::Validate;
    entries(hook, "", violations.len())?;
    for (at, violation) in violations.iter().enumerate() {
        text(
            hook,
            || format!("[{at}].field"),
            &violation.field,
            MOST_NAME,
        )?;
        text(hook, || format!("[{at}].message"), &violation.message, 1024)?;
    }
    Ok(())
}

/// Checks a plan for so many devices.
pub(in crate::policy) fn plan(hook: Hook, plan: &Plan, devices: usize) -> Result<(), CallError> {
    entries(hook, "actions", plan.actions.len())?;
    entries(hook, "edits", plan.edits.len())?;
    entries(hook, "statuses", plan.statuses.len())?;
    for (at, action) in plan.actions.iter().enumerate() {
        check_action(hook, at, action, plan, devices)?;
    }
    if hook == Hook::Unprepare && !plan.edits.is_empty() {
        return Err(fault(
            hook,
            "edits",
            "must be empty: there is no container any more",
        ));
    }
    for (at, edits) in plan.edits.iter().enumerate() {
        check_edits(
            hook,
            &format!("edits[{at}]"),
            edits,
            plan.actions.len(),
            devices,
        )?;
    }
    for (at, status) in plan.statuses.iter().enumerate() {
        position(
            hook,
            || format!("statuses[{at}].device"),
            status.device,
            devices,
        )?;
        text(
            hook,
            || format!("statuses[{at}].json"),
            &status.json,
            MOST_JSON,
        )?;
        if !matches!(
            serde_json::from_str(&status.json),
            Ok(serde_json::Value::Object(_))
        ) {
            return Err(fault(
                hook,
                format!("statuses[{at}].json"),
                "is no JSON object",
            ));
        }
    }
    Ok(())
}

fn check_action(
    hook: Hook,
    at: usize,
    action: &Action,
    plan: &Plan,
    devices: usize,
) -> Result<(), CallError> {
    let field = |name: &'static str| move || format!("actions[{at}].{name}");
    let device = |device: u32| position(hook, field("device"), device, devices);
    match action {
        Action::SetComputeMode(step) => device(step.device),
        Action::SetTimeSlice(step) => device(step.device),
        Action::SetMigMode(step) => device(step.device),
        Action::CreateGpuInstance(step) => {
            device(step.device)?;
            name(hook, field("profile"), &step.profile)
        }
        Action::CreateComputeInstance(step) => {
            name(hook, field("profile"), &step.profile)?;
            let earlier = usize::try_from(step.gpu_instance)
                .ok()
                .filter(|&earlier| earlier < at);
            match earlier.and_then(|earlier| plan.actions.get(earlier)) {
                Some(Action::CreateGpuInstance(_)) => Ok(()),
                _ => Err(fault(
                    hook,
                    field("gpu-instance")(),
                    format!(
                        "is {}, which is no earlier create-gpu-instance",
                        step.gpu_instance
                    ),
                )),
            }
        }
        Action::DestroyGpuInstance(step) => device(step.device),
        Action::BindPciDriver(step) => {
            device(step.device)?;
            step.driver
                .as_deref()
                .map_or(Ok(()), |driver| name(hook, field("driver"), driver))
        }
        Action::StartDaemon(step) => {
            name(hook, field("daemon"), &step.daemon)?;
            positions(hook, field("devices"), &step.devices, devices)?;
            variables(hook, &field("options")(), &step.options)
        }
        Action::StopDaemon(step) => name(hook, field("daemon"), &step.daemon),
        Action::OpenImexChannel(step) => position(hook, field("channel"), step.channel, CHANNELS),
        Action::ActivateFabricPartition(step) => {
            positions(hook, field("devices"), &step.devices, devices)
        }
        Action::WriteSysfs(step) => {
            device(step.device)?;
            text(hook, field("value"), &step.value, 4096)?;
            text(hook, field("attribute"), &step.attribute, MOST_PATH)?;
            let plain = |part: &str| !part.is_empty() && part != "." && part != "..";
            if step.attribute.split('/').all(plain) {
                Ok(())
            } else {
                Err(fault(
                    hook,
                    field("attribute")(),
                    "is no path below the device's folder",
                ))
            }
        }
        Action::SetProperty(step) => {
            device(step.device)?;
            name(hook, field("name"), &step.name)?;
            match &step.value {
                PropertyValue::String(value) => text(hook, field("value"), value, 4096),
                PropertyValue::Int(_) | PropertyValue::Bool(_) => Ok(()),
            }
        }
    }
}

fn check_edits(
    hook: Hook,
    at: &str,
    edits: &ContainerEdits,
    actions: usize,
    devices: usize,
) -> Result<(), CallError> {
    if let Some(device) = edits.device {
        position(hook, || format!("{at}.device"), device, devices)?;
    }
    variables(hook, &format!("{at}.environment"), &edits.environment)?;
    entries(hook, "device-nodes", edits.device_nodes.len())?;
    for (index, node) in edits.device_nodes.iter().enumerate() {
        let here = |name: &str| format!("{at}.device-nodes[{index}].{name}");
        path(hook, || here("path"), &node.path)?;
        node.host_path
            .as_deref()
            .map_or(Ok(()), |host| path(hook, || here("host-path"), host))?;
        if node.mode.is_some_and(|mode| mode > 0o777) {
            return Err(fault(hook, here("mode"), "is more than 0o777"));
        }
    }
    entries(hook, "mounts", edits.mounts.len())?;
    for (index, mount) in edits.mounts.iter().enumerate() {
        path(
            hook,
            || format!("{at}.mounts[{index}].host-path"),
            &mount.host_path,
        )?;
        path(
            hook,
            || format!("{at}.mounts[{index}].container-path"),
            &mount.container_path,
        )?;
    }
    entries(hook, "hooks", edits.hooks.len())?;
    for (index, container_hook) in edits.hooks.iter().enumerate() {
        let here = |name: &str| format!("{at}.hooks[{index}].{name}");
        path(hook, || here("path"), &container_hook.path)?;
        entries(hook, "hooks.arguments", container_hook.arguments.len())?;
        for argument in &container_hook.arguments {
            text(hook, || here("arguments"), argument, MOST_PATH)?;
        }
        variables(hook, &here("environment"), &container_hook.environment)?;
    }
    entries(hook, "network-interfaces", edits.network_interfaces.len())?;
    for (index, interface) in edits.network_interfaces.iter().enumerate() {
        name(
            hook,
            || format!("{at}.network-interfaces[{index}].host-name"),
            &interface.host_name,
        )?;
        name(
            hook,
            || format!("{at}.network-interfaces[{index}].container-name"),
            &interface.container_name,
        )?;
    }
    entries(hook, "additional-groups", edits.additional_groups.len())?;
    if edits.additional_groups.contains(&0) {
        return Err(fault(
            hook,
            format!("{at}.additional-groups"),
            "holds 0, the group of root",
        ));
    }
    positions(hook, || format!("{at}.made-by"), &edits.made_by, actions)
}

fn entries(hook: Hook, at: &str, count: usize) -> Result<(), CallError> {
    if count > MOST_ENTRIES {
        return Err(fault(
            hook,
            at,
            format!("has {count} entries; at most {MOST_ENTRIES} are allowed"),
        ));
    }
    Ok(())
}

fn positions(
    hook: Hook,
    at: impl Fn() -> String,
    positions: &[u32],
    count: usize,
) -> Result<(), CallError> {
    entries(hook, &at(), positions.len())?;
    positions
        .iter()
        .try_for_each(|&there| position(hook, &at, there, count))
}

fn variables(hook: Hook, at: &str, variables: &[Variable]) -> Result<(), CallError> {
    entries(hook, at, variables.len())?;
    for (index, variable) in variables.iter().enumerate() {
        name(hook, || format!("{at}[{index}].name"), &variable.name)?;
        if variable.name.contains('=') {
            return Err(fault(hook, format!("{at}[{index}].name"), "holds `=`"));
        }
        text(
            hook,
            || format!("{at}[{index}].value"),
            &variable.value,
            MOST_PATH,
        )?;
    }
    Ok(())
}

fn name(hook: Hook, at: impl Fn() -> String, name: &str) -> Result<(), CallError> {
    if name.is_empty() {
        return Err(fault(hook, at(), "is empty"));
    }
    text(hook, at, name, MOST_NAME)
}

/// A path that starts at the root and says what it means: `..` would let a grant's prefix be escaped.
fn path(hook: Hook, at: impl Fn() -> String, path: &str) -> Result<(), CallError> {
    text(hook, &at, path, MOST_PATH)?;
    let rest = path.strip_prefix('/');
    if rest.is_some_and(|rest| rest.split('/').all(|part| !matches!(part, "" | "." | ".."))) {
        Ok(())
    } else {
        Err(fault(
            hook,
            at(),
            format!("is {path:?}; write an absolute path without `.`, `..` or `//`"),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::configuration::{
        CreateComputeInstance, CreateGpuInstance, DeviceStatus, Mount, OpenImexChannel, SetMigMode,
        WriteSysfs,
    };

    fn edits() -> ContainerEdits {
        ContainerEdits {
            device: None,
            environment: Vec::new(),
            device_nodes: Vec::new(),
            mounts: Vec::new(),
            hooks: Vec::new(),
            network_interfaces: Vec::new(),
            additional_groups: Vec::new(),
            made_by: Vec::new(),
        }
    }

    fn steps(actions: Vec<Action>) -> Plan {
        Plan {
            actions,
            edits: Vec::new(),
            statuses: Vec::new(),
        }
    }

    fn fault_at(plan_: &Plan) -> String {
        match plan(Hook::Prepare, plan_, 2) {
            Err(CallError::BadAnswer { at, .. }) => at,
            other => panic!("{other:?}"),
        }
    }

    fn mount(host: &str) -> Mount {
        Mount {
            host_path: host.to_owned(),
            container_path: "/x".to_owned(),
            writable: false,
            executable: false,
        }
    }

    #[test]
    fn a_partition_may_be_made_and_handed_on() {
        let made = steps(vec![
            Action::SetMigMode(SetMigMode {
                device: 1,
                enabled: true,
            }),
            Action::CreateGpuInstance(CreateGpuInstance {
                device: 1,
                profile: "3g.20gb".into(),
                placement: None,
            }),
            Action::CreateComputeInstance(CreateComputeInstance {
                gpu_instance: 1,
                profile: "3c".into(),
            }),
        ]);
        let plan_ = Plan {
            edits: vec![ContainerEdits {
                made_by: vec![1, 2],
                mounts: vec![mount("/run/x")],
                ..edits()
            }],
            ..made
        };
        assert_eq!(plan(Hook::Prepare, &plan_, 2), Ok(()));
        assert!(
            plan(Hook::Unprepare, &plan_, 2).is_err(),
            "no edits after the end"
        );
    }

    #[test]
    fn steps_that_refer_to_nothing_are_named() {
        assert_eq!(
            fault_at(&steps(vec![Action::SetMigMode(SetMigMode {
                device: 2,
                enabled: true
            })])),
            "actions[0].device"
        );
        let dangling = CreateComputeInstance {
            gpu_instance: 0,
            profile: "1c".into(),
        };
        assert_eq!(
            fault_at(&steps(vec![Action::CreateComputeInstance(dangling)])),
            "actions[0].gpu-instance"
        );
        assert_eq!(
            fault_at(&steps(vec![Action::OpenImexChannel(OpenImexChannel {
                channel: 2048
            })])),
            "actions[0].channel"
        );
        let escape = WriteSysfs {
            device: 0,
            attribute: "../../kernel".into(),
            value: "1".into(),
        };
        assert_eq!(
            fault_at(&steps(vec![Action::WriteSysfs(escape)])),
            "actions[0].attribute"
        );
        assert_eq!(
            fault_at(&Plan {
                edits: vec![ContainerEdits {
                    made_by: vec![0],
                    ..edits()
                }],
                ..steps(Vec::new())
            }),
            "edits[0].made-by"
        );
    }

    #[test]
    fn paths_are_absolute_and_plain() {
        for wrong in ["", "dev/x", "/a/../b", "/a//b", "/a/./b", "/a/", "/"] {
            let plan_ = Plan {
                edits: vec![ContainerEdits {
                    mounts: vec![mount(wrong)],
                    ..edits()
                }],
                ..steps(Vec::new())
            };
            assert_eq!(fault_at(&plan_), "edits[0].mounts[0].host-path", "{wrong}");
        }
    }

    #[test]
    fn a_status_is_a_json_object() {
        let status = DeviceStatus {
            device: 0,
            json: "[]".into(),
        };
        assert_eq!(
            fault_at(&Plan {
                statuses: vec![status],
                ..steps(Vec::new())
            }),
            "statuses[0].json"
        );
    }
}
