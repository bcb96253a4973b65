//! Edits: what appears in containers.

use super::{Offence, Place, Why, devices};
use crate::plan::grants::{
    DeviceNodeGrant, HookGrant, MountGrant, Name, Path, Span, Words, accesses, host_path,
    plain_path, sensitive,
};
use crate::plan::{ClaimOnNode, DeviceOfClaim, Grant, Grants};
use crate::policy::configuration::{
    ContainerEdits, ContainerHook, DeviceNode, Mount, NetworkInterface, Plan, Variable,
};

/// Bytes of the name of a network interface.
const MOST_INTERFACE: usize = 15;

/// What in an edit is not admitted.
pub(super) fn offences(
    index: usize,
    edits: &ContainerEdits,
    plan: &Plan,
    claim: &ClaimOnNode,
    grants: &Grants,
) -> Vec<Offence> {
    let positions: Vec<u32> = edits.device.into_iter().collect();
    let devices = match devices(claim, &positions) {
        Ok(devices) => devices,
        Err(position) => {
            let place = Place::Containers(index);
            return vec![Offence::nowhere(place, "device", position.to_string())];
        }
    };
    let checker = Checker {
        index,
        devices,
        grants,
    };
    let mut found = Vec::new();
    checker.each("environment", &edits.environment, variable, &mut found);
    checker.each("device-nodes", &edits.device_nodes, device_node, &mut found);
    checker.each("mounts", &edits.mounts, mount, &mut found);
    checker.each("hooks", &edits.hooks, hook, &mut found);
    checker.each(
        "network-interfaces",
        &edits.network_interfaces,
        interface,
        &mut found,
    );
    checker.each(
        "additional-groups",
        &edits.additional_groups,
        group,
        &mut found,
    );
    for (entry, made_by) in edits.made_by.iter().enumerate() {
        let exists = usize::try_from(*made_by).is_ok_and(|step| step < plan.actions.len());
        if !exists {
            let list = "made-by";
            let place = Place::Edit { index, list, entry };
            found.push(Offence::nowhere(place, "step", made_by.to_string()));
        }
    }
    found
}

struct Checker<'a> {
    index: usize,
    devices: Vec<&'a DeviceOfClaim>,
    grants: &'a Grants,
}

/// What there is to ask about one entry of an edit.
enum Verdict<'a> {
    /// No grant can admit it: field, value, problem.
    Never(&'static str, String, &'static str),
    /// Grants must admit all of this, from the first that is missing on: field, value, test. The last
    /// test is of the whole entry. And the least grant that does.
    Asks(Vec<(&'static str, String, Test<'a>)>, Option<Box<Grant>>),
}

type Test<'a> = Box<dyn Fn(&Grant) -> bool + 'a>;

impl Checker<'_> {
    fn each<'e, T>(
        &self,
        list: &'static str,
        entries: &'e [T],
        verdict: impl Fn(&'e T) -> Verdict<'e>,
        found: &mut Vec<Offence>,
    ) {
        for (entry, value) in entries.iter().enumerate() {
            let place = Place::Edit {
                index: self.index,
                list,
                entry,
            };
            found.extend(self.offence(place, verdict(value)));
        }
    }

    fn offence(&self, place: Place, verdict: Verdict<'_>) -> Option<Offence> {
        let (tests, least) = match verdict {
            Verdict::Never(field, value, reason) => {
                return Some(Offence::never(place, field, value, reason));
            }
            Verdict::Asks(tests, least) => (tests, least),
        };
        let here = |grant: &&Grant| {
            let mut devices = self.devices.iter();
            let selector = grant.devices.as_ref();
            selector.is_none_or(|selector| devices.all(|device| selector.matches(device)))
        };
        let (_, _, whole) = tests.last()?;
        if self.grants.iter().filter(here).any(whole) {
            return None;
        }
        let elsewhere = self.grants.iter().any(whole);
        let missing = tests
            .iter()
            .find(|(_, _, test)| !self.grants.iter().any(test))
            .or(tests.last());
        let (field, value, _) = missing?;
        let why = if least.is_none() {
            Why::Never("holds what no grant can name")
        } else if elsewhere {
            let devices = self.devices.iter().map(|device| device.device.as_str());
            Why::OtherDevices(devices.collect::<Vec<_>>().join(", "))
        } else {
            Why::NotGranted
        };
        Some(Offence {
            place,
            field: (*field).to_owned(),
            value: value.clone(),
            why,
            missing: least,
        })
    }
}

