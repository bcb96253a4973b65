//! One node: a containerd and a kubelet with folders, sockets and control groups of their own.
//!
//! Two kubelets must not share a containerd, for each kills the pods that it does not know. The node
//! object is made before the kubelet starts, with a loopback address, which a kubelet refuses to
//! report but leaves alone when a cloud provider is said to own it.

use std::fs;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use k8s_openapi::api::core::v1::Node as NodeObject;
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::json;

use crate::cgroups;
use crate::control_plane::ControlPlane;
use crate::error::{ClusterError, at};
use crate::image;
use crate::options::Options;
use crate::ports;
use crate::requirements;
use crate::sandbox::{Process, Sandbox};
use crate::scratch::Scratch;
use crate::tools::Tools;
use crate::wait::{until, until_object};

/// How long a part of a node may take to start.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// The longest path below a kubelet's root: `plugins/gpu.nvidia.com/dra-<pod uid>.sock`.
const BELOW_KUBELET: usize = 69;

/// What fits into a `sockaddr_un`, without the closing zero.
const SOCKET_PATH: usize = 107;

/// A node that runs pods.
#[derive(Debug)]
pub struct Node {
    name: String,
    folder: PathBuf,
    /// Where the kubelet answers.
    port: u16,
    /// How the kubelet is started, also again.
    start_kubelet: KubeletStart,
    kubelet: Process,
    containerd: Process,
}

#[derive(Debug)]
struct KubeletStart {
    program: PathBuf,
    arguments: Vec<String>,
    log: String,
}

impl KubeletStart {
    fn start(&self, sandbox: &Sandbox) -> Result<Process, ClusterError> {
        sandbox.spawn(&self.log, &self.program, |command| {
            command.args(&self.arguments);
        })
    }
}

impl Node {
    /// `metadata.name` of its object.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The kubelet's root, on real nodes `/var/lib/kubelet`.
    #[must_use]
    pub fn kubelet_root(&self) -> PathBuf {
        self.folder.join("kubelet")
    }

    /// Where plugins keep their own data and sockets, each in a folder with its name.
    #[must_use]
    pub fn plugins(&self) -> PathBuf {
        self.kubelet_root().join("plugins")
    }

    /// Where plugins put the socket by which the kubelet finds them.
    #[must_use]
    pub fn plugin_registry(&self) -> PathBuf {
        self.kubelet_root().join("plugins_registry")
    }

    /// Where the container runtime looks for CDI specs, on real nodes `/var/run/cdi`.
    #[must_use]
    pub fn cdi(&self) -> PathBuf {
        self.folder.join("cdi")
    }

    /// containerd's socket.
    #[must_use]
    pub fn containerd_socket(&self) -> PathBuf {
        self.folder.join("containerd.sock")
    }

    /// A folder for whatever else a test needs on this node; every process of the cluster sees it.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The kubelet.
    #[must_use]
    pub fn kubelet(&self) -> &Process {
        &self.kubelet
    }

