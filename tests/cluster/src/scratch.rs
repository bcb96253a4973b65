//! A folder for each cluster, and the removal of those whose owner is gone.
//!
//! An owner holds a lock on its folder for as long as it lives; the kernel lets go of it however the
//! owner ends. Whoever starts a cluster first removes every folder that nobody holds, with whatever
//! else that cluster left: a process, a control group.

use std::fs::{self, DirBuilder, File};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::cgroups;
use crate::error::{ClusterError, at};
use crate::sandbox::Init;

/// Held by the owner for as long as it lives.
const OWNER: &str = "owner";
/// There when the cluster is to outlive the process that started it.
const DETACHED: &str = "detached";
/// Who keeps the cluster's namespaces.
pub(crate) const INIT: &str = "init";
/// Where the logs of failed tests are kept.
const FAILED: &str = "failed";
/// A cluster's own folder.
#[derive(Debug)]
pub(crate) struct Scratch {
    path: PathBuf,
    name: String,
    _owner: File,
}

impl Scratch {
    /// Removes what the dead left and makes a folder.
    pub(crate) fn create() -> Result<Self, ClusterError> {
        let base = base()?;
        let _turn = turn(&base)?;
        sweep(&base)?;
        let (path, name) = loop {
            let random = RandomState::new().build_hasher().finish();
            let name = format!("{:06x}", random & 0xff_ffff);
            let path = base.join(&name);
            match fs::create_dir(&path) {
                Ok(()) => break (path, name),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(at("make", &path)(error)),
            }
        };
        let owner = path.join(OWNER);
        let file = File::create(&owner).map_err(at("make", &owner))?;
        file.lock().map_err(at("lock", &owner))?;
        let log = path.join("log");
        fs::create_dir(&log).map_err(at("make", &log))?;
        Ok(Self {
            path,
            name,
            _owner: file,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.path.join("log")
    }

    /// The control group above those of all its nodes.
    pub(crate) fn cgroup(&self) -> String {
        cgroup(&self.name)
    }

    /// Lets the cluster outlive its owner, until [`down`].
    pub(crate) fn detach(&self) -> Result<(), ClusterError> {
        let mark = self.path.join(DETACHED);
        File::create(&mark).map_err(at("make", &mark)).map(drop)
    }

    /// Removes it, and the control groups, of a cluster whose processes have ended.
    pub(crate) fn remove(&self) -> Result<(), ClusterError> {
        remove(&self.path, &self.name)
    }

    /// Moves the logs to where the next start leaves them; the earlier ones of the same name go.
    pub(crate) fn keep_logs(&self, name: &str) -> Result<PathBuf, ClusterError> {
        let kept = base()?.join(FAILED);
        fs::create_dir_all(&kept).map_err(at("make", &kept))?;
        let kept = kept.join(name);
        if kept.exists() {
            fs::remove_dir_all(&kept).map_err(at("remove", &kept))?;
        }
        fs::rename(self.log(), &kept).map_err(at("keep", &kept))?;
        Ok(kept)
    }
}

/// Ends the clusters that outlive their owners and removes all that the dead left. Answers how many
/// clusters ended.
pub(crate) fn down() -> Result<usize, ClusterError> {
    let base = base()?;
    let _turn = turn(&base)?;
    let mut ended = 0;
    for (path, _) in clusters(&base)? {
        let mark = path.join(DETACHED);
        if mark.exists() {
            fs::remove_file(&mark).map_err(at("remove", &mark))?;
            ended += 1;
        }
    }
    sweep(&base)?;
    Ok(ended)
}

/// The folders of the clusters that outlive their owners and still run.
pub(crate) fn detached() -> Result<Vec<PathBuf>, ClusterError> {
    let mut paths = clusters(&base()?)?;
    paths.retain(|(path, _)| path.join(DETACHED).exists() && Init::read(path).is_some());
    Ok(paths.into_iter().map(|(path, _)| path).collect())
}

fn cgroup(name: &str) -> String {
    format!("supercargo-{name}")
}

/// The folder of all clusters of this user, which nobody else may write to.
fn base() -> Result<PathBuf, ClusterError> {
    let user = rustix::process::geteuid();
    let base = std::env::temp_dir().join(format!("supercargo-{}", user.as_raw()));
    crate::sandbox::must_be_seen(&base, "TMPDIR")?;
    match DirBuilder::new().mode(0o700).create(&base) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(at("make", &base)(error)),
    }
    let found = fs::symlink_metadata(&base).map_err(at("read", &base))?;
    let ours = found.is_dir() && found.uid() == user.as_raw() && found.mode().trailing_zeros() >= 6;
    match ours {
        true => Ok(base),
        false => Err(ClusterError::NotOurs(base)),
    }
}

/// One at a time makes and removes folders.
fn turn(base: &Path) -> Result<File, ClusterError> {
    let path = base.join("turn");
    let file = File::create(&path).map_err(at("open", &path))?;
    file.lock().map_err(at("lock", &path))?;
    Ok(file)
}

fn clusters(base: &Path) -> Result<Vec<(PathBuf, String)>, ClusterError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(base).map_err(at("read", base))? {
        let entry = entry.map_err(at("read", base))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = entry.path();
        if name != FAILED && path.is_dir() {
            found.push((path, name));
        }
    }
    Ok(found)
}

fn sweep(base: &Path) -> Result<(), ClusterError> {
    for (path, name) in clusters(base)? {
        let init = Init::read(&path);
        let detached = path.join(DETACHED).exists() && init.is_some();
        if detached || held(&path.join(OWNER)) {
            continue;
        }
        if let Some(init) = init {
            init.kill()?;
        }
        remove(&path, &name)?;
    }
    Ok(())
}

fn held(owner: &Path) -> bool {
    File::open(owner).is_ok_and(|file| file.try_lock().is_err())
}

fn remove(path: &Path, name: &str) -> Result<(), ClusterError> {
    cgroups::remove(&cgroup(name))?;
    fs::remove_dir_all(path).map_err(at("remove", path))
}