fn variable(variable: &Variable) -> Verdict<'_> {
    let name = &variable.name;
    if !sensitive::is_variable(name) {
        return Verdict::Never("name", name.clone(), "is no name of a variable");
    }
    if variable.value.contains('\0') {
        return Verdict::Never("value", variable.value.clone(), "holds NUL");
    }
    let sensitive = sensitive::environment(name);
    let test = move |grant: &Grant| grant.environment.iter().any(|p| p.admits(name, sensitive));
    let least = Name::just(name).map(|name| Grant {
        environment: vec![name],
        ..Grant::default()
    });
    Verdict::Asks(
        vec![("name", name.clone(), Box::new(test))],
        least.map(Box::new),
    )
}

fn device_node(node: &DeviceNode) -> Verdict<'_> {
    let host = host_path(node);
    for (field, path) in [("host-path", host), ("path", &node.path)] {
        if !plain_path(path) {
            return Verdict::Never(field, path.to_owned(), "is no plain absolute path");
        }
    }
    if let Some(mode) = node.mode.filter(|mode| *mode > 0o777) {
        return Verdict::Never("mode", format!("{mode:o}"), "is more than 0o777");
    }
    let nodes = |grant: &Grant, test: fn(&DeviceNodeGrant, &DeviceNode) -> bool| {
        grant.device_nodes.iter().any(|granted| test(granted, node))
    };
    let access: Vec<_> = accesses(node.access).collect();
    let words = access
        .iter()
        .map(|access| format!("{access:?}").to_lowercase());
    let words: Vec<String> = words.collect();
    let tests: Vec<(_, _, Test<'_>)> = vec![
        (
            "host-path",
            host.to_owned(),
            Box::new(move |grant| nodes(grant, DeviceNodeGrant::admits_host)),
        ),
        (
            "path",
            node.path.clone(),
            Box::new(move |grant| nodes(grant, DeviceNodeGrant::admits_paths)),
        ),
        (
            "access",
            words.join(", "),
            Box::new(move |grant| nodes(grant, DeviceNodeGrant::admits)),
        ),
    ];
    let least = Path::just(host).zip(elsewhere(host, &node.path));
    let least = least.map(|(host_path, container_path)| Grant {
        device_nodes: vec![DeviceNodeGrant {
            host_path,
            container_path,
            access,
        }],
        ..Grant::default()
    });
    Verdict::Asks(tests, least.map(Box::new))
}

fn mount(mount: &Mount) -> Verdict<'_> {
    let (host, container) = (&mount.host_path, &mount.container_path);
    for (field, path) in [("host-path", host), ("container-path", container)] {
        if !plain_path(path) {
            return Verdict::Never(field, path.clone(), "is no plain absolute path");
        }
    }
    let mounts = |grant: &Grant, test: fn(&MountGrant, &Mount) -> bool| {
        grant.mounts.iter().any(|granted| test(granted, mount))
    };
    let tests: Vec<(_, _, Test<'_>)> = vec![
        (
            "host-path",
            host.clone(),
            Box::new(move |grant| mounts(grant, MountGrant::admits_host)),
        ),
        (
            "container-path",
            container.clone(),
            Box::new(move |grant| mounts(grant, MountGrant::admits_paths)),
        ),
        (
            "writable",
            mount.writable.to_string(),
            Box::new(move |grant| mounts(grant, MountGrant::admits_writing)),
        ),
        (
            "executable",
            mount.executable.to_string(),
            Box::new(move |grant| mounts(grant, MountGrant::admits)),
        ),
    ];
    let least = Path::just(host).zip(elsewhere(host, container));
    let least = least.map(|(host_path, container_path)| Grant {
        mounts: vec![MountGrant {
            host_path,
            container_path,
            writable: mount.writable,
            executable: mount.executable,
        }],
        ..Grant::default()
    });
    Verdict::Asks(tests, least.map(Box::new))
}

/// A path in the container for a grant: none where it is that on the node; none at all where it cannot
/// be worded.
fn elsewhere(host: &str, container: &str) -> Option<Option<Path>> {
    if container == host {
        return Some(None);
    }
    Path::just(container).map(Some)
}

