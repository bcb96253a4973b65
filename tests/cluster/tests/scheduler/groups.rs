//! The scene of `make demo` about NVLink groups, on a cluster.

use serde_json::{Value, json};
use supercargo_cluster::devices::published;
use supercargo_cluster::harness::{Bed, Outcome};
use supercargo_cluster::owning::{LOAD, Site, play, pod};

use crate::Failure;

/// On each node, one GPU of the second group is taken before the scene begins.
async fn from_before(bed: &Bed) -> Result<Vec<Value>, Failure> {
    let fifth = published(bed).await?.into_iter();
    let fifth = fifth.filter(|((_, device), _)| device == "gpu-4");
    let mut objects = Vec::new();
    for (n, (_, uuid)) in fifth.enumerate() {
        let uuid = uuid.ok_or("a GPU has no UUID")?;
        let name = format!("notebook-from-before-{n}");
        let [mut template, pod] = pod(&name, "gpu.nvidia.com", 1, &Value::Null);
        let expression = format!("device.attributes['gpu.nvidia.com'].uuid == '{uuid}'");
        template["spec"]["spec"]["devices"]["requests"][0]["exactly"]["selectors"] =
            json!([{"cel": {"expression": expression}}]);
        objects.extend([template, pod]);
    }
    assert_eq!(objects.len(), 4, "two nodes have a fifth GPU");
    Ok(objects)
}

pub(crate) async fn a_whole_nvlink_group_is_left_for_the_pod_that_needs_it(bed: &Bed) -> Outcome {
    let site = Site::of(bed).await?;
    // The in-tree plugin takes what comes first. For this the GPUs are left to it.
    let extender = site.own_of(bed, &[LOAD]).await?;
    let before = from_before(bed).await?;
    let waiting = play(bed, "nvlink.yaml", &[], "default-scheduler", before).await?;
    // Some node has four GPUs left or more, and wherever the others went, none has them in one group.
    assert!(waiting.contains(&"pretrain-1".to_owned()), "{waiting:?}");

    drop(extender);
    let _extender = site.own(bed).await?;
    let before = from_before(bed).await?;
    let waiting = play(bed, "nvlink.yaml", &[], "supercargo", before).await?;
    assert_eq!(waiting, Vec::<String>::new());
    Ok(())
}
