//! A cluster for people: up, down, and what is there.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use supercargo_cluster::devices::example;
use supercargo_cluster::{
    Cluster, ClusterError, Driver, DriverOptions, KUBERNETES, Options, Tools, supercargo,
};

/// What claims name.
const DEVICE_CLASS: &str = include_str!("../../../examples/manifests/node/device-class.yaml");

/// A real Kubernetes on this machine, for trying Supercargo out and for its tests
///
/// etcd, the API server, the controllers, the scheduler and as many nodes as you like, each with a
/// containerd and a kubelet of its own. The programs are built from pinned sources the first time
/// (about seven minutes on two cores, and Go is needed), and kept in
/// $SUPERCARGO_CLUSTER_CACHE or ~/.cache/supercargo/cluster. All of it lives in namespaces of its own:
/// `down` leaves no process, mount, control group, network interface or file.
#[derive(Debug, Parser)]
#[command(name = "supercargo-cluster", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Start a cluster that runs until `down`, and print how to use it
    Up(Up),
    /// End every cluster that `up` started, and remove what killed tests left
    Down,
    /// Print the kubeconfig of each cluster that `up` started
    Show,
    /// Build the programs, or say what this machine lacks, and print their folder
    Build,
}

#[derive(Debug, Args)]
struct Up {
    /// How many nodes run pods; 0: an API server, controllers and a scheduler only, without root
    #[arg(long, default_value_t = 1, value_name = "N")]
    nodes: usize,
    /// Turn a feature gate of Kubernetes on or off, in all components
    #[arg(long, value_name = "GATE=true|false", value_parser = switch)]
    feature_gate: Vec<(String, bool)>,
    /// Serve a version of an API, or do not
    #[arg(long, value_name = "GROUP/VERSION=true|false", value_parser = switch)]
    api_version: Vec<(String, bool)>,
    /// The hardware of every node, simulated: a topology of Supercargo's node driver [default: eight
    /// H100, examples/topologies/h100-nvlink.yaml]
    #[arg(long, value_name = "FILE.yaml")]
    topology: Option<PathBuf>,
    /// The node driver's configuration: policies, grants, rules
    #[arg(long, value_name = "FILE.yaml")]
    config: Option<PathBuf>,
    /// Where the node driver looks for policies
    #[arg(long, value_name = "DIR")]
    policy_dir: Option<PathBuf>,
    /// Plain Kubernetes: no node driver, no devices
    #[arg(long, conflicts_with_all = ["topology", "config", "policy_dir"])]
    without_driver: bool,
    /// Stay, and end the cluster when this process ends
    #[arg(long)]
    attached: bool,
}

fn switch(text: &str) -> Result<(String, bool), String> {
    text.split_once('=')
        .and_then(|(name, on)| Some((name.to_owned(), on.parse().ok()?)))
        .ok_or_else(|| "write NAME=true or NAME=false".to_owned())
}

#[tokio::main]
async fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Action::Up(wanted) => up(wanted).await,
        Action::Down => down(),
        Action::Show => show(),
        Action::Build => Tools::ready(true).map(|tools| println!("{}", tools.folder().display())),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn up(wanted: Up) -> Result<(), ClusterError> {
    let eight_gpus = || example("topologies/h100-nvlink.yaml");
    let topology = readable(&wanted.topology.unwrap_or_else(eight_gpus))?;
    let config = wanted.config.as_deref().map(readable).transpose()?;
    let policy_dir = wanted.policy_dir.as_deref().map(readable).transpose()?;
    let program = match wanted.without_driver || wanted.nodes == 0 {
        true => None,
        false => Some(supercargo()?),
    };
    let options = Options {
        nodes: wanted.nodes,
        controllers: true,
        scheduler: true,
        feature_gates: wanted.feature_gate.into_iter().collect(),
        api_versions: wanted.api_version.into_iter().collect(),
        detached: !wanted.attached,
        ..Options::default()
    };
    let cluster = Cluster::start(options).await?;
    let drivers = match &program {
        None => Vec::new(),
        Some(program) => {
            let options = DriverOptions {
                topology,
                config,
                policy_dir,
                ..DriverOptions::default()
            };
            let serving = serve(&cluster, program, &options).await;
            serving.inspect_err(|_| cluster.report("up"))?
        }
    };
    tell(&cluster, !drivers.is_empty());
    if wanted.attached {
        println!("\nCtrl-C ends it");
        let interrupted = tokio::signal::ctrl_c().await;
        interrupted.map_err(|source| ClusterError::Io {
            what: "wait for Ctrl-C".to_owned(),
            source,
        })?;
    } else {
        drivers.into_iter().for_each(Driver::leave);
        cluster.leave();
    }
    Ok(())
}

/// Starts a driver on every node, and makes the class that claims name.
async fn serve(
    cluster: &Cluster,
    program: &Path,
    options: &DriverOptions,
) -> Result<Vec<Driver>, ClusterError> {
    let drivers = cluster
        .nodes()
        .iter()
        .map(|node| Driver::start(cluster, node, program, options));
    let drivers = drivers.collect::<Result<Vec<_>, _>>()?;
    for driver in &drivers {
        driver.ready().await?;
    }
    cluster.kubectl().apply("default", DEVICE_CLASS).await?;
    Ok(drivers)
}

/// The path of something that is there, from the root: the driver runs in another folder.
fn readable(path: &Path) -> Result<PathBuf, ClusterError> {
    path.canonicalize().map_err(|source| ClusterError::Io {
        what: format!("read {}", path.display()),
        source,
    })
}

fn tell(cluster: &Cluster, devices: bool) {
    let nodes = cluster.nodes().len();
    let kubectl = cluster.kubectl();
    let tools = kubectl.program().parent().unwrap_or(Path::new(""));
    println!("Kubernetes {KUBERNETES} with {nodes} node(s) runs. To use it:\n");
    println!("    export KUBECONFIG={}", cluster.kubeconfig().display());
    println!("    export PATH={}:$PATH", tools.display());
    if devices {
        println!(
            "\nSupercargo serves simulated GPUs on every node. To see them, and to get one:\n"
        );
        println!("    kubectl get resourceslices -o yaml");
        println!("    kubectl apply -f examples/manifests/node/one-gpu.yaml");
        println!("    kubectl wait --for=condition=Ready pod/one-gpu && kubectl logs one-gpu");
    } else {
        println!("\n    kubectl get nodes,pods --all-namespaces");
    }
    println!("\nLogs are in {}", cluster.folder().join("log").display());
}

fn down() -> Result<(), ClusterError> {
    match supercargo_cluster::down()? {
        0 => println!("no cluster ran"),
        ended => println!("{ended} cluster(s) ended"),
    }
    Ok(())
}

fn show() -> Result<(), ClusterError> {
    for kubeconfig in supercargo_cluster::running()? {
        println!("{}", kubeconfig.display());
    }
    Ok(())
}
