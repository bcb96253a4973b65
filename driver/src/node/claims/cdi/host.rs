//! What policies show to containers of this node's files, as the specification has it.
//!
//! Grants speak of paths as texts, so a text must lead where it says: a symbolic link on the way could
//! make `/opt/vendor/lib` mean `/etc`. Every path of the host is therefore resolved with links refused,
//! and beneath the folder where the host's root is seen, before it is given to the runtime.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, ResolveFlags};
use supercargo_host::policy::configuration::{
    Access, ContainerEdits as PolicyEdits, ContainerHook, DeviceNode as PolicyNode, HookStage,
    NodeKind, Variable,
};

use super::compose::mount_options;
use super::spec::{ContainerEdits, DeviceNode, Hook, Mount, NetDevice};

/// Why a policy's edit cannot be given to the runtime.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The path goes through a symbolic link.
    #[error(
        "{0} leads through a symbolic link on this node, and grants are for what paths say: use, and \
         grant, the path that it leads to"
    )]
    Link(String),
    /// There is nothing there, or it cannot be looked at.
    #[error("{path} of this node cannot be shown to containers: {source}")]
    Unreadable {
        /// The path.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is something else than the policy says it must be.
    #[error("{path} is to be a {wanted}, and is something else on this node")]
    OtherKind {
        /// The path.
        path: String,
        /// What it was to be.
        wanted: &'static str,
    },
    /// Runtimes take no access for full access.
    #[error("{0} is to be visible without read, write or mknod access, which runtimes cannot do")]
    NoAccess(String),
}

/// The host's files, as this process sees them.
#[derive(Debug, Clone)]
pub(in crate::node::claims) struct HostFiles {
    root: PathBuf,
}

impl HostFiles {
    /// With the host's root at this path.
    pub(in crate::node::claims) fn beneath(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
        }
    }

    /// A policy's edits in the specification's words.
    pub(in crate::node::claims) fn show(
        &self,
        edits: &PolicyEdits,
    ) -> Result<ContainerEdits, NodeError> {
        let mut shown = ContainerEdits {
            env: variables(&edits.environment),
            additional_gids: edits.additional_groups.clone(),
            ..ContainerEdits::default()
        };
        for node in &edits.device_nodes {
            shown.device_nodes.push(self.device_node(node)?);
        }
        for mount in &edits.mounts {
            self.look(&mount.host_path)?;
            shown.mounts.push(Mount {
                host_path: mount.host_path.clone(),
                container_path: mount.container_path.clone(),
                options: mount_options(mount.writable, mount.executable),
            });
        }
        for hook in &edits.hooks {
            self.look(&hook.path)?;
            shown.hooks.push(container_hook(hook));
        }
        let interfaces = edits.network_interfaces.iter();
        shown.net_devices = interfaces
            .map(|interface| NetDevice {
                host_interface_name: interface.host_name.clone(),
                name: interface.container_name.clone(),
            })
            .collect();
        Ok(shown)
    }

    fn device_node(&self, node: &PolicyNode) -> Result<DeviceNode, NodeError> {
        let on_host = node.host_path.as_ref().unwrap_or(&node.path);
        let found = self.look(on_host)?;
        let wanted = match node.kind {
            Some(NodeKind::Character) if !found.is_char_device() => Some("character device"),
            Some(NodeKind::Block) if !found.is_block_device() => Some("block device"),
            Some(NodeKind::Fifo) if !found.is_fifo() => Some("named pipe"),
            _ => None,
        };
        if let Some(wanted) = wanted {
            return Err(NodeError::OtherKind {
                path: on_host.clone(),
                wanted,
            });
        }
        let permissions: String = [
            (Access::READ, 'r'),
            (Access::WRITE, 'w'),
            (Access::MAKE, 'm'),
        ]
        .into_iter()
        .filter(|(access, _)| node.access.contains(*access))
        .map(|(_, letter)| letter)
        .collect();
        if permissions.is_empty() {
            return Err(NodeError::NoAccess(node.path.clone()));
        }
        Ok(DeviceNode {
            path: node.path.clone(),
            host_path: (*on_host != node.path).then(|| on_host.clone()),
            file_mode: node.mode,
            permissions: Some(permissions),
            uid: node.uid,
            gid: node.gid,
        })
    }

    /// What lies at a path of the host.
    fn look(&self, path: &str) -> Result<std::fs::FileType, NodeError> {
        let unreadable = |source: io::Error| NodeError::Unreadable {
            path: path.to_owned(),
            source,
        };
        let root = File::open(&self.root).map_err(unreadable)?;
        // Not with `NOFOLLOW`: that opens a link at the end of the path rather than refusing it.
        let opened = rustix::fs::openat2(
            &root,
            path,
            OFlags::PATH | OFlags::CLOEXEC,
            Mode::empty(),
            ResolveFlags::IN_ROOT | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS,
        );
        match opened {
            Ok(file) => {
                let metadata = File::from(file).metadata().map_err(unreadable)?;
                Ok(metadata.file_type())
            }
            Err(rustix::io::Errno::LOOP) => Err(NodeError::Link(path.to_owned())),
            Err(error) => Err(unreadable(error.into())),
        }
    }
}

fn container_hook(hook: &ContainerHook) -> Hook {
    Hook {
        hook_name: stage(hook.stage).to_owned(),
        path: hook.path.clone(),
        args: hook.arguments.clone(),
        env: variables(&hook.environment),
        timeout: hook.timeout,
    }
}

fn variables(variables: &[Variable]) -> Vec<String> {
    variables
        .iter()
        .map(|variable| format!("{}={}", variable.name, variable.value))
        .collect()
}

fn stage(stage: HookStage) -> &'static str {
    match stage {
        HookStage::CreateRuntime => "createRuntime",
        HookStage::CreateContainer => "createContainer",
        HookStage::StartContainer => "startContainer",
        HookStage::Poststart => "poststart",
        HookStage::Poststop => "poststop",
    }
}

#[cfg(test)]
mod tests;
