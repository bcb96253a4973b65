//! Co-existing mode, with the in-tree plugin allocating and pods that run.

use std::collections::BTreeSet;
use std::fs;

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::resource::v1::ResourceClaim;
use kube::Api;
use kube::api::ListParams;
use serde_json::{Value, json};
use supercargo_cluster::devices::{containers_see_their_devices, example, running};
use supercargo_cluster::harness::{Bed, Outcome};
use supercargo_cluster::owning::{SOON, apply, delete, events, pod, wrongs};
use supercargo_cluster::until;

use crate::audit::{Right, given, requests};
use crate::certificates::flags;
use crate::scene::{Scene, apply_example, without_deployments};
use crate::service::Service;

/// A group of GPUs is not to be left for a claim that fits into none.
const CONFIGURATION: &str = "
apiVersion: supercargo.dev/v1alpha1
kind: Configuration
policies:
- name: nvlink-groups
  wasm: nvlink-groups.wasm
  settings: {split: refuse}
  onNoProposal: unschedulable
rules:
- policy: nvlink-groups
  deviceClasses: [gpu.nvidia.com]
";

/// Applies pods of the default scheduler with so many GPUs.
async fn ask(bed: &Bed, namespace: &str, name: &str, gpus: usize) -> Outcome {
    let by_default = json!({"schedulerName": "default-scheduler"});
    apply(
        bed,
        namespace,
        &pod(name, "gpu.nvidia.com", gpus, &by_default),
    )
    .await
}

fn node(pod: &Pod) -> Option<String> {
    pod.spec.as_ref()?.node_name.clone()
}

pub(crate) async fn co_existing_mode_vetoes_and_ranks_and_writes_nothing(bed: &Bed) -> Outcome {
    let scene = Scene::of(bed).await?;
    for file in ["guard", "rbac"] {
        let file = example(&format!("scheduler/own/{file}.yaml"));
        let file = file.display().to_string();
        bed.kubectl()
            .run(&["delete", "--ignore-not-found", "-f", &file])
            .await?;
    }
    apply_example(bed, "coexist/rbac.yaml").await?;
    apply_example(bed, "coexist/deployment.yaml").await?;
    without_deployments(bed).await?;
    let outcome = vetoes_and_ranks(bed, scene).await;
    // What other tests need.
    apply_example(bed, "own/rbac.yaml").await?;
    outcome
}

async fn vetoes_and_ranks(bed: &Bed, scene: &Scene) -> Outcome {
    let before = requests(bed)?.len();
    let configuration = scene.site.policies.join("strict.yaml");
    fs::write(&configuration, CONFIGURATION)?;
    let mut more = flags(&scene.tls);
    more.push("--mode=coexist".to_owned());
    more.push(format!("--config={}", configuration.display()));
    let extender = scene.start(bed, 0, more, &[]).await?;
    extender.ready().await?;
    let service = Service::start(vec![(&*extender).into()]).await?;
    let tls = Some(&*scene.tls);
    let _scheduler = scene.kube_scheduler(bed, "coexist", service.address, tls, &Value::Null)?;
    let namespace = bed.fresh_namespace().await?;

    // Ranked: each goes where a group is broken already.
    let mut nodes = BTreeSet::new();
    for n in 0..4 {
        let name = format!("small-{n}");
        ask(bed, &namespace, &name, 1).await?;
        let pod = running(bed, &namespace, &name).await?;
        let seen = containers_see_their_devices(bed, &namespace, &pod).await?;
        assert_eq!(seen["main"].len(), 1);
        nodes.insert(node(&pod).ok_or("it is nowhere")?);
    }
    assert_eq!(nodes.len(), 1, "{nodes:?}");
    // Vetoed: the plugin would give five of eight GPUs, but no group has so many.
    ask(bed, &namespace, "five", 5).await?;
    until(SOON, "the pod says why", async || {
        let said = events(bed, &namespace, "five").await?;
        Ok(said.contains("nvlink-groups").then_some(()))
    })
    .await?;
    let pods: Api<Pod> = Api::namespaced(bed.client(), &namespace);
    assert_eq!(node(&pods.get("five").await?), None);
    delete(bed, &namespace, "five").await?;
    ask(bed, &namespace, "four", 4).await?;
    let four = running(bed, &namespace, "four").await?;
    assert_eq!(
        containers_see_their_devices(bed, &namespace, &four).await?["main"].len(),
        4
    );
    assert_eq!(wrongs(bed).await?, Vec::<String>::new());

    let claims: Api<ResourceClaim> = Api::namespaced(bed.client(), &namespace);
    for claim in claims.list(&ListParams::default()).await? {
        for wrote in claim.metadata.managed_fields.into_iter().flatten() {
            let who = wrote.manager.unwrap_or_default();
            assert!(!who.contains("supercargo-scheduler"), "{who}");
        }
    }
    let asked = requests(bed)?.split_off(before);
    let refused: Vec<_> = asked.iter().filter(|it| it.code == 403).collect();
    assert!(refused.is_empty(), "{refused:?}");
    let used: BTreeSet<Right> = asked.into_iter().map(|it| it.right).collect();
    assert_eq!(given(bed, "coexist").await?, used);
    bed.nothing_stays(&namespace).await?;
    Ok(())
}
