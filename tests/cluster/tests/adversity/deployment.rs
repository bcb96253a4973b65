//! The Deployment of `examples/scheduler/own` under kubelets, and a rolling update of it.
//!
//! Pods have the machine's network here, where no two can have one port. So each replica has a Deployment of its
//! own, on a node of its own, and they are rolled one after the other.

use std::fs;
use std::pin::pin;
use std::time::Duration;

use k8s_openapi::api::apps::v1::{Deployment, RollingUpdateDeployment};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::Api;
use kube::api::{DeleteParams, PostParams};
use serde_json::Value;
use supercargo_cluster::devices::example;
use supercargo_cluster::harness::{Bed, Outcome};
use supercargo_cluster::owning::{LOAD, SOON, bound, clear, load_nodes};
use supercargo_cluster::{Node, free_ports, until_object, until_objects};
use tokio::time::interval;

use crate::fitted::fit;
use crate::replicas::pods;
use crate::scene::{NAMESPACE, Scene};
use crate::service::{Replica, Service};
use crate::{Failure, nothing_is_wrong};

/// What the Deployment takes from the namespace: the configuration, and certificates.
async fn provide(bed: &Bed, scene: &Scene) -> Outcome {
    let from =
        |name: &str, path: &std::path::Path| format!("--from-file={name}={}", path.display());
    let config = from("config.yaml", &example("scheduler/config.yaml"));
    let kubectl = bed.kubectl();
    let configured = ["create", "configmap", "supercargo-policies", &config];
    kubectl
        .run(&[&configured[..], &["-n", NAMESPACE]].concat())
        .await?;
    let files = ["tls.crt", "tls.key", "ca.crt"].map(|file| from(file, &scene.tls.join(file)));
    let mut secret = vec![
        "create",
        "secret",
        "generic",
        "supercargo-scheduler-tls",
        "-n",
        NAMESPACE,
    ];
    secret.extend(files.iter().map(String::as_str));
    kubectl.run(&secret).await?;
    Ok(())
}

/// The Deployment as it is, for one replica on a node, and where that is reached.
async fn deployment(
    bed: &Bed,
    scene: &Scene,
    node: &Node,
) -> Result<(Deployment, Replica), Failure> {
    let text = fs::read_to_string(example("scheduler/own/deployment.yaml"))?;
    let policies = scene.site.policies.to_string_lossy();
    let text = text.replace("/var/lib/supercargo/policies", &policies);
    let mut documents = text.split("\n---\n").map(|document| {
        supercargo_host::objects::plain("deployment.yaml", document).map(|read| read.value)
    });
    let found = documents.find(|object| {
        object
            .as_ref()
            .is_ok_and(|object| object["kind"] == "Deployment")
    });
    let mut deployment: Deployment = serde_json::from_value(found.ok_or("no Deployment")??)?;

    let [serves, observed] = free_ports()?;
    let name = format!("supercargo-scheduler-{}", node.name());
    deployment.metadata.name = Some(name.clone());
    let spec = &mut deployment.spec;
    spec.replicas = Some(1);
    let rolled = spec.strategy.get_or_insert_default();
    rolled.rolling_update = Some(RollingUpdateDeployment {
        max_surge: Some(IntOrString::Int(0)),
        max_unavailable: Some(IntOrString::Int(1)),
    });
    for labels in [
        spec.selector.match_labels.as_mut(),
        spec.template
            .metadata
            .as_mut()
            .and_then(|it| it.labels.as_mut()),
    ] {
        let labels = labels.ok_or("it has no labels")?;
        labels.insert("replica".to_owned(), name.clone());
    }
    let pod = spec.template.spec.as_mut().ok_or("it has no pod")?;
    pod.node_name = Some(node.name().to_owned());
    let arguments = pod.containers[0].args.get_or_insert_default();
    for argument in arguments.iter_mut() {
        *argument = argument.replace("0.0.0.0:10270", &format!("127.0.0.1:{serves}"));
    }
    arguments.push(format!("--driver={LOAD}"));
    let ports = [("extender", serves), ("probes", observed)];
    let environment = [("SUPERCARGO_ADDRESS", format!("127.0.0.1:{observed}"))];
    fit(bed, pod, &scene.site.program, &ports, &environment).await?;
    let at = |port: u16| ([127, 0, 0, 1], port).into();
    Ok((
        deployment,
        Replica {
            serves: at(serves),
            observed: at(observed),
        },
    ))
}