    /// The port of 127.0.0.1 at which the kubelet answers.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn processes(&self) -> [&Process; 2] {
        [&self.containerd, &self.kubelet]
    }

    /// Kills the kubelet and starts it again; pods run on.
    pub(crate) async fn restart_kubelet(
        &self,
        sandbox: &Sandbox,
        client: &kube::Client,
    ) -> Result<(), ClusterError> {
        self.kubelet.kill()?;
        let before = heartbeat(client, &self.name).await?;
        self.kubelet
            .succeeded_by(&self.start_kubelet.start(sandbox)?);
        let api: Api<NodeObject> = Api::all(client.clone());
        let what = format!("{} reported again", self.name);
        until_object(&api, &self.name, READY_WITHIN, &what, |node| {
            (is_ready(node?) && ready_since(node?) > before).then_some(())
        })
        .await
    }

    pub(crate) async fn start(
        number: usize,
        sandbox: &Sandbox,
        scratch: &Scratch,
        tools: &Tools,
        options: &Options,
        control_plane: &ControlPlane,
        image: &Path,
    ) -> Result<Self, ClusterError> {
        let name = format!("node-{number}");
        let folder = scratch.path().join(format!("n{number}"));
        let kubelet = folder.join("kubelet");
        if kubelet.as_os_str().len() + BELOW_KUBELET > SOCKET_PATH {
            return Err(ClusterError::SocketPath(kubelet));
        }
        let [port] = ports::free()?;
        for part in ["cdi", "cni", "cni-state", "kubelet", "pods"] {
            let part = folder.join(part);
            fs::create_dir_all(&part).map_err(at("make", &part))?;
        }
        let cgroup = format!("{}/n{number}", scratch.cgroup());
        cgroups::create(&cgroup)?;
        register(&control_plane.client, &name).await?;

        let containerd = containerd(number, &folder, port, sandbox, tools)?;
        let socket = folder.join("containerd.sock");
        let what = format!("containerd of {name} listens");
        until(READY_WITHIN, &what, async || {
            containerd.must_run()?;
            Ok(UnixStream::connect(&socket).is_ok().then_some(()))
        })
        .await?;
        import(&socket, image, sandbox, tools).await?;

        let pki = &control_plane.pki;
        let configuration = json!({
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": format!("/{cgroup}"),
            "failCgroupV1": false,
            "failSwapOn": false,
            "containerRuntimeEndpoint": format!("unix://{}", socket.display()),
            "address": "127.0.0.1",
            "port": port,
            "readOnlyPort": 0,
            "healthzPort": 0,
            "authentication": {
                "anonymous": { "enabled": false },
                "webhook": { "enabled": false },
                "x509": { "clientCAFile": pki.path("ca.crt") },
            },
            "authorization": { "mode": "AlwaysAllow" },
            "enforceNodeAllocatable": [],
            "evictionHard": { "memory.available": "1Mi", "nodefs.available": "1Mi", "imagefs.available": "1Mi" },
            "imageGCHighThresholdPercent": 100,
            "makeIPTablesUtilChains": false,
            "resolvConf": "",
            "podLogsDir": folder.join("pods"),
            "volumePluginDir": folder.join("volume-plugins"),
            "nodeStatusUpdateFrequency": "2s",
            // How soon a pod is tried again whose claims could not be prepared; a minute by default.
            "syncFrequency": "3s",
            "featureGates": options.feature_gates,
        });
        let path = folder.join("kubelet.json");
        fs::write(&path, configuration.to_string()).map_err(at("write", &path))?;
        let start_kubelet = KubeletStart {
            program: tools.path("kubelet"),
            arguments: vec![
                format!("--config={}", path.display()),
                format!("--kubeconfig={}", control_plane.kubeconfig.display()),
                format!("--root-dir={}", folder.join("kubelet").display()),
                format!("--hostname-override={name}"),
                "--cloud-provider=external".to_owned(),
            ],
            log: format!("kubelet-{number}"),
        };
        let kubelet = start_kubelet.start(sandbox)?;
        let node = Self {
            name,
            folder,
            port,
            start_kubelet,
            kubelet,
            containerd,
        };
        let api: Api<NodeObject> = Api::all(control_plane.client.clone());
        let what = format!("{} is ready", node.name);
        let ready = until_object(&api, &node.name, READY_WITHIN, &what, |found| {
            is_ready(found?).then_some(())
        });
        tokio::select! {
            ready = ready => ready?,
            ended = ends(&node.kubelet) => ended?,
        }
        Ok(node)
    }
}

/// Answers, with an error, when the process ends.
async fn ends(process: &Process) -> Result<(), ClusterError> {
    let what = format!("{} ended", process.name());
    until(READY_WITHIN * 2, &what, async || {
        process.must_run().map(|()| None)
    })
    .await
}

fn is_ready(node: &NodeObject) -> bool {
    condition(node).is_some_and(|condition| condition.status == "True")
}

fn ready_since(node: &NodeObject) -> Option<k8s_openapi::apimachinery::pkg::apis::meta::v1::Time> {
    condition(node)?.last_heartbeat_time.clone()
}

