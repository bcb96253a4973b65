//! What a node announces, in a real API server: its validation, its versions, its defaults, its rights.
//!
//! Nodes are only objects here, for nobody else has a say in ResourceSlices; each test takes one of its
//! own.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::authentication::v1::{BoundObjectReference, TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{Node, ServiceAccount};
use k8s_openapi::api::resource::v1::{Device, ResourceSlice};
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use serde_json::{Value, json};
use supercargo::devices::{Announced, AnnouncedDevice};
use supercargo::kubernetes::api::{GROUP, ResourceApi, Version};
use supercargo::node::slices::{Owner, PublishError, Publisher, Status};
use supercargo_cluster::harness::{Bed, Outcome};
use supercargo_cluster::{Cluster, Options, tests};
use supercargo_host::plan::UnitId;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

tests! {
    Options::api_server();
    a_large_pool_is_published_kept_and_not_written_again,
    changes_of_others_are_put_right,
    a_node_that_is_registered_anew_owns_its_slices,
    the_manifests_give_the_driver_what_it_needs_and_no_more,
    servers_without_v1_get_the_newest_version_they_serve,
    what_a_server_with_gates_off_drops_is_reported_once,
}

const DRIVER: &str = "gpu.nvidia.com";
const SOON: Duration = Duration::from_secs(30);

type Error = Box<dyn std::error::Error + Send + Sync>;

/// A driver's publisher on a node.
struct Driver {
    announce: watch::Sender<Arc<Announced>>,
    status: watch::Receiver<Status>,
    task: JoinHandle<()>,
    owner: Owner,
}

impl Driver {
    fn start(client: &Client, node: &str, pool: Announced) -> Self {
        let (announce, announced) = watch::channel(Arc::new(pool));
        let owner = Owner {
            driver: DRIVER.to_owned(),
            node: node.to_owned(),
        };
        let api = ResourceApi::new(client.clone());
        let (mut publisher, status) = Publisher::new(api, owner.clone(), announced);
        Self {
            announce,
            status,
            task: tokio::spawn(async move { publisher.run(std::future::pending()).await }),
            owner,
        }
    }

    async fn until(&mut self, is: impl FnMut(&Status) -> bool) -> Result<Status, Error> {
        let last = self.status.clone();
        match timeout(SOON, self.status.wait_for(is)).await {
            Ok(status) => Ok(status?.clone()),
            Err(_) => Err(format!("it stays like this: {:#?}", last.borrow()).into()),
        }
    }

    async fn up_to_date(&mut self) -> Result<Status, Error> {
        self.until(|status| status.up_to_date).await
    }

    /// Announces something and waits until a look has found it published. What is announced is another
    /// device each time, so that this is not the look before.
    async fn announce(&mut self, pool: Announced) -> Result<Status, Error> {
        let pool = Arc::new(pool);
        self.announce.send_replace(pool);
        self.until(|status| !status.up_to_date).await?;
        self.up_to_date().await
    }

