//! What no `*` admits: names that give power over the node or turn data into code.
//!
//! An administrator who writes `/dev/*` thinks of devices and not of `/dev/mem`. Whoever does mean
//! `/dev/mem` can write it in full. The lists err on the side of asking: what is listed without need
//! costs a line in the configuration, what is missing could cost the node. They are no fence by
//! themselves; the fence is that nothing is granted which is not written.

/// Variables that make a program load or run something else.
const ENVIRONMENT: &[&str] = &[
    "PATH",
    "ENV",
    "BASH_ENV",
    "IFS",
    "SHELLOPTS",
    "PS4",
    "GCONV_PATH",
    "GLIBC_TUNABLES",
    "LOCPATH",
    "NLSPATH",
    "HOSTALIASES",
    "RESOLV_HOST_CONF",
    "NODE_OPTIONS",
    "NODE_PATH",
    "JAVA_TOOL_OPTIONS",
    "_JAVA_OPTIONS",
    "JDK_JAVA_OPTIONS",
    "CLASSPATH",
    "RUBYOPT",
    "RUBYLIB",
    "PERL5OPT",
    "PERL5LIB",
    "PERLLIB",
    "HOME",
    "CUDA_INJECTION64_PATH",
    // By which a container runtime's own hook adds devices that no claim holds.
    "NVIDIA_VISIBLE_DEVICES",
    "NVIDIA_IMEX_CHANNELS",
    "NVIDIA_MIG_CONFIG_DEVICES",
    "NVIDIA_MIG_MONITOR_DEVICES",
    "GIT_SSH_COMMAND",
];

/// Beginnings of such variables.
const ENVIRONMENT_FAMILIES: &[&str] = &["LD_", "DYLD_", "PYTHON", "KUBERNETES_", "OCAML", "LUA_"];

/// Device nodes below `/dev` that are no accelerators: memory, disks, terminals, keys, virtual
/// machines. What follows a listed beginning is meant too.
const DEVICE_NODES: &[&str] = &[
    "mem",
    "kmem",
    "port",
    "kmsg",
    "core",
    "fd",
    "mapper",
    "disk",
    "block",
    "bsg",
    "sg",
    "sd",
    "sr",
    "hd",
    "vd",
    "xvd",
    "nvme",
    "nbd",
    "rbd",
    "zd",
    "dm-",
    "mmcblk",
    "zram",
    "bcache",
    "drbd",
    "dasd",
    "md",
    "loop",
    "ram",
    "pmem",
    "dax",
    "kvm",
    "vhost",
    "uio",
    "iommu",
    "net",
    "fuse",
    "input",
    "uinput",
    "tpm",
    "watchdog",
    "tty",
    "pts",
    "ptmx",
    "console",
    "vcs",
    "cpu",
    "mei",
    "ipmi",
    "hwrng",
    "hidraw",
    "bus",
    "vfio/vfio",
    "snapshot",
    "userfaultfd",
    "autofs",
    "btrfs-control",
    "shm",
    "log",
    "initctl",
    "i2c",
    "gpio",
    "spidev",
    "rtc",
    "efi",
    "nvram",
    "raw",
    "mtd",
    "ubi",
    "urandom",
    "random",
];

/// Folders of the node whose content is its state or its secrets, with all that is below.
const SOURCES: &[&str] = &[
    "/boot",
    "/dev",
    "/etc",
    "/home",
    "/proc",
    "/root",
    "/sys",
    "/var/lib/kubelet",
    "/var/lib/etcd",
    "/var/lib/containerd",
    "/var/lib/containers",
    "/var/lib/docker",
    "/var/lib/cni",
    "/var/lib/rancher",
    "/var/lib/cloud",
    // Policies of the driver itself.
    "/var/lib/supercargo",
    "/var/log",
    "/var/run",
    "/var/spool",
    "/run/containerd",
    "/run/crio",
    "/run/cri-dockerd.sock",
    "/run/docker",
    "/run/docker.sock",
    "/run/podman",
    "/run/systemd",
    "/run/dbus",
    "/run/secrets",
    "/run/k3s",
    "/run/udev",
];

