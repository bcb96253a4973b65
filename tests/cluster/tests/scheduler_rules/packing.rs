//! The scene of `make demo` about MIG, on a cluster.

use std::fs;

use serde_json::{Value, json};
use supercargo_cluster::devices::{containers_see_their_devices, example, running};
use supercargo_cluster::harness::{Bed, Outcome};
use supercargo_cluster::owning::{LOAD, SOON, apply, events, wrongs};
use supercargo_cluster::until;

use crate::site;

/// The classes, templates and pods of the scene, for GPUs half as large, and pods that run.
fn scene(
    scheduler: &str,
) -> Result<(Vec<Value>, Vec<Value>), Box<dyn std::error::Error + Send + Sync>> {
    let text = fs::read_to_string(example("scenes/mig.yaml"))?;
    let text = text
        .replace("1g.10gb", "1g.5gb")
        .replace("3g.40gb", "3g.20gb")
        .replace("4g.40gb", "4g.20gb");
    let (mut others, mut pods) = (Vec::new(), Vec::new());
    for document in text.split("\n---\n") {
        let mut object = supercargo_host::objects::plain("mig.yaml", document)?.value;
        match object["kind"].as_str() {
            Some("DeviceClass" | "ResourceClaimTemplate") => others.push(object),
            Some("Pod") => {
                let spec = &mut object["spec"];
                spec["schedulerName"] = json!(scheduler);
                spec["terminationGracePeriodSeconds"] = json!(0);
                spec["containers"][0]["image"] = json!("busybox:1.36");
                spec["containers"][0]["command"] = json!(["sleep", "1000000"]);
                pods.push(object);
            }
            _ => {}
        }
    }
    Ok((others, pods))
}

pub(crate) async fn partitions_are_packed_so_that_a_large_one_still_fits(bed: &Bed) -> Outcome {
    let site = site(bed).await?;
    // The in-tree plugin takes what comes first. For this the GPUs are left to it.
    let extender = site.own_of(bed, &[LOAD]).await?;
    let namespace = bed.fresh_namespace().await?;
    let (others, pods) = scene("default-scheduler")?;
    apply(bed, &namespace, &others).await?;
    for pod in &pods {
        let name = pod["metadata"]["name"].as_str().unwrap_or_default();
        apply(bed, &namespace, std::slice::from_ref(pod)).await?;
        if name == "train-4g-1" {
            until(SOON, "the second large job waits", async || {
                let said = events(bed, &namespace, name).await?;
                Ok(said.contains("cannot allocate all claims").then_some(()))
            })
            .await?;
        } else {
            running(bed, &namespace, name).await?;
        }
    }
    bed.nothing_stays(&namespace).await?;

    drop(extender);
    let _extender = site.own(bed).await?;
    let namespace = bed.fresh_namespace().await?;
    let (others, pods) = scene("supercargo")?;
    apply(bed, &namespace, &others).await?;
    for pod in &pods {
        let name = pod["metadata"]["name"].as_str().unwrap_or_default();
        apply(bed, &namespace, std::slice::from_ref(pod)).await?;
        let pod = running(bed, &namespace, name).await?;
        let seen = containers_see_their_devices(bed, &namespace, &pod).await?;
        assert_eq!(seen["main"].len(), 1, "{name}");
    }
    assert_eq!(wrongs(bed).await?, Vec::<String>::new());
    bed.nothing_stays(&namespace).await?;
    Ok(())
}
