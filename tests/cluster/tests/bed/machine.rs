//! What a cluster leaves on the machine, found without asking the cluster.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use supercargo_cluster::{Cluster, ClusterError, Process, until};

/// Where a cluster could be found, noted while it runs.
#[derive(Debug)]
pub(crate) struct Marks {
    folder: PathBuf,
    cgroup: String,
    /// The process namespace of its processes.
    namespace: PathBuf,
    /// The machine's ends of its pods' interfaces.
    interfaces: Vec<String>,
}

impl Marks {
    pub(crate) fn new(
        folder: &Path,
        cgroup: &str,
        process: u32,
        pods: &[Pod],
    ) -> std::io::Result<Self> {
        let addresses = pods
            .iter()
            .filter_map(|pod| pod.status.as_ref()?.pod_ip.clone());
        Ok(Self {
            folder: folder.to_owned(),
            cgroup: cgroup.to_owned(),
            namespace: fs::read_link(format!("/proc/{process}/ns/pid"))?,
            interfaces: addresses.map(|address| interface_to(&address)).collect(),
        })
    }

    pub(crate) fn of(
        cluster: &Cluster,
        pods: &[Pod],
    ) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let pid = cluster.process("kubelet-1").map(Process::pid);
        let pid = pid
            .transpose()?
            .flatten()
            .ok_or("the kubelet does not run")?;
        let pid = pid.as_raw_nonzero().get().cast_unsigned();
        Ok(Self::new(cluster.folder(), &cluster.cgroup(), pid, pods)?)
    }

    /// What of it is there, each with its kind.
    pub(crate) fn seen(&self) -> BTreeSet<(&'static str, String)> {
        let mut seen = BTreeSet::new();
        for process in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let namespace = fs::read_link(process.path().join("ns/pid"));
            if namespace.is_ok_and(|namespace| namespace == self.namespace) {
                seen.insert(("process", process.path().display().to_string()));
            }
        }
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let folder = self.folder.display().to_string();
        for mount in mounts.lines().filter(|mount| mount.contains(&folder)) {
            seen.insert(("mount", mount.to_owned()));
        }
        for hierarchy in fs::read_dir("/sys/fs/cgroup")
            .into_iter()
            .flatten()
            .flatten()
        {
            for group in [hierarchy.path().join(&self.cgroup), hierarchy.path()] {
                if group.exists() && group.ends_with(&self.cgroup) {
                    seen.insert(("cgroup", group.display().to_string()));
                }
            }
        }
        for interface in &self.interfaces {
            if Path::new("/sys/class/net").join(interface).exists() {
                seen.insert(("interface", interface.clone()));
            }
        }
        if self.folder.exists() {
            seen.insert(("folder", folder));
        }
        seen
    }

    pub(crate) fn kinds(&self) -> BTreeSet<&'static str> {
        self.seen().into_iter().map(|(kind, _)| kind).collect()
    }

    /// Waits until nothing of some kinds is there: the kernel removes interfaces a moment after the
    /// last process.
    pub(crate) async fn until_gone(&self, kinds: &[&str]) -> Result<(), ClusterError> {
        let what = format!(
            "no {} of {} is left",
            kinds.join(" or "),
            self.folder.display()
        );
        until(Duration::from_secs(30), &what, async || {
            let left = self.kinds();
            Ok(kinds.iter().all(|kind| !left.contains(kind)).then_some(()))
        })
        .await
    }
}

/// What is in folders that a careless cluster would write to.
pub(crate) fn shared_folders() -> BTreeSet<String> {
    let folders = [
        "/run",
        "/run/netns",
        "/run/containerd",
        "/var/lib",
        "/var/lib/cni",
        "/var/lib/kubelet",
        "/var/log",
        "/etc/cni",
    ];
    let entries = folders
        .iter()
        .flat_map(|folder| fs::read_dir(folder).into_iter().flatten());
    let paths = entries
        .flatten()
        .map(|entry| entry.path().display().to_string());
    paths.collect()
}

/// The interface that leads to an address, by the machine's own table.
fn interface_to(address: &str) -> String {
    let address: std::net::Ipv4Addr = address.parse().expect("an IPv4 address");
    let destination = format!("{:08X}", u32::from(address).swap_bytes());
    let table = fs::read_to_string("/proc/net/route").expect("a table of routes");
    let route = table
        .lines()
        .find(|line| line.split('\t').nth(1) == Some(&destination));
    let interface = route.and_then(|line| line.split('\t').next());
    interface.expect("a route to the pod").to_owned()
}
