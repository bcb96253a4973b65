//! What the scheduler knows of the cluster, kept up to date by watches and by its own writes.
//!
//! Every change goes into one place under one lock and touches only what it concerns; a question takes a
//! [`Snapshot`], which is a handful of pointers, and works on it without any lock.
//!
//! Devices are in use by what claims say, and by what this process has decided and not yet seen come
//! back: an *assumption*. It is made under the same lock that answers whether the devices are free, so no
//! two decisions get one device, and it ends when the watch shows the claim as written, or newer, or gone.
//! It never ends by time alone: a write of unknown fate may have happened, so after a while the API server
//! is asked ([`State::overdue`]).

mod budgets;
mod claims;
mod nominations;
mod pools;
mod reach;
mod shard;
mod wants;
pub mod watch;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Node;
use k8s_openapi::api::resource::v1::{DeviceClass, DeviceTaintRule, ResourceClaim, ResourceSlice};
use supercargo_host::placement::Placement;

use super::pod::Pod;
pub use budgets::Budget;
use claims::Claims;
pub use claims::Overdue;
pub use nominations::Nomination;
use pools::Pools;
use shard::{COUNT, Common, Slots, shard_of};
pub use shard::{NodeEntry, Shard, Stamp};
pub use wants::{Claims as PodClaims, Wait, Wants};

/// What is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// ResourceSlices.
    Slices,
    /// DeviceClasses.
    Classes,
    /// ResourceClaims.
    Claims,
    /// DeviceTaintRules.
    TaintRules,
    /// Nodes.
    Nodes,
    /// Pods.
    Pods,
    /// Namespaces.
    Namespaces,
    /// PodDisruptionBudgets.
    Budgets,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Slices,
        Self::Classes,
        Self::Claims,
        Self::TaintRules,
        Self::Nodes,
        Self::Pods,
        Self::Namespaces,
        Self::Budgets,
    ];

    /// The resource.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Slices => "resourceslices",
            Self::Classes => "deviceclasses",
            Self::Claims => "resourceclaims",
            Self::TaintRules => "devicetaintrules",
            Self::Nodes => "nodes",
            Self::Pods => "pods",
            Self::Namespaces => "namespaces",
            Self::Budgets => "poddisruptionbudgets",
        }
    }
}

/// The cluster.
#[derive(Debug)]
pub struct State(RwLock<Inner>);

#[derive(Debug)]
struct Inner {
    /// Whose devices may be handed out; empty: everybody's.
    drivers: BTreeSet<String>,
    shards: Vec<Arc<Shard>>,
    common: Common,
    pools: Pools,
    rules: BTreeMap<String, DeviceTaintRule>,
    claims: Claims,
    /// Pods that have to do with claims, by UID.
    pods: HashMap<String, Arc<Pod>>,
    admin_namespaces: BTreeSet<String>,
    /// By namespace and name.
    budgets: BTreeMap<String, Budget>,
    /// By the UIDs of pods.
    nominations: HashMap<String, Nomination>,
    synced: BTreeSet<Kind>,
    slots: Slots,
    /// Numbers changes.
    clock: u64,
}

/// A node, and what decides for it.
pub type Found<'s> = (&'s Arc<Shard>, &'s NodeEntry);

/// The cluster at one moment.
#[derive(Debug, Clone)]
pub struct Snapshot(Vec<Arc<Shard>>);

impl Snapshot {
    /// A node, and what decides for it.
    #[must_use]
    pub fn node(&self, name: &str) -> Option<Found<'_>> {
        let shard = self.0.get(shard_of(name))?;
        Some((shard, shard.node(name)?))
    }

    /// All nodes.
    pub fn nodes(&self) -> impl Iterator<Item = Found<'_>> {
        let shards = self.0.iter();
        shards.flat_map(|shard| shard.nodes().map(move |entry| (shard, entry)))
    }
}

/// How much there is, for metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sizes {
    /// Nodes.
    pub nodes: usize,
    /// ResourceSlices.
    pub slices: usize,
    /// ResourceClaims.
    pub claims: usize,
    /// Pods with claims.
    pub pods: usize,
    /// Decisions that the watch has not confirmed.
    pub assumptions: usize,
}

impl State {
    /// Nothing is known yet. Of `drivers` devices may be handed out; of all, if none is named. `policies`
    /// is what places claims, over whatever devices.
    #[must_use]
    pub fn new(drivers: BTreeSet<String>, policies: Placement) -> Self {
        let common = Common {
            classes: Arc::default(),
            selectors: Arc::default(),
            policies: Arc::new(policies),
        };
        let shard = Arc::new(Shard::new(common.clone()));
        Self(RwLock::new(Inner {
            drivers,
            shards: vec![shard; COUNT],
            common,
            pools: Pools::default(),
            rules: BTreeMap::new(),
            claims: Claims::default(),
            pods: HashMap::new(),
            admin_namespaces: BTreeSet::new(),
            budgets: BTreeMap::new(),
            nominations: HashMap::new(),
            synced: BTreeSet::new(),
            slots: Slots::default(),
            clock: 0,
        }))
    }

