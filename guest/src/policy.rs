//! The traits a policy implements: [`Policy`] always, and one for each hook it has.

use crate::attribute::Name;
use crate::bindings::exports::supercargo::policy::about::Context;
use crate::configuration::{AllocatedClaim, CandidateParameters, Plan, Violation};
use crate::inventory::{Announcement, Hardware, Incident, TaintChange};
use crate::place::{Domain, NodeSet};
use crate::proposal::{Proposals, Refusal};
use crate::settings::Settings;
use crate::situation::Situation;

/// What a policy is, whatever it decides: its settings and what it wants to see.
///
/// Its name, version and summary are those of its package (`Cargo.toml`).
///
/// ```
/// use supercargo_guest::prelude::*;
///
/// const RACK: Attribute<str> = Attribute::string("example.com", "rack");
/// const MEMORY: Capacity = Capacity::new("gpu.example.com", "memory");
///
/// pub struct Racks;
///
/// impl Policy for Racks {
///     type Settings = NoSettings;
///     const ATTRIBUTES: &'static [Name] = &[RACK.name()];
///     const CAPACITIES: &'static [Name] = &[MEMORY.name()];
///     const CONTEXT: Context = Context::COUNTERS.union(Context::IN_USE);
/// }
/// ```
pub trait Policy {
    /// What the administrator may set; [`NoSettings`](crate::NoSettings) where there is nothing.
    type Settings: Settings;

    /// The attributes of devices that it reads, at most 64. Nothing else is sent.
    const ATTRIBUTES: &'static [Name] = &[];

    /// The capacities of devices that it reads, at most 64.
    const CAPACITIES: &'static [Name] = &[];

    /// The labels of nodes that it reads, at most 16; for [`Place`].
    const NODE_LABELS: &'static [Name] = &[];

    /// What else it wants to be told. Each makes questions longer or less alike.
    const CONTEXT: Context = Context::empty();
}

