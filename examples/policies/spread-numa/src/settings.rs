//! What the administrator may set.

use schemars::JsonSchema;
use serde::Deserialize;

/// How devices and NUMA nodes relate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Tuning {
    /// Whether devices are spread over NUMA nodes or kept together.
    pub mode: Mode,
    /// With `align`: refuse rather than use a second NUMA node.
    pub strict: bool,
}

/// Whether devices are spread or kept together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Mode {
    /// As evenly over all NUMA nodes as there can be, beginning where most are free.
    #[default]
    Spread,
    /// All on one NUMA node, the one where the least is left over.
    Align,
}
