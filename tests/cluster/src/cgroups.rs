//! Control groups of a node's own, below which its kubelet puts all pods.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::error::{ClusterError, at};

/// How long the kernel may take to let go of a group whose processes have ended.
const EMPTY_WITHIN: Duration = Duration::from_secs(10);

/// Makes a group in every hierarchy.
pub(crate) fn create(group: &str) -> Result<(), ClusterError> {
    let hierarchies = hierarchies()?;
    let unified = hierarchies.iter().all(|hierarchy| hierarchy.unified);
    for hierarchy in &hierarchies {
        let mut above = hierarchy.path.clone();
        for part in group.split('/') {
            let path = above.join(part);
            if unified {
                delegate(&above)?;
            }
            match fs::create_dir(&path) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(at("make", &path)(error)),
            }
            // In the first version of cgroups these two start empty, and no process can join.
            for file in ["cpuset.cpus", "cpuset.mems"] {
                let (from, to) = (above.join(file), path.join(file));
                if !hierarchy.unified && from.exists() {
                    let value = fs::read(&from).map_err(at("read", &from))?;
                    fs::write(&to, value).map_err(at("write", &to))?;
                }
            }
            above = path;
        }
    }
    Ok(())
}

/// Hands every controller of a group of the second version to the groups below it.
fn delegate(group: &Path) -> Result<(), ClusterError> {
    let offered = group.join("cgroup.controllers");
    let enabled = group.join("cgroup.subtree_control");
    let controllers = fs::read_to_string(&offered).map_err(at("read", &offered))?;
    for controller in controllers.split_whitespace() {
        fs::write(&enabled, format!("+{controller}")).map_err(at("write", &enabled))?;
    }
    Ok(())
}

/// Removes a group and those below it, in every hierarchy; their processes have ended.
pub(crate) fn remove(group: &str) -> Result<(), ClusterError> {
    for hierarchy in hierarchies()? {
        let path = hierarchy.path.join(group);
        if path.exists() {
            remove_tree(&path)?;
        }
    }
    Ok(())
}

fn remove_tree(path: &Path) -> Result<(), ClusterError> {
    for entry in fs::read_dir(path).map_err(at("read", path))? {
        let entry = entry.map_err(at("read", path))?.path();
        if entry.is_dir() {
            remove_tree(&entry)?;
        }
    }
    let begun = Instant::now();
    loop {
        match fs::remove_dir(path) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error)
                if error.kind() == ErrorKind::ResourceBusy && begun.elapsed() < EMPTY_WITHIN =>
            {
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(error) => return Err(at("remove", path)(error)),
        }
    }
}

struct Hierarchy {
    path: PathBuf,
    unified: bool,
}

fn hierarchies() -> Result<Vec<Hierarchy>, ClusterError> {
    let mounts = Path::new("/proc/self/mounts");
    let text = fs::read_to_string(mounts).map_err(at("read", mounts))?;
    let found = text.lines().filter_map(|line| {
        let mut words = line.split(' ').skip(1);
        let path = PathBuf::from(words.next()?);
        let unified = match words.next()? {
            "cgroup" => false,
            "cgroup2" => true,
            _ => return None,
        };
        Some(Hierarchy { path, unified })
    });
    Ok(found.collect())
}