    fn read(&self) -> RwLockReadGuard<'_, Inner> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Inner> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The cluster now.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot(self.read().shards.clone())
    }

    /// What a pod wants of the devices of the cluster now, or why it has to wait.
    ///
    /// # Errors
    /// What keeps it from every node.
    pub fn wants(&self, pod: &Pod) -> Result<(Wants, Snapshot), Wait> {
        let inner = self.read();
        let wants = inner.wants(pod)?;
        Ok((wants, Snapshot(inner.shards.clone())))
    }

    /// Takes devices for claims, if the node is as it was when that was decided: `false` if not, and then
    /// nothing is taken. `claims` are pending claims with the allocation that they are to get.
    pub fn assume(&self, node: &str, stamp: Stamp, claims: &[Arc<ResourceClaim>]) -> bool {
        let mut inner = self.write();
        let unchanged = Snapshot(inner.shards.clone())
            .node(node)
            .is_some_and(|(shard, entry)| shard.stamp(entry) == stamp);
        // One that another decision has got hold of meanwhile is not ours to decide.
        if !unchanged || claims.iter().any(|claim| inner.is_taken(claim)) {
            return false;
        }
        for claim in claims {
            inner.decided(Arc::clone(claim));
        }
        true
    }

    /// The API server says that a claim is like this, which the watch may not have shown yet.
    pub fn wrote(&self, claim: ResourceClaim) {
        self.write().wrote(claim);
    }

    /// What was decided for a claim did not come about.
    pub fn forget(&self, uid: &str) {
        self.write().forget(uid);
    }

    /// Nobody goes on writing what was decided for a claim; what was not written or forgotten until now may
    /// have been written all the same.
    pub fn abandon(&self, uid: &str) {
        self.write().abandon(uid);
    }

    /// Claims whose assumption the watch has not confirmed in this time since the last attempt to write it.
    #[must_use]
    pub fn overdue(&self, after: Duration) -> Vec<Overdue> {
        let now = Instant::now();
        self.read()
            .claims
            .assumed_before(now.checked_sub(after).unwrap_or(now))
    }

    /// What the API server says of a claim whose fate was unknown; `None`: it is gone.
    pub fn settle(&self, overdue: &Overdue, claim: Option<ResourceClaim>) {
        self.write().settle(overdue, claim);
    }

    /// A pod that has to do with claims.
    #[must_use]
    pub fn pod(&self, uid: &str) -> Option<Arc<Pod>> {
        self.read().pods.get(uid).cloned()
    }

    /// The pods on a node that have to do with claims.
    #[must_use]
    pub fn pods_on(&self, node: &str) -> Vec<Arc<Pod>> {
        let inner = self.read();
        let on = inner.pods.values().filter(|pod| pod.node == node);
        on.cloned().collect()
    }

    /// A claim as it is seen or assumed to be.
    #[must_use]
    pub fn claim(&self, namespace: &str, name: &str) -> Option<Arc<ResourceClaim>> {
        self.read().claims.named(namespace, name)
    }

    /// A claim as the watch showed it, whatever was decided since.
    #[must_use]
    pub fn unassumed(&self, uid: &str) -> Option<Arc<ResourceClaim>> {
        self.read().claims.seen(uid)
    }

    /// Claims that are reserved and allocated, as seen, without those that are being written.
    #[must_use]
    pub fn reserved(&self) -> Vec<Arc<ResourceClaim>> {
        self.read().claims.reserved()
    }

    /// Claims that have devices and no users, and that a pod of `scheduler` waits for. Another one left them so.
    #[must_use]
    pub fn unused(&self, scheduler: &str) -> Vec<(Arc<ResourceClaim>, Arc<Pod>)> {
        let inner = self.read();
        let unused = inner.claims.unused();
        let waiting = |claim: &ResourceClaim| {
            let (namespace, name) = (&claim.metadata.namespace, &claim.metadata.name);
            let mut pods = inner.pods.values();
            pods.find(|pod| {
                pod.is_waiting_for(scheduler)
                    && Some(&pod.namespace) == namespace.as_ref()
                    && pod.claim_names().any(|claim| Some(claim) == name.as_ref())
            })
            .cloned()
        };
        let with_pod = unused.into_iter().filter_map(|claim| {
            let pod = waiting(&claim)?;
            Some((claim, pod))
        });
        with_pod.collect()
    }

    /// Special claims that have no devices, each with its pod's UID.
    #[must_use]
    pub fn idle_special(&self) -> Vec<(String, Arc<ResourceClaim>)> {
        self.read().claims.idle_special()
    }

    /// The special claim of a pod.
    #[must_use]
    pub fn special_of(&self, pod: &str) -> Option<Arc<ResourceClaim>> {
        self.read().claims.special_of(pod)
    }

    /// The claims that hold devices of a pool.
    #[must_use]
    pub fn holders(&self, driver: &str, pool: &str) -> Vec<Arc<ResourceClaim>> {
        self.read().pools.holders(driver, pool)
    }

    /// Whether a claim holds a device that another one holds, too.
    #[must_use]
    pub fn clashes_with(&self, claim: &ResourceClaim) -> bool {
        self.read().pools.clash(claim).is_some()
    }

    /// Devices that two claims hold: that must never be.
    #[must_use]
    pub fn clashes(&self) -> Vec<String> {
        self.read().pools.clashes()
    }

    /// Whether everything was listed at least once.
    #[must_use]
    pub fn is_synced(&self) -> bool {
        self.read().synced.len() == Kind::ALL.len()
    }

    /// The kinds that were not listed yet.
    #[must_use]
    pub fn unsynced(&self) -> Vec<Kind> {
        let inner = self.read();
        let all = Kind::ALL.into_iter();
        all.filter(|kind| !inner.synced.contains(kind)).collect()
    }

    /// How much there is.
    #[must_use]
    pub fn sizes(&self) -> Sizes {
        let inner = self.read();
        Sizes {
            nodes: inner.shards.iter().map(|shard| shard.nodes.len()).sum(),
            slices: inner.pools.slices(),
            claims: inner.claims.len(),
            pods: inner.pods.len(),
            assumptions: inner.claims.assumptions(),
        }
    }

    /// New policies or rules.
    pub fn set_policies(&self, policies: Placement) {
        let mut inner = self.write();
        inner.common.policies = Arc::new(policies);
        inner.everything_changed();
    }
}

