//! Namespaces that a cluster lives in, and that take all of it with them when they end.
//!
//! Every process of a cluster shares one process namespace and one mount namespace. The first process
//! in it does nothing but read from a pipe that only the owner can write to. When the owner ends, by
//! whatever signal, that read ends, the first process with it, and the kernel kills all others and
//! drops the mounts, the network namespaces of pods that were mounted there, and so their interfaces.
//! Nothing has to be remembered and undone, and a test that dies leaves no more than a folder and
//! empty control groups, which the next start removes (see [`crate::scratch`]).
//!
//! The network is the machine's own, for tests talk to the cluster over loopback.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

use crate::error::{ClusterError, at};
use crate::scratch::{INIT, Scratch};

mod process;
pub use process::{Process, own_processor};

/// Folders that are empty in there: containerd, CNI and the kubelet write to some below them whatever
/// they are told.
const COVERED: [&str; 3] = ["/run", "/var/lib", "/var/log"];

/// How long the kernel may take to end a namespace.
const ENDS_WITHIN: Duration = Duration::from_secs(30);

/// What the first process runs. Kubelets need mounts that can be shared, among themselves only.
const SCRIPT: &str = "set -e
mount --make-rshared /
for folder in /run /var/lib /var/log; do mount -t tmpfs -o mode=755 tmpfs $folder; done
mkdir /run/netns
echo ready
read -r _ || true";

/// Refuses a folder that the cluster could not see.
pub(crate) fn must_be_seen(path: &Path, variable: &'static str) -> Result<(), ClusterError> {
    match COVERED
        .into_iter()
        .find(|covered| path.starts_with(covered))
    {
        None => Ok(()),
        Some(covered) => Err(ClusterError::Covered {
            path: path.to_owned(),
            covered,
            variable,
        }),
    }
}

fn unshare() -> Command {
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "--pid", "--fork"]);
    command.args(["--kill-child=KILL", "--mount-proc"]);
    if !rustix::process::geteuid().is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    command
}

/// Says what stands in the way of namespaces here.
pub(crate) fn probe() -> Result<(), String> {
    let output = unshare()
        .args(["mount", "-t", "tmpfs", "tmpfs", "/run"])
        .stdin(Stdio::null())
        .output()
        .map_err(|error| error.to_string())?;
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
    }
}

/// The first process of a cluster, as others can find it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Init {
    pid: Pid,
    /// When it started, in the kernel's ticks since boot: tells it from a later process of the number.
    started: u64,
}

impl Init {
    /// Reads who keeps the namespaces of the cluster in a folder; `None`: it has ended.
    pub(crate) fn read(folder: &Path) -> Option<Self> {
        let text = fs::read_to_string(folder.join(INIT)).ok()?;
        let (pid, started) = text.trim().split_once(' ')?;
        let init = Self {
            pid: Pid::from_raw(pid.parse().ok()?)?,
            started: started.parse().ok()?,
        };
        init.lives().then_some(init)
    }

    fn lives(self) -> bool {
        process::stat(self.pid).is_some_and(|stat| stat.started == self.started)
    }