fn hook(hook: &ContainerHook) -> Verdict<'_> {
    if !plain_path(&hook.path) {
        return Verdict::Never("path", hook.path.clone(), "is no plain absolute path");
    }
    if hook
        .arguments
        .iter()
        .any(|argument| argument.contains('\0'))
    {
        return Verdict::Never("arguments", String::new(), "holds NUL");
    }
    if let Some(name) = hook.arguments.first()
        && !is_own_name(name, &hook.path)
    {
        let reason = "is not the program's own name: write its path or file name, or nothing";
        return Verdict::Never("arguments[0]", name.clone(), reason);
    }
    let wrong = |variable: &&Variable| {
        !sensitive::is_variable(&variable.name)
            || sensitive::environment(&variable.name)
            || variable.value.contains('\0')
    };
    if let Some(variable) = hook.environment.iter().find(wrong) {
        let reason = "is no variable for a program that runs as root";
        return Verdict::Never("environment", variable.name.clone(), reason);
    }
    let hooks = |grant: &Grant, test: fn(&HookGrant, &ContainerHook) -> bool| {
        grant.hooks.iter().any(|granted| test(granted, hook))
    };
    let stage = serde_json::to_value(hook.stage).unwrap_or_default();
    let names: Vec<&str> = hook.environment.iter().map(|v| v.name.as_str()).collect();
    let arguments = hook.arguments.get(1..).unwrap_or_default();
    let tests: Vec<(_, _, Test<'_>)> = vec![
        (
            "path",
            hook.path.clone(),
            Box::new(move |grant| hooks(grant, HookGrant::admits_path)),
        ),
        (
            "stage",
            stage.as_str().unwrap_or_default().to_owned(),
            Box::new(move |grant| hooks(grant, HookGrant::admits_stage)),
        ),
        (
            "arguments",
            arguments.join(" "),
            Box::new(move |grant| hooks(grant, HookGrant::admits_arguments)),
        ),
        (
            "environment",
            names.join(" "),
            Box::new(move |grant| hooks(grant, HookGrant::admits)),
        ),
    ];
    let least = || {
        let arguments = arguments.iter().map(|argument| Words::just(argument));
        let names = names.iter().map(|name| Name::just(name));
        Some(Grant {
            hooks: vec![HookGrant {
                path: Path::just(&hook.path)?,
                stages: vec![hook.stage],
                arguments: arguments.collect::<Option<_>>()?,
                environment: names.collect::<Option<_>>()?,
            }],
            ..Grant::default()
        })
    };
    Verdict::Asks(tests, least().map(Box::new))
}

/// Whether a program is called by this name of its own. Programs that are several in one (`kmod`,
/// `busybox`) do what their name says, which no grant of a path is meant to leave open.
fn is_own_name(name: &str, path: &str) -> bool {
    name.is_empty() || name == path || path.rsplit('/').next() == Some(name)
}

fn interface(interface: &NetworkInterface) -> Verdict<'_> {
    let names = [
        ("host-name", &interface.host_name),
        ("container-name", &interface.container_name),
    ];
    for (field, name) in names {
        let odd = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '/' | ':' | '*');
        let wrong = name.is_empty() || name.len() > MOST_INTERFACE || name.contains(odd);
        if wrong || matches!(name.as_str(), "." | "..") {
            return Verdict::Never(field, name.clone(), "is no name of a network interface");
        }
    }
    let name = &interface.host_name;
    // Without its loopback a node does not work.
    let sensitive = name == "lo";
    let test = move |grant: &Grant| {
        let mut patterns = grant.network_interfaces.iter();
        patterns.any(|pattern| pattern.admits(name, sensitive))
    };
    let least = Name::just(name).map(|name| Grant {
        network_interfaces: vec![name],
        ..Grant::default()
    });
    Verdict::Asks(
        vec![("host-name", name.clone(), Box::new(test))],
        least.map(Box::new),
    )
}

fn group(group: &u32) -> Verdict<'_> {
    if *group == 0 {
        return Verdict::Never("group", "0".to_owned(), "is root's group");
    }
    let test = |grant: &Grant| {
        grant
            .additional_groups
            .iter()
            .any(|span| span.holds(*group))
    };
    let least = Grant {
        additional_groups: vec![Span::one(*group)],
        ..Grant::default()
    };
    Verdict::Asks(
        vec![("group", group.to_string(), Box::new(test))],
        Some(Box::new(least)),
    )
}
