//! `--journal`: where decisions are written down.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use supercargo_host::journal::{Placed, PlacedClaim, PlacedDevice};
use supercargo_host::scheduling::{
    ClaimOutcome, ClaimState, Pending, Schedule, claim_name, full_name,
};

use crate::claims::{device_id, results};
use crate::journal::{Journal, JournalError};

/// Where decisions are written down.
#[derive(Debug, Args)]
pub(super) struct JournalFlag {
    /// Write every decision of a policy to this file, a JSON line each
    ///
    /// `supercargo explain` tells them again, `supercargo policy replay` makes them again. Lines are
    /// added to a file that is there; one of 64 MiB becomes FILE.1, and four of these are kept. The
    /// components that decided are put into FILE.policies.
    #[arg(long, value_name = "FILE")]
    journal: Option<PathBuf>,
}

impl JournalFlag {
    /// The file, for who opens it later.
    pub(super) fn file(self) -> Option<PathBuf> {
        self.journal
    }

    pub(super) fn open(&self) -> Result<Option<Arc<Journal>>, JournalError> {
        let open = |path: &PathBuf| Journal::open(path).map(Arc::new);
        self.journal.as_ref().map(open).transpose()
    }
}

/// Writes what became of every pod, and of every claim that no pod uses.
pub(super) fn placed(journal: &Journal, schedule: &Schedule) {
    let claims = |positions: &mut dyn Iterator<Item = usize>| {
        let found = positions.filter_map(|at| schedule.claims.get(at));
        found.map(claim).collect()
    };
    for pod in &schedule.pods {
        let mut positions = pod
            .claims
            .iter()
            .filter_map(|entry| entry.claim.as_ref().ok());
        journal.placed(Placed {
            node: pod.result.as_ref().ok().map(|chosen| chosen.node.clone()),
            pending: pod.result.as_ref().err().map(Pending::in_short),
            claims: claims(&mut positions.by_ref().copied()),
            ..Placed::new(Some(full_name(&pod.pod.metadata)))
        });
    }
    for outcome in &schedule.claims {
        let (node, pending) = match &outcome.state {
            ClaimState::Now(chosen) => (Some(chosen.node.clone()), None),
            ClaimState::Pending(Some(reason)) => (None, Some(reason.in_short())),
            ClaimState::Pending(None) | ClaimState::Before | ClaimState::ForPod => continue,
        };
        journal.placed(Placed {
            node,
            pending,
            claims: vec![claim(outcome)],
            ..Placed::new(None)
        });
    }
}

fn claim(outcome: &ClaimOutcome) -> PlacedClaim {
    PlacedClaim {
        claim: claim_name(&outcome.claim),
        devices: results(&outcome.claim)
            .map(|result| PlacedDevice {
                request: result.request.clone(),
                device: device_id(result).to_string(),
            })
            .collect(),
    }
}
