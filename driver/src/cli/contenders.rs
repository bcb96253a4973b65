//! `--policy`, `--config` and `--group-by` of what holds policies against first fit.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use supercargo_host::allocator::Allocator;
use supercargo_host::placement::Placement;

use super::limits::LimitsFlag;
use crate::journal::Journal;
use crate::policies::{self, PolicyError};

/// What goes against first fit, and what is looked at.
#[derive(Debug, Args)]
pub(super) struct Contenders {
    /// A policy that serves every request; may be given several times
    #[arg(
        long = "policy",
        value_name = "FILE.wasm",
        required_unless_present = "configs"
    )]
    policies: Vec<PathBuf>,

    /// A configuration with policies and rules; may be given several times
    #[arg(long = "config", value_name = "FILE.yaml")]
    configs: Vec<PathBuf>,

    #[command(flatten)]
    limits: LimitsFlag,

    /// The attribute whose values make groups, like gpu.nvidia.com/partition4
    #[arg(long, value_name = "ATTRIBUTE")]
    pub(super) group_by: Option<String>,
}

impl Contenders {
    /// First fit, and then each contender, with what it is called.
    pub(super) fn placements(
        &self,
        allocator: &Arc<Allocator>,
        journal: Option<&Arc<Journal>>,
    ) -> Result<Vec<(String, Placement)>, PolicyError> {
        let mut placements = vec![("first fit".to_owned(), policies::first_fit(allocator)?)];
        for policy in &self.policies {
            let limits = self.limits.limits();
            placements.push(policies::single(policy, limits, allocator, journal)?);
        }
        for config in &self.configs {
            let stem = config.file_stem().unwrap_or_default();
            let placement = policies::configured(config, allocator, journal)?;
            placements.push((stem.to_string_lossy().into_owned(), placement));
        }
        Ok(placements)
    }
}
