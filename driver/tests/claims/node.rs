//! A node in a folder: hardware, checkpoints, CDI files, and the claims that its API server has.
//!
//! Everything that outlives a process is below one folder, so a restart is opening it again, in this
//! process or in a child that a fault may kill.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, OnceLock};

use http::{Request, Response, StatusCode};
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use supercargo::devices::simulated::{Simulated, Topology};
use supercargo::devices::{Announced, Source};
use supercargo::kubernetes::api::ResourceApi;
use supercargo::node::claims::{ClaimRef, Claims, PrepareError, Prepared, Recovered, Setup};
use supercargo::serving::{Origin, Policies};
use supercargo_guest_build::Builder;
use supercargo_host::policy::{Engine, EngineOptions};
use tempfile::TempDir;
use tokio::sync::watch;
use tower::service_fn;

pub(super) const DRIVER: &str = "gpu.nvidia.com";

/// Two GPUs of which partitions are announced too, and daemons may be started on.
const TOPOLOGY: &str = r#"
apiVersion: supercargo.dev/v1alpha1
kind: Topology
driver: {version: 580.95.05, cuda: "13.0"}
partitioning: dynamic
gpus:
- model: H100-SXM5-80GB
  uuid: GPU-45950538-53c8-4ef3-a213-1e26efbc9b83
  pciBusID: 0000:07:00.0
  pcieRoot: pci0000:00
  numaNode: 0
- model: H100-SXM5-80GB
  uuid: GPU-d1135a6d-3828-45a8-a6fc-2138570b4239
  pciBusID: 0000:0f:00.0
  pcieRoot: pci0000:00
  numaNode: 0
"#;

/// A node in a folder.
pub(super) struct Node {
    pub(super) folder: PathBuf,
}

/// A claim that the API server has.
#[derive(Clone)]
pub(super) struct Claim {
    pub(super) name: String,
    pub(super) uid: String,
    object: Value,
}

impl Claim {
    /// Of these devices, each for a request of its own: `r0`, `r1` and so on, of the class `gpu`.
    pub(super) fn of(name: &str, devices: &[&str]) -> Self {
        let number = name.bytes().map(u64::from).sum::<u64>();
        let uid = format!("00000000-0000-4000-8000-{number:012}");
        let requests: Vec<Value> = (0..devices.len())
            .map(|at| json!({"name": format!("r{at}"), "exactly": {"deviceClassName": "gpu"}}))
            .collect();
        let results: Vec<Value> = devices
            .iter()
            .enumerate()
            .map(|(at, device)| {
                json!({"request": format!("r{at}"), "driver": DRIVER, "pool": "node-1",
                    "device": device})
            })
            .collect();
        let object = json!({
            "apiVersion": "resource.k8s.io/v1", "kind": "ResourceClaim",
            "metadata": {"name": name, "namespace": "default", "uid": uid},
            "spec": {"devices": {"requests": requests}},
            "status": {"allocation": {"devices": {"results": results}}},
        });
        Self {
            name: name.to_owned(),
            uid,
            object,
        }
    }

    /// With one of its requests for another class.
    pub(super) fn class(mut self, request: usize, class: &str) -> Self {
        let request = &mut self.object["spec"]["devices"]["requests"][request];
        request["exactly"]["deviceClassName"] = json!(class);
        self
    }

    /// With something more in every result of the allocation.
    pub(super) fn result(mut self, more: Value) -> Self {
        let results = self.object["status"]["allocation"]["devices"]["results"].as_array_mut();
        for result in results.unwrap() {
            let more = more.as_object().unwrap().clone();
            result.as_object_mut().unwrap().extend(more);
        }
        self
    }

    /// With these opaque parameters.
    pub(super) fn parameters(mut self, parameters: Value) -> Self {
        self.object["status"]["allocation"]["devices"]["config"] = json!([{
            "source": "FromClaim", "opaque": {"driver": DRIVER, "parameters": parameters},
        }]);
        self
    }

    /// As an API server before v1 has it: what a request asks for is not below `exactly`.
    pub(super) fn before_v1(mut self) -> Self {
        self.object["apiVersion"] = json!("resource.k8s.io/v1beta1");
        let requests = self.object["spec"]["devices"]["requests"].as_array_mut();
        for request in requests.unwrap() {
            let request = request.as_object_mut().unwrap();
            let exactly = request.remove("exactly").unwrap();
            request.extend(exactly.as_object().unwrap().clone());
        }
        self
    }

