//! What scheduling comes to: for each pod and claim where it went, or all that stands in its way.

use k8s_openapi::api::core::v1::{Node, Pod};
use k8s_openapi::api::resource::v1::ResourceClaim;

use crate::allocator::{AllocatedState, Explanation};
use crate::node_selector::NodeMismatch;
use crate::placement::Decision;

/// The outcome of all tasks.
#[derive(Debug)]
pub struct Schedule {
    /// All claims, in the input's order, as they stand now.
    pub claims: Vec<ClaimOutcome>,
    /// The pods, in the input's order.
    pub pods: Vec<PodOutcome>,
    /// What is in use in the end.
    pub state: AllocatedState,
    /// The nodes, by name.
    pub nodes: Vec<Node>,
}

impl Schedule {
    /// Whether every pod and every claim that was to be scheduled has been.
    pub fn is_complete(&self) -> bool {
        self.pods.iter().all(|pod| pod.result.is_ok())
            && self
                .claims
                .iter()
                .all(|claim| !matches!(claim.state, ClaimState::Pending(_)))
    }
}

/// A claim, and how it came to be what it is.
#[derive(Debug)]
pub struct ClaimOutcome {
    /// The claim, with its allocation where it has one.
    pub claim: ResourceClaim,
    /// Since when.
    pub state: ClaimState,
}

impl ClaimOutcome {
    /// A claim as it was found in the input.
    pub(super) fn found(claim: ResourceClaim) -> Self {
        let allocated = claim
            .status
            .as_ref()
            .is_some_and(|status| status.allocation.is_some());
        let state = if allocated {
            ClaimState::Before
        } else {
            ClaimState::Pending(None)
        };
        Self { claim, state }
    }

    /// Whether the claim has its devices.
    pub fn is_allocated(&self) -> bool {
        !matches!(self.state, ClaimState::Pending(_))
    }
}

/// Since when a claim is allocated.
#[derive(Debug)]
pub enum ClaimState {
    /// It was when it was read.
    Before,
    /// Now, for a pod; the decision stands with the first pod that uses it.
    ForPod,
    /// Now, for itself: no pod uses it.
    Now(Chosen),
    /// It is not. The reason stands here for claims that no pod uses, and with the pod otherwise.
    Pending(Option<Pending>),
}

/// A pod and where it went.
#[derive(Debug)]
pub struct PodOutcome {
    /// The pod.
    pub pod: Pod,
    /// Its entries in `spec.resourceClaims`.
    pub claims: Vec<PodClaimOutcome>,
    /// Where it went, or why nowhere.
    pub result: Result<Chosen, Pending>,
}

/// An entry of a pod's `spec.resourceClaims`.
#[derive(Debug)]
pub struct PodClaimOutcome {
    /// Its name.
    pub entry: String,
    /// The claim's position in [`Schedule::claims`], or why there is none.
    pub claim: Result<usize, String>,
}

/// The node for a pod or claim.
#[derive(Debug)]
pub struct Chosen {
    /// Its name.
    pub node: String,
    /// The claims that were allocated for it: positions in [`Schedule::claims`], in the order of
    /// the decision's results.
    pub allocated: Vec<usize>,
    /// How; `None` where all claims were allocated before.
    pub decision: Option<Box<Decision>>,
    /// What each rule said to each device of the node, where explanations were asked for.
    pub explanation: Option<Box<Explanation>>,
}

/// Why something stays pending.
#[derive(Debug)]
pub enum Pending {
    /// For reasons that no node changes.
    Blocked(Vec<Blocker>),
    /// There is not one node.
    NoNodes,
    /// Every node refuses: one reason each, by name.
    NoNodeFits(Vec<NodeRefusal>),
}

