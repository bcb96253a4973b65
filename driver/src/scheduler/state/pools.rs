//! Pools: which slices make them up, where they lie, and which claims hold what of them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use k8s_openapi::api::resource::v1::{
    DeviceRequestAllocationResult, DeviceTaintRule, ResourceClaim, ResourceSlice,
};
use supercargo_host::objects::taint_rules;
use supercargo_host::scheduling::in_use;

use super::Inner;
use super::reach::Reach;
use super::shard::{PoolId, Shard, shard_of};
use crate::claims::results;

/// All pools that are published, or of which something is held.
#[derive(Debug, Default)]
pub(super) struct Pools {
    by_id: HashMap<PoolId, Pool>,
    /// The pool of each slice.
    of_slice: HashMap<String, PoolId>,
    /// The local pools of each node.
    of_node: HashMap<Arc<str>, BTreeSet<PoolId>>,
}

#[derive(Debug, Default)]
struct Pool {
    /// As published, by name.
    slices: BTreeMap<String, Arc<ResourceSlice>>,
    home: Home,
    /// Claims with devices of it, by UID.
    held: BTreeMap<String, Arc<ResourceClaim>>,
}

/// Where a pool lies.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
enum Home {
    /// It is not published.
    #[default]
    Nowhere,
    /// With the node that all its slices name.
    Node(Arc<str>),
    Everywhere,
}

impl Pool {
    fn home(&self) -> Home {
        let mut nodes = self.slices.values().map(|slice| {
            let node = slice.spec.node_name.as_deref();
            node.filter(|node| !node.is_empty())
        });
        match nodes.next() {
            None => Home::Nowhere,
            Some(Some(node)) if nodes.all(|other| other == Some(node)) => Home::Node(node.into()),
            Some(_) => Home::Everywhere,
        }
    }

    /// From where it can be reached, where it lies everywhere.
    fn reach(&self) -> Reach {
        match self.home {
            Home::Everywhere => Reach::of(self.slices.values().map(|slice| &**slice)),
            Home::Node(_) | Home::Nowhere => Reach::default(),
        }
    }

    /// Devices published, and devices held whole.
    fn room(&self, id: &PoolId) -> (usize, usize) {
        let devices = self.slices.values().flat_map(|slice| &slice.spec.devices);
        (
            devices.map(Vec::len).sum(),
            self.wholes(id).collect::<BTreeSet<_>>().len(),
        )
    }

    /// The devices that are held whole, with repetition.
    fn wholes<'a>(&'a self, id: &'a PoolId) -> impl Iterator<Item = &'a str> {
        let results = self.held.values().flat_map(|claim| results(claim));
        results
            .filter(|result| is_of(result, id) && holds(result) && result.share_id.is_none())
            .map(|result| result.device.as_str())
    }
}

fn is_of(result: &DeviceRequestAllocationResult, id: &PoolId) -> bool {
    result.driver == *id.0 && result.pool == *id.1
}

/// Admin access holds nothing.
fn holds(result: &DeviceRequestAllocationResult) -> bool {
    result.admin_access != Some(true)
}

/// The pools that a claim has devices of.
pub(super) fn pools_of(claim: &ResourceClaim) -> BTreeSet<PoolId> {
    results(claim)
        .map(|result| (result.driver.as_str().into(), result.pool.as_str().into()))
        .collect()
}

impl Pools {
    pub(super) fn slices(&self) -> usize {
        self.of_slice.len()
    }

    /// The local pools of a node.
    pub(super) fn rooms(&self, node: &str) -> BTreeMap<PoolId, (usize, usize)> {
        let pools = self.of_node.get(node).into_iter().flatten();
        pools
            .filter_map(|id| Some((id.clone(), self.by_id.get(id)?.room(id))))
            .collect()
    }

    /// A pool lies elsewhere now.
    fn moved(&mut self, id: &PoolId, was: &Home, now: &Home) {
        if let Home::Node(node) = was
            && let Some(pools) = self.of_node.get_mut(node)
        {
            pools.remove(id);
            if pools.is_empty() {
                self.of_node.remove(node);
            }
        }
        if let Home::Node(node) = now {
            let pools = self.of_node.entry(Arc::clone(node)).or_default();
            pools.insert(id.clone());
        }
    }

