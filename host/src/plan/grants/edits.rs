//! What may appear in containers.

use serde::{Deserialize, Serialize};

use super::{Name, Path, Words, sensitive};
use crate::policy::configuration::{Access, ContainerHook, DeviceNode, HookStage, Mount};

/// What containers may do with a device node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum NodeAccess {
    /// Open it for reading.
    Read,
    /// Open it for writing.
    Write,
    /// Make it with mknod.
    Make,
}

/// Device nodes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeviceNodeGrant {
    /// Where they are on the node.
    pub host_path: Path,
    /// Where they may appear in the container. Not written: at the same path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container_path: Option<Path>,
    /// What containers may do with them.
    #[serde(default = "read_and_write")]
    pub access: Vec<NodeAccess>,
}

fn read_and_write() -> Vec<NodeAccess> {
    vec![NodeAccess::Read, NodeAccess::Write]
}

/// Bind mounts.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MountGrant {
    /// What is mounted, on the node.
    pub host_path: Path,
    /// Where it may appear in the container. Not written: at the same path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container_path: Option<Path>,
    /// Whether the container may write.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub writable: bool,
    /// Whether files on it may be executed, and loaded as libraries.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub executable: bool,
}

/// A program of the node that the container runtime calls, as root.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HookGrant {
    /// The program, in full: no `*`.
    pub path: Path,
    /// When it may be called.
    pub stages: Vec<HookStage>,
    /// Patterns of the arguments that a policy may give it, after the program's own name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub arguments: Vec<Words>,
    /// Environment variables that a policy may give it, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub environment: Vec<Name>,
}

/// Whether a path in the container is granted: by pattern, or by being the path on the node.
fn container(
    granted: Option<&Path>,
    host_pattern: &Path,
    host: &str,
    container: &str,
    sensitive: bool,
) -> bool {
    match granted {
        Some(pattern) => pattern.admits(container, sensitive),
        None => container == host && host_pattern.admits(container, sensitive),
    }
}

impl DeviceNodeGrant {
    /// The path on the node.
    pub(in crate::plan) fn admits_host(&self, node: &DeviceNode) -> bool {
        let host = host_path(node);
        self.host_path.admits(host, sensitive::device_node(host))
    }

    /// The path on the node and the one in the container.
    pub(in crate::plan) fn admits_paths(&self, node: &DeviceNode) -> bool {
        let sensitive = sensitive::node_target(&node.path);
        let granted = self.container_path.as_ref();
        self.admits_host(node)
            && container(
                granted,
                &self.host_path,
                host_path(node),
                &node.path,
                sensitive,
            )
    }

    /// All of it.
    pub(in crate::plan) fn admits(&self, node: &DeviceNode) -> bool {
        self.admits_paths(node) && accesses(node.access).all(|access| self.access.contains(&access))
    }
}

/// Where a device node is on the node.
pub(in crate::plan) fn host_path(node: &DeviceNode) -> &str {
    node.host_path.as_deref().unwrap_or(&node.path)
}

/// The flags one by one.
pub(in crate::plan) fn accesses(access: Access) -> impl Iterator<Item = NodeAccess> {
    [
        (Access::READ, NodeAccess::Read),
        (Access::WRITE, NodeAccess::Write),
        (Access::MAKE, NodeAccess::Make),
    ]
    .into_iter()
    .filter(move |(flag, _)| (access & *flag) == *flag)
    .map(|(_, access)| access)
}

impl MountGrant {
    /// The path on the node.
    pub(in crate::plan) fn admits_host(&self, mount: &Mount) -> bool {
        let host = &mount.host_path;
        self.host_path.admits(host, sensitive::mount_source(host))
    }

    /// The path on the node and the one in the container.
    pub(in crate::plan) fn admits_paths(&self, mount: &Mount) -> bool {
        let target = &mount.container_path;
        let sensitive = sensitive::mount_target(target);
        let granted = self.container_path.as_ref();
        self.admits_host(mount)
            && container(
                granted,
                &self.host_path,
                &mount.host_path,
                target,
                sensitive,
            )
    }

    /// Both paths, and writing.
    pub(in crate::plan) fn admits_writing(&self, mount: &Mount) -> bool {
        self.admits_paths(mount) && (self.writable || !mount.writable)
    }

    /// All of it.
    pub(in crate::plan) fn admits(&self, mount: &Mount) -> bool {
        self.admits_writing(mount) && (self.executable || !mount.executable)
    }
}

impl HookGrant {
    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        if !self.path.is_literal() {
            let problem = "holds `*`; a program that runs as root is granted by its full path";
            return Err(("path", problem.to_owned()));
        }
        if self.stages.is_empty() {
            return Err(("stages", "is empty; say when it may be called".to_owned()));
        }
        Ok(())
    }

    /// The program.
    pub(in crate::plan) fn admits_path(&self, hook: &ContainerHook) -> bool {
        self.path.admits(&hook.path, true)
    }

    /// The program and the stage.
    pub(in crate::plan) fn admits_stage(&self, hook: &ContainerHook) -> bool {
        self.admits_path(hook) && self.stages.contains(&hook.stage)
    }

    /// The program, the stage and the arguments.
    pub(in crate::plan) fn admits_arguments(&self, hook: &ContainerHook) -> bool {
        let granted = |argument: &String| {
            let mut patterns = self.arguments.iter();
            patterns.any(|pattern| pattern.admits(argument, false))
        };
        self.admits_stage(hook) && hook.arguments.iter().skip(1).all(granted)
    }

    /// All of it.
    pub(in crate::plan) fn admits(&self, hook: &ContainerHook) -> bool {
        let granted = |name: &String| {
            let mut patterns = self.environment.iter();
            patterns.any(|pattern| pattern.admits(name, false))
        };
        self.admits_arguments(hook) && hook.environment.iter().map(|v| &v.name).all(granted)
    }
}
