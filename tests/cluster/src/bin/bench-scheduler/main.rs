//! What allocating costs a scheduler: the in-tree plugin, and Supercargo beside it on the same bed.
//!
//! Each gets a fresh cluster with 500 nodes of ten devices, half of them taken, and 1,000 pods at once, each
//! with a claim from a template ([`race`]). Then Supercargo alone gets 5,000 nodes of eight GPUs, and is asked
//! as a scheduler asks, with all nodes by name ([`large`]). An argument names the one that is wanted. Nothing
//! limits the clients but the machine. What each process took of the processors is told besides, for on a small
//! machine that is what decides.

mod large;
mod race;

use std::process::ExitCode;
use std::time::Duration;

use supercargo_cluster::figures::ended;

/// How the devices are placed: by NVLink groups.
const POLICIES: [&str; 1] = ["nvlink-groups"];
const WITHIN: Duration = Duration::from_secs(900);

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> ExitCode {
    ended(bench().await)
}

async fn bench() -> Result<(), Failure> {
    let only = std::env::args().nth(1);
    let wanted = |part: &str| only.as_deref().is_none_or(|only| only == part);
    if wanted("race") {
        race::race().await?;
    }
    if wanted("large") {
        large::large().await?;
    }
    Ok(())
}
