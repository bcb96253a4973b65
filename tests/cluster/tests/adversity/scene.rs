//! What the tests share: the manifests of examples/scheduler as they are, replicas that run as their service
//! account, and kube-schedulers with their configuration.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};
use supercargo_cluster::devices::example;
use supercargo_cluster::harness::{Bed, Outcome};
use supercargo_cluster::owning::{LOAD, Site};
use supercargo_cluster::{DRIVER, Extender, ExtenderOptions, Process};
use tokio::sync::OnceCell;

use crate::Failure;
use crate::certificates::{Authority, flags};

pub(crate) const NAMESPACE: &str = "supercargo";
/// How long a Lease holds where somebody waits for its end, in seconds.
pub(crate) const LEASE: u32 = 8;
/// The service account of Supercargo.
const ACCOUNT: &str = "supercargo-scheduler";
/// The service account of its kube-scheduler.
const SCHEDULER: &str = "supercargo-kube-scheduler";

pub(crate) struct Scene {
    pub(crate) site: &'static Site,
    /// The authority that both sides trust.
    pub(crate) authority: Authority,
    /// A folder with what both sides have of it.
    pub(crate) tls: PathBuf,
    scheduler: PathBuf,
}

impl Scene {
    pub(crate) async fn of(bed: &Bed) -> Result<&'static Self, Failure> {
        static SCENE: OnceCell<Scene> = OnceCell::const_new();
        SCENE.get_or_try_init(|| Self::set(bed)).await
    }

    async fn set(bed: &Bed) -> Result<Self, Failure> {
        let site = Site::of(bed).await?;
        for file in ["own/flowschema.yaml", "own/deployment.yaml"] {
            apply_example(bed, file).await?;
        }
        without_deployments(bed).await?;
        let node = bed.nodes().first().ok_or("no node")?;
        let scheduler = bed
            .kubeconfig_of_account(NAMESPACE, SCHEDULER, node)
            .await?;
        let authority = Authority::new()?;
        let tls = authority.issue(&bed.folder().join("tls"), &[&authority])?;
        Ok(Self {
            site,
            authority,
            tls,
            scheduler,
        })
    }

    /// Starts a replica that runs as on the node of that number, and holds the Lease for so many seconds;
    /// `environment` may name a fault.
    pub(crate) async fn replica(
        &self,
        bed: &Bed,
        number: usize,
        lease: u32,
        more: &[String],
        environment: &[(&str, &str)],
    ) -> Result<Arc<Extender>, Failure> {
        let own = [
            "--mode=own".to_owned(),
            format!("--driver={DRIVER}"),
            format!("--driver={LOAD}"),
            format!("--lease-duration={lease}"),
            "--grace=3".to_owned(),
            format!(
                "--config={}",
                self.site.policies.join("config.yaml").display()
            ),
        ];
        let flags = own.into_iter().chain(more.iter().cloned()).collect();
        self.start(bed, number, flags, environment).await
    }

    /// The same with TLS and a short Lease.
    pub(crate) async fn https(
        &self,
        bed: &Bed,
        number: usize,
        environment: &[(&str, &str)],
    ) -> Result<Arc<Extender>, Failure> {
        let tls = flags(&self.tls);
        self.replica(bed, number, LEASE, &tls, environment).await
    }

    /// Starts Supercargo with these flags.
    pub(crate) async fn start(
        &self,
        bed: &Bed,
        number: usize,
        flags: Vec<String>,
        environment: &[(&str, &str)],
    ) -> Result<Arc<Extender>, Failure> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let node = bed.nodes().get(number).ok_or("there are two nodes")?;
        let kubeconfig = bed.kubeconfig_of_account(NAMESPACE, ACCOUNT, node).await?;
        let options = ExtenderOptions {
            name: format!("replica-{number}"),
            port: 0,
            kubeconfig: Some(kubeconfig),
            flags,
            environment: environment.iter().map(owned).collect(),
        };
        Ok(Arc::new(Extender::start(
            bed,
            &self.site.program,
            &options,
        )?))
    }

    /// Starts a kube-scheduler with the configuration of a mode. What differs is what a test's machine has
    /// elsewhere, and `more` of the extender's entry.
    pub(crate) fn kube_scheduler(
        &self,
        bed: &Bed,
        mode: &str,
        service: SocketAddr,
        tls: Option<&Path>,
        more: &Value,
    ) -> Result<Process, Failure> {
        let file = format!("scheduler/{mode}/kube-scheduler-configuration.yaml");
        let text = fs::read_to_string(example(&file))?;
        let read = supercargo_host::objects::plain(&file, &text)?;
        let mut configuration = read.value;
        let kubeconfig = match mode {
            "own" => self.scheduler.clone(),
            _ => bed.kubeconfig_for("system:kube-scheduler", &[])?,
        };
        configuration["clientConnection"]["kubeconfig"] = json!(kubeconfig);
        configuration["leaderElection"] = json!({ "leaderElect": false });
        let extender = &mut configuration["extenders"][0];
        match tls {
            Some(folder) => {
                extender["urlPrefix"] = json!(format!("https://{service}"));
                for file in ["certFile", "keyFile", "caFile"] {
                    let path = extender["tlsConfig"][file].as_str().unwrap_or_default();
                    let name = path.trim_start_matches("/tls/");
                    extender["tlsConfig"][file] = json!(folder.join(name));
                }
            }
            None => {
                extender["urlPrefix"] = json!(format!("http://{service}"));
                extender["enableHTTPS"] = json!(false);
                extender["tlsConfig"] = Value::Null;
            }
        }
        for (field, value) in more.as_object().into_iter().flatten() {
            extender[field] = value.clone();
        }
        let name = format!("kube-scheduler-{}", service.port());
        let path = bed.folder().join(format!("{name}.json"));
        fs::write(&path, configuration.to_string())?;
        let program = bed.kubectl().program().with_file_name("kube-scheduler");
        Ok(bed.spawn(&name, &program, |command| {
            command.arg(format!("--config={}", path.display()));
            command.arg("--secure-port=0");
        })?)
    }
}

/// Applies a manifest of examples/scheduler as it is.
pub(crate) async fn apply_example(bed: &Bed, file: &str) -> Outcome {
    let file = example(&format!("scheduler/{file}"));
    let file = file.display().to_string();
    let strictly = ["apply", "--server-side", "--validate=strict", "-f", &file];
    bed.kubectl().run(&strictly).await?;
    Ok(())
}

/// Takes away what a manifest deploys: its pods have no image here, nor a scheduler.
pub(crate) async fn without_deployments(bed: &Bed) -> Outcome {
    let deployments = ["delete", "deployments", "--all", "--namespace", NAMESPACE];
    bed.kubectl().run(&deployments).await?;
    Ok(())
}
