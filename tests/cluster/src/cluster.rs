//! A cluster from start to end.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use k8s_openapi::api::authentication::v1::{BoundObjectReference, TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{Namespace, Node as NodeObject, ServiceAccount};
use kube::Api;
use kube::api::PostParams;

use crate::control_plane::{self, ControlPlane};
use crate::error::{ClusterError, at};
use crate::image;
use crate::kubectl::Kubectl;
use crate::log;
use crate::node::Node;
use crate::options::Options;
use crate::sandbox::{Process, Sandbox};
use crate::scratch::{self, Scratch};
use crate::tools::Tools;
use crate::wait;

/// How often a start is tried when another process takes a port that was free just now.
const TRIES: usize = 3;

/// How long the controllers may take to make a service account.
const ACCOUNT_WITHIN: Duration = Duration::from_secs(60);

/// How many lines of each log a report has.
const TAIL: usize = 25;

/// What Go programs say when a port is taken.
const TAKEN: &str = "address already in use";

/// A running Kubernetes. It ends, and leaves nothing, when this is dropped.
pub struct Cluster {
    // In the order in which they end: nodes and control plane are dropped when all has ended.
    end: End,
    nodes: Vec<Node>,
    control_plane: ControlPlane,
    tools: Tools,
}

/// Ends the namespaces and removes the folder.
#[derive(Debug)]
struct End {
    sandbox: Sandbox,
    scratch: Scratch,
}

impl Drop for End {
    fn drop(&mut self) {
        let ended = self.sandbox.end().and_then(|()| self.scratch.remove());
        if let Err(error) = ended {
            eprintln!("cluster: {error}");
        }
    }
}

impl Cluster {
    /// Builds the programs where needed, and starts a cluster. It is ready: its nodes run pods.
    pub async fn start(options: Options) -> Result<Self, ClusterError> {
        let with_nodes = options.nodes > 0;
        // Building takes minutes the first time, and blocks.
        let tools = tokio::task::spawn_blocking(move || Tools::ready(with_nodes))
            .await
            .map_err(|error| ClusterError::Io {
                what: "build the cluster's programs".to_owned(),
                source: error.into(),
            })??;
        for _ in 1..TRIES {
            match Self::start_with(&tools, &options).await {
                Err(ClusterError::Ended { tail, .. }) if tail.contains(TAKEN) => {}
                started => return started,
            }
        }
        Self::start_with(&tools, &options).await
    }

    async fn start_with(tools: &Tools, options: &Options) -> Result<Self, ClusterError> {
        let scratch = Scratch::create()?;
        let sandbox = Sandbox::start(&scratch, tools.folder(), options.detached)?;
        let end = End { sandbox, scratch };
        let parts = Self::start_parts(&end, tools, options).await;
        let (control_plane, nodes) =
            parts.inspect_err(|_| match end.scratch.keep_logs("start") {
                Ok(kept) => eprintln!("cluster: the logs are in {}", kept.display()),
                Err(error) => eprintln!("cluster: {error}"),
            })?;
        if options.detached {
            end.scratch.detach()?;
        }
        Ok(Self {
            end,
            nodes,
            control_plane,
            tools: tools.clone(),
        })
    }

    async fn start_parts(
        end: &End,
        tools: &Tools,
        options: &Options,
    ) -> Result<(ControlPlane, Vec<Node>), ClusterError> {
        let (sandbox, scratch) = (&end.sandbox, &end.scratch);
        let image = scratch.path().join("busybox.tar");
        if options.nodes > 0 {
            image::write(&image)?;
        }
        let control_plane = ControlPlane::start(sandbox, scratch.path(), tools, options).await?;
        let nodes = (1..=options.nodes)
            .map(|n| Node::start(n, sandbox, scratch, tools, options, &control_plane, &image));
        let nodes = futures::future::try_join_all(nodes).await?;
        if options.controllers {
            default_account(&control_plane.client, "default").await?;
        }
        Ok((control_plane, nodes))
    }

    /// Leaves a detached cluster running.
    pub fn leave(self) {
        std::mem::forget(self);
    }

    /// The kubeconfig of the administrator.
    #[must_use]
    pub fn kubeconfig(&self) -> &Path {
        &self.control_plane.kubeconfig
    }

    /// Writes a kubeconfig for a user in some groups, as RBAC knows them; a service account is the user
    /// `system:serviceaccount:<namespace>:<name>`.
    pub fn kubeconfig_for(&self, user: &str, groups: &[&str]) -> Result<PathBuf, ClusterError> {
        let path = self.folder().join(format!("kubeconfig-{user}"));
        self.control_plane.kubeconfig_for(&path, user, groups)?;
        Ok(path)
    }

    /// Writes a kubeconfig for a service account whose pod is on a node, as far as the API server can tell:
    /// with the token that such a pod would get.
    pub async fn kubeconfig_of_account(
        &self,
        namespace: &str,
        account: &str,
        node: &Node,
    ) -> Result<PathBuf, ClusterError> {
        let api: Api<ServiceAccount> = Api::namespaced(self.client(), namespace);
        let bound: Api<NodeObject> = Api::all(self.client());
        let bound = bound.get(node.name()).await;
        let bound = bound.map_err(ClusterError::api(format!("get {}", node.name())))?;
        let request = TokenRequest {
            spec: Some(TokenRequestSpec {
                bound_object_ref: Some(BoundObjectReference {
                    api_version: Some("v1".to_owned()),
                    kind: Some("Node".to_owned()),
                    name: bound.metadata.name,
                    uid: bound.metadata.uid,
                }),
                ..TokenRequestSpec::default()
            }),
            ..TokenRequest::default()
        };
        let token = api
            .create_token_request(account, &PostParams::default(), &request)
            .await
            .map_err(ClusterError::api(format!("ask for a token of {account}")))?;
        let token = token.status.and_then(|status| status.token);
        let token = token.unwrap_or_default();
        let file = format!("kubeconfig-{account}-{}", node.name());
        let path = self.folder().join(file);
        self.control_plane.kubeconfig_with(&path, account, &token)?;
        Ok(path)
    }

