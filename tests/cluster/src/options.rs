//! What kind of cluster is wanted.

use std::collections::BTreeMap;

/// What kind of cluster is wanted. Start from [`Options::api_server`] or [`Options::nodes`].
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Options {
    /// Nodes with containerd and a kubelet, `node-1` and so on. Needs root.
    pub nodes: usize,
    /// Run the controllers: claims from templates, service accounts, Jobs, garbage collection.
    pub controllers: bool,
    /// Run the scheduler.
    pub scheduler: bool,
    /// Feature gates, for every component.
    pub feature_gates: BTreeMap<String, bool>,
    /// API groups and versions to serve besides the usual, such as `resource.k8s.io/v1beta1`.
    pub api_versions: BTreeMap<String, bool>,
    /// More flags of the API server.
    pub api_server_flags: Vec<String>,
    /// More flags of the controllers.
    pub controller_flags: Vec<String>,
    /// Fields of a KubeSchedulerConfiguration, such as `profiles` and `extenders`; where the API server is
    /// is filled in.
    pub scheduler_configuration: serde_json::Map<String, serde_json::Value>,
    /// Go on running when the process that started it ends, until `supercargo-cluster down`.
    pub detached: bool,
}

impl Options {
    /// An API server and nothing else: objects can be written, read and watched, and no one acts on
    /// them. Needs no root where users may make namespaces.
    #[must_use]
    pub fn api_server() -> Self {
        Self::default()
    }

    /// A whole cluster, with so many nodes that run pods.
    #[must_use]
    pub fn nodes(nodes: usize) -> Self {
        Self {
            nodes,
            controllers: true,
            scheduler: true,
            ..Self::default()
        }
    }

    /// Controllers and a scheduler for nodes that are only objects. Nobody reports for such nodes, so
    /// nobody minds that they are not heard of.
    #[must_use]
    pub fn no_kubelets() -> Self {
        Self {
            controller_flags: vec!["--controllers=*,-node-lifecycle-controller".to_owned()],
            ..Self::nodes(0)
        }
    }

    /// With a feature gate turned on or off.
    #[must_use]
    pub fn feature_gate(mut self, gate: &str, on: bool) -> Self {
        self.feature_gates.insert(gate.to_owned(), on);
        self
    }

    /// With a group and version of the API served or not.
    #[must_use]
    pub fn api_version(mut self, group_version: &str, on: bool) -> Self {
        self.api_versions.insert(group_version.to_owned(), on);
        self
    }

    /// `--flag=name=true,...`, where there is anything to say.
    pub(crate) fn switches(flag: &str, switches: &BTreeMap<String, bool>) -> Option<String> {
        let all: Vec<_> = switches
            .iter()
            .map(|(name, on)| format!("{name}={on}"))
            .collect();
        (!all.is_empty()).then(|| format!("--{flag}={}", all.join(",")))
    }

    pub(crate) fn feature_gates_flag(&self) -> Option<String> {
        Self::switches("feature-gates", &self.feature_gates)
    }
}
