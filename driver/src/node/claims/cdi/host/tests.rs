//! Paths mean what they say, in whatever list a policy writes them.

use std::fs;
use std::os::unix::fs::symlink;

use supercargo_host::policy::configuration::Mount as PolicyMount;
use tempfile::TempDir;

use super::*;

/// A host whose root is a folder: `/opt/lib`, and links that lead there and away.
fn host() -> (TempDir, HostFiles) {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir_all(root.path().join("opt")).unwrap();
    fs::write(root.path().join("opt/lib"), "").unwrap();
    symlink("lib", root.path().join("opt/link")).unwrap();
    symlink("/opt", root.path().join("linked")).unwrap();
    symlink("/", root.path().join("opt/root")).unwrap();
    let files = HostFiles::beneath(root.path());
    (root, files)
}

fn none() -> PolicyEdits {
    PolicyEdits {
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

/// The same path as a mount, a device node and a hook.
fn each(path: &str) -> [PolicyEdits; 3] {
    [
        PolicyEdits {
            mounts: vec![PolicyMount {
                host_path: path.to_owned(),
                container_path: "/in".to_owned(),
                writable: false,
                executable: false,
            }],
            ..none()
        },
        node(path, None, Access::READ),
        PolicyEdits {
            hooks: vec![ContainerHook {
                stage: HookStage::CreateContainer,
                path: path.to_owned(),
                arguments: Vec::new(),
                environment: Vec::new(),
                timeout: None,
            }],
            ..none()
        },
    ]
}

fn node(path: &str, kind: Option<NodeKind>, access: Access) -> PolicyEdits {
    PolicyEdits {
        device_nodes: vec![PolicyNode {
            path: "/dev/in".to_owned(),
            host_path: Some(path.to_owned()),
            kind,
            mode: None,
            access,
            uid: None,
            gid: None,
        }],
        ..none()
    }
}

#[test]
fn no_path_leads_through_a_link() {
    let (_root, files) = host();
    for edits in each("/opt/lib") {
        files.show(&edits).unwrap();
    }
    for path in ["/opt/link", "/linked/lib", "/opt/root/opt/lib"] {
        for edits in each(path) {
            let error = files.show(&edits).unwrap_err();
            assert!(
                matches!(&error, NodeError::Link(told) if told == path),
                "{error}"
            );
        }
    }
}

#[test]
fn no_path_leads_out_of_the_hosts_root_and_none_to_nothing() {
    let (root, files) = host();
    let name = root.path().file_name().unwrap().to_str().unwrap();
    // Above the root there is the root.
    for path in ["/opt/none".to_owned(), format!("/../{name}/opt/lib")] {
        for edits in each(&path) {
            let error = files.show(&edits).unwrap_err();
            assert!(matches!(error, NodeError::Unreadable { .. }), "{error}");
        }
    }
}

#[test]
fn a_device_node_is_what_it_is_said_to_be() {
    let (_root, files) = host();
    let wanted = |kind| files.show(&node("/opt/lib", Some(kind), Access::READ));
    for kind in [NodeKind::Character, NodeKind::Block, NodeKind::Fifo] {
        let error = wanted(kind).unwrap_err();
        assert!(matches!(error, NodeError::OtherKind { .. }), "{error}");
    }
    let here = HostFiles::beneath(Path::new("/"));
    let all = Access::READ | Access::WRITE;
    let null = node("/dev/null", Some(NodeKind::Character), all);
    let shown = here.show(&null).unwrap();
    assert_eq!(shown.device_nodes[0].permissions.as_deref(), Some("rw"));
    assert_eq!(
        shown.device_nodes[0].host_path.as_deref(),
        Some("/dev/null")
    );
    let no_access = here.show(&node("/dev/null", None, Access::empty()));
    assert!(matches!(no_access, Err(NodeError::NoAccess(_))));
}
