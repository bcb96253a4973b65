//! Sockets that a killed instance left behind.
//!
//! The kubelet tries every socket in its registry, so what is dead there costs it time and log lines
//! for ever. Service sockets lie in the driver's own folder and tell by their name whose they are;
//! from that follows the name of the registration socket, which is made after the service socket and
//! removed before it. So nothing is guessed and no other driver's socket is touched.

use std::fs::File;
use std::path::Path;

use super::listener::{There, failed, look};
use super::{Config, PluginError, names};

/// While it lives, no other instance makes or clears away sockets.
#[derive(Debug)]
pub(super) struct Turn {
    _lock: File,
}

impl Turn {
    pub(super) async fn take(data: &Path) -> Result<Self, PluginError> {
        let path = data.join("sockets.lock");
        crate::node::lock::lock(&path)
            .await
            .map(|lock| Turn { _lock: lock })
            .map_err(failed("lock", &path))
    }
}

/// Removes the sockets of instances that are gone.
pub(super) async fn remove(config: &Config) -> Result<(), PluginError> {
    let entries = std::fs::read_dir(&config.data).map_err(failed("list", &config.data))?;
    for entry in entries {
        let entry = entry.map_err(failed("list", &config.data))?;
        let name = entry.file_name();
        let Some(pod_uid) = name.to_str().and_then(names::pod_uid_of) else {
            continue;
        };
        let Ok(paths) = names::socket_paths(config, pod_uid) else {
            continue;
        };
        if is_dead(&paths.service).await {
            if is_dead(&paths.registration).await {
                unlink(&paths.registration);
            }
            unlink(&paths.service);
        }
    }
    Ok(())
}

/// Whether that is a socket whose process is gone; what cannot be looked at is left alone.
async fn is_dead(path: &Path) -> bool {
    match look(path).await {
        Ok(there) => there == There::Dead,
        Err(error) => {
            tracing::warn!(%error, "left alone");
            false
        }
    }
}

fn unlink(path: &Path) {
    match std::fs::remove_file(path) {
        Ok(()) => tracing::info!(path = %path.display(), "removed the socket of a dead instance"),
        Err(error) => tracing::warn!(path = %path.display(), %error, "cannot remove a dead socket"),
    }
}
