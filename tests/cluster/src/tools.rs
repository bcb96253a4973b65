//! The programs a cluster is made of, built from pinned Go modules.
//!
//! `modules/*/go.mod` and `go.sum` name every module and its checksum, so the same sources are built
//! everywhere and no binary is fetched. A cold build takes some seven minutes on two cores; the result
//! is kept outside Cargo's target folder, in a folder named by the digest of the pins, so that it is
//! paid once a machine and two checkouts with other pins do not disturb each other.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sha2::{Digest, Sha256};

use crate::error::{ClusterError, at};
use crate::requirements;

/// What `kubectl version` and the kubelet's node status say.
pub const KUBERNETES: &str = "1.36.3";

/// One Go module whose tools are built together.
struct Module {
    name: &'static str,
    go_mod: &'static str,
    go_sum: &'static str,
    programs: &'static [&'static str],
    /// What `go build` is told to build.
    target: &'static str,
    cgo: bool,
    tags: &'static str,
    /// Whether only nodes need it.
    nodes_only: bool,
    /// How long a cold build takes on two cores.
    takes: &'static str,
}

macro_rules! pins {
    ($file:literal) => {
        include_str!(concat!("../modules/", $file))
    };
}

const MODULES: [Module; 4] = [
    Module {
        name: "etcd",
        go_mod: pins!("etcd/go.mod"),
        go_sum: pins!("etcd/go.sum"),
        programs: &["etcd"],
        target: "go.etcd.io/etcd/server/v3",
        cgo: false,
        tags: "",
        nodes_only: false,
        takes: "half a minute",
    },
    Module {
        name: "kubernetes",
        go_mod: pins!("kubernetes/go.mod"),
        go_sum: pins!("kubernetes/go.sum"),
        programs: &[
            "kube-apiserver",
            "kube-controller-manager",
            "kube-scheduler",
            "kubectl",
            "kubelet",
        ],
        target: "tool",
        cgo: false,
        tags: "",
        nodes_only: false,
        takes: "5 minutes",
    },
    Module {
        name: "containerd",
        go_mod: pins!("containerd/go.mod"),
        go_sum: pins!("containerd/go.sum"),
        programs: &["containerd", "containerd-shim-runc-v2", "ctr"],
        target: "tool",
        cgo: false,
        tags: "",
        nodes_only: true,
        takes: "one minute",
    },
    Module {
        name: "runc",
        go_mod: pins!("runc/go.mod"),
        go_sum: pins!("runc/go.sum"),
        programs: &["runc"],
        target: "github.com/opencontainers/runc",
        cgo: true,
        tags: "seccomp",
        nodes_only: true,
        takes: "ten seconds",
    },
];

/// The linker's part of the build: without a version the API server says v0.0.0 and clients refuse it.
fn ldflags() -> String {
    let version = "k8s.io/component-base/version";
    let (major, rest) = KUBERNETES.split_once('.').unwrap_or((KUBERNETES, ""));
    let minor = rest.split('.').next().unwrap_or_default();
    format!(
        "-s -w -X {version}.gitVersion=v{KUBERNETES} -X {version}.gitMajor={major} -X {version}.gitMinor={minor}"
    )
}

/// The folder with the programs.
#[derive(Debug, Clone)]
pub struct Tools {
    folder: PathBuf,
}

impl Tools {
    /// The programs, built where they are not there yet. Says on stderr what it builds; waits for
    /// another process that builds the same.
    pub fn ready(nodes: bool) -> Result<Self, ClusterError> {
        let folder = cache()?.join(digest());
        let tools = Self { folder };
        requirements::check(nodes, !tools.built(nodes))?;
        if tools.built(nodes) {
            return Ok(tools);
        }
        fs::create_dir_all(&tools.folder).map_err(at("make", &tools.folder))?;
        let lock = tools.folder.join("lock");
        let file = File::create(&lock).map_err(at("open", &lock))?;
        file.lock().map_err(at("lock", &lock))?;
        for module in MODULES {
            if (nodes || !module.nodes_only) && !tools.has(&module) {
                tools.build(&module)?;
            }
        }
        Ok(tools)
    }

