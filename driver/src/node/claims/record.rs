//! What the checkpoint remembers of one claim.
//!
//! All of it is known before the first step runs, so it is written once. How far the claim has come is
//! not in it but in the file's name ([`State`]): going from one state to the next is a rename, which
//! cannot tear the bytes that say how to undo.
//!
//! Steps and undos are kept as the JSON they are, so that a release that lacks a step of the next one
//! can still hand its undo to the device layer. Fields that this release does not know stay in
//! [`Record::rest`] and are written again.

use std::borrow::Cow;
use std::io;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use supercargo_host::plan::ClaimOnNode;

use super::cdi::ContainerEdits;
use super::seal::{self, Damage, seal, unseal};
use crate::devices::Undo;

/// How far a claim has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum State {
    /// It is being set up. Found after a crash, it is taken down again.
    Preparing,
    /// Containers may use it.
    Prepared,
    /// It is being taken down, and has to be to the end before it may be prepared again.
    Ending,
}

/// One claim, as the checkpoint remembers it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Record {
    /// The boot during which it was prepared (`/proc/sys/kernel/random/boot_id`).
    pub(super) boot: String,
    /// The claim, as far as it concerns this node and driver.
    pub(super) claim: ClaimOnNode,
    /// The policies that planned for it, which are asked again when it ends.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) policies: Vec<Planner>,
    /// What was done to devices, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) steps: Vec<Done>,
    /// What policies changed in containers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) edits: Vec<Edits>,
    /// What policies say of devices in the claim's status.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) statuses: Vec<Status>,
    /// What policies wanted done at the end; there once the end has begun.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) ending: Vec<Value>,
    /// Whether this is what [`Record::copy`] left of a record.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) reduced: bool,
    /// What another release wrote besides.
    #[serde(flatten)]
    pub(super) rest: Map<String, Value>,
}

/// A policy that planned for some of the claim's devices.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Planner {
    /// The administrator's name for it.
    pub policy: String,
    /// The digest of its component at the time.
    pub digest: String,
    /// The requests that it served, as in the allocation.
    pub requests: Vec<String>,
}

/// A step and how it is undone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Done {
    /// The step.
    pub(super) step: Value,
    /// How it is undone, if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) undo: Option<Undo>,
}

/// What changes in containers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Edits {
    /// The positions of the devices whose users are meant; empty: all users of the claim.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) devices: Vec<usize>,
    /// The changes.
    pub(super) edits: ContainerEdits,
    /// The positions of steps whose products appear too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) made_by: Vec<usize>,
}

/// What a policy says of a device in the claim's status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// The position of the device in the claim's devices.
    pub device: usize,
    /// One JSON object.
    pub json: String,
}

impl Record {
    /// The record as the bytes of its file; never more than could be read again.
    pub(super) fn seal(&self) -> io::Result<Vec<u8>> {
        let sealed = seal(&serde_json::to_vec(self)?);
        if sealed.len() as u64 > seal::MOST_BYTES {
            let (bytes, most) = (sealed.len(), seal::MOST_BYTES);
            let large = format!(
                "what is to be remembered of the claim takes {bytes} bytes, and {most} is the most: \
                 shorten its parameters or what its policies plan"
            );
            return Err(io::Error::other(large));
        }
        Ok(sealed)
    }

    /// The record for where only so many bytes fit: as it was sealed, or without what is not needed to
    /// hold the claim's devices and to undo its steps.
    pub(super) fn copy<'a>(&self, sealed: &'a [u8], most: usize) -> io::Result<Cow<'a, [u8]>> {
        if sealed.len() <= most {
            return Ok(Cow::Borrowed(sealed));
        }
        let mut reduced = Self {
            edits: Vec::new(),
            statuses: Vec::new(),
            reduced: true,
            ..self.clone()
        };
        reduced.claim.parameters.clear();
        reduced.seal().map(Cow::Owned)
    }

    /// Reads the bytes of a file that is named after the claim `uid`.
    pub(super) fn unseal(uid: &str, sealed: &[u8]) -> Result<Self, Damage> {
        if sealed.len() as u64 > seal::MOST_BYTES {
            return Err(Damage::TooLarge);
        }
        let record: Self = serde_json::from_slice(unseal(sealed)?)
            .map_err(|error| Damage::Content(error.to_string()))?;
        if record.claim.uid == uid {
            Ok(record)
        } else {
            Err(Damage::OtherClaim(record.claim.uid))
        }
    }
}
