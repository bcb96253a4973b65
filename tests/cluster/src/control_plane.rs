//! etcd, the API server, the controllers and the scheduler.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::json;

use crate::error::{ClusterError, at};
use crate::options::Options;
use crate::pki::Pki;
use crate::ports;
use crate::sandbox::{Process, Sandbox};
use crate::tools::Tools;
use crate::wait::until;

/// How long the API server may take until it is ready; two seconds are usual.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// A range that no one routes to: nothing serves the addresses in it.
const SERVICES: &str = "10.96.0.0/16";

/// How many requests a second a part may make. By default that is 20 for the controllers and 50 for the
/// scheduler, so that a burst of pods would wait for politeness alone.
const REQUESTS: u32 = 5000;

pub(crate) struct ControlPlane {
    pub(crate) processes: Vec<Process>,
    pub(crate) pki: Pki,
    /// Of the administrator.
    pub(crate) kubeconfig: PathBuf,
    pub(crate) client: kube::Client,
    server: String,
    /// Where the scheduler answers for itself.
    scheduler: u16,
}

impl ControlPlane {
    pub(crate) async fn start(
        sandbox: &Sandbox,
        folder: &Path,
        tools: &Tools,
        options: &Options,
    ) -> Result<Self, ClusterError> {
        let pki = Pki::create(folder.join("pki"))?;
        pki.client("kubelets", "kube-apiserver", &["system:masters"])?;
        let [api, etcd_clients, etcd_peers, scheduler_port] = ports::free()?;
        let etcd = etcd(sandbox, folder, tools, etcd_clients, etcd_peers)?;
        let api_server = api_server(sandbox, &pki, tools, options, api, etcd_clients)?;
        let server = format!("https://127.0.0.1:{api}");
        let kubeconfig = folder.join("kubeconfig");
        write_kubeconfig(
            &kubeconfig,
            &server,
            &pki,
            "admin",
            &certificate(&pki, "admin"),
        )?;
        let client = client(&kubeconfig).await?;
        let mut processes = vec![etcd, api_server];
        until(READY_WITHIN, "the API server is ready", async || {
            processes.iter().try_for_each(Process::must_run)?;
            Ok(ready(&client).await.then_some(()))
        })
        .await?;
        let admin = format!("--kubeconfig={}", kubeconfig.display());
        if options.controllers {
            processes.push(controllers(sandbox, &pki, tools, options, &admin)?);
        }
        if options.scheduler {
            let configured = scheduler_configuration(folder, options, &kubeconfig)?;
            let flags = [configured, format!("--secure-port={scheduler_port}")];
            processes.push(scheduler(sandbox, tools, options, &kubeconfig, &flags)?);
        }
        Ok(Self {
            processes,
            pki,
            kubeconfig,
            client,
            server,
            scheduler: scheduler_port,
        })
    }

    /// What the scheduler says about itself.
    pub(crate) async fn scheduler_metrics(&self) -> Result<String, ClusterError> {
        metrics_at(&self.kubeconfig, self.scheduler, "the scheduler").await
    }

    /// Writes a kubeconfig for a user in some groups.
    pub(crate) fn kubeconfig_for(
        &self,
        path: &Path,
        user: &str,
        groups: &[&str],
    ) -> Result<(), ClusterError> {
        self.pki.client(user, user, groups)?;
        let by = certificate(&self.pki, user);
        write_kubeconfig(path, &self.server, &self.pki, user, &by)
    }

    /// Writes a kubeconfig for whoever has a token.
    pub(crate) fn kubeconfig_with(
        &self,
        path: &Path,
        user: &str,
        token: &str,
    ) -> Result<(), ClusterError> {
        let by = json!({ "token": token });
        write_kubeconfig(path, &self.server, &self.pki, user, &by)
    }
}

/// How a user proves who they are: by a certificate.
fn certificate(pki: &Pki, user: &str) -> serde_json::Value {
    json!({
        "client-certificate": pki.path(&format!("{user}.crt")),
        "client-key": pki.path(&format!("{user}.key")),
    })
}

async fn ready(client: &kube::Client) -> bool {
    let request = http::Request::get("/readyz").body(Vec::new());
    match request {
        Ok(request) => client.request_text(request).await.is_ok(),
        Err(_) => false,
    }
}

fn etcd(
    sandbox: &Sandbox,
    folder: &Path,
    tools: &Tools,
    clients: u16,
    peers: u16,
) -> Result<Process, ClusterError> {
    let clients = format!("http://127.0.0.1:{clients}");
    let peers = format!("http://127.0.0.1:{peers}");
    sandbox.spawn("etcd", &tools.path("etcd"), |command| {
        command.arg("--data-dir").arg(folder.join("etcd")).args([
            format!("--listen-client-urls={clients}"),
            format!("--advertise-client-urls={clients}"),
            format!("--listen-peer-urls={peers}"),
            format!("--initial-advertise-peer-urls={peers}"),
            format!("--initial-cluster=default={peers}"),
            // It need not outlive anything.
            "--unsafe-no-fsync".to_owned(),
        ]);
    })
}