    pub(super) fn named(&self) -> ClaimRef {
        ClaimRef {
            namespace: "default".to_owned(),
            name: self.name.clone(),
            uid: self.uid.clone(),
        }
    }
}

/// A policy that is built from its crate; all are built once.
fn wasm(name: &str) -> PathBuf {
    static BUILT: OnceLock<BTreeMap<String, PathBuf>> = OnceLock::new();
    let built = BUILT.get_or_init(|| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let builder = Builder::new(root.canonicalize().unwrap()).unwrap();
        let built = builder.build_all(&["foreman", "mig-partitions"]).unwrap();
        built
            .into_iter()
            .map(|built| (built.package, built.path))
            .collect()
    });
    built[name].clone()
}

impl Node {
    /// A new node, which stays until the folder is removed.
    pub(super) fn new(folder: &Path) -> Self {
        for name in ["data", "cdi", "api", "hardware", "compiled", "shared"] {
            fs::create_dir_all(folder.join(name)).unwrap();
        }
        fs::write(folder.join("topology.yaml"), TOPOLOGY).unwrap();
        let node = Self {
            folder: folder.canonicalize().unwrap(),
        };
        node.policies(json!([]), json!([]));
        node
    }

    /// What the administrator configures: policies without `wasm`, and rules.
    pub(super) fn policies(&self, mut policies: Value, rules: Value) {
        for policy in policies.as_array_mut().unwrap() {
            let name = policy["name"].as_str().unwrap().to_owned();
            let crate_name = if name == "mig-partitions" {
                "mig-partitions"
            } else {
                "foreman"
            };
            policy["wasm"] = json!(wasm(crate_name));
            policy["limits"] = json!({"deadline": "10s"});
        }
        let configuration = json!({
            "apiVersion": "supercargo.dev/v1alpha1", "kind": "Configuration",
            "policies": policies, "rules": rules,
        });
        fs::write(
            self.folder.join("configuration.yaml"),
            configuration.to_string(),
        )
        .unwrap();
    }

    /// One policy for every request: `foreman`, with these orders.
    pub(super) fn foreman(&self, orders: Value) {
        let everything = json!([{
            "sharedDevices": true,
            "setTimeSlice": ["driverDefault", "long"],
            "setComputeMode": ["shared", "exclusiveProcess"],
            "setMigMode": [true, false],
            "destroyGpuInstance": true,
            "startDaemon": [{"name": "mps", "command": ["/usr/bin/mps"]}],
            "environment": ["FOREMAN_*"],
            "mounts": [{"hostPath": self.folder.join("shared/*")}],
        }]);
        self.policies(
            json!([{"name": "foreman", "settings": orders, "grants": everything}]),
            json!([{"policy": "foreman"}]),
        );
    }

    /// The API server has this claim from now on.
    pub(super) fn has(&self, claim: &Claim) {
        let file = self.folder.join("api").join(&claim.name);
        fs::write(file, claim.object.to_string()).unwrap();
    }

    /// The API server no longer has this claim.
    pub(super) fn lost(&self, claim: &Claim) {
        fs::remove_file(self.folder.join("api").join(&claim.name)).unwrap();
    }

    /// Where decisions are written down, if the file is there when the driver starts.
    pub(super) fn journal(&self) -> PathBuf {
        self.folder.join("journal")
    }

    /// The driver, started in this process.
    pub(super) async fn start(&self) -> (Arc<Claims>, Recovered) {
        self.start_in_boot("boot-1").await
    }

    /// The driver, started in this process after a boot.
    pub(super) async fn start_in_boot(&self, boot: &str) -> (Arc<Claims>, Recovered) {
        self.start_with(boot, |hardware| Arc::new(hardware)).await
    }

    /// The driver, started in this process, with its hardware seen through something else.
    pub(super) async fn start_with(
        &self,
        boot: &str,
        seen: impl FnOnce(Simulated) -> Arc<dyn Source>,
    ) -> (Arc<Claims>, Recovered) {
        self.start_as(boot, seen, |_| {}).await
    }

    /// The driver, started in this process, with something else announced.
    pub(super) async fn start_announcing(
        &self,
        change: impl FnOnce(&mut Announced),
    ) -> (Arc<Claims>, Recovered) {
        self.start_as("boot-1", |hardware| Arc::new(hardware), change)
            .await
    }