impl Pending {
    /// Why, in a few words.
    #[must_use]
    pub fn in_short(&self) -> String {
        match self {
            Self::Blocked(blockers) => match blockers.as_slice() {
                [one] => one.in_short(),
                [one, rest @ ..] => format!("{} (and {} more)", one.in_short(), rest.len()),
                [] => String::new(),
            },
            Self::NoNodes => "there are no nodes".to_owned(),
            Self::NoNodeFits(refusals) => match refusals.as_slice() {
                [one] => format!("does not fit on {}, the only node", one.node),
                all => format!("fits on none of {} nodes", all.len()),
            },
        }
    }
}

/// What keeps a pod from every node.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Blocker {
    /// An entry of `spec.resourceClaims` leads nowhere.
    #[error("spec.resourceClaims entry `{entry}`: {reason}")]
    NoClaim {
        /// The entry.
        entry: String,
        /// Why.
        reason: String,
    },
    /// A class that nobody defined.
    #[error(
        "claim {claim}: request `{request}` names device class `{class}`, which is not defined; {}",
        known(defined)
    )]
    NoClass {
        /// The claim.
        claim: String,
        /// The request.
        request: String,
        /// The class.
        class: String,
        /// The classes there are.
        defined: Vec<String>,
    },
    /// Admin access without leave.
    #[error(
        "claim {claim}: request `{request}` asks for adminAccess, which namespace `{namespace}` does not allow; \
         label it resource.kubernetes.io/admin-access=true"
    )]
    AdminAccess {
        /// The claim.
        claim: String,
        /// The request.
        request: String,
        /// The claim's namespace.
        namespace: String,
    },
    /// The claim is going away.
    #[error("claim {claim} is being deleted; wait for it to vanish, then create it anew")]
    ClaimDeleted {
        /// The claim.
        claim: String,
    },
    /// Too many pods use the claim.
    #[error("claim {claim} is already reserved for 256 pods, the most there may be")]
    ClaimFull {
        /// The claim.
        claim: String,
    },
    /// A request, selector or pool is wrong in a way that ends the search on every node.
    #[error("{0}")]
    Fatal(String),
    /// Somebody holds the pod back on purpose.
    #[error("scheduling gate `{0}` holds the pod back until its owner removes it")]
    SchedulingGate(String),
}

impl Blocker {
    /// What it is, in a few words.
    pub fn in_short(&self) -> String {
        match self {
            Self::NoClaim { entry, .. } => format!("no claim for entry `{entry}`"),
            Self::NoClass { class, .. } => format!("no device class `{class}`"),
            Self::AdminAccess { .. } => "admin access is not allowed here".to_owned(),
            Self::ClaimDeleted { .. } => "its claim is being deleted".to_owned(),
            Self::ClaimFull { .. } => "its claim has all the pods it may have".to_owned(),
            Self::Fatal(_) => "its claims cannot be allocated".to_owned(),
            Self::SchedulingGate(gate) => format!("held back by scheduling gate `{gate}`"),
        }
    }
}

fn known(defined: &[String]) -> String {
    const SHOWN: usize = 8;
    match defined {
        [] => "no class is; add the DeviceClass to the input".to_owned(),
        _ if defined.len() > SHOWN => format!(
            "{} classes are; check the spelling or add it",
            defined.len()
        ),
        _ => format!(
            "defined are {}; check the spelling or add it",
            defined.join(", ")
        ),
    }
}

/// Why one node is out.
#[derive(Debug)]
pub struct NodeRefusal {
    /// The node.
    pub node: String,
    /// Why.
    pub reason: Refusal,
}

/// What a node has against a pod.
#[derive(Debug)]
pub enum Refusal {
    /// The pod does not want it.
    NotSelected(NodeMismatch),
    /// It does not want the pod: the taint.
    Tainted(String),
    /// A claim of the pod has its devices elsewhere.
    ClaimElsewhere {
        /// The claim.
        claim: String,
    },
    /// Its devices do not suffice.
    DoesNotFit {
        /// What was decided, with what policies said.
        decision: Box<Decision>,
        /// What each rule says to each device; `None` where so many nodes refuse that only the
        /// closest are explained.
        explanation: Option<Box<Explanation>>,
    },
}