fn api_server(
    sandbox: &Sandbox,
    pki: &Pki,
    tools: &Tools,
    options: &Options,
    port: u16,
    etcd: u16,
) -> Result<Process, ClusterError> {
    let file = |flag: &str, file: &str| format!("--{flag}={}", pki.path(file).display());
    sandbox.spawn("kube-apiserver", &tools.path("kube-apiserver"), |command| {
        command
            .args([
                format!("--etcd-servers=http://127.0.0.1:{etcd}"),
                "--bind-address=127.0.0.1".to_owned(),
                "--advertise-address=127.0.0.1".to_owned(),
                format!("--secure-port={port}"),
                file("tls-cert-file", "server.crt"),
                file("tls-private-key-file", "server.key"),
                file("client-ca-file", "ca.crt"),
                file("kubelet-client-certificate", "kubelets.crt"),
                file("kubelet-client-key", "kubelets.key"),
                file("service-account-key-file", "sa.pub"),
                file("service-account-signing-key-file", "sa.key"),
                "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
                format!("--service-cluster-ip-range={SERVICES}"),
                "--authorization-mode=RBAC".to_owned(),
                "--allow-privileged=true".to_owned(),
                // There is no endpoint to keep: pods do not reach the server by its service.
                "--endpoint-reconciler-type=none".to_owned(),
                "--kubelet-preferred-address-types=InternalIP".to_owned(),
            ])
            .args(options.feature_gates_flag())
            .args(Options::switches("runtime-config", &options.api_versions))
            .args(&options.api_server_flags);
    })
}

fn controllers(
    sandbox: &Sandbox,
    pki: &Pki,
    tools: &Tools,
    options: &Options,
    kubeconfig: &str,
) -> Result<Process, ClusterError> {
    let name = "kube-controller-manager";
    sandbox.spawn(name, &tools.path(name), |command| {
        command
            .arg(kubeconfig)
            .arg(format!("--root-ca-file={}", pki.path("ca.crt").display()))
            .arg(format!(
                "--service-account-private-key-file={}",
                pki.path("sa.key").display()
            ))
            .args(["--leader-elect=false", "--secure-port=0"])
            .args([
                format!("--kube-api-qps={REQUESTS}"),
                format!("--kube-api-burst={REQUESTS}"),
            ])
            .args(options.feature_gates_flag())
            .args(&options.controller_flags);
    })
}

/// Writes the scheduler's configuration, and answers the flag that names it.
fn scheduler_configuration(
    folder: &Path,
    options: &Options,
    kubeconfig: &Path,
) -> Result<String, ClusterError> {
    let mut configuration = options.scheduler_configuration.clone();
    for (field, value) in [
        ("apiVersion", json!("kubescheduler.config.k8s.io/v1")),
        ("kind", json!("KubeSchedulerConfiguration")),
        ("leaderElection", json!({ "leaderElect": false })),
        (
            "clientConnection",
            json!({ "kubeconfig": kubeconfig, "qps": REQUESTS, "burst": REQUESTS }),
        ),
    ] {
        configuration.insert(field.to_owned(), value);
    }
    let path = folder.join("scheduler.json");
    let text = serde_json::Value::Object(configuration).to_string();
    fs::write(&path, text).map_err(at("write", &path))?;
    Ok(format!("--config={}", path.display()))
}

fn scheduler(
    sandbox: &Sandbox,
    tools: &Tools,
    options: &Options,
    kubeconfig: &Path,
    flags: &[String],
) -> Result<Process, ClusterError> {
    let kubeconfig = kubeconfig.display();
    sandbox.spawn("kube-scheduler", &tools.path("kube-scheduler"), |command| {
        command
            .args(flags)
            .arg("--bind-address=127.0.0.1")
            // It knows the administrator by what the API server says.
            .arg(format!("--authentication-kubeconfig={kubeconfig}"))
            .arg(format!("--authorization-kubeconfig={kubeconfig}"))
            .args(options.feature_gates_flag());
    })
}

fn write_kubeconfig(
    path: &Path,
    server: &str,
    pki: &Pki,
    user: &str,
    by: &serde_json::Value,
) -> Result<(), ClusterError> {
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{ "name": "supercargo", "cluster": {
            "server": server,
            "certificate-authority": pki.path("ca.crt"),
        }}],
        "users": [{ "name": user, "user": by }],
        "contexts": [{ "name": "supercargo", "context": { "cluster": "supercargo", "user": user }}],
        "current-context": "supercargo",
    });
    fs::write(path, format!("{config:#}\n")).map_err(at("write", path))
}

/// A client that does what a kubeconfig says.
pub(crate) async fn client(kubeconfig: &Path) -> Result<kube::Client, ClusterError> {
    let config = config(kubeconfig).await?;
    kube::Client::try_from(config).map_err(ClusterError::api("make a client"))
}

/// What a part of the cluster says about itself; it knows the administrator by the certificate.
pub(crate) async fn metrics_at(
    kubeconfig: &Path,
    port: u16,
    of: &str,
) -> Result<String, ClusterError> {
    let mut config = config(kubeconfig).await?;
    config.cluster_url = http::Uri::builder()
        .scheme("https")
        .authority(format!("127.0.0.1:{port}"))
        .path_and_query("/")
        .build()
        .unwrap_or_default();
    // It has signed its certificate itself.
    config.accept_invalid_certs = true;
    let asked = || format!("ask {of} at port {port} for its metrics");
    let client = kube::Client::try_from(config).map_err(ClusterError::api(asked()))?;
    let request = http::Request::get("/metrics").body(Vec::new());
    let request = request.map_err(|error| ClusterError::Answer {
        what: asked(),
        answer: error.to_string(),
    })?;
    let metrics = client.request_text(request).await;
    metrics.map_err(ClusterError::api(asked()))
}

async fn config(kubeconfig: &Path) -> Result<kube::Config, ClusterError> {
    let unusable = |source| ClusterError::Kubeconfig {
        path: kubeconfig.to_owned(),
        source,
    };
    let read = Kubeconfig::read_from(kubeconfig).map_err(unusable)?;
    kube::Config::from_custom_kubeconfig(read, &KubeConfigOptions::default())
        .await
        .map_err(unusable)
}
