//! A cluster whose scheduler asks Supercargo: what its tests share.
//!
//! The scheduler has two profiles: `supercargo`, as examples/scheduler/own has it, and `default-scheduler`
//! with the in-tree plugin, whose pods the extender is asked about, too. The extender runs as the service
//! account that the examples make, with the rights that they give it. Nodes with devices but without
//! a kubelet are only objects; the real ones run pods.

mod scene;
mod wrongs;

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Event, Node, Pod};
use k8s_openapi::api::resource::v1::{DeviceClass, ResourceSlice};
use kube::Api;
use kube::api::{DeleteParams, ListParams, PostParams};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::devices::{example, hardware, manifest};
use crate::driver::{DRIVER, Driver, DriverOptions};
use crate::error::ClusterError;
use crate::extender::{Extender, ExtenderOptions};
use crate::harness::{Bed, Outcome};
pub use crate::load::LOAD;
use crate::options::Options;
use crate::owner::{ACCOUNT, Owner, port};
use crate::program::{build_policy, supercargo};
use crate::wait::until_objects;
pub use scene::play;
pub use wrongs::wrongs;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Whose devices Supercargo allocates, where nothing else is said.
const ALL: [&str; 2] = [DRIVER, LOAD];
/// How long what should happen soon may take.
pub const SOON: Duration = Duration::from_secs(90);

/// Two nodes, and a scheduler that asks the extender.
#[must_use]
pub fn options() -> Options {
    let mut options = Options::nodes(2);
    let mut configuration = Owner::scheduler_configuration().unwrap_or_default();
    let profiles = configuration
        .get_mut("profiles")
        .and_then(Value::as_array_mut);
    if let Some(profiles) = profiles {
        profiles.push(json!({"schedulerName": "default-scheduler"}));
    }
    options.scheduler_configuration = configuration;
    options
}

/// What all tests need: rights, the guard, classes, drivers on the real nodes, a configuration.
#[derive(Debug)]
pub struct Site {
    /// Supercargo.
    pub program: PathBuf,
    kubeconfig: PathBuf,
    /// The folder of policies, with `config.yaml` in it.
    pub policies: PathBuf,
    _drivers: Vec<Driver>,
}

