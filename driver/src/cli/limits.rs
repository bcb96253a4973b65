//! `--most`: how much a policy may use.

use clap::Args;
use supercargo_host::policy::Limits;

/// How much a policy may use.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct LimitsFlag {
    /// Allow as much as any policy may be given, instead of the default limits
    #[arg(long)]
    most: bool,
}

impl LimitsFlag {
    pub(super) fn limits(self) -> Limits {
        if self.most {
            Limits::MOST
        } else {
            Limits::default()
        }
    }
}
