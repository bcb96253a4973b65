//! Supercargo as the allocator of a [load](crate::load), as `examples/scheduler/own` sets it up.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde_json::{Map, Value, json};

use crate::cluster::Cluster;
use crate::devices::example;
use crate::error::{ClusterError, at};
use crate::extender::{Extender, ExtenderOptions};
use crate::load::{self, CLASS, LOAD};
use crate::options::Options;
use crate::ports::free;
use crate::program::{build_policy, supercargo};

/// Who the extender is to the API server.
pub(crate) const ACCOUNT: &str = "system:serviceaccount:supercargo:supercargo-scheduler";
/// The namespace of its account and its Lease.
const NAMESPACE: &str = "supercargo";

/// Where schedulers look for the extender.
pub(crate) fn port() -> u16 {
    static PORT: OnceLock<u16> = OnceLock::new();
    *PORT.get_or_init(|| free().map_or(10270, |[port]| port))
}

/// A cluster where Supercargo may allocate.
#[derive(Debug)]
pub struct Owner {
    program: PathBuf,
    kubeconfig: PathBuf,
    config: PathBuf,
}

impl Owner {
    /// A cluster without kubelets, whose scheduler asks Supercargo.
    #[must_use]
    pub fn options() -> Options {
        Options {
            // Where that fails, so does the set-up, which reads the same.
            scheduler_configuration: Self::scheduler_configuration().unwrap_or_default(),
            ..Options::no_kubelets()
        }
    }

    /// The example's configuration of the scheduler, for an extender on this machine and without TLS.
    pub(crate) fn scheduler_configuration() -> Result<Map<String, Value>, ClusterError> {
        let path = example("scheduler/own/kube-scheduler-configuration.yaml");
        let text = fs::read_to_string(&path).map_err(at("read", &path))?;
        let unlike = |answer: String| ClusterError::Answer {
            what: format!("what is in {}", path.display()),
            answer,
        };
        let read = supercargo_host::objects::plain("kube-scheduler-configuration.yaml", &text);
        let mut configuration = read.map_err(|error| unlike(error.to_string()))?.value;
        let extender = configuration.pointer_mut("/extenders/0");
        let extender = extender.and_then(Value::as_object_mut);
        let extender = extender.ok_or_else(|| unlike("no extender".to_owned()))?;
        let url = json!(format!("http://127.0.0.1:{}", port()));
        extender.insert("urlPrefix".to_owned(), url);
        extender.insert("enableHTTPS".to_owned(), json!(false));
        extender.remove("tlsConfig");
        match configuration {
            Value::Object(configuration) => Ok(configuration),
            other => Err(unlike(other.to_string())),
        }
    }

    /// Makes nodes with devices of [`LOAD`], gives Supercargo its rights, and keeps everybody else from those
    /// devices. They are placed by these of the examples' policies.
    pub async fn set_up(
        cluster: &Cluster,
        prefix: &str,
        nodes: usize,
        devices: usize,
        policies: &[&str],
    ) -> Result<Self, ClusterError> {
        Self::scheduler_configuration()?;
        let client = cluster.client();
        load::class(&client).await?;
        load::nodes(&client, prefix, nodes, devices).await?;
        let read = |file: &str| {
            let path = example(&format!("scheduler/own/{file}"));
            fs::read_to_string(&path).map_err(at("read", &path))
        };
        cluster.namespace(NAMESPACE).await?;
        let guard = read("guard.yaml")?.replace("['gpu.nvidia.com']", &format!("['{LOAD}']"));
        let finalizer = read("finalizer.yaml")?;
        let finalizer = finalizer.replace("['gpu.nvidia.com']", &format!("['{CLASS}']"));
        for manifest in [read("rbac.yaml")?, guard, finalizer] {
            cluster.kubectl().apply(NAMESPACE, &manifest).await?;
        }
        let program = supercargo()?;
        let folder = cluster.folder().join("policies");
        Ok(Self {
            config: configured(&program, &folder, policies)?,
            kubeconfig: cluster.kubeconfig_for(ACCOUNT, &["system:serviceaccounts"])?,
            program,
        })
    }

    /// Starts an extender, and waits until it is ready: after one that was killed, until that one's Lease
    /// has run out.
    pub async fn start(&self, cluster: &Cluster) -> Result<Extender, ClusterError> {
        let options = ExtenderOptions {
            name: "extender".to_owned(),
            port: port(),
            kubeconfig: Some(self.kubeconfig.clone()),
            flags: vec![
                "--mode=own".to_owned(),
                format!("--driver={LOAD}"),
                format!("--config={}", self.config.display()),
                "--lease-duration=8".to_owned(),
                "--grace=3".to_owned(),
            ],
            environment: Vec::new(),
        };
        let extender = Extender::start(cluster, &self.program, &options)?;
        extender.ready().await?;
        Ok(extender)
    }
}

/// Makes a folder with policies and the configuration that applies them all to [`CLASS`]; the latter's path.
fn configured(program: &Path, folder: &Path, policies: &[&str]) -> Result<PathBuf, ClusterError> {
    fs::create_dir(folder).map_err(at("make", folder))?;
    for policy in policies {
        build_policy(program, policy, folder)?;
    }
    let named = |policy: &&str| json!({"name": policy, "wasm": format!("{policy}.wasm")});
    let applied = |policy: &&str| json!({"policy": policy, "deviceClasses": [CLASS]});
    let configuration = json!({
        "apiVersion": "supercargo.dev/v1alpha1",
        "kind": "Configuration",
        "policies": policies.iter().map(named).collect::<Vec<_>>(),
        "rules": policies.iter().map(applied).collect::<Vec<_>>(),
    });
    let config = folder.join("config.yaml");
    fs::write(&config, configuration.to_string()).map_err(at("write", &config))?;
    Ok(config)
}