impl Site {
    /// It, made when it is first asked for, with eight GPUs in two NVLink groups on every node.
    pub async fn of(bed: &Bed) -> Result<&'static Self, Failure> {
        Self::with(bed, &["h100-nvlink", "h100-nvlink"]).await
    }

    /// It, made when it is first asked for, with this hardware on its nodes (`examples/topologies`).
    pub async fn with(bed: &Bed, topologies: &[&str]) -> Result<&'static Self, Failure> {
        static SITE: OnceCell<Site> = OnceCell::const_new();
        SITE.get_or_try_init(|| Self::start(bed, topologies)).await
    }

    async fn start(bed: &Bed, topologies: &[&str]) -> Result<Self, Failure> {
        let program = supercargo()?;
        bed.namespace("supercargo").await?;
        let read = |file: &str| fs::read_to_string(example(&format!("scheduler/own/{file}")));
        bed.kubectl()
            .apply("supercargo", &read("rbac.yaml")?)
            .await?;
        let policies = bed.folder().join("policies");
        fs::create_dir(&policies)?;
        for policy in ["nvlink-groups", "mig-packing"] {
            build_policy(&program, policy, &policies)?;
        }
        let configuration = "apiVersion: supercargo.dev/v1alpha1\nkind: Configuration\npolicies:\n\
             - {name: nvlink-groups, wasm: nvlink-groups.wasm}\n\
             - {name: mig-packing, wasm: mig-packing.wasm}\nrules:\n\
             - {policy: nvlink-groups, deviceClasses: [gpu.nvidia.com]}\n\
             - {policy: mig-packing, deviceClasses: [mig.nvidia.com]}\n";
        fs::write(policies.join("config.yaml"), configuration)?;
        bed.kubectl()
            .apply("default", &manifest("device-class")?)
            .await?;
        let class: DeviceClass =
            serde_json::from_value(json!({"metadata": {"name": "load"}, "spec": {
            "selectors": [{"cel": {"expression": format!("device.driver == '{LOAD}'")}}]}}))?;
        let classes: Api<DeviceClass> = Api::all(bed.client());
        classes.create(&PostParams::default(), &class).await?;
        let mut drivers = Vec::new();
        for (node, topology) in bed.nodes().iter().zip(topologies) {
            let options = DriverOptions {
                topology: hardware(topology, node)?,
                ..DriverOptions::default()
            };
            let driver = Driver::start(bed, node, &program, &options)?;
            driver.ready().await?;
            drivers.push(driver);
        }
        Ok(Self {
            kubeconfig: bed.kubeconfig_for(ACCOUNT, &["system:serviceaccounts"])?,
            program,
            policies,
            _drivers: drivers,
        })
    }

    /// How the extender is started in a mode, with more flags.
    #[must_use]
    pub fn options(&self, mode: &str, more: &[&str]) -> ExtenderOptions {
        let mut flags = vec![format!("--mode={mode}")];
        flags.extend(more.iter().map(|flag| (*flag).to_owned()));
        flags.push(format!(
            "--config={}",
            self.policies.join("config.yaml").display()
        ));
        ExtenderOptions {
            name: "extender".to_owned(),
            port: port(),
            kubeconfig: Some(self.kubeconfig.clone()),
            flags,
            environment: Vec::new(),
        }
    }

    /// How it is started to own the devices of [`DRIVER`] and [`LOAD`].
    #[must_use]
    pub fn owning(&self) -> ExtenderOptions {
        self.owning_of(&ALL)
    }

    fn owning_of(&self, drivers: &[&str]) -> ExtenderOptions {
        let drivers: Vec<String> = drivers.iter().map(|it| format!("--driver={it}")).collect();
        let mut flags = vec!["--lease-duration=8", "--grace=3"];
        flags.extend(drivers.iter().map(String::as_str));
        self.options("own", &flags)
    }

    /// Applies the guard, and starts an owning extender.
    pub async fn own(&self, bed: &Bed) -> Result<Extender, Failure> {
        self.own_of(bed, &ALL).await
    }

    /// The same for the devices of these drivers alone.
    pub async fn own_of(&self, bed: &Bed, drivers: &[&str]) -> Result<Extender, Failure> {
        self.guard_of(bed, drivers).await?;
        let extender = Extender::start(bed, &self.program, &self.owning_of(drivers))?;
        extender.ready().await?;
        Ok(extender)
    }

    /// Keeps everybody else from allocating the devices of [`DRIVER`] and [`LOAD`].
    pub async fn guard(&self, bed: &Bed) -> Outcome {
        self.guard_of(bed, &ALL).await
    }

    async fn guard_of(&self, bed: &Bed, drivers: &[&str]) -> Outcome {
        let guard = fs::read_to_string(example("scheduler/own/guard.yaml"))?;
        let guard = guard.replace(
            "['gpu.nvidia.com']",
            &format!("['{}']", drivers.join("', '")),
        );
        bed.kubectl().apply("default", &guard).await?;
        Ok(())
    }
}

/// A pod of one container with a claim of its own, for so many devices of a class; `more` goes into its spec.
/// The template, and the pod.
#[must_use]
pub fn pod(name: &str, class: &str, count: usize, more: &Value) -> [Value; 2] {
    let template = json!({"apiVersion": "resource.k8s.io/v1", "kind": "ResourceClaimTemplate",
        "metadata": {"name": name}, "spec": {"spec": {"devices": {"requests": [
            {"name": "gpus", "exactly": {"deviceClassName": class, "count": count}}]}}}});
    let mut pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {
        "schedulerName": "supercargo", "terminationGracePeriodSeconds": 0,
        "tolerations": [{"operator": "Exists"}],
        "resourceClaims": [{"name": "gpus", "resourceClaimTemplateName": name}],
        "containers": [{"name": "main", "image": "busybox:1.36", "command": ["sleep", "1000000"],
            "resources": {"claims": [{"name": "gpus"}]}}]}});
    let spec = pod.pointer_mut("/spec").and_then(Value::as_object_mut);
    if let (Some(spec), Some(more)) = (spec, more.as_object()) {
        spec.extend(more.clone());
    }
    [template, pod]
}