    /// A client with the administrator's rights.
    #[must_use]
    pub fn client(&self) -> kube::Client {
        self.control_plane.client.clone()
    }

    /// A client that does what a kubeconfig says.
    pub async fn client_of(&self, kubeconfig: &Path) -> Result<kube::Client, ClusterError> {
        control_plane::client(kubeconfig).await
    }

    /// `kubectl` with the administrator's rights.
    #[must_use]
    pub fn kubectl(&self) -> Kubectl {
        Kubectl::new(self.tools.path("kubectl"), self.kubeconfig())
    }

    /// The nodes that run pods.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The metrics of a node's kubelet, as text.
    pub async fn kubelet_metrics(&self, node: &Node) -> Result<String, ClusterError> {
        control_plane::metrics_at(self.kubeconfig(), node.port(), node.name()).await
    }

    /// The metrics of the scheduler, as text.
    pub async fn scheduler_metrics(&self) -> Result<String, ClusterError> {
        self.control_plane.scheduler_metrics().await
    }

    /// The metrics of the API server, as text.
    pub async fn api_server_metrics(&self) -> Result<String, ClusterError> {
        let request = http::Request::get("/metrics").body(Vec::new());
        let request = request.map_err(|error| ClusterError::Answer {
            what: "ask the API server for its metrics".to_owned(),
            answer: error.to_string(),
        })?;
        let metrics = self.client().request_text(request).await;
        metrics.map_err(ClusterError::api("ask the API server for its metrics"))
    }

    /// The cluster's own folder, which goes with it.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.end.scratch.path()
    }

    /// The control group above those of all pods, relative to each hierarchy.
    #[must_use]
    pub fn cgroup(&self) -> String {
        self.end.scratch.cgroup()
    }

    /// Makes a namespace in which pods can be created at once.
    pub async fn namespace(&self, name: &str) -> Result<(), ClusterError> {
        let mut namespace = Namespace::default();
        namespace.metadata.name = Some(name.to_owned());
        Api::<Namespace>::all(self.client())
            .create(&PostParams::default(), &namespace)
            .await
            .map_err(ClusterError::api(format!("create namespace {name}")))?;
        match self.process("kube-controller-manager") {
            Some(_) => default_account(&self.client(), name).await,
            None => Ok(()),
        }
    }

    /// Kills a node's kubelet and starts it again; pods run on.
    pub async fn restart_kubelet(&self, node: &Node) -> Result<(), ClusterError> {
        node.restart_kubelet(&self.end.sandbox, &self.client())
            .await
    }

    /// Starts a program that lives no longer than the cluster, with its output among the logs.
    pub fn spawn(
        &self,
        name: &str,
        program: &Path,
        prepare: impl FnOnce(&mut Command),
    ) -> Result<Process, ClusterError> {
        self.end.sandbox.spawn(name, program, prepare)
    }

    /// A part of the cluster by name, such as `kube-apiserver` or `kubelet-1`.
    #[must_use]
    pub fn process(&self, name: &str) -> Option<&Process> {
        let nodes = self.nodes.iter().flat_map(Node::processes);
        self.control_plane
            .processes
            .iter()
            .chain(nodes)
            .find(|process| process.name() == name)
    }

    /// The last lines of every log, each under its name.
    pub fn log_tails(&self, lines: usize) -> Result<String, ClusterError> {
        let folder = self.end.scratch.log();
        let mut paths = Vec::new();
        for entry in fs::read_dir(&folder).map_err(at("read", &folder))? {
            paths.push(entry.map_err(at("read", &folder))?.path());
        }
        paths.sort();
        let tails = paths.iter().map(|path| {
            let name = path.file_stem().unwrap_or_default().to_string_lossy();
            format!("---- {name}\n{}\n", log::tail(path, lines))
        });
        Ok(tails.collect())
    }

    /// Prints the ends of all logs, for who wants to know what went wrong, and moves the logs to where
    /// the next start does not remove them.
    pub fn report(&self, name: &str) {
        match self.log_tails(TAIL) {
            Ok(tails) => eprintln!("the ends of the cluster's logs:\n{tails}"),
            Err(error) => eprintln!("cluster: {error}"),
        }
        match self.end.scratch.keep_logs(name) {
            Ok(kept) => eprintln!("cluster: all logs are in {}", kept.display()),
            Err(error) => eprintln!("cluster: {error}"),
        }
    }
}

/// Waits until a namespace has the account that pods without one run as.
async fn default_account(client: &kube::Client, namespace: &str) -> Result<(), ClusterError> {
    let api: Api<ServiceAccount> = Api::namespaced(client.clone(), namespace);
    let what = format!("namespace {namespace} has its service account");
    wait::until_object(&api, "default", ACCOUNT_WITHIN, &what, |account| {
        account.map(drop)
    })
    .await
}

/// Ends every cluster that was started to outlive its owner, and removes what the dead left. Answers how
/// many ended.
pub fn down() -> Result<usize, ClusterError> {
    scratch::down()
}

/// The administrator's kubeconfig of every cluster that was started to outlive its owner.
pub fn running() -> Result<Vec<PathBuf>, ClusterError> {
    let folders = scratch::detached()?;
    let kubeconfigs = folders.iter().map(|folder| folder.join("kubeconfig"));
    Ok(kubeconfigs.collect())
}
