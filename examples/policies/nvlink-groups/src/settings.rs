//! What the administrator may set.

use schemars::JsonSchema;
use serde::Deserialize;
use supercargo_guest::Name;

/// How GPUs are grouped and what happens when no group suffices.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Tuning {
    /// Which attribute tells the groups apart.
    pub group_by: GroupBy,
    /// What to do when no group holds the whole claim.
    pub split: Split,
}

/// Which attribute tells the groups apart.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum GroupBy {
    /// `supercargo.dev/nvlinkGroup`.
    #[default]
    NvlinkGroup,
    /// `resource.kubernetes.io/pcieRoot`.
    PcieRoot,
    /// `resource.kubernetes.io/numaNode`.
    NumaNode,
}

impl GroupBy {
    pub(crate) fn attribute(self) -> Name {
        match self {
            Self::NvlinkGroup => crate::NVLINK_GROUP.name(),
            Self::PcieRoot => crate::PCIE_ROOT.name(),
            Self::NumaNode => crate::NUMA_NODE.name(),
        }
    }
}

/// What to do when no group holds the whole claim.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Split {
    /// Take as few groups as can be.
    #[default]
    Allow,
    /// Refuse, so that the claim waits for a node with a group that is free enough.
    Refuse,
}