    pub(super) fn hold(&mut self, id: &PoolId, uid: &str, claim: Option<&Arc<ResourceClaim>>) {
        let pool = self.by_id.entry(id.clone()).or_default();
        match claim {
            Some(claim) => pool.held.insert(uid.to_owned(), Arc::clone(claim)),
            None => pool.held.remove(uid),
        };
        self.tidy(id);
    }

    fn tidy(&mut self, id: &PoolId) {
        let idle = |pool: &Pool| pool.slices.is_empty() && pool.held.is_empty();
        if self.by_id.get(id).is_some_and(idle) {
            self.by_id.remove(id);
        }
    }

    /// Another claim that holds a device which `claim` holds, too.
    pub(super) fn clash(&self, claim: &ResourceClaim) -> Option<String> {
        let uid = claim.metadata.uid.as_deref().unwrap_or_default();
        results(claim).filter(|mine| holds(mine)).find_map(|mine| {
            let id = (mine.driver.as_str().into(), mine.pool.as_str().into());
            let others = self.by_id.get(&id)?.held.iter();
            let mut others = others.filter(|(other, _)| *other != uid);
            let (_, other) = others.find(|(_, other)| {
                results(other).any(|theirs| {
                    is_of(theirs, &id)
                        && theirs.device == mine.device
                        && holds(theirs)
                        && (theirs.share_id.is_none()
                            || mine.share_id.is_none()
                            || theirs.share_id == mine.share_id)
                })
            })?;
            let other = supercargo_host::scheduling::claim_name(other);
            let (driver, pool, device) = (&mine.driver, &mine.pool, &mine.device);
            Some(format!("{driver}/{pool}/{device} is held by {other}, too"))
        })
    }

    pub(super) fn holders(&self, driver: &str, pool: &str) -> Vec<Arc<ResourceClaim>> {
        let pool = self.by_id.get(&(driver.into(), pool.into()));
        let held = pool.into_iter().flat_map(|pool| pool.held.values());
        held.cloned().collect()
    }

    pub(super) fn clashes(&self) -> Vec<String> {
        let double = |(id, pool): (&PoolId, &Pool)| {
            let mut seen = BTreeSet::new();
            let twice = pool.wholes(id).find(|device| !seen.insert(*device))?;
            Some(format!("{}/{}/{twice}", id.0, id.1))
        };
        self.by_id.iter().filter_map(double).collect()
    }
}

impl Inner {
    pub(super) fn set_slice(&mut self, name: &str, slice: Option<ResourceSlice>) {
        let slice = slice.filter(|slice| {
            self.drivers.is_empty() || self.drivers.contains(slice.spec.driver.as_str())
        });
        let id = slice.as_ref().map(|slice| -> PoolId {
            let spec = &slice.spec;
            (spec.driver.as_str().into(), spec.pool.name.as_str().into())
        });
        // Driver and pool of a slice never change, but another slice may get its name.
        let before = self.pools.of_slice.get(name).cloned();
        if let Some(before) = before.filter(|before| Some(before) != id.as_ref()) {
            self.pools.of_slice.remove(name);
            self.change_pool(&before, name, None);
        }
        if let (Some(id), Some(mut slice)) = (id, slice) {
            slice.metadata.managed_fields = None;
            self.pools.of_slice.insert(name.to_owned(), id.clone());
            self.change_pool(&id, name, Some(Arc::new(slice)));
        }
    }

    /// Publishes, changes or removes a slice of a pool.
    fn change_pool(&mut self, id: &PoolId, name: &str, slice: Option<Arc<ResourceSlice>>) {
        let pool = self.pools.by_id.entry(id.clone()).or_default();
        let (was, reached) = (pool.home.clone(), pool.reach());
        let old: Vec<String> = pool.slices.keys().cloned().collect();
        match &slice {
            Some(slice) => pool.slices.insert(name.to_owned(), Arc::clone(slice)),
            None => pool.slices.remove(name),
        };
        pool.home = pool.home();
        let now = pool.home.clone();
        let slices = pool.slices.clone();
        if was == now {
            let slice = slice.map(|slice| self.tainted(&slice));
            self.at(&now, |shard| shard.publish(name, slice.clone()));
        } else {
            self.at(&was, |shard| {
                old.iter().for_each(|name| shard.publish(name, None));
            });
            self.leave(id, &was);
            self.pools.moved(id, &was, &now);
            for (name, slice) in slices {
                let slice = self.tainted(&slice);
                self.at(&now, |shard| shard.publish(&name, Some(Arc::clone(&slice))));
            }
        }
        self.concern(&was, &reached);
        self.refresh(id);
        self.pools.tidy(id);
    }

