//! Supercargo as the allocator of a [load](crate::load), as `examples/scheduler/own` sets it up.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::cluster::Cluster;
use crate::devices::example;
use crate::error::{ClusterError, at};
use crate::extender::{Extender, ExtenderOptions};
use crate::load::{CLASS, LOAD};

/// Who the extender is to the API server.
const ACCOUNT: &str = "system:serviceaccount:supercargo:supercargo-scheduler";
/// The namespace of its account and its Lease.
const NAMESPACE: &str = "supercargo";

/// A cluster where Supercargo may allocate.
#[derive(Debug)]
pub struct Owner {
    program: PathBuf,
    kubeconfig: PathBuf,
    config: PathBuf,
    port: u16,
}

impl Owner {
    /// The example's configuration of the scheduler, for an extender on this machine and without TLS.
    pub fn scheduler_configuration(port: u16) -> Result<Map<String, Value>, ClusterError> {
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
        let url = json!(format!("http://127.0.0.1:{port}"));
        extender.insert("urlPrefix".to_owned(), url);
        extender.insert("enableHTTPS".to_owned(), json!(false));
        extender.remove("tlsConfig");
        match configuration {
            Value::Object(configuration) => Ok(configuration),
            other => Err(unlike(other.to_string())),
        }
    }

    /// Gives Supercargo its rights, keeps everybody else from the devices of [`LOAD`], and writes down its
    /// configuration. `folder` is where policies are that it names.
    pub async fn set_up(
        cluster: &Cluster,
        program: &Path,
        port: u16,
        folder: &Path,
        configuration: &str,
    ) -> Result<Self, ClusterError> {
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
        let config = folder.join("config.yaml");
        fs::write(&config, configuration).map_err(at("write", &config))?;
        Ok(Self {
            program: program.to_owned(),
            kubeconfig: cluster.kubeconfig_for(ACCOUNT, &["system:serviceaccounts"])?,
            config,
            port,
        })
    }

    /// Starts an extender, and waits until it is ready: after one that was killed, until that one's Lease
    /// has run out.
    pub async fn start(&self, cluster: &Cluster) -> Result<Extender, ClusterError> {
        let options = ExtenderOptions {
            name: "extender".to_owned(),
            port: self.port,
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