/// Applies objects in a namespace.
pub async fn apply(bed: &Bed, namespace: &str, objects: &[Value]) -> Outcome {
    let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
    bed.kubectl().apply(namespace, &list.to_string()).await?;
    Ok(())
}

/// Deletes a pod at once.
pub async fn delete(bed: &Bed, namespace: &str, name: &str) -> Outcome {
    let pods: Api<Pod> = Api::namespaced(bed.client(), namespace);
    let now = DeleteParams::default().grace_period(0);
    pods.delete(name, &now).await?;
    Ok(())
}

/// Waits until so many pods of a namespace are bound.
pub async fn bound(bed: &Bed, namespace: &str, count: usize) -> Result<Vec<Pod>, ClusterError> {
    let pods: Api<Pod> = Api::namespaced(bed.client(), namespace);
    let is_bound = |pod: &&Pod| {
        pod.spec
            .as_ref()
            .is_some_and(|spec| spec.node_name.is_some())
    };
    until_objects(
        &pods,
        SOON * 3,
        &format!("{count} pods are bound"),
        |pods| (pods.iter().filter(is_bound).count() >= count).then(|| pods.to_vec()),
    )
    .await
}

/// Nodes that are only objects, with devices.
pub async fn load_nodes(bed: &Bed, prefix: &str, count: usize, devices: usize) -> Outcome {
    let nodes: Api<Node> = Api::all(bed.client());
    let slices: Api<ResourceSlice> = Api::all(bed.client());
    let post = PostParams::default();
    let all: Vec<Value> = (0..devices)
        .map(|n| json!({"name": format!("gpu-{n}")}))
        .collect();
    for n in 0..count {
        let name = format!("{prefix}-{n}");
        let much = json!({"cpu": "64", "memory": "512Gi", "pods": "200"});
        let node = json!({"metadata": {"name": name, "labels": {"load": prefix}}, "status": {
            "capacity": much, "allocatable": much,
            "conditions": [{"type": "Ready", "status": "True"}]}});
        let node: Node = nodes.create(&post, &serde_json::from_value(node)?).await?;
        let owner =
            json!([{"apiVersion": "v1", "kind": "Node", "name": name, "uid": node.metadata.uid}]);
        let slice = json!({"metadata": {"name": name, "ownerReferences": owner}, "spec": {"driver": LOAD,
            "nodeName": name, "pool": {"name": name, "generation": 1, "resourceSliceCount": 1},
            "devices": all}});
        slices
            .create(&post, &serde_json::from_value(slice)?)
            .await?;
    }
    Ok(())
}

/// Ends a test with nodes that are only objects: nobody else can end the pods on them.
pub async fn clear(bed: &Bed, namespace: &str, prefix: &str) -> Outcome {
    let pods: Api<Pod> = Api::namespaced(bed.client(), namespace);
    let now = DeleteParams::default().grace_period(0);
    pods.delete_collection(&now, &ListParams::default()).await?;
    bed.nothing_stays(namespace).await?;
    let nodes: Api<Node> = Api::all(bed.client());
    let ours = ListParams::default().labels(&format!("load={prefix}"));
    nodes
        .delete_collection(&DeleteParams::default(), &ours)
        .await?;
    let slices: Api<ResourceSlice> = Api::all(bed.client());
    let left = ListParams::default().fields(&format!("spec.driver={LOAD}"));
    slices
        .delete_collection(&DeleteParams::default(), &left)
        .await?;
    Ok(())
}

/// What the events of a pod say.
pub async fn events(bed: &Bed, namespace: &str, pod: &str) -> Result<String, ClusterError> {
    let events: Api<Event> = Api::namespaced(bed.client(), namespace);
    let of_pod = ListParams::default().fields(&format!("involvedObject.name={pod}"));
    let found = events
        .list(&of_pod)
        .await
        .map_err(ClusterError::api("list events"))?;
    let notes = found.items.into_iter().filter_map(|event| event.message);
    Ok(notes.collect::<Vec<_>>().join("\n"))
}