async fn heartbeat(
    client: &kube::Client,
    name: &str,
) -> Result<Option<k8s_openapi::apimachinery::pkg::apis::meta::v1::Time>, ClusterError> {
    let api: Api<NodeObject> = Api::all(client.clone());
    let node = api.get(name).await;
    Ok(ready_since(
        &node.map_err(ClusterError::api(format!("get node {name}")))?,
    ))
}

fn condition(node: &NodeObject) -> Option<&k8s_openapi::api::core::v1::NodeCondition> {
    let conditions = node.status.as_ref()?.conditions.as_ref()?;
    conditions
        .iter()
        .find(|condition| condition.type_ == "Ready")
}

/// Makes the node's object, which its kubelet then adopts.
async fn register(client: &kube::Client, name: &str) -> Result<(), ClusterError> {
    let api: Api<NodeObject> = Api::all(client.clone());
    let mut object = NodeObject::default();
    object.metadata.name = Some(name.to_owned());
    object.metadata.labels = Some([("kubernetes.io/hostname".to_owned(), name.to_owned())].into());
    api.create(&PostParams::default(), &object)
        .await
        .map_err(ClusterError::api(format!("create node {name}")))?;
    let status = json!({ "status": { "addresses": [
        { "type": "Hostname", "address": name },
        { "type": "InternalIP", "address": "127.0.0.1" },
    ]}});
    api.patch_status(name, &PatchParams::default(), &Patch::Merge(status))
        .await
        .map_err(ClusterError::api(format!("set the addresses of {name}")))?;
    Ok(())
}

/// The pods' addresses lie in a range that is named by the kubelet's port, so that no two nodes on this
/// machine, of whichever cluster, have the same.
fn containerd(
    number: usize,
    folder: &Path,
    port: u16,
    sandbox: &Sandbox,
    tools: &Tools,
) -> Result<Process, ClusterError> {
    let [high, low] = port.to_be_bytes();
    let network = json!({
        "cniVersion": "1.0.0",
        "name": format!("supercargo-{port}"),
        "plugins": [{
            "type": "ptp",
            "ipMasq": false,
            "ipam": {
                "type": "host-local",
                "dataDir": folder.join("cni-state"),
                "ranges": [[{ "subnet": format!("10.{high}.{low}.0/24") }]],
            },
        }],
    });
    let path = folder.join("cni/10-ptp.conflist");
    fs::write(&path, network.to_string()).map_err(at("write", &path))?;
    let plugins = requirements::cni_plugins().unwrap_or_default();
    let text = format!(
        r#"version = 3
root = "{folder}/containerd"
state = "{folder}/run"
[grpc]
  address = "{folder}/containerd.sock"
[plugins.'io.containerd.cri.v1.images'.pinned_images]
  sandbox = "{pause}"
[plugins.'io.containerd.cri.v1.runtime']
  enable_cdi = true
  cdi_spec_dirs = ["{folder}/cdi"]
  disable_apparmor = true
  # Where root may not lower a process's chance to be killed, sandboxes would not start.
  restrict_oom_score_adj = true
[plugins.'io.containerd.cri.v1.runtime'.cni]
  bin_dirs = ["{plugins}"]
  conf_dir = "{folder}/cni"
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
  BinaryName = "{runc}"
"#,
        folder = folder.display(),
        pause = image::PAUSE,
        runc = tools.path("runc").display(),
    );
    let path = folder.join("containerd.toml");
    fs::write(&path, text).map_err(at("write", &path))?;
    let name = format!("containerd-{number}");
    sandbox.spawn(&name, &tools.path("containerd"), |command| {
        command.arg("--config").arg(&path);
    })
}

async fn import(
    socket: &Path,
    image: &Path,
    sandbox: &Sandbox,
    tools: &Tools,
) -> Result<(), ClusterError> {
    let mut command = tokio::process::Command::from(sandbox.enter());
    command
        .arg(tools.path("ctr"))
        .arg("--address")
        .arg(socket)
        .args(["--namespace", "k8s.io", "images", "import"])
        .arg(image);
    crate::command::output(command, None).await.map(drop)
}