    /// A slice with the taints that rules give its devices.
    fn tainted(&self, slice: &Arc<ResourceSlice>) -> Arc<ResourceSlice> {
        if self.rules.is_empty() {
            return Arc::clone(slice);
        }
        let mut slices = [(**slice).clone()];
        taint_rules::apply(&mut slices, self.rules.values());
        let [slice] = slices;
        Arc::new(slice)
    }

    pub(super) fn set_taint_rule(&mut self, name: &str, rule: Option<DeviceTaintRule>) {
        let before = match &rule {
            Some(rule) => self.rules.insert(name.to_owned(), rule.clone()),
            None => self.rules.remove(name),
        };
        if before.as_ref().map(|rule| &rule.spec) == rule.as_ref().map(|rule| &rule.spec) {
            return;
        }
        let concerned = |id: &PoolId| {
            [&before, &rule].into_iter().flatten().any(|rule| {
                let Some(selector) = &rule.spec.device_selector else {
                    return false;
                };
                let selects = |wanted: &Option<String>, is: &str| {
                    wanted.as_deref().is_none_or(|wanted| wanted == is)
                };
                selects(&selector.driver, &id.0) && selects(&selector.pool, &id.1)
            })
        };
        let pools: Vec<PoolId> = self.pools.by_id.keys().cloned().collect();
        for id in pools.into_iter().filter(concerned) {
            let Some(pool) = self.pools.by_id.get(&id) else {
                continue;
            };
            let (home, slices) = (pool.home.clone(), pool.slices.clone());
            for (name, slice) in slices {
                let slice = self.tainted(&slice);
                self.at(&home, |shard| {
                    shard.publish(&name, Some(Arc::clone(&slice)))
                });
            }
            self.refresh(&id);
        }
    }

    /// Something changed about a pool that lies, or lay, everywhere: for the nodes that reach it.
    fn concern(&mut self, home: &Home, reach: &Reach) {
        if *home != Home::Everywhere {
            return;
        }
        let tick = self.tick();
        self.at(home, |shard| {
            let entries = shard.nodes.values_mut();
            for entry in entries.filter(|entry| reach.includes(&entry.node)) {
                entry.generation = tick;
            }
        });
    }

    /// Enters again what is in use of a pool, after it or its claims changed.
    pub(super) fn refresh(&mut self, id: &PoolId) {
        let tick = self.tick();
        let Some(pool) = self.pools.by_id.get(id) else {
            return;
        };
        let (home, reach) = (pool.home.clone(), pool.reach());
        let room = pool.room(id);
        let held: Vec<Arc<ResourceClaim>> = pool.held.values().cloned().collect();
        self.at(&home, |shard| {
            let state = Arc::make_mut(&mut shard.in_use);
            in_use::leave_pool(state, &id.0, &id.1);
            for claim in &held {
                in_use::enter_where(state, claim, |result| is_of(result, id));
            }
            if let Home::Node(node) = &home
                && let Some(entry) = shard.nodes.get_mut(node)
            {
                entry.generation = tick;
                entry.rooms.insert(id.clone(), room);
            }
        });
        self.concern(&home, &reach);
    }

    /// Removes a pool from where it lay.
    fn leave(&mut self, id: &PoolId, home: &Home) {
        let tick = self.tick();
        self.at(home, |shard| {
            in_use::leave_pool(Arc::make_mut(&mut shard.in_use), &id.0, &id.1);
            if let Home::Node(node) = home
                && let Some(entry) = shard.nodes.get_mut(node)
            {
                entry.generation = tick;
                entry.rooms.remove(id);
            }
        });
    }

    fn at(&mut self, home: &Home, mut change: impl FnMut(&mut Shard)) {
        match home {
            Home::Nowhere => {}
            Home::Node(node) => {
                if let Some(shard) = self.shards.get_mut(shard_of(node)) {
                    change(Arc::make_mut(shard));
                }
            }
            Home::Everywhere => {
                for shard in &mut self.shards {
                    change(Arc::make_mut(shard));
                }
            }
        }
    }
}
