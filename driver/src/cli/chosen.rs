//! `--config` and `--policy`: which policies decide.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use supercargo_host::allocator::Allocator;
use supercargo_host::placement::Placement;

use super::limits::LimitsFlag;
use crate::journal::Journal;
use crate::policies::{self, PolicyError};

/// Which policies decide; none: first fit, as kube-scheduler.
#[derive(Debug, Args)]
pub(super) struct PolicyFlags {
    /// The configuration: policies with settings and limits, and rules that say who serves what
    #[arg(long, value_name = "FILE.yaml", conflicts_with_all = ["policy", "most"])]
    config: Option<PathBuf>,

    /// One policy for every request, without a configuration
    #[arg(long, value_name = "FILE.wasm")]
    policy: Option<PathBuf>,

    #[command(flatten)]
    limits: LimitsFlag,
}

impl PolicyFlags {
    pub(super) fn placement(
        &self,
        allocator: &Arc<Allocator>,
        journal: Option<&Arc<Journal>>,
    ) -> Result<Placement, PolicyError> {
        match (&self.config, &self.policy) {
            (Some(config), _) => policies::configured(config, allocator, journal),
            (None, Some(policy)) => {
                Ok(policies::single(policy, self.limits.limits(), allocator, journal)?.1)
            }
            (None, None) => policies::first_fit(allocator),
        }
    }
}
