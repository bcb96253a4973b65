//! A cluster for people: up, down, and what is there.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use supercargo_cluster::{Cluster, ClusterError, Options, Tools};

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
    let kubeconfig = PathBuf::from(cluster.kubeconfig());
    let kubectl = cluster.kubectl();
    let nodes = cluster.nodes().len();
    println!("a cluster with {nodes} node(s) runs; to use it:\n");
    println!("    export KUBECONFIG={}", kubeconfig.display());
    println!("    {} get nodes,pods -A", kubectl.program().display());
    if wanted.attached {
        println!("\nCtrl-C ends it");
        let interrupted = tokio::signal::ctrl_c().await;
        interrupted.map_err(|source| ClusterError::Io {
            what: "wait for Ctrl-C".to_owned(),
            source,
        })?;
    } else {
        cluster.leave();
    }
    Ok(())
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