/// Which devices does a claim get?
///
/// ```
/// use supercargo_guest::prelude::*;
///
/// pub struct LastFit;
/// impl Policy for LastFit {
///     type Settings = NoSettings;
/// }
/// impl Select for LastFit {
///     fn select(_: &NoSettings, situation: Situation<'_>) -> Result<Proposals, Refusal> {
///         let mut proposal = Proposal::prefer().reason("the last devices");
///         for slot in situation.slots() {
///             let mut devices: Vec<_> = slot.first().devices().collect();
///             devices.reverse();
///             proposal = proposal.assign(slot.first(), devices);
///         }
///         Ok(proposal.into())
///     }
/// }
/// ```
pub trait Select: Policy {
    /// Proposes devices for one claim on one node, best first. The host takes the first proposal
    /// that holds.
    ///
    /// # Errors
    /// A refusal says that no devices of this node should serve the claim, and why.
    fn select(settings: &Self::Settings, situation: Situation<'_>) -> Result<Proposals, Refusal>;
}

/// Which nodes does a domain get?
///
/// ```
/// use supercargo_guest::place::{Domain, NodeSet};
/// use supercargo_guest::prelude::*;
///
/// pub struct AnyNodes;
/// impl Policy for AnyNodes {
///     type Settings = NoSettings;
/// }
/// impl Place for AnyNodes {
///     fn place(_: &NoSettings, domain: Domain<'_>) -> Result<Vec<NodeSet>, Refusal> {
///         Ok(vec![NodeSet::of(domain.nodes().take(domain.nodes_needed()))])
///     }
/// }
/// ```
pub trait Place: Policy {
    /// Proposes nodes, best first.
    ///
    /// # Errors
    /// A refusal says that no set of these nodes will do, and why.
    fn place(settings: &Self::Settings, domain: Domain<'_>) -> Result<Vec<NodeSet>, Refusal>;
}

/// Are these opaque parameters right?
///
/// ```
/// use supercargo_guest::configuration::{CandidateParameters, Violation};
/// use supercargo_guest::prelude::*;
///
/// pub struct NoParameters;
/// impl Policy for NoParameters {
///     type Settings = NoSettings;
/// }
/// impl Validate for NoParameters {
///     fn validate(_: &NoSettings, candidate: &CandidateParameters) -> Vec<Violation> {
///         if candidate.json == "{}" {
///             return Vec::new();
///         }
///         vec![Violation { field: String::new(), message: "write {}: no parameters".to_owned() }]
///     }
/// }
/// ```
pub trait Validate: Policy {
    /// Names everything that is wrong with what a user or administrator wrote.
    fn validate(settings: &Self::Settings, candidate: &CandidateParameters) -> Vec<Violation>;
}

/// What must be done before a claim's containers start?
///
/// ```
/// use supercargo_guest::configuration::{self, AllocatedClaim, Plan, Variable};
/// use supercargo_guest::prelude::*;
///
/// pub struct CountThem;
/// impl Policy for CountThem {
///     type Settings = NoSettings;
/// }
/// impl Prepare for CountThem {
///     fn prepare(_: &NoSettings, claim: AllocatedClaim<'_>) -> Result<Plan, Refusal> {
///         let mut plan = configuration::nothing();
///         let mut edits = configuration::no_edits();
///         let value = claim.devices().count().to_string();
///         edits.environment.push(Variable { name: "DEVICES".to_owned(), value });
///         plan.edits.push(edits);
///         Ok(plan)
///     }
/// }
/// ```
pub trait Prepare: Policy {
    /// Plans it. Asked again with the same question it must answer the same.
    ///
    /// # Errors
    /// A refusal says why the claim cannot be set up; its containers do not start.
    fn prepare(settings: &Self::Settings, claim: AllocatedClaim<'_>) -> Result<Plan, Refusal>;
}

/// What must be undone when a claim is over, beyond the inverse of what was planned?
///
/// ```
/// use supercargo_guest::configuration::{self, AllocatedClaim, Plan};
/// use supercargo_guest::prelude::*;
///
/// pub struct NothingMore;
/// impl Policy for NothingMore {
///     type Settings = NoSettings;
/// }
/// impl Unprepare for NothingMore {
///     fn unprepare(_: &NoSettings, _: AllocatedClaim<'_>) -> Result<Plan, Refusal> {
///         Ok(configuration::nothing())
///     }
/// }
/// ```
pub trait Unprepare: Policy {
    /// Plans it. The host undoes by itself what `prepare` planned.
    ///
    /// # Errors
    /// A refusal says why it cannot be undone.
    fn unprepare(settings: &Self::Settings, claim: AllocatedClaim<'_>) -> Result<Plan, Refusal>;
}

/// What does a node announce?
///
/// ```
/// use supercargo_guest::inventory::{self, Announcement, Hardware};
/// use supercargo_guest::prelude::*;
///
/// pub struct Silent;
/// impl Policy for Silent {
///     type Settings = NoSettings;
/// }
/// impl Publish for Silent {
///     fn publish(_: &NoSettings, _: &Hardware) -> Result<Announcement, Refusal> {
///         Ok(inventory::nothing())
///     }
/// }
/// ```
pub trait Publish: Policy {
    /// Says what is announced, the first device first.
    ///
    /// # Errors
    /// A refusal says why nothing can be announced; what was announced before stays.
    fn publish(settings: &Self::Settings, hardware: &Hardware) -> Result<Announcement, Refusal>;
}

/// What follows from a health event?
///
/// ```
/// use supercargo_guest::inventory::{Incident, TaintChange};
/// use supercargo_guest::prelude::*;
///
/// pub struct Stoic;
/// impl Policy for Stoic {
///     type Settings = NoSettings;
/// }
/// impl Assess for Stoic {
///     fn assess(_: &NoSettings, _: &Incident) -> Result<Vec<TaintChange>, Refusal> {
///         Ok(Vec::new())
///     }
/// }
/// ```
pub trait Assess: Policy {
    /// Says which taints are set and which are taken away.
    ///
    /// # Errors
    /// A refusal says why the event cannot be judged; nothing changes.
    fn assess(settings: &Self::Settings, incident: &Incident) -> Result<Vec<TaintChange>, Refusal>;
}
