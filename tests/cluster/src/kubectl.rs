//! `kubectl` of the cluster's own version, for what has no client in Rust: manifests of many kinds,
//! and what pods say.

use std::path::{Path, PathBuf};

use tokio::process::Command;

use crate::command;
use crate::error::ClusterError;

/// `kubectl` with a kubeconfig.
#[derive(Debug, Clone)]
pub struct Kubectl {
    program: PathBuf,
    kubeconfig: PathBuf,
}

impl Kubectl {
    pub(crate) fn new(program: PathBuf, kubeconfig: &Path) -> Self {
        Self {
            program,
            kubeconfig: kubeconfig.to_owned(),
        }
    }

    /// Where it is.
    #[must_use]
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Runs it and answers what it wrote.
    pub async fn run(&self, arguments: &[&str]) -> Result<String, ClusterError> {
        self.run_with(arguments, None).await
    }

    async fn run_with(
        &self,
        arguments: &[&str],
        input: Option<&str>,
    ) -> Result<String, ClusterError> {
        let mut command = Command::new(&self.program);
        command
            .arg("--kubeconfig")
            .arg(&self.kubeconfig)
            .args(arguments);
        command::output(command, input).await
    }

    /// Applies manifests, on the server's side. What names no namespace goes into `namespace`.
    pub async fn apply(&self, namespace: &str, manifests: &str) -> Result<(), ClusterError> {
        let arguments = [
            "--namespace",
            namespace,
            "apply",
            "--server-side",
            "--filename=-",
        ];
        self.run_with(&arguments, Some(manifests)).await.map(drop)
    }

    /// Runs a command in a container and answers what it wrote.
    pub async fn exec(
        &self,
        namespace: &str,
        pod: &str,
        container: &str,
        program: &[&str],
    ) -> Result<String, ClusterError> {
        let mut arguments = vec![
            "--namespace",
            namespace,
            "exec",
            pod,
            "--container",
            container,
            "--",
        ];
        arguments.extend(program);
        self.run(&arguments).await
    }

    /// What a container wrote so far.
    pub async fn logs(
        &self,
        namespace: &str,
        pod: &str,
        container: &str,
    ) -> Result<String, ClusterError> {
        self.run(&[
            "--namespace",
            namespace,
            "logs",
            pod,
            "--container",
            container,
        ])
        .await
    }
}
