//! What scheduling starts from: objects as a cluster holds them, made ready in order.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{Node, Pod};
use k8s_openapi::api::resource::v1::{ResourceClaim, ResourceSlice};

use crate::objects::{Cluster, workloads};

/// Lets the claims of a namespace ask for admin access.
const ADMIN_LABEL: &str = "resource.kubernetes.io/admin-access";

/// What is to be scheduled, and onto what.
#[derive(Debug, Default)]
pub struct Input {
    /// The nodes, in any order.
    pub nodes: Vec<Node>,
    /// All claims, allocated and pending, given and generated.
    pub claims: Vec<ResourceClaim>,
    /// What to do, in this order.
    pub tasks: Vec<Task>,
    /// The device classes there are.
    pub classes: BTreeSet<String>,
    /// Namespaces whose claims may ask for admin access.
    pub admin_namespaces: BTreeSet<String>,
}

/// One thing to schedule.
#[derive(Debug)]
pub enum Task {
    /// A pod with its claims.
    Pod(Box<PodTask>),
    /// A claim that no pod uses: its position in [`Input::claims`].
    Claim(usize),
}

/// A pod to schedule.
#[derive(Debug)]
pub struct PodTask {
    /// The pod.
    pub pod: Pod,
    /// One for each entry of `spec.resourceClaims`.
    pub claims: Vec<PodClaim>,
}

/// What an entry of a pod's `spec.resourceClaims` stands for.
#[derive(Debug)]
pub struct PodClaim {
    /// The entry's name in the pod.
    pub entry: String,
    /// The claim's position in [`Input::claims`], or why there is none.
    pub claim: Result<usize, String>,
}

impl Input {
    /// Everything a cluster wants scheduled, pods before claims that no pod uses, each in the order
    /// of `rank`. Nodes that only slices name are added, without labels.
    pub fn of<R: Ord>(
        cluster: &Cluster,
        workloads: workloads::Workloads,
        rank: impl Fn(&crate::objects::Source) -> R,
    ) -> Self {
        let mut nodes: Vec<Node> = cluster
            .nodes
            .iter()
            .map(|node| node.object.clone())
            .collect();
        nodes.extend(implied_nodes(
            &nodes,
            cluster.slices.iter().map(|slice| &slice.object),
        ));
        let mut pods = workloads.pods;
        pods.sort_by_cached_key(|pod| rank(&pod.source));
        let used: BTreeSet<usize> = pods.iter().flat_map(|pod| pod.found()).collect();
        let mut tasks: Vec<Task> = pods.into_iter().filter_map(task).collect();
        let open = |at: &usize| {
            let claim = workloads.claims.get(*at).map(|claim| &claim.object);
            let status = claim.and_then(|claim| claim.status.as_ref());
            !used.contains(at) && status.is_none_or(|status| status.allocation.is_none())
        };
        let mut lone: Vec<usize> = (0..workloads.claims.len()).filter(open).collect();
        lone.sort_by_cached_key(|at| workloads.claims.get(*at).map(|claim| rank(&claim.source)));
        tasks.extend(lone.into_iter().map(Task::Claim));
        let admin = cluster.namespaces.iter().filter(|namespace| {
            let labels = namespace.object.metadata.labels.as_ref();
            labels
                .and_then(|labels| labels.get(ADMIN_LABEL))
                .is_some_and(|value| value == "true")
        });
        Self {
            nodes,
            claims: workloads
                .claims
                .into_iter()
                .map(|claim| claim.object)
                .collect(),
            tasks,
            classes: cluster
                .classes
                .iter()
                .filter_map(|class| class.object.metadata.name.clone())
                .collect(),
            admin_namespaces: admin
                .filter_map(|namespace| namespace.object.metadata.name.clone())
                .collect(),
        }
    }
}

/// A pod that claims something; others are nobody's business here.
fn task(workload: workloads::Workload) -> Option<Task> {
    let claims: Vec<PodClaim> = workload
        .claims
        .into_iter()
        .filter_map(|entry| {
            let claim = match entry.state {
                workloads::ClaimState::Found(at) => Ok(at),
                workloads::ClaimState::Missing { reason, cure } => Err(format!("{reason}; {cure}")),
                workloads::ClaimState::NotNeeded => return None,
            };
            Some(PodClaim {
                entry: entry.name,
                claim,
            })
        })
        .collect();
    (!claims.is_empty()).then_some(Task::Pod(Box::new(PodTask {
        pod: workload.pod,
        claims,
    })))
}

/// Nodes that devices are published for but that nobody described: by name only, without labels.
fn implied_nodes<'a>(
    nodes: &[Node],
    slices: impl IntoIterator<Item = &'a ResourceSlice>,
) -> Vec<Node> {
    let known: BTreeSet<&str> = nodes
        .iter()
        .filter_map(|node| node.metadata.name.as_deref())
        .collect();
    let mut implied: BTreeMap<String, Node> = BTreeMap::new();
    for spec in slices.into_iter().map(|slice| &slice.spec) {
        let devices = spec
            .devices
            .iter()
            .flatten()
            .filter_map(|device| device.node_name.as_deref());
        for name in spec.node_name.as_deref().into_iter().chain(devices) {
            if !known.contains(name) && !implied.contains_key(name) {
                let mut node = Node::default();
                node.metadata.name = Some(name.to_owned());
                implied.insert(name.to_owned(), node);
            }
        }
    }
    implied.into_values().collect()
}
