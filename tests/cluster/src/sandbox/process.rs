//! A process in the namespaces of a cluster.
//!
//! `nsenter` must fork to enter a process namespace, so the process that was asked for is its child,
//! and it passes on how that one ended. It stops with its child, and then has to be told to continue, too.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

use crate::error::{ClusterError, at};

/// How long `nsenter` may take to start what it was asked to.
const STARTS_WITHIN: Duration = Duration::from_secs(10);

/// A process of the cluster. It is killed when this is dropped.
#[derive(Debug)]
pub struct Process {
    name: String,
    log: PathBuf,
    nsenter: Mutex<Child>,
}

impl Process {
    pub(super) fn new(name: String, log: PathBuf, nsenter: Child) -> Self {
        Self {
            name,
            log,
            nsenter: Mutex::new(nsenter),
        }
    }

    /// What it is called in errors and logs.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where its output goes.
    #[must_use]
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// How it ended; `None`: it runs.
    pub fn ended(&self) -> Result<Option<ExitStatus>, ClusterError> {
        let mut nsenter = self.nsenter.lock().unwrap_or_else(PoisonError::into_inner);
        nsenter.try_wait().map_err(at("wait for", &self.log))
    }

    /// An error when it has ended.
    pub fn must_run(&self) -> Result<(), ClusterError> {
        match self.ended()? {
            None => Ok(()),
            Some(status) => Err(ClusterError::Ended {
                component: self.name.clone(),
                status,
                log: self.log.clone(),
                tail: crate::log::tail(&self.log, 20),
            }),
        }
    }

    fn nsenter(&self) -> Pid {
        let nsenter = self.nsenter.lock().unwrap_or_else(PoisonError::into_inner);
        Pid::from_child(&nsenter)
    }

    /// Its number, as the machine has it; `None`: it has ended.
    pub fn pid(&self) -> Result<Option<Pid>, ClusterError> {
        let parent = self.nsenter();
        let begun = Instant::now();
        while self.ended()?.is_none() {
            if let Some(pid) = child_of(parent) {
                return Ok(Some(pid));
            }
            if begun.elapsed() > STARTS_WITHIN {
                return Err(ClusterError::TimedOut {
                    until: format!("{} started", self.name),
                    after: STARTS_WITHIN,
                });
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(None)
    }

    /// Sends a signal; to one that has ended, none.
    pub fn signal(&self, signal: Signal) -> Result<(), ClusterError> {
        if let Some(pid) = self.pid()? {
            // It may end between the question and the signal.
            let _ = rustix::process::kill_process(pid, signal);
            if matches!(signal, Signal::CONT | Signal::KILL) {
                let _ = rustix::process::kill_process(self.nsenter(), Signal::CONT);
            }
        }
        Ok(())
    }

    /// Waits until it has ended by itself or by a signal.
    pub fn wait(&self, within: Duration) -> Result<ExitStatus, ClusterError> {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.ended()? {
                return Ok(status);
            }
            if begun.elapsed() > within {
                return Err(ClusterError::TimedOut {
                    until: format!("{} ended", self.name),
                    after: within,
                });
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Kills it, as `kill -9` does, and waits until it is gone.
    pub fn kill(&self) -> Result<(), ClusterError> {
        self.signal(Signal::KILL)?;
        self.wait(STARTS_WITHIN).map(drop)
    }

    /// Goes on as a process that was started in its place.
    pub(crate) fn succeeded_by(&self, next: &Self) {
        let mut ended = self.nsenter.lock().unwrap_or_else(PoisonError::into_inner);
        let mut next = next.nsenter.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::swap(&mut *ended, &mut *next);
    }

    /// How much memory it holds, in bytes.
    pub fn resident(&self) -> Result<u64, ClusterError> {
        let gone = || ClusterError::Answer {
            what: format!("how much memory {} holds", self.name),
            answer: "it has ended".to_owned(),
        };
        let path = PathBuf::from(format!("/proc/{}/status", self.pid()?.ok_or_else(gone)?));
        let status = fs::read_to_string(&path).map_err(at("read", &path))?;
        status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .and_then(|rest| rest.trim().strip_suffix(" kB")?.parse::<u64>().ok())
            .map(|kilobytes| kilobytes << 10)
            .ok_or_else(gone)
    }

    /// How much processor time it took so far, with all its threads.
    pub fn processor(&self) -> Result<Duration, ClusterError> {
        Ok(self.pid()?.map(processor).unwrap_or_default())
    }

    /// How many file descriptors it has open.
    pub fn descriptors(&self) -> Result<usize, ClusterError> {
        let gone = || ClusterError::Answer {
            what: format!("how many files {} has open", self.name),
            answer: "it has ended".to_owned(),
        };
        let path = PathBuf::from(format!("/proc/{}/fd", self.pid()?.ok_or_else(gone)?));
        Ok(fs::read_dir(&path).map_err(at("read", &path))?.count())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if matches!(self.ended(), Ok(None)) {
            // Nobody is left to tell.
            let _ = self.kill();
        }
    }
}

/// What the kernel says of a process.
pub(super) struct Stat {
    parent: i32,
    /// In ticks since boot.
    pub(super) started: u64,
    /// Of processor time, in its own and in the kernel's code.
    ticks: u64,
    zombie: bool,
}

/// `None`: there is none of that number any more.
pub(super) fn stat(pid: Pid) -> Option<Stat> {
    read_stat(&pid.to_string()).filter(|stat| !stat.zombie)
}

fn read_stat(pid: &str) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may hold anything.
    let words: Vec<_> = text.rsplit_once(") ")?.1.split(' ').collect();
    Some(Stat {
        zombie: *words.first()? == "Z",
        parent: words.get(1)?.parse().ok()?,
        started: words.get(19)?.parse().ok()?,
        ticks: words.get(11)?.parse::<u64>().ok()? + words.get(12)?.parse::<u64>().ok()?,
    })
}

fn processor(pid: Pid) -> Duration {
    let ticks = stat(pid).map(|stat| stat.ticks).unwrap_or_default();
    let each = rustix::param::clock_ticks_per_second();
    Duration::from_millis(ticks * 1000 / each.max(1))
}

/// How much processor time this program itself took so far.
#[must_use]
pub fn own_processor() -> Duration {
    processor(rustix::process::getpid())
}

/// A process whose parent is that one.
pub(super) fn child_of(parent: Pid) -> Option<Pid> {
    fs::read_dir("/proc").ok()?.find_map(|entry| {
        let name = entry.ok()?.file_name();
        let name = name.to_str()?;
        let pid = Pid::from_raw(name.parse().ok()?)?;
        let stat = read_stat(name)?;
        (stat.parent == parent.as_raw_nonzero().get() && !stat.zombie).then_some(pid)
    })
}