    async fn slices(&self, client: &Client) -> Result<Vec<ResourceSlice>, Error> {
        let Owner { driver, node } = &self.owner;
        let fields = format!("spec.nodeName={node},spec.driver={driver}");
        let mut slices = ResourceApi::new(client.clone())
            .list_slices(&fields)
            .await?;
        slices.sort_by(|a, b| a.metadata.name.cmp(&b.metadata.name));
        Ok(slices)
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn register(client: &Client, name: &str) -> Result<Node, Error> {
    let node: Node = serde_json::from_value(json!({"metadata": {"name": name}}))?;
    let nodes = Api::all(client.clone());
    Ok(nodes.create(&PostParams::default(), &node).await?)
}

fn device(value: Value) -> Result<AnnouncedDevice, Error> {
    let device: Device = serde_json::from_value(value)?;
    let unit = UnitId(device.name.clone());
    Ok(AnnouncedDevice { device, unit })
}

/// So many whole devices, each drawing from a counter set of its own.
fn partitionable(count: usize) -> Result<Announced, Error> {
    let devices = (0..count).map(|number| {
        device(json!({"name": format!("gpu-{number}"),
            "attributes": {"model": {"string": "H100"}, "driverVersion": {"version": "580.95.5"},
                "resource.kubernetes.io/pcieRoot": {"string": "pci0000:01"}, "minor": {"int": number},
                "healthy": {"bool": true}},
            // Not as the server prints it.
            "capacity": {"memory": {"value": "81920Mi"}},
            "consumesCounters": [{"counterSet": format!("set-{number}"),
                "counters": {"memory": {"value": "81920Mi"}}}]}))
    });
    let sets = (0..count).map(|number| {
        serde_json::from_value(json!({"name": format!("set-{number}"),
            "counters": {"memory": {"value": "0.08Ti"}, "slices": {"value": "8000m"}}}))
    });
    Ok(Announced {
        devices: devices.collect::<Result<_, _>>()?,
        counter_sets: sets.collect::<Result<_, _>>()?,
    })
}

fn plain(count: usize) -> Result<Announced, Error> {
    let mut pool = partitionable(count)?;
    pool.counter_sets.clear();
    for announced in &mut pool.devices {
        announced.device.consumes_counters = None;
    }
    Ok(pool)
}

fn taint(pool: &mut Announced, device: usize, key: &str) -> Result<(), Error> {
    let taint = json!({"key": key, "effect": "NoExecute"});
    let announced = pool.devices.get_mut(device).ok_or("no such device")?;
    let taints = announced.device.taints.get_or_insert_default();
    taints.push(serde_json::from_value(taint)?);
    Ok(())
}

async fn a_large_pool_is_published_kept_and_not_written_again(bed: &Bed) -> Outcome {
    let client = bed.client();
    register(&client, "large").await?;
    let mut pool = partitionable(130)?;
    let mut driver = Driver::start(&client, "large", pool.clone());
    let status = driver.up_to_date().await?;
    let published = status.published.ok_or("nothing is published")?;
    assert_eq!((published.slices, published.devices), (20, 130));
    assert_eq!((published.generation, published.version), (1, Version::V1));
    assert_eq!((status.writes, status.lost.len()), (20, 0));

    // Seventeen slices of counters first, in the order of the devices' names.
    let slices = driver.slices(&client).await?;
    let devices = slices
        .iter()
        .flat_map(|slice| slice.spec.devices.iter().flatten());
    let names: Vec<_> = devices.map(|device| device.name.clone()).collect();
    assert_eq!(
        names,
        (0..130)
            .map(|number| format!("gpu-{number}"))
            .collect::<Vec<_>>()
    );

    // One write, within the generation; a taint beside it leaves the first one's time alone.
    taint(&mut pool, 70, "example.com/first")?;
    let status = driver.announce(pool.clone()).await?;
    assert_eq!(status.writes, 21);
    let times = |slices: &[ResourceSlice]| -> Vec<_> {
        let devices = slices
            .iter()
            .flat_map(|slice| slice.spec.devices.iter().flatten());
        let taints = devices.flat_map(|device| device.taints.iter().flatten());
        taints
            .map(|taint| (taint.key.clone(), taint.time_added.clone()))
            .collect()
    };
    let first = times(&driver.slices(&client).await?);
    taint(&mut pool, 71, "example.com/second")?;
    let status = driver.announce(pool.clone()).await?;
    assert_eq!(status.writes, 22);
    let both = times(&driver.slices(&client).await?);
    assert_eq!(both.first(), first.first());
    assert_eq!(both.len(), 2);

    // The same again, and another process: nothing to write.
    let status = driver.announce(pool.clone()).await?;
    assert_eq!(
        (
            status.writes,
            status.published.map(|published| published.generation)
        ),
        (22, Some(1))
    );
    drop(driver);
    let mut driver = Driver::start(&client, "large", pool);
    assert_eq!(driver.up_to_date().await?.writes, 0);

    // Fewer devices are a new generation, with nothing left of the old one.
    let status = driver.announce(plain(3)?).await?;
    assert_eq!(
        status.published.map(|published| published.generation),
        Some(2)
    );
    assert_eq!(driver.slices(&client).await?.len(), 1);
    Ok(())
}

async fn changes_of_others_are_put_right(bed: &Bed) -> Outcome {
    let client = bed.client();
    register(&client, "edited").await?;
    let mut driver = Driver::start(&client, "edited", plain(70)?);
    driver.up_to_date().await?;
    let slices: Api<ResourceSlice> = Api::all(client.clone());
    let first = driver.slices(&client).await?.swap_remove(0);
    let name = first.metadata.name.as_deref().ok_or("no name")?;

    let edit = json!({"spec": {"devices": []}});
    slices
        .patch(name, &PatchParams::default(), &Patch::Merge(edit))
        .await?;
    driver
        .until(|status| status.writes == 3 && status.up_to_date)
        .await?;
    let now = driver.slices(&client).await?;
    assert_eq!(now.first().map(|slice| &slice.spec), Some(&first.spec));

    slices.delete(name, &Default::default()).await?;
    driver
        .until(|status| status.writes == 4 && status.up_to_date)
        .await?;
    let now = driver.slices(&client).await?;
    assert_eq!(now.first().map(|slice| &slice.spec), Some(&first.spec));

    // A copy makes the pool one that the scheduler does not believe.
    let mut copy = first.clone();
    copy.metadata = serde_json::from_value(json!({"generateName": "00000-copy-"}))?;
    slices.create(&PostParams::default(), &copy).await?;
    driver
        .until(|status| status.writes == 5 && status.up_to_date)
        .await?;
    assert_eq!(driver.slices(&client).await?, now);
    Ok(())
}

async fn a_node_that_is_registered_anew_owns_its_slices(bed: &Bed) -> Outcome {
    let client = bed.client();
    let mut driver = Driver::start(&client, "anew", plain(1)?);
    let status = driver.until(|status| status.problem.is_some()).await?;
    let problem = status.problem.ok_or("no problem")?;
    assert!(matches!(*problem, PublishError::NoNode { .. }), "{problem}");

    let owner = |slices: &[ResourceSlice]| {
        let owners = slices
            .first()
            .and_then(|slice| slice.metadata.owner_references.clone());
        owners
            .into_iter()
            .flatten()
            .map(|owner| owner.uid)
            .collect::<Vec<_>>()
    };
    let node = register(&client, "anew").await?;
    driver.up_to_date().await?;
    let seen = owner(&driver.slices(&client).await?);
    assert_eq!(seen, Vec::from_iter(node.metadata.uid));

    let nodes: Api<Node> = Api::all(client.clone());
    nodes.delete("anew", &Default::default()).await?;
    let node = register(&client, "anew").await?;
    // As the garbage collector does, which does not run here.
    let name = driver
        .slices(&client)
        .await?
        .swap_remove(0)
        .metadata
        .name
        .unwrap_or_default();
    let slices: Api<ResourceSlice> = Api::all(client.clone());
    slices.delete(&name, &Default::default()).await?;
    driver
        .until(|status| status.writes == 2 && status.up_to_date)
        .await?;
    assert_eq!(
        owner(&driver.slices(&client).await?),
        Vec::from_iter(node.metadata.uid)
    );
    Ok(())
}

/// A client with the token that the driver's pod on a node has; without a node, that of some other pod.
async fn as_driver(bed: &Bed, node: Option<&Node>) -> Result<Client, Error> {
    let accounts: Api<ServiceAccount> = Api::namespaced(bed.client(), "supercargo");
    let bound = node.map(|node| BoundObjectReference {
        api_version: Some("v1".to_owned()),
        kind: Some("Node".to_owned()),
        name: node.metadata.name.clone(),
        uid: node.metadata.uid.clone(),
    });
    let request = TokenRequest {
        spec: Some(TokenRequestSpec {
            bound_object_ref: bound,
            ..TokenRequestSpec::default()
        }),
        ..TokenRequest::default()
    };
    let answer = accounts
        .create_token_request("supercargo-node", &PostParams::default(), &request)
        .await?;
    let token = answer.status.ok_or("no token")?.token;
    let kubeconfig = Kubeconfig::read_from(bed.kubeconfig())?;
    let mut config =
        Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    config.auth_info = serde_json::from_value(json!({"token": token}))?;
    Ok(Client::try_from(config)?)
}

async fn apply(bed: &Bed, file: &str) -> Result<(), Error> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../examples/node")
        .join(file);
    let text = std::fs::read_to_string(path)?;
    Ok(bed.kubectl().apply("supercargo", &text).await?)
}

async fn the_manifests_give_the_driver_what_it_needs_and_no_more(bed: &Bed) -> Outcome {
    let admin = bed.client();
    bed.namespace("supercargo").await?;
    let node = register(&admin, "mine").await?;
    register(&admin, "other").await?;
    let account: ServiceAccount =
        serde_json::from_value(json!({"metadata": {"name": "supercargo-node"}}))?;
    let accounts = Api::namespaced(admin.clone(), "supercargo");
    accounts.create(&PostParams::default(), &account).await?;
    let client = as_driver(bed, Some(&node)).await?;

    // Without rights, the rule that is missing is named; with them, it goes on by itself.
    let mut driver = Driver::start(&client, "mine", plain(2)?);
    let status = driver.until(|status| status.problem.is_some()).await?;
    let problem = status.problem.ok_or("no problem")?.to_string();
    assert!(
        problem.contains(r#"resources: ["nodes"], verbs: ["get"]"#),
        "{problem}"
    );
    apply(bed, "rbac.yaml").await?;
    driver.up_to_date().await?;
    driver.announce(plain(70)?).await?;
    driver.announce(plain(1)?).await?;
    assert!(driver.status.borrow().watch_problem.is_none());

    // Slices of another node, or without a node in the token, are none of its business.
    apply(bed, "admission.yaml").await?;
    let slices: Api<ResourceSlice> = Api::all(client.clone());
    let foreign = |node: &str, driver: &str| -> Result<ResourceSlice, serde_json::Error> {
        serde_json::from_value(
            json!({"metadata": {"generateName": "x-"}, "spec": {"driver": driver,
            "nodeName": node, "pool": {"name": node, "generation": 1, "resourceSliceCount": 1}}}),
        )
    };
    let refused = async |client: &Client, slice: ResourceSlice| -> Result<String, Error> {
        let slices: Api<ResourceSlice> = Api::all(client.clone());
        match slices.create(&PostParams::default(), &slice).await {
            Err(kube::Error::Api(status)) if status.code == 403 => Ok(status.message),
            other => Err(format!("it was not refused: {other:?}").into()),
        }
    };
    // The policy takes effect a moment after it was written.
    timeout(SOON, async {
        while let Ok(stray) = slices
            .create(&PostParams::default(), &foreign("other", DRIVER)?)
            .await
        {
            let name = stray.metadata.name.unwrap_or_default();
            Api::<ResourceSlice>::all(admin.clone())
                .delete(&name, &Default::default())
                .await?;
        }
        Ok::<_, Error>(())
    })
    .await??;
    let said = refused(&client, foreign("other", DRIVER)?).await?;
    assert!(
        said.contains("the node driver on node mine may not write ResourceSlices of node other"),
        "{said}"
    );
    let said = refused(&client, foreign("mine", "nic.example.com")?).await?;
    assert!(
        said.contains("may not write ResourceSlices of driver nic.example.com"),
        "{said}"
    );
    let without_node = as_driver(bed, None).await?;
    let said = refused(&without_node, foreign("mine", DRIVER)?).await?;
    assert!(said.contains("says no node"), "{said}");

    // And its own still are.
    driver.announce(plain(3)?).await?;
    Ok(())
}

async fn servers_without_v1_get_the_newest_version_they_serve(_: &Bed) -> Outcome {
    for (off, version) in [
        (&["v1"][..], Version::V1beta2),
        (&["v1", "v1beta2"], Version::V1beta1),
    ] {
        let mut options = Options::api_server();
        for version in Version::ALL {
            let group_version = format!("{GROUP}/{version}");
            options = options.api_version(&group_version, !off.contains(&version.as_str()));
        }
        let cluster = Cluster::start(options).await?;
        let client = cluster.client();
        register(&client, "older").await?;
        let mut pool = partitionable(3)?;
        taint(&mut pool, 1, "example.com/unhealthy")?;
        let mut driver = Driver::start(&client, "older", pool.clone());
        let status = driver.up_to_date().await?;
        assert_eq!(
            status.published.map(|published| published.version),
            Some(version)
        );
        assert_eq!(
            (status.writes, status.lost.len()),
            (2, 0),
            "{:?}",
            status.lost
        );
        // What is there is what was announced, read back through the same version.
        let slices = driver.slices(&client).await?;
        let devices = slices
            .iter()
            .flat_map(|slice| slice.spec.devices.iter().flatten());
        assert_eq!(
            devices
                .map(|device| device.attributes.clone())
                .collect::<Vec<_>>(),
            pool.devices
                .iter()
                .map(|announced| announced.device.attributes.clone())
                .collect::<Vec<_>>()
        );
        // Changes are seen in that version, too.
        let gone = slices
            .first()
            .and_then(|slice| slice.metadata.name.clone())
            .unwrap_or_default();
        let api = ResourceApi::new(client.clone());
        api.slices(version)
            .delete(&gone, &Default::default())
            .await?;
        driver
            .until(|status| status.writes == 3 && status.up_to_date)
            .await?;
        assert!(driver.status.borrow().watch_problem.is_none());
    }
    Ok(())
}

async fn what_a_server_with_gates_off_drops_is_reported_once(_: &Bed) -> Outcome {
    let options = Options::api_server()
        .feature_gate("DRADeviceTaints", false)
        .feature_gate("DRADeviceTaintRules", false)
        .feature_gate("DRAPartitionableDevices", false);
    let cluster = Cluster::start(options).await?;
    let client = cluster.client();
    register(&client, "gates").await?;
    let mut pool = partitionable(2)?;
    taint(&mut pool, 1, "example.com/unhealthy")?;
    let mut driver = Driver::start(&client, "gates", pool.clone());
    let status = driver.up_to_date().await?;
    let lost: Vec<_> = status.lost.iter().map(ToString::to_string).collect();
    assert_eq!(
        lost,
        [
            "devices[].consumesCounters (feature gate DRAPartitionableDevices of the API server)",
            "devices[].taints (feature gate DRADeviceTaints of the API server)",
            "sharedCounters (feature gate DRAPartitionableDevices of the API server)",
        ]
    );
    assert_eq!(status.writes, 2);
    // The same again, and a change beside it: no loop.
    assert_eq!(driver.announce(pool.clone()).await?.writes, 2);
    taint(&mut pool, 0, "example.com/unhealthy")?;
    assert_eq!(driver.announce(pool.clone()).await?.writes, 3);
    assert_eq!(driver.announce(pool).await?.writes, 3);
    let all: Api<ResourceSlice> = Api::all(client);
    assert_eq!(all.list(&ListParams::default()).await?.items.len(), 2);
    Ok(())
}
