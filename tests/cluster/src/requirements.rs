//! What a machine must offer before a cluster can run on it.
//!
//! Asked before anything is built or started, so that a test run on a laptop says at once, and for
//! every test, why it was left out.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::sandbox;

/// Where Debian and most others keep the CNI plugins.
pub(crate) const CNI_PLUGINS: [&str; 2] = ["/usr/lib/cni", "/opt/cni/bin"];

/// Why this machine cannot run the cluster that was asked for, and what would cure it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// It is not Linux.
    #[error("a cluster needs Linux; this is {0}")]
    NotLinux(&'static str),
    /// Nodes mount file systems and make cgroups.
    #[error("nodes need root (mounts, network namespaces, cgroups): run it as root")]
    NotRoot,
    /// Programs or libraries that are not installed.
    #[error("{} missing; {}", list(.0), cures(.0))]
    Missing(Vec<Need>),
    /// The kernel or a container runtime forbids namespaces.
    #[error("this machine refuses the namespaces that a cluster lives in: {0}")]
    NoNamespaces(String),
}

/// Something that must be installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    what: &'static str,
    package: Option<&'static str>,
    cure: Option<&'static str>,
}

fn list(needs: &[Need]) -> String {
    let names: Vec<_> = needs.iter().map(|need| need.what).collect();
    match names.len() {
        1 => format!("{} is", names.concat()),
        _ => format!("{} are", names.join(", ")),
    }
}

fn cures(needs: &[Need]) -> String {
    let packages: Vec<_> = needs.iter().filter_map(|need| need.package).collect();
    let packages = (!packages.is_empty())
        .then(|| format!("on Debian: apt-get install {}", packages.join(" ")));
    let others = needs.iter().filter_map(|need| need.cure.map(str::to_owned));
    packages
        .into_iter()
        .chain(others)
        .collect::<Vec<_>>()
        .join("; ")
}

/// Says why a cluster cannot run here; `nodes`: with nodes, not only an API server; `build`: its
/// programs have to be built first.
pub(crate) fn check(nodes: bool, build: bool) -> Result<(), Unavailable> {
    if !cfg!(target_os = "linux") {
        return Err(Unavailable::NotLinux(std::env::consts::OS));
    }
    if nodes && !rustix::process::geteuid().is_root() {
        return Err(Unavailable::NotRoot);
    }
    let mut missing = Vec::new();
    let mut need = |there: bool, what, package: &'static str, cure: Option<&'static str>| {
        if !there {
            let package = (!package.is_empty()).then_some(package);
            missing.push(Need {
                what,
                package,
                cure,
            });
        }
    };
    need(on_path("unshare"), "unshare", "util-linux", None);
    need(on_path("bash"), "bash", "bash", None);
    if build {
        let go = "get go from https://go.dev/dl (1.26 or newer; Debian's is older)";
        need(on_path("go"), "go", "", Some(go));
    }
    if build && nodes {
        need(on_path("cc"), "cc", "gcc libc6-dev", None);
        let pkg_config = on_path("pkg-config");
        need(pkg_config, "pkg-config", "pkg-config", None);
        let seccomp = pkg_config && succeeds("pkg-config", &["--exists", "libseccomp"]);
        need(seccomp, "libseccomp's headers", "libseccomp-dev", None);
    }
    if nodes {
        let plugins = cni_plugins().is_some();
        need(
            plugins,
            "the CNI plugins ptp and host-local",
            "containernetworking-plugins",
            None,
        );
        need(
            crate::image::has_busybox(),
            "a static /bin/busybox",
            "busybox-static",
            None,
        );
        need(on_path("iptables"), "iptables", "iptables", None);
        need(on_path("ip"), "ip", "iproute2", None);
    }
    if !missing.is_empty() {
        return Err(Unavailable::Missing(missing));
    }
    sandbox::probe().map_err(Unavailable::NoNamespaces)
}

/// The folder with the CNI plugins that nodes use.
pub(crate) fn cni_plugins() -> Option<&'static str> {
    CNI_PLUGINS.into_iter().find(|folder| {
        ["ptp", "host-local"]
            .iter()
            .all(|plugin| Path::new(folder).join(plugin).is_file())
    })
}

fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .any(|folder| folder.join(program).is_file())
}

fn succeeds(program: &str, arguments: &[&str]) -> bool {
    Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named_with_the_line_that_installs_it() {
        let unavailable = Unavailable::Missing(vec![
            Need {
                what: "go",
                package: None,
                cure: Some("get go from https://go.dev/dl"),
            },
            Need {
                what: "pkg-config",
                package: Some("pkg-config"),
                cure: None,
            },
        ]);
        assert_eq!(
            unavailable.to_string(),
            "go, pkg-config are missing; on Debian: apt-get install pkg-config; get go from https://go.dev/dl"
        );
    }
}