    /// Ends the namespaces and everything in them.
    pub(crate) fn kill(self) -> Result<(), ClusterError> {
        if !self.lives() {
            return Ok(());
        }
        // One that ended just now is as good.
        let _ = rustix::process::kill_process(self.pid, Signal::KILL);
        let begun = Instant::now();
        while self.lives() {
            if begun.elapsed() > ENDS_WITHIN {
                return Err(ClusterError::TimedOut {
                    until: format!("process {} and all in its namespace ended", self.pid),
                    after: ENDS_WITHIN,
                });
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    }
}

/// The namespaces of one cluster.
#[derive(Debug)]
pub(crate) struct Sandbox {
    /// `unshare`, which waits for the first process.
    keeper: Child,
    init: Init,
    log: PathBuf,
    path: std::ffi::OsString,
}

impl Sandbox {
    /// Makes the namespaces. They end with this process; `detached`: with [`Init::kill`] only.
    pub(crate) fn start(
        scratch: &Scratch,
        tools: &Path,
        detached: bool,
    ) -> Result<Self, ClusterError> {
        let io = |what: &'static str| {
            move |source| ClusterError::Io {
                what: what.to_owned(),
                source,
            }
        };
        let said = scratch.log().join("sandbox.log");
        let stdin = match detached {
            true => never_ending(scratch.path())?,
            false => Stdio::piped(),
        };
        let mut keeper = unshare()
            .args(["bash", "-c", SCRIPT])
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(File::create(&said).map_err(at("make", &said))?)
            // Out of reach of a terminal's Ctrl-C: the owner decides when it ends.
            .process_group(0)
            .spawn()
            .map_err(io("run unshare"))?;
        let mut line = String::new();
        if let Some(stdout) = keeper.stdout.take() {
            BufReader::new(stdout)
                .read_line(&mut line)
                .map_err(io("read from unshare"))?;
        }
        let keeper_pid = Pid::from_child(&keeper);
        let init = process::child_of(keeper_pid)
            .filter(|_| line == "ready\n")
            .and_then(|pid| {
                let started = process::stat(pid)?.started;
                Some(Init { pid, started })
            });
        let Some(init) = init else {
            let status = keeper.wait().map_err(io("wait for unshare"))?;
            return Err(ClusterError::Ended {
                component: "the first process of the cluster".to_owned(),
                status,
                tail: crate::log::tail(&said, 20),
                log: said,
            });
        };
        let state = scratch.path().join(INIT);
        let text = format!("{} {}\n", init.pid, init.started);
        fs::write(&state, text).map_err(at("write", &state))?;
        let mut path = std::ffi::OsString::from(tools);
        for part in [
            std::env::var_os("PATH").unwrap_or_default(),
            "/usr/sbin:/sbin".into(),
        ] {
            path.push(":");
            path.push(part);
        }
        Ok(Self {
            keeper,
            init,
            log: scratch.log(),
            path,
        })
    }

    /// Starts a program in there, with its output in a log of that name.
    pub(crate) fn spawn(
        &self,
        name: &str,
        program: &Path,
        prepare: impl FnOnce(&mut Command),
    ) -> Result<Process, ClusterError> {
        let log = self.log.join(format!("{name}.log"));
        let file = File::options()
            .create(true)
            .append(true)
            .open(&log)
            .map_err(at("open", &log))?;
        let again = file.try_clone().map_err(at("open", &log))?;
        let mut command = self.enter();
        command
            .arg(program)
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(again);
        prepare(&mut command);
        let child = command.spawn().map_err(|source| ClusterError::Io {
            what: format!("start {name}"),
            source,
        })?;
        Ok(Process::new(name.to_owned(), log, child))
    }

    /// A command whose arguments name a program to run in there.
    pub(crate) fn enter(&self) -> Command {
        let mut command = Command::new("nsenter");
        command
            .args(["--mount", "--pid", "--target", &self.init.pid.to_string()])
            .env("PATH", &self.path)
            .process_group(0);
        if !rustix::process::geteuid().is_root() {
            command.args(["--user", "--preserve-credentials"]);
        }
        command.arg("--");
        command
    }

    /// Ends everything in there, and waits until it has.
    pub(crate) fn end(&mut self) -> Result<(), ClusterError> {
        let _ = rustix::process::kill_process(self.init.pid, Signal::KILL);
        self.keeper
            .wait()
            .map(drop)
            .map_err(|source| ClusterError::Io {
                what: "wait for the end of the cluster's namespaces".to_owned(),
                source,
            })
    }
}

/// An input that nobody writes to and that does not end: who reads it holds its other end.
fn never_ending(folder: &Path) -> Result<Stdio, ClusterError> {
    let path = folder.join("input");
    let made = Command::new("mkfifo").arg(&path).status();
    made.map_err(at("make", &path))?;
    let file = File::options()
        .read(true)
        .write(true)
        .open(&path)
        .map_err(at("open", &path))?;
    Ok(file.into())
}