/// Waits until a Deployment's pod is available, and is of its newest template.
async fn rolled_out(deployments: &Api<Deployment>, name: &str) -> Outcome {
    until_object(
        deployments,
        name,
        SOON,
        &format!("{name} is rolled out"),
        |deployment| {
            let deployment = deployment?;
            let status = deployment.status.as_ref()?;
            let done = status.observed_generation == deployment.metadata.generation
                && status.updated_replicas == Some(1)
                && status.available_replicas == Some(1)
                && status.replicas == Some(1);
            done.then_some(())
        },
    )
    .await?;
    Ok(())
}

pub(crate) async fn a_rolling_update_goes_through_while_pods_are_bound(bed: &Bed) -> Outcome {
    const PODS: usize = 240;
    const BATCH: usize = 4;
    let scene = Scene::of(bed).await?;
    scene.site.guard(bed).await?;
    provide(bed, scene).await?;
    let deployments: Api<Deployment> = Api::namespaced(bed.client(), NAMESPACE);
    let (mut names, mut replicas) = (Vec::new(), Vec::new());
    for node in bed.nodes() {
        let (deployment, replica) = deployment(bed, scene, node).await?;
        let made = deployments
            .create(&PostParams::default(), &deployment)
            .await?;
        names.push(made.metadata.name.unwrap_or_default());
        replicas.push(replica);
    }
    for name in &names {
        rolled_out(&deployments, name).await?;
        let log = ["logs", "-n", NAMESPACE, &format!("deployment/{name}")];
        let log = bed.kubectl().run(&log).await?;
        assert!(log.contains("policy nvlink-groups serves"), "{log}");
        assert!(log.contains("policy mig-packing serves"), "{log}");
    }
    let service = Service::start(replicas).await?;
    let tls = Some(&*scene.tls);
    let _scheduler = scene.kube_scheduler(bed, "own", service.address, tls, &Value::Null)?;
    let namespace = bed.fresh_namespace().await?;
    load_nodes(bed, "rolled", PODS / 8, 8).await?;

    let leases: Api<Lease> = Api::namespaced(bed.client(), NAMESPACE);
    let mut leaders = Vec::new();
    let mut made = 0;
    for name in &names {
        pods(bed, &namespace, made..made + BATCH).await?;
        made += BATCH;
        bound(bed, &namespace, made).await?;
        let lease = leases.get("supercargo-scheduler").await?;
        leaders.extend(lease.spec.and_then(|spec| spec.holder_identity));
        let restart = ["rollout", "restart", "deployment", name, "-n", NAMESPACE];
        bed.kubectl().run(&restart).await?;
        // Pods keep coming until it is through.
        let mut rolled = pin!(rolled_out(&deployments, name));
        let mut pace = interval(Duration::from_secs(1));
        loop {
            tokio::select! {
                done = &mut rolled => break done?,
                _ = pace.tick(), if made + BATCH < PODS => {
                    pods(bed, &namespace, made..made + BATCH).await?;
                    made += BATCH;
                }
            }
        }
    }
    pods(bed, &namespace, made..PODS).await?;
    bound(bed, &namespace, PODS).await?;
    nothing_is_wrong(bed).await?;
    // Whoever led was replaced.
    let lease = leases.get("supercargo-scheduler").await?;
    let leader = lease.spec.and_then(|spec| spec.holder_identity);
    assert!(
        leader.is_some_and(|leader| !leaders.contains(&leader)),
        "{leaders:?}"
    );
    clear(bed, &namespace, "rolled").await?;

    for name in &names {
        deployments
            .delete(name, &DeleteParams::foreground())
            .await?;
    }
    let left: Api<Pod> = Api::namespaced(bed.client(), NAMESPACE);
    until_objects(&left, SOON, "the Deployments' pods are gone", |pods| {
        pods.is_empty().then_some(())
    })
    .await?;
    let provided = [
        "configmap/supercargo-policies",
        "secret/supercargo-scheduler-tls",
    ];
    let delete = [&["delete", "-n", NAMESPACE][..], &provided].concat();
    bed.kubectl().run(&delete).await?;
    Ok(())
}
