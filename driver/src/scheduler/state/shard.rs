//! A part of the cluster: some nodes, what is published for them, and what of it is in use.
//!
//! Nodes are spread over [`COUNT`] shards by name. A change rebuilds one shard of 64 rather than
//! everything, and a snapshot of the cluster is 64 pointers: who changes a shard that somebody still looks
//! at copies it first. A pool whose slices all name one node is *local* and lies with that node. Any
//! other pool may reach every node, so it lies in all shards; what changes about it concerns only the nodes that
//! reach it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::BuildHasher as _;
use std::sync::{Arc, OnceLock};

use foldhash::fast::{FixedState, RandomState};
use k8s_openapi::api::core::v1::Node;
use k8s_openapi::api::resource::v1::{DeviceClass, ResourceSlice};
use supercargo_host::allocator::{AllocatedState, Allocator, Features, Selectors};
use supercargo_host::placement::Placement;

/// How many there are: with 5,000 nodes, 80 nodes each.
pub(super) const COUNT: usize = 64;

/// A pool: its driver, and its name.
pub(super) type PoolId = (Arc<str>, Arc<str>);

/// Where a node's entry or a local pool lies.
pub(super) fn shard_of(node: &str) -> usize {
    let hash = FixedState::with_seed(0).hash_one(node);
    usize::try_from(hash % (COUNT as u64)).unwrap_or_default()
}

/// What all shards are built with.
#[derive(Debug, Clone)]
pub(super) struct Common {
    pub(super) classes: Arc<BTreeMap<String, Arc<DeviceClass>>>,
    pub(super) selectors: Arc<Selectors>,
    /// The policies, over no devices at all.
    pub(super) policies: Arc<Placement>,
}

/// One part.
#[derive(Debug, Clone)]
pub struct Shard {
    pub(super) nodes: HashMap<Arc<str>, NodeEntry, RandomState>,
    /// By name, with the taints of rules.
    pub(super) slices: BTreeMap<String, Arc<ResourceSlice>>,
    pub(super) in_use: Arc<AllocatedState>,
    /// Changes when something changes that may concern any of its nodes.
    pub(super) era: u64,
    common: Common,
    placement: OnceLock<Arc<Placement>>,
}

/// A node, and when something last changed that concerns it.
#[derive(Debug, Clone)]
pub struct NodeEntry {
    /// Its name and labels.
    pub node: Arc<Node>,
    /// The extended resources that its device plugins offer.
    pub offers: Arc<BTreeSet<String>>,
    /// The number of that change. A new node's is newer than all before, so no two nodes that had one slot had
    /// one generation.
    pub(super) generation: u64,
    /// Which of the nodes it is: a small number, which another one gets when it is gone.
    pub slot: usize,
    /// Its local pools: devices that are published and that are held whole.
    pub(super) rooms: BTreeMap<PoolId, (usize, usize)>,
}

/// The numbers of nodes.
#[derive(Debug, Default)]
pub(super) struct Slots {
    free: Vec<usize>,
    taken: usize,
}

impl Slots {
    pub(super) fn take(&mut self) -> usize {
        self.free.pop().unwrap_or_else(|| {
            self.taken += 1;
            self.taken - 1
        })
    }

    pub(super) fn give_back(&mut self, slot: usize) {
        self.free.push(slot);
    }
}

/// Which state of things a verdict about a node is of: equal stamps in one slot, equal verdicts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    generation: u64,
    era: u64,
}

impl Shard {
    pub(super) fn new(common: Common) -> Self {
        Self {
            nodes: HashMap::default(),
            slices: BTreeMap::new(),
            in_use: Arc::default(),
            era: 0,
            common,
            placement: OnceLock::new(),
        }
    }

    /// What decides for its nodes. Built when it is first needed after a change of what is published.
    #[must_use]
    pub fn placement(&self) -> &Arc<Placement> {
        self.placement.get_or_init(|| {
            let slices = self.slices.values().cloned();
            let classes = self.common.classes.values().cloned();
            let allocator = Allocator::from_shared(Features::ALL, slices, classes)
                .sharing(Arc::clone(&self.common.selectors));
            Arc::new(self.common.policies.over(Arc::new(allocator)))
        })
    }

    /// What is in use of its pools.
    #[must_use]
    pub fn in_use(&self) -> &AllocatedState {
        &self.in_use
    }

    /// A node of it.
    #[must_use]
    pub fn node(&self, name: &str) -> Option<&NodeEntry> {
        self.nodes.get(name)
    }

    /// All nodes of it.
    pub(super) fn nodes(&self) -> impl Iterator<Item = &NodeEntry> {
        self.nodes.values()
    }

    /// Which state of things a verdict about `node` would be of now.
    #[must_use]
    pub fn stamp(&self, node: &NodeEntry) -> Stamp {
        Stamp {
            generation: node.generation,
            era: self.era,
        }
    }

    pub(super) fn publish(&mut self, name: &str, slice: Option<Arc<ResourceSlice>>) {
        match slice {
            Some(slice) => self.slices.insert(name.to_owned(), slice),
            None => self.slices.remove(name),
        };
        self.placement = OnceLock::new();
    }

    pub(super) fn common(&mut self, common: Common, era: u64) {
        self.common = common;
        self.era = era;
        self.placement = OnceLock::new();
    }
}

impl NodeEntry {
    /// How many devices of its own are free.
    #[must_use]
    pub fn free(&self) -> usize {
        let free = |(published, held): &(usize, usize)| published.saturating_sub(*held);
        self.rooms.values().map(free).sum()
    }

    /// Its own pools: the driver and the name.
    pub fn pools(&self) -> impl Iterator<Item = (&str, &str)> {
        self.rooms.keys().map(|(driver, pool)| (&**driver, &**pool))
    }
}
