//! A claim as one node sees it: the devices it got there, and the parameters that hold for them.
//!
//! This is what is prepared and what the checkpoint remembers, so that `unprepare` can be asked
//! when the claim itself is gone.

use std::collections::BTreeMap;

use k8s_openapi::api::resource::v1::DeviceAttribute;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use serde::{Deserialize, Serialize};

use super::UnitId;
use crate::policy::configuration::Placement;

mod parameters;
mod parts;
mod read;

pub(super) use parameters::requests;
pub use parts::Part;
pub use read::{Announcement, ClaimError};

/// A claim and the devices of one driver that it got on one node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClaimOnNode {
    /// `metadata.uid`.
    pub uid: String,
    /// `metadata.name`.
    pub name: String,
    /// `metadata.namespace`.
    pub namespace: String,
    /// The node.
    pub node: String,
    /// The devices, in the order of the allocation's results.
    pub devices: Vec<DeviceOfClaim>,
    /// The opaque parameters for the driver, in order of rising precedence.
    pub parameters: Vec<ResolvedParameters>,
}

/// One device that the claim got: a result of the allocation, and what the node announces of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeviceOfClaim {
    /// The request it serves, `request` or `request/subrequest`.
    pub request: String,
    /// Its driver.
    pub driver: String,
    /// Its pool.
    pub pool: String,
    /// Its name in the pool.
    pub device: String,
    /// The share (`shareID`), where several claims may hold the device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share_id: Option<String>,
    /// Whether access is administrative.
    #[serde(default)]
    pub admin_access: bool,
    /// What this claim got of a shared device's capacities.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub consumed_capacity: BTreeMap<String, Quantity>,
    /// The hardware the device stands for, or a part of which it stands for.
    pub unit: UnitId,
    /// Whether no other claim can hold anything of the unit together with this device. Where others
    /// can, what a step does to the unit reaches them too.
    #[serde(default)]
    pub whole_unit: bool,
    /// The memory slices of a GPU that the device stands for, where it is a partition that draws them
    /// from counters named `memory-slice-<n>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_slices: Option<Placement>,
    /// Its attributes, as announced.
    #[serde(default)]
    pub attributes: BTreeMap<String, DeviceAttribute>,
    /// Its capacities, as announced.
    #[serde(default)]
    pub capacity: BTreeMap<String, Quantity>,
}

/// Opaque parameters that hold for some requests of the claim.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResolvedParameters {
    /// The requests (as in [`DeviceOfClaim::request`]) that they hold for; never empty.
    pub requests: Vec<String>,
    /// The driver they are meant for.
    pub driver: String,
    /// Whether the device class wrote them rather than the claim.
    pub from_class: bool,
    /// One JSON object.
    pub json: String,
}