/// Folders of a container where what is mounted changes who somebody is or what is run.
const TARGETS: &[&str] = &[
    "/bin",
    "/boot",
    "/dev",
    "/etc",
    "/home",
    "/proc",
    "/root",
    "/run/secrets",
    "/sbin",
    "/sys",
    "/usr/bin",
    "/usr/local/bin",
    "/usr/local/sbin",
    "/usr/sbin",
    "/var/run/secrets",
];

/// Whether a variable of a container is sensitive.
pub(crate) fn environment(name: &str) -> bool {
    let upper = name.to_ascii_uppercase();
    ENVIRONMENT.contains(&upper.as_str())
        || ENVIRONMENT_FAMILIES
            .iter()
            .any(|family| upper.starts_with(family))
}

/// Whether a text can be the name of a variable.
pub(crate) fn is_variable(name: &str) -> bool {
    !name.is_empty() && !name.contains(|c: char| c == '=' || c == '*' || c.is_control())
}

/// Whether a device node of the node is sensitive. Outside `/dev` there should be none.
pub(super) fn device_node(path: &str) -> bool {
    let listed = |below: &str| DEVICE_NODES.iter().any(|node| below.starts_with(node));
    path.strip_prefix("/dev/").is_none_or(listed)
}

/// Whether a place for a device node in a container is sensitive.
pub(super) fn node_target(path: &str) -> bool {
    device_node(path)
}

/// Whether a path of the node is sensitive as the source of a mount. Folders at the root hold too much
/// to be matched by chance.
pub(super) fn mount_source(path: &str) -> bool {
    at_root(path) || SOURCES.iter().any(|folder| within(folder, path))
}

/// Whether a path of a container is sensitive as the target of a mount.
pub(super) fn mount_target(path: &str) -> bool {
    at_root(path) || TARGETS.iter().any(|folder| within(folder, path))
}

fn at_root(path: &str) -> bool {
    path.matches('/').count() < 2
}

fn within(folder: &str, path: &str) -> bool {
    path.strip_prefix(folder)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_gives_power_over_the_node_is_listed() {
        for name in [
            "LD_PRELOAD",
            "ld_library_path",
            "PATH",
            "PYTHONPATH",
            "BASH_ENV",
            "NVIDIA_VISIBLE_DEVICES",
        ] {
            assert!(environment(name), "{name}");
        }
        for path in [
            "/dev/mem",
            "/dev/sda1",
            "/dev/nvme0n1",
            "/dev/dm-0",
            "/dev/mmcblk0",
            "/dev/uio0",
            "/dev/iommu",
            "/tmp/x",
            "/dev/kvm",
        ] {
            assert!(device_node(path), "{path}");
        }
        for path in [
            "/etc",
            "/etc/shadow",
            "/usr",
            "/proc/1/root",
            "/run/containerd/x.sock",
            "/var/lib/supercargo/policies",
        ] {
            assert!(mount_source(path), "{path}");
        }
        for path in ["/etc/passwd", "/usr/bin/env", "/lib", "/var/run/secrets/x"] {
            assert!(mount_target(path), "{path}");
        }
    }

    #[test]
    fn what_accelerators_need_is_not() {
        for name in ["NVIDIA_REQUIRE_CUDA", "CUDA_MPS_PIPE_DIRECTORY", "PATHS"] {
            assert!(!environment(name), "{name}");
        }
        for path in [
            "/dev/nvidia0",
            "/dev/nvidiactl",
            "/dev/nvidia-caps/nvidia-cap1",
            "/dev/dri/renderD128",
            "/dev/infiniband/uverbs0",
            "/dev/kfd",
            "/dev/accel/accel0",
            "/dev/vfio/12",
        ] {
            assert!(!device_node(path), "{path}");
        }
        assert!(!mount_source("/usr/lib/x86_64-linux-gnu/libcuda.so.1"));
        assert!(!mount_target("/usr/lib/x86_64-linux-gnu/libcuda.so.1"));
        assert!(!mount_source("/etcetera/x"));
    }
}