    async fn start_as(
        &self,
        boot: &str,
        seen: impl FnOnce(Simulated) -> Arc<dyn Source>,
        change: impl FnOnce(&mut Announced),
    ) -> (Arc<Claims>, Recovered) {
        let topology = Topology::read(&self.folder.join("topology.yaml")).unwrap();
        let source = Simulated::open(topology, &self.folder.join("hardware")).unwrap();
        let mut announced = source.announce(&source.discover().unwrap()).unwrap();
        change(&mut announced);
        let engine = Engine::new(EngineOptions {
            concurrency: 4,
            compiled_code: Some(self.folder.join("compiled")),
            ..EngineOptions::default()
        });
        let origin = Origin {
            configuration: Some(self.folder.join("configuration.yaml")),
            folder: None,
        };
        let policies = Policies::new(DRIVER, engine.unwrap(), origin).unwrap();
        let journal = Some(self.journal()).filter(|file| file.exists());
        let policies = policies.recorded_in(journal.as_deref()).unwrap();
        for change in policies.refresh() {
            let change = change.to_string();
            assert!(!change.contains("refused"), "{change}");
        }
        Claims::open(Setup {
            driver: DRIVER.to_owned(),
            node: "node-1".to_owned(),
            pool: "node-1".to_owned(),
            data: self.folder.join("data"),
            cdi: self.folder.join("cdi"),
            host: PathBuf::from("/"),
            boot: boot.to_owned(),
            source: seen(source),
            announced: watch::channel(Arc::new(announced)).1,
            policies: Arc::new(policies),
            api: self.api(),
        })
        .await
        .unwrap()
    }

    /// An API server that has the claims in the folder `api`, and serves the version that the file
    /// `version` beside it names.
    fn api(&self) -> ResourceApi {
        let claims = self.folder.join("api");
        let served = fs::read_to_string(self.folder.join("version"));
        let served = served.unwrap_or_else(|_| "v1".to_owned());
        let answer = move |request: Request<Body>| {
            let path = request.uri().path().to_owned();
            let (status, body) = if path == "/apis" {
                let full = format!("resource.k8s.io/{served}");
                let version = json!({"groupVersion": full, "version": served});
                let group = json!({"name": "resource.k8s.io", "versions": [version]});
                let list = json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": [group]});
                (StatusCode::OK, list.to_string())
            } else if claims.join("down").exists() || !path.contains(&format!("/{served}/")) {
                (StatusCode::SERVICE_UNAVAILABLE, "{}".to_owned())
            } else {
                let name = path.rsplit('/').next().unwrap_or_default();
                match fs::read_to_string(claims.join(name)) {
                    Ok(claim) => (StatusCode::OK, claim),
                    Err(_) => {
                        let gone = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure",
                            "message": format!("{name:?} not found"), "reason": "NotFound",
                            "details": {"name": name, "kind": "resourceclaims"}, "code": 404});
                        (StatusCode::NOT_FOUND, gone.to_string())
                    }
                }
            };
            let answer = Response::builder()
                .status(status)
                .body(Body::from(body.into_bytes()));
            async move { Ok::<_, std::convert::Infallible>(answer.unwrap()) }
        };
        ResourceApi::new(Client::new(service_fn(answer), "default"))
    }

    /// All that outlives a process and is not the test's own, by path: the hardware, the checkpoints and
    /// the CDI files.
    pub(super) fn state(&self) -> BTreeMap<String, String> {
        let mut state = BTreeMap::new();
        for part in ["hardware", "data/claims", "cdi"] {
            let top = self.folder.join(part);
            if top.exists() {
                read(&self.folder, &top, &mut state);
            }
        }
        state
    }

    /// The names of the files in a folder, sorted.
    pub(super) fn names(&self, folder: &str) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.folder.join(folder))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    /// What the hardware says.
    pub(super) fn hardware(&self, file: &str) -> String {
        let file = self.folder.join("hardware").join(file);
        fs::read_to_string(file).unwrap().trim().to_owned()
    }

    /// Changes what a claim's checkpoint says; its file's name ends in this.
    pub(super) fn rewrite(&self, claim: &Claim, suffix: &str, change: impl FnOnce(&mut Value)) {
        let name = format!("data/claims/{}{suffix}", claim.uid);
        let file = self.folder.join(name);
        let text = fs::read_to_string(&file).unwrap();
        let mut record = serde_json::from_str(text.split_once('\n').unwrap().1).unwrap();
        change(&mut record);
        let content = record.to_string();
        let sum: String = Sha256::digest(&content)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        fs::write(&file, format!("supercargo-claim 1 sha256:{sum}\n{content}")).unwrap();
    }

    /// A claim's CDI file.
    pub(super) fn cdi(&self, claim: &Claim) -> Value {
        let name = format!("cdi/k8s.gpu.nvidia.com-claim_{}.json", claim.uid);
        serde_json::from_str(&fs::read_to_string(self.folder.join(name)).unwrap()).unwrap()
    }

    /// Does this in a child process. `None`: a fault killed it.
    pub(super) fn child(&self, act: &Act, fault: Option<&str>) -> Option<String> {
        let answer = self.folder.join("answer");
        let _ = fs::remove_file(&answer);
        let mut child = Command::new(std::env::current_exe().unwrap());
        child
            .args(["child", "--exact", "--test-threads=1", "--quiet"])
            .env("SUPERCARGO_TEST_NODE", &self.folder)
            .env("SUPERCARGO_TEST_ACT", act.written())
            .env_remove("SUPERCARGO_FAULT");
        if let Some(fault) = fault {
            child.env("SUPERCARGO_FAULT", fault);
        }
        let output = child.output().unwrap();
        if output.status.signal() == Some(9) {
            return None;
        }
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{said}");
        Some(fs::read_to_string(answer).unwrap())
    }
}

