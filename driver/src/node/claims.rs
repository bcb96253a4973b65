//! Claims on this node: prepared before a container starts, unprepared when the last one is gone.

/// A claim as the kubelet names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClaimRef {
    /// `metadata.namespace`.
    pub namespace: String,
    /// `metadata.name`.
    pub name: String,
    /// `metadata.uid`.
    pub uid: String,
}

/// A device that is ready for the containers of a claim: what the kubelet is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreparedDevice {
    /// The requests it serves, without the part after `/`.
    pub requests: Vec<String>,
    /// Its pool.
    pub pool: String,
    /// Its name in the pool.
    pub device: String,
    /// The CDI devices that show it to a container.
    pub cdi_device_ids: Vec<String>,
    /// The share, where several claims may hold the device.
    pub share_id: Option<String>,
}
