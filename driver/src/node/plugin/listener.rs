//! Sockets that only the driver's user can open, made so from the first moment.

use std::fs::{DirBuilder, Metadata};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::Mode;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use tokio::net::{UnixListener, UnixStream};

use super::PluginError;

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 64;

/// How long a live process may take to let somebody connect. One that takes longer counts as live.
const CONNECT: Duration = Duration::from_secs(1);

/// A socket that listens, and its file.
#[derive(Debug)]
pub(super) struct Bound {
    pub(super) listener: UnixListener,
    pub(super) file: SocketFile,
}

/// The file of a socket: removed when this is dropped, unless somebody put another in its place.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let ours = |there: &Metadata| (there.dev(), there.ino()) == self.identity;
        if std::fs::symlink_metadata(&self.path)
            .as_ref()
            .is_ok_and(ours)
            && let Err(error) = std::fs::remove_file(&self.path)
        {
            tracing::warn!(path = %self.path.display(), %error, "cannot remove the socket");
        }
    }
}

/// What is at a socket's path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum There {
    /// Nothing.
    Nothing,
    /// A socket whose process is gone.
    Dead,
    /// A socket that somebody listens on.
    Live,
}

/// Looks what is at the path, without following a link.
pub(super) async fn look(path: &Path) -> Result<There, PluginError> {
    match std::fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => {}
        Ok(_) => return Err(PluginError::NotASocket { path: path.into() }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(There::Nothing),
        Err(error) => return Err(failed("look at", path)(error)),
    }
    match tokio::time::timeout(CONNECT, UnixStream::connect(path)).await {
        Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(There::Dead),
        Ok(Err(error)) if error.kind() == io::ErrorKind::NotFound => Ok(There::Nothing),
        _ => Ok(There::Live),
    }
}

/// Listens on a new socket at the path, in place of one that nobody listens on any more.
pub(super) async fn bind(path: &Path) -> Result<Bound, PluginError> {
    match look(path).await? {
        There::Nothing => {}
        There::Dead => std::fs::remove_file(path).map_err(failed("remove the old socket", path))?,
        There::Live => return Err(PluginError::InUse { path: path.into() }),
    }
    listen(path).map_err(failed("listen on", path))
}

fn listen(path: &Path) -> io::Result<Bound> {
    let socket = rustix::net::socket_with(
        AddressFamily::UNIX,
        SocketType::STREAM,
        SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
        None,
    )?;
    // On Linux the file takes its mode from the socket, so there is no moment at which it is wider.
    rustix::fs::fchmod(&socket, Mode::RUSR | Mode::WUSR)?;
    rustix::net::bind(&socket, &SocketAddrUnix::new(path)?)?;
    let there = std::fs::symlink_metadata(path)?;
    let file = SocketFile {
        path: path.into(),
        identity: (there.dev(), there.ino()),
    };
    rustix::net::listen(&socket, BACKLOG)?;
    Ok(Bound {
        listener: UnixListener::from_std(socket.into())?,
        file,
    })
}

/// Makes the folder if it is not there; it must be a real folder that nobody else writes to.
pub(super) fn private_folder(path: &Path) -> Result<(), PluginError> {
    let found = folder(path)?;
    let wrong = |reason| PluginError::Folder {
        path: path.into(),
        reason,
    };
    if found.uid() != 0 && found.uid() != rustix::process::geteuid().as_raw() {
        return Err(wrong(
            "belongs to another user; it must be root's or the driver's own",
        ));
    }
    if found.mode() & 0o022 != 0 {
        return Err(wrong(
            "can be written by others; take that away with `chmod go-w`",
        ));
    }
    Ok(())
}

/// Makes the folder if it is not there; it must be a real folder.
pub(super) fn folder(path: &Path) -> Result<Metadata, PluginError> {
    if !path.is_absolute() {
        return Err(PluginError::Folder {
            path: path.into(),
            reason: "is not an absolute path, and the kubelet is told where it is",
        });
    }
    match DirBuilder::new().recursive(true).mode(0o700).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(failed("make the folder", path)(error));
        }
        _ => {}
    }
    let found = std::fs::symlink_metadata(path).map_err(failed("look at", path))?;
    if !found.is_dir() {
        return Err(PluginError::Folder {
            path: path.into(),
            reason: "is not a folder",
        });
    }
    Ok(found)
}

/// An error of the operating system, with what was being done to what.
pub(super) fn failed<'a>(
    what: &'static str,
    path: &'a Path,
) -> impl FnOnce(io::Error) -> PluginError + 'a {
    move |source| PluginError::Io {
        what,
        path: path.into(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[tokio::test]
    async fn only_its_owner_may_open_a_socket() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let bound = bind(&path).await.unwrap();
        let mode = std::fs::symlink_metadata(&path).unwrap().mode();
        assert_eq!(mode & 0o777, 0o600);
        drop(bound);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn a_dead_socket_is_replaced_and_a_live_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert_eq!(look(&path).await.unwrap(), There::Dead);
        let _live = bind(&path).await.unwrap();
        assert_eq!(look(&path).await.unwrap(), There::Live);
        let error = bind(&path).await.unwrap_err().to_string();
        assert!(error.contains("another instance"), "{error}");
    }

    #[tokio::test]
    async fn a_link_or_a_file_at_the_path_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("target");
        std::fs::write(&target, "precious").unwrap();
        let link = folder.path().join("link");
        symlink(&target, &link).unwrap();
        for path in [&target, &link] {
            let error = bind(path).await.unwrap_err().to_string();
            assert!(error.contains("not a socket; remove it"), "{error}");
        }
        assert_eq!(std::fs::read_to_string(&target).unwrap(), "precious");
    }

    #[tokio::test]
    async fn a_socket_that_another_instance_put_in_its_place_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let bound = bind(&path).await.unwrap();
        let other = folder.path().join("other");
        let _newer = std::os::unix::net::UnixListener::bind(&other).unwrap();
        std::fs::rename(&other, &path).unwrap();
        drop(bound);
        assert!(path.exists());
    }

    #[test]
    fn a_folder_that_others_write_to_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data");
        private_folder(&path).unwrap();
        let mode = std::fs::metadata(&path).unwrap().mode();
        assert_eq!(mode & 0o777, 0o700);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o777)).unwrap();
        let error = private_folder(&path).unwrap_err().to_string();
        assert!(error.contains("chmod go-w"), "{error}");
    }

    #[test]
    fn a_link_to_a_folder_is_no_private_folder() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("link");
        symlink(folder.path(), &link).unwrap();
        let error = private_folder(&link).unwrap_err().to_string();
        assert!(error.contains("is not a folder"), "{error}");
        assert!(private_folder(Path::new("relative")).is_err());
    }
}