/// What the watches tell. A name with `None` is gone.
impl State {
    /// Everything of a kind was told.
    pub fn synced(&self, kind: Kind) {
        self.write().synced.insert(kind);
    }

    /// A slice.
    pub fn set_slice(&self, name: &str, slice: Option<ResourceSlice>) {
        self.write().set_slice(name, slice);
    }

    /// A class.
    pub fn set_class(&self, name: &str, class: Option<DeviceClass>) {
        let mut inner = self.write();
        let known = inner.common.classes.get(name);
        if known.map(|known| &known.spec) == class.as_ref().map(|class| &class.spec) {
            return;
        }
        let classes = Arc::make_mut(&mut inner.common.classes);
        match class {
            Some(class) => classes.insert(name.to_owned(), Arc::new(class)),
            None => classes.remove(name),
        };
        inner.everything_changed();
    }

    /// A rule that taints devices.
    pub fn set_taint_rule(&self, name: &str, rule: Option<DeviceTaintRule>) {
        self.write().set_taint_rule(name, rule);
    }

    /// A node, by name and labels, and the extended resources that its device plugins offer.
    pub fn set_node(
        &self,
        name: &str,
        labels: Option<BTreeMap<String, String>>,
        offers: BTreeSet<String>,
    ) {
        self.write().set_node(name, labels, offers);
    }

    /// Whether claims of a namespace may have admin access.
    pub fn set_admin_namespace(&self, name: &str, may: bool) {
        let mut inner = self.write();
        if may {
            inner.admin_namespaces.insert(name.to_owned());
        } else {
            inner.admin_namespaces.remove(name);
        }
    }

    /// A pod that has to do with claims.
    pub fn set_pod(&self, uid: &str, pod: Option<Pod>) {
        let mut inner = self.write();
        match pod {
            Some(pod) => inner.pods.insert(uid.to_owned(), Arc::new(pod)),
            None => inner.pods.remove(uid),
        };
    }

    /// A claim.
    pub fn observe(&self, claim: ResourceClaim) {
        self.write().observe(claim);
    }

    /// A claim that is gone.
    pub fn gone(&self, uid: &str) {
        self.write().gone(uid);
    }
}

impl Inner {
    fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    fn everything_changed(&mut self) {
        let era = self.tick();
        for shard in &mut self.shards {
            Arc::make_mut(shard).common(self.common.clone(), era);
        }
    }

    fn set_node(
        &mut self,
        name: &str,
        labels: Option<BTreeMap<String, String>>,
        offers: BTreeSet<String>,
    ) {
        let generation = self.tick();
        let Some(shard) = self.shards.get_mut(shard_of(name)) else {
            return;
        };
        let known = shard.nodes.get(name);
        let Some(labels) = labels else {
            if let Some(known) = known {
                self.slots.give_back(known.slot);
                Arc::make_mut(shard).nodes.remove(name);
            }
            return;
        };
        // Nodes report themselves all the time; nearly always nothing here changes.
        if known.is_some_and(|known| {
            known.node.metadata.labels.as_ref() == Some(&labels) && *known.offers == offers
        }) {
            return;
        }
        let mut node = Node::default();
        node.metadata.name = Some(name.to_owned());
        node.metadata.labels = Some(labels);
        let entry = NodeEntry {
            node: Arc::new(node),
            offers: Arc::new(offers),
            generation,
            slot: known.map_or_else(|| self.slots.take(), |known| known.slot),
            rooms: self.pools.rooms(name),
        };
        Arc::make_mut(shard).nodes.insert(name.into(), entry);
    }
}

#[cfg(test)]
pub(in crate::scheduler) mod tests;
