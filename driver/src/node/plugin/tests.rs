//! The kubelet's part, played over real sockets.

mod batches;
mod hostile;
mod instances;
mod registration;
mod watching;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tempfile::TempDir;
use tokio::sync::{Semaphore, watch};
use tonic::transport::{Channel, Endpoint};

use super::proto::dra_v1::dra_plugin_client::DraPluginClient;
use super::proto::dra_v1::{
    Claim, NodePrepareResourcesRequest, NodePrepareResourcesResponse,
    NodeUnprepareResourcesRequest, NodeUnprepareResourcesResponse,
};
use super::{Config, Handler, HealthReport, Plugin, names};
use crate::node::claims::{ClaimRef, PreparedDevice};

/// The UIDs of two pods of the driver.
const OLDER: &str = "aaaaaaaa-0000-4000-8000-000000000000";
const NEWER: &str = "bbbbbbbb-0000-4000-8000-000000000000";

/// Longest that anything may take that is waited for.
const BOUND: Duration = Duration::from_secs(30);

/// A handler that does what the claims' names say, and remembers what it was asked.
#[derive(Debug, Clone)]
struct Obedient {
    asked: Arc<Mutex<Vec<String>>>,
    /// What `waits` claims wait for.
    gate: Arc<Semaphore>,
}

impl Obedient {
    fn new() -> Self {
        Obedient {
            asked: Arc::default(),
            gate: Arc::new(Semaphore::new(0)),
        }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    fn open_gate(&self) {
        self.gate.add_permits(1);
    }

    async fn obey<T>(&self, operation: &str, claim: &ClaimRef, well: T) -> Result<T, String> {
        let asked = format!("{operation} {}", claim.uid);
        self.asked.lock().unwrap().push(asked);
        match claim.name.as_str() {
            "panics" => panic!("as told"),
            "waits" => drop(self.gate.acquire().await.unwrap()),
            _ => {}
        }
        match claim.name.as_str() {
            "fails" => Err(format!("{} has failed", claim.uid)),
            "fails-silently" => Err(String::new()),
            _ => Ok(well),
        }
    }
}

impl Handler for Obedient {
    async fn prepare(&self, claim: ClaimRef) -> Result<Vec<PreparedDevice>, String> {
        let device = PreparedDevice {
            requests: vec!["gpu".to_owned()],
            pool: "node-1".to_owned(),
            device: "gpu-0".to_owned(),
            cdi_device_ids: vec![format!("example.com/claim={}", claim.uid)],
            share_id: Some("share-1".to_owned()),
        };
        self.obey("prepare", &claim, vec![device]).await
    }

    async fn unprepare(&self, claim: ClaimRef) -> Result<(), String> {
        self.obey("unprepare", &claim, ()).await
    }
}

/// The kubelet's folders.
struct Folders(TempDir);

impl Folders {
    fn new() -> Self {
        Folders(tempfile::tempdir().unwrap())
    }

    fn config(&self, pod_uid: Option<&str>) -> Config {
        Config {
            driver: "gpu.example.com".to_owned(),
            registry: self.0.path().join("registry"),
            data: self.0.path().join("plugins/gpu.example.com"),
            pod_uid: pod_uid.map(str::to_owned),
        }
    }

    fn paths(&self, pod_uid: Option<&str>) -> names::SocketPaths {
        names::socket_paths(&self.config(pod_uid), pod_uid).unwrap()
    }

    /// The sockets that are there.
    fn sockets(&self) -> Vec<String> {
        let config = self.config(None);
        let mut names: Vec<_> = [config.registry, config.data]
            .iter()
            .flat_map(|folder| std::fs::read_dir(folder).unwrap())
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.ends_with(".sock"))
            .collect();
        names.sort();
        names
    }
}

/// A running plugin and what a test holds of it.
struct Node {
    plugin: Plugin<Obedient>,
    handler: Obedient,
    health: watch::Sender<HealthReport>,
}

impl Node {
    async fn start(folders: &Folders, pod_uid: Option<&str>) -> Self {
        let handler = Obedient::new();
        let (health, report) = watch::channel(HealthReport::default());
        let plugin = Plugin::start(&folders.config(pod_uid), handler.clone(), report)
            .await
            .unwrap();
        Node {
            plugin,
            handler,
            health,
        }
    }
}

async fn dial(path: &Path) -> Result<Channel, tonic::transport::Error> {
    Endpoint::from_shared(format!("unix://{}", path.display()))?
        .connect()
        .await
}

/// The kubelet as it talks to one instance.
#[derive(Clone)]
struct Kubelet(Channel);

impl Kubelet {
    async fn of(folders: &Folders, pod_uid: Option<&str>) -> Self {
        Kubelet(dial(&folders.paths(pod_uid).service).await.unwrap())
    }

    async fn prepare(
        &self,
        claims: Vec<Claim>,
    ) -> Result<NodePrepareResourcesResponse, tonic::Status> {
        let request = NodePrepareResourcesRequest { claims };
        let answer = DraPluginClient::new(self.0.clone())
            .node_prepare_resources(request)
            .await?;
        Ok(answer.into_inner())
    }

    async fn unprepare(
        &self,
        claims: Vec<Claim>,
    ) -> Result<NodeUnprepareResourcesResponse, tonic::Status> {
        let request = NodeUnprepareResourcesRequest { claims };
        let answer = DraPluginClient::new(self.0.clone())
            .node_unprepare_resources(request)
            .await?;
        Ok(answer.into_inner())
    }
}

fn claim(name: &str, uid: &str) -> Claim {
    Claim {
        namespace: "default".to_owned(),
        uid: uid.to_owned(),
        name: name.to_owned(),
    }
}

/// Waits for something that must become true.
async fn until(mut holds: impl FnMut() -> bool) {
    let poll = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(BOUND, poll).await.unwrap();
}
