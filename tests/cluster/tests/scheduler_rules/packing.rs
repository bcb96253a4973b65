//! The scene of `make demo` about MIG, on a cluster.

use supercargo_cluster::harness::{Bed, Outcome};
use supercargo_cluster::owning::{LOAD, play};

use crate::site;

/// The GPUs here are half as large as those of the scene.
const HALF: [(&str, &str); 3] = [
    ("1g.10gb", "1g.5gb"),
    ("3g.40gb", "3g.20gb"),
    ("4g.40gb", "4g.20gb"),
];

pub(crate) async fn partitions_are_packed_so_that_a_large_one_still_fits(bed: &Bed) -> Outcome {
    let site = site(bed).await?;
    // The in-tree plugin takes what comes first. For this the GPUs are left to it.
    let extender = site.own_of(bed, &[LOAD]).await?;
    let waiting = play(bed, "mig.yaml", &HALF, "default-scheduler", Vec::new()).await?;
    assert_eq!(waiting, ["train-4g-1"]);

    drop(extender);
    let _extender = site.own(bed).await?;
    let waiting = play(bed, "mig.yaml", &HALF, "supercargo", Vec::new()).await?;
    assert_eq!(waiting, Vec::<String>::new());
    Ok(())
}