    /// Where a program is.
    #[must_use]
    pub fn path(&self, program: &str) -> PathBuf {
        self.folder.join(program)
    }

    /// The folder that holds all of them.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    fn built(&self, nodes: bool) -> bool {
        MODULES
            .iter()
            .all(|module| (!nodes && module.nodes_only) || self.has(module))
    }

    fn has(&self, module: &Module) -> bool {
        module
            .programs
            .iter()
            .all(|program| self.path(program).is_file())
    }

    fn build(&self, module: &Module) -> Result<(), ClusterError> {
        eprintln!(
            "cluster: building {} ({} on two cores, once) into {}",
            module.name,
            module.takes,
            self.folder.display()
        );
        let source = self.folder.join("modules").join(module.name);
        let out = self.folder.join("out").join(module.name);
        for folder in [&source, &out] {
            fs::create_dir_all(folder).map_err(at("make", folder))?;
        }
        for (file, text) in [("go.mod", module.go_mod), ("go.sum", module.go_sum)] {
            let path = source.join(file);
            fs::write(&path, text).map_err(at("write", &path))?;
        }
        let mut command = Command::new("go");
        command
            .current_dir(&source)
            .args(["build", "-mod=readonly", "-trimpath", "-tags", module.tags])
            .args(["-ldflags", &ldflags(), "-o"])
            // A trailing slash makes it a folder: a file for each program.
            .arg(out.join(""))
            .arg(module.target)
            .env("CGO_ENABLED", if module.cgo { "1" } else { "0" })
            .env("GOWORK", "off")
            .env_remove("GOFLAGS")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let (status, output) = run(command)?;
        if !status.success() {
            return Err(ClusterError::Command {
                command: format!("go build {}", module.target),
                status,
                output,
            });
        }
        for program in module.programs {
            // A module whose last element is a version (`server/v3`) names its program after the one before.
            let made = [out.join(program), out.join("server")]
                .into_iter()
                .find(|path| path.is_file())
                .unwrap_or_else(|| out.join(program));
            fs::rename(&made, self.path(program)).map_err(at("move", &made))?;
        }
        Ok(())
    }
}

/// Runs `go`, and keeps the end of what it says: it names every download on the way.
fn run(mut command: Command) -> Result<(std::process::ExitStatus, String), ClusterError> {
    let io = |source| ClusterError::Io {
        what: "run go".to_owned(),
        source,
    };
    let mut child = command.spawn().map_err(io)?;
    let mut output = String::new();
    if let Some(mut stderr) = child.stderr.take() {
        let mut bytes = Vec::new();
        stderr.read_to_end(&mut bytes).map_err(io)?;
        output = String::from_utf8_lossy(&bytes).into_owned();
    }
    let status = child.wait().map_err(io)?;
    Ok((status, crate::log::last_lines(&output, 30)))
}

fn cache() -> Result<PathBuf, ClusterError> {
    let path = if let Some(folder) = std::env::var_os("SUPERCARGO_CLUSTER_CACHE") {
        PathBuf::from(folder)
    } else if let Some(folder) = std::env::var_os("XDG_CACHE_HOME") {
        PathBuf::from(folder).join("supercargo/cluster")
    } else {
        let home = std::env::var_os("HOME").ok_or_else(|| ClusterError::Io {
            what: "find the cache folder: neither SUPERCARGO_CLUSTER_CACHE nor HOME is set"
                .to_owned(),
            source: std::io::ErrorKind::NotFound.into(),
        })?;
        PathBuf::from(home).join(".cache/supercargo/cluster")
    };
    let path = std::path::absolute(&path).map_err(at("find", &path))?;
    crate::sandbox::must_be_seen(&path, "SUPERCARGO_CLUSTER_CACHE")?;
    Ok(path)
}

/// Names the pins and how they are built.
fn digest() -> String {
    let mut hash = Sha256::new();
    hash.update(ldflags());
    for module in MODULES {
        for text in [module.go_mod, module.go_sum, module.target, module.tags] {
            hash.update(text);
        }
    }
    hash.finalize()
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