/// What a process does after its start.
#[derive(Debug, Clone)]
pub(super) enum Act {
    /// Nothing: it only recovers, in this boot.
    Start(&'static str),
    Prepare(ClaimRef),
    Unprepare(ClaimRef),
}

impl Act {
    fn written(&self) -> String {
        match self {
            Self::Start(boot) => format!("start {boot}"),
            Self::Prepare(claim) => format!("prepare {} {}", claim.name, claim.uid),
            Self::Unprepare(claim) => format!("unprepare {} {}", claim.name, claim.uid),
        }
    }

    /// What comes of it, for comparing.
    async fn answer(written: &str, node: &Node) -> String {
        let words: Vec<&str> = written.split(' ').collect();
        if let ["start", boot] = words[..] {
            let (claims, _) = node.start_in_boot(boot).await;
            return format!("{:#?}", claims.prepared());
        }
        let (claims, _) = node.start().await;
        let claim = ClaimRef {
            namespace: "default".to_owned(),
            name: words[1].to_owned(),
            uid: words[2].to_owned(),
        };
        match words[0] {
            "prepare" => match claims.prepare(&claim).await {
                // Whether it was prepared already depends on when the process was killed.
                Ok(prepared) => format!("{:#?} {:#?}", prepared.devices, prepared.statuses),
                Err(error) => error.to_string(),
            },
            "unprepare" => match claims.unprepare(&claim.uid).await {
                Ok(_) => "unprepared".to_owned(),
                Err(error) => error.to_string(),
            },
            other => panic!("{other}"),
        }
    }
}

/// The child's part: does nothing unless a parent asked for it.
pub(super) async fn child() {
    let (Ok(folder), Ok(act)) = (
        std::env::var("SUPERCARGO_TEST_NODE"),
        std::env::var("SUPERCARGO_TEST_ACT"),
    ) else {
        return;
    };
    let node = Node {
        folder: PathBuf::from(folder),
    };
    let answer = Act::answer(&act, &node).await;
    fs::write(node.folder.join("answer"), answer).unwrap();
}

fn read(root: &Path, path: &Path, into: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(path).unwrap() {
        let path = entry.unwrap().path();
        let name = path.strip_prefix(root).unwrap().display().to_string();
        if path.is_dir() {
            // These stay when what was in them is gone.
            if !["settings", "daemons", "mig"]
                .iter()
                .any(|kept| path.ends_with(kept))
            {
                into.insert(format!("{name}/"), String::new());
            }
            read(root, &path, into);
        } else {
            into.insert(name, fs::read_to_string(&path).unwrap());
        }
    }
}

pub(super) fn node() -> (TempDir, Node) {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::new(folder.path());
    (folder, node)
}

pub(super) async fn prepare(claims: &Arc<Claims>, claim: &Claim) -> Result<Prepared, PrepareError> {
    claims.prepare(&claim.named()).await
}

pub(super) async fn refused(claims: &Arc<Claims>, claim: &Claim) -> String {
    prepare(claims, claim).await.unwrap_err().to_string()
}

/// All that the devices of a CDI file put into the environment.
pub(super) fn environment(cdi: &Value) -> Vec<&str> {
    let devices = cdi["devices"].as_array().unwrap().iter();
    devices
        .flat_map(|device| device["containerEdits"]["env"].as_array().unwrap())
        .map(|variable| variable.as_str().unwrap())
        .collect()
}
