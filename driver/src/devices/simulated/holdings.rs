//! What a claim holds that belongs to no GPU: daemons, IMEX channels, partitions of the fabric.

use std::path::PathBuf;

use supercargo_host::plan::UnitId;

use super::state::{State, reading, writing};
use super::topology::FabricPartition;
use crate::devices::{DeviceError, folder};

/// Bytes of a name that becomes part of a path.
const MOST_NAME: usize = 64;

/// A daemon as it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Daemon {
    /// The hardware it serves, one a line.
    pub(super) units: String,
    /// Its options, `name=value` each, one a line.
    pub(super) options: String,
}

impl Daemon {
    pub(super) fn new(units: &[UnitId], options: &[(String, String)]) -> Self {
        let units: Vec<&str> = units.iter().map(|unit| unit.0.as_str()).collect();
        let options: Vec<String> = options
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        Self {
            units: units.join("\n"),
            options: options.join("\n"),
        }
    }
}

/// Where a claim's daemon is.
pub(super) fn daemon_path(state: &State, claim: &str, name: &str) -> Result<PathBuf, DeviceError> {
    for part in [claim, name] {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if part.is_empty() || part.len() > MOST_NAME || !part.bytes().all(plain) {
            return Err(DeviceError::Unsupported {
                unit: node(),
                what: format!("a daemon named {part:?}; write letters, digits and `-`"),
            });
        }
    }
    Ok(state.root().join("daemons").join(format!("{claim}.{name}")))
}

/// The claim's daemon, if it runs.
pub(super) fn daemon(
    state: &State,
    claim: &str,
    name: &str,
) -> Result<Option<Daemon>, DeviceError> {
    let path = daemon_path(state, claim, name)?;
    let Some(units) = state.read(&path.join("units"))? else {
        return Ok(None);
    };
    let options = state.read(&path.join("options"))?.unwrap_or_default();
    Ok(Some(Daemon { units, options }))
}

/// Starts a daemon, or has one that runs go on as is wanted now.
pub(super) fn start(
    state: &State,
    claim: &str,
    name: &str,
    wanted: &Daemon,
) -> Result<(), DeviceError> {
    match daemon(state, claim, name)? {
        Some(running) if running == *wanted => return Ok(()),
        Some(_) => stop(state, claim, name)?,
        None => {}
    }
    let path = daemon_path(state, claim, name)?;
    let files = [
        ("units".to_owned(), wanted.units.clone()),
        ("options".to_owned(), wanted.options.clone()),
    ];
    folder::make(&path, &files).map_err(writing(&path))
}

/// Stops a daemon; one that does not run is fine.
pub(super) fn stop(state: &State, claim: &str, name: &str) -> Result<(), DeviceError> {
    let path = daemon_path(state, claim, name)?;
    folder::unmake(&path).map_err(writing(&path))
}

/// Something of which there is one, and which one claim holds at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Single {
    /// An IMEX channel.
    Channel(u32),
    /// A partition of the fabric.
    Partition(u32),
}

impl Single {
    pub(super) fn path(self, state: &State) -> PathBuf {
        let root = state.root();
        match self {
            Self::Channel(number) => root.join("imex-channels").join(number.to_string()),
            Self::Partition(id) => root.join("fabric-partitions").join(id.to_string()),
        }
    }

    fn what(self) -> String {
        match self {
            Self::Channel(number) => format!("open IMEX channel {number}"),
            Self::Partition(id) => format!("activate fabric partition {id}"),
        }
    }

    /// The claim that holds it.
    pub(super) fn holder(self, state: &State) -> Result<Option<String>, DeviceError> {
        state.read(&self.path(state))
    }

    /// Gives it to a claim, unless another has it.
    pub(super) fn hold(self, state: &State, claim: &str) -> Result<(), DeviceError> {
        match self.holder(state)? {
            Some(holder) if holder == claim => Ok(()),
            Some(holder) => Err(self.refused(format!("claim {holder} has it"))),
            None => state.write(&self.path(state), claim),
        }
    }

    /// Takes it from a claim; what another has is left alone.
    pub(super) fn release(self, state: &State, claim: &str) -> Result<(), DeviceError> {
        let path = self.path(state);
        if self.holder(state)?.as_deref() == Some(claim) {
            folder::remove(&path).map_err(writing(&path))?;
        }
        Ok(())
    }

    pub(super) fn refused(self, reason: String) -> DeviceError {
        DeviceError::Refused {
            unit: node(),
            what: self.what(),
            reason,
        }
    }
}

/// The channel, if the node has it.
pub(super) fn channel(state: &State, number: u32) -> Result<Single, DeviceError> {
    let count = state.topology().imex_channels;
    if number < count {
        return Ok(Single::Channel(number));
    }
    Err(DeviceError::Unsupported {
        unit: node(),
        what: format!("IMEX channel {number}; it has {count}"),
    })
}

/// The partition, if the fabric has it and it holds just these units.
pub(super) fn partition(state: &State, id: u32, units: &[UnitId]) -> Result<Single, DeviceError> {
    let single = Single::Partition(id);
    let Some(partition) = partitions(state).find(|partition| partition.id == id) else {
        return Err(DeviceError::Unsupported {
            unit: node(),
            what: format!("fabric partition {id}; its fabric has no such partition"),
        });
    };
    let mut held: Vec<UnitId> = partition.gpus.iter().map(|at| state.unit(*at)).collect();
    let mut wanted = units.to_vec();
    held.sort();
    wanted.sort();
    if held != wanted {
        let names: Vec<&str> = held.iter().map(|unit| unit.0.as_str()).collect();
        return Err(single.refused(format!("it holds just {}", names.join(", "))));
    }
    Ok(single)
}

/// Refuses a partition when another that is active has a GPU of it.
pub(super) fn apart(state: &State, id: u32) -> Result<(), DeviceError> {
    let path = state.root().join("fabric-partitions");
    let active = folder::names(&path).map_err(reading(&path))?;
    let Some(wanted) = partitions(state).find(|partition| partition.id == id) else {
        return Ok(());
    };
    let shares = |other: &&FabricPartition| {
        other.id != id
            && active.contains(&other.id.to_string())
            && other.gpus.iter().any(|gpu| wanted.gpus.contains(gpu))
    };
    match partitions(state).find(shares) {
        Some(other) => Err(Single::Partition(id).refused(format!(
            "partition {} is active and has GPUs of it",
            other.id
        ))),
        None => Ok(()),
    }
}

fn partitions(state: &State) -> impl Iterator<Item = &FabricPartition> {
    let fabric = state.topology().fabric.iter();
    fabric.flat_map(|fabric| &fabric.partitions)
}

/// What errors call the node where no GPU is meant.
fn node() -> UnitId {
    UnitId("this node".to_owned())
}
