//! A storm: pods, claims, nodes and slices come and go at random while the extender is killed now and then.
//!
//! What is right at any one moment of it nobody can say; what must be right once it is over, anybody can,
//! from the state of the API server alone. `SUPERCARGO_STORM_SECONDS` says how long it lasts, and
//! `SUPERCARGO_STORM_SEED` makes the same throws again.
#![allow(clippy::indexing_slicing, reason = "a test that cannot go on panics")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use fastrand::Rng;
use k8s_openapi::api::core::v1::{Node, Pod};
use k8s_openapi::api::resource::v1::{ResourceClaim, ResourceSlice};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use kube::{Api, Client};
use serde_json::{Value, json};
use supercargo_cluster::harness::{Bed, Outcome};
use supercargo_cluster::load;
use supercargo_cluster::owning::wrongs;
use supercargo_cluster::{ClusterError, Owner, tests, until};
use tokio::time::{MissedTickBehavior, interval, sleep_until};

tests! {
    Owner::options();
    after_a_storm_everything_is_in_its_place,
}

const NODES: usize = 24;
const DEVICES: usize = 4;
/// How many pods there may be at a time: more than there is room for.
const PODS: usize = 160;
const WORKERS: u64 = 3;
/// How often each of them does something.
const PACE: Duration = Duration::from_millis(25);
const SETTLED_WITHIN: Duration = Duration::from_secs(180);

/// A number from the environment.
fn setting(variable: &str) -> Result<Option<u64>, std::num::ParseIntError> {
    let text = std::env::var(variable).ok();
    text.map(|text| text.parse()).transpose()
}

async fn after_a_storm_everything_is_in_its_place(bed: &Bed) -> Outcome {
    let seed = setting("SUPERCARGO_STORM_SEED")?.unwrap_or_else(|| fastrand::u64(..1_000_000));
    let seconds = setting("SUPERCARGO_STORM_SECONDS")?.unwrap_or(60);
    eprintln!("storm: SUPERCARGO_STORM_SEED={seed} SUPERCARGO_STORM_SECONDS={seconds}");
    let client = bed.client();
    let owner = Owner::set_up(bed, "storm", NODES, DEVICES, &[]).await?;
    let namespace = bed.fresh_namespace().await?;
    for devices in [1, 2, 3] {
        load::template(&client, &namespace, &format!("t-{devices}"), devices).await?;
    }

    let storm = Storm {
        client: client.clone(),
        namespace: namespace.clone(),
        world: Mutex::default(),
        over: Instant::now() + Duration::from_secs(seconds),
    };
    let workers = (0..WORKERS).map(|n| storm.rage(Rng::with_seed(seed + n)));
    let workers = futures::future::try_join_all(workers);
    let mut extender = owner.start(bed).await?;
    let kills = async {
        let mut rng = Rng::with_seed(seed + WORKERS);
        let mut kills = 0;
        loop {
            let next = Instant::now() + Duration::from_secs(rng.u64(10..25));
            sleep_until(next.min(storm.over).into()).await;
            if next >= storm.over {
                return Ok::<_, ClusterError>(kills);
            }
            extender.process().kill()?;
            extender = owner.start(bed).await?;
            kills += 1;
        }
    };
    let (deeds, kills) = tokio::try_join!(workers, kills)?;
    let deeds: usize = deeds.into_iter().sum();
    eprintln!("storm: over after {deeds} deeds and {kills} kills");
    assert!(deeds > 0);

    storm.mend().await?;
    let mut amiss = Vec::new();
    let settled = until(SETTLED_WITHIN, "all is in its place", async || {
        amiss = wrongs(bed).await?;
        amiss.extend(storm.left_behind().await?);
        Ok(amiss.is_empty().then_some(()))
    });
    if settled.await.is_err() {
        assert_eq!(amiss, Vec::<String>::new(), "seed {seed}");
    }
    let pods: Api<Pod> = Api::namespaced(client.clone(), &namespace);
    let pods = pods.list(&ListParams::default()).await?;
    let bound = pods.iter().filter(|pod| node_of(pod).is_some()).count();
    eprintln!(
        "storm: {bound} of {} pods are bound, the others have no room",
        pods.items.len()
    );
    // No finalizer holds anything back.
    load::clear(&client, &namespace, SETTLED_WITHIN).await?;
    assert_eq!(wrongs(bed).await?, Vec::<String>::new(), "seed {seed}");
    extender.process().must_run()?;
    Ok(())
}

/// What the workers know of what they made.
#[derive(Default)]
struct World {
    pods: Vec<String>,
    claims: Vec<String>,
    made: usize,
    /// Of pools; it only grows.
    generation: i64,
}

impl World {
    fn name(&mut self, prefix: &str) -> String {
        self.made += 1;
        format!("{prefix}-{}", self.made)
    }
}

struct Storm {
    client: Client,
    namespace: String,
    world: Mutex<World>,
    over: Instant,
}

/// Others do things, too: what is gone or there already is not amiss.
fn whatever<T>(done: Result<T, ClusterError>) -> Result<(), ClusterError> {
    match done {
        Err(ClusterError::Api { source, what }) => match *source {
            kube::Error::Api(status) if matches!(status.code, 404 | 409) => Ok(()),
            source => Err(ClusterError::Api {
                what,
                source: Box::new(source),
            }),
        },
        done => done.map(drop),
    }
}

impl Storm {
    fn world<T>(&self, of: impl FnOnce(&mut World) -> T) -> T {
        of(&mut self.world.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn in_namespace<K>(&self) -> Api<K>
    where
        K: kube::Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Does one thing after another until the storm is over: how many.
    async fn rage(&self, mut rng: Rng) -> Result<usize, ClusterError> {
        let mut turns = interval(PACE);
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut deeds = 0;
        while Instant::now() < self.over {
            turns.tick().await;
            deeds += 1;
            match rng.u32(..100) {
                0..34 => self.make_pod(&mut rng).await?,
                34..42 => self.make_claim(&mut rng).await?,
                42..80 => self.delete_pod(&mut rng).await?,
                80..86 => self.delete_claim(&mut rng).await?,
                86..96 => self.change_slice(&mut rng).await?,
                96..98 => self.delete_slice(&mut rng).await?,
                98 => self.delete_node(&mut rng).await?,
                _ => self.mend_node(rng.usize(..NODES)).await?,
            }
        }
        Ok(deeds)
    }

    async fn make_pod(&self, rng: &mut Rng) -> Result<(), ClusterError> {
        let (name, claim) = self.world(|world| {
            let name = (world.pods.len() < PODS).then(|| world.name("p"));
            world.pods.extend(name.clone());
            let shared = rng.u32(..4) == 0;
            (name, rng.choice(&world.claims).filter(|_| shared).cloned())
        });
        let Some(name) = name else { return Ok(()) };
        let claim = match claim {
            Some(claim) => json!({"resourceClaimName": claim}),
            None => json!({"resourceClaimTemplateName": format!("t-{}", rng.u32(1..=3))}),
        };
        let pod = load::pod(&name, "supercargo", &claim);
        load::create::<Pod>(&self.in_namespace(), pod)
            .await
            .map(drop)
    }

    async fn make_claim(&self, rng: &mut Rng) -> Result<(), ClusterError> {
        let name = self.world(|world| (world.claims.len() < PODS / 8).then(|| world.name("c")));
        let Some(name) = name else { return Ok(()) };
        let claim = json!({"metadata": {"name": name}, "spec": load::claim_spec(rng.usize(1..=3))});
        load::create::<ResourceClaim>(&self.in_namespace(), claim).await?;
        self.world(|world| world.claims.push(name));
        Ok(())
    }

    async fn delete_pod(&self, rng: &mut Rng) -> Result<(), ClusterError> {
        let name = self.world(|world| {
            let some = !world.pods.is_empty();
            some.then(|| world.pods.swap_remove(rng.usize(..world.pods.len())))
        });
        let Some(name) = name else { return Ok(()) };
        let now = DeleteParams::default().grace_period(0);
        let deleted = self.in_namespace::<Pod>().delete(&name, &now).await;
        whatever(deleted.map_err(ClusterError::api("delete a pod")))
    }

    /// One that was made for itself, or now and then one that was made from a template under its pod's feet.
    async fn delete_claim(&self, rng: &mut Rng) -> Result<(), ClusterError> {
        let claims = self.in_namespace::<ResourceClaim>();
        let name = if rng.u32(..4) == 0 {
            let listed = claims.list_metadata(&ListParams::default()).await;
            let listed = listed.map_err(ClusterError::api("list claims"))?;
            rng.choice(listed.items).and_then(|it| it.metadata.name)
        } else {
            self.world(|world| {
                let some = !world.claims.is_empty();
                some.then(|| world.claims.swap_remove(rng.usize(..world.claims.len())))
            })
        };
        let Some(name) = name else { return Ok(()) };
        let deleted = claims.delete(&name, &DeleteParams::default()).await;
        whatever(deleted.map_err(ClusterError::api("delete a claim")))
    }

    /// Other devices than before, in a new generation of the pool.
    async fn change_slice(&self, rng: &mut Rng) -> Result<(), ClusterError> {
        let name = format!("storm-{}", rng.usize(..NODES));
        let generation = self.generation();
        let slice = load::slice(&name, None, rng.usize(..=DEVICES), generation);
        let patch =
            json!({"spec": {"pool": slice["spec"]["pool"], "devices": slice["spec"]["devices"]}});
        let slices: Api<ResourceSlice> = Api::all(self.client.clone());
        let changed = slices
            .patch(&name, &PatchParams::default(), &Patch::Merge(patch))
            .await;
        whatever(changed.map_err(ClusterError::api("change a slice")))
    }

    fn generation(&self) -> i64 {
        self.world(|world| {
            world.generation += 1;
            world.generation + 1
        })
    }

    async fn delete_slice(&self, rng: &mut Rng) -> Result<(), ClusterError> {
        let slices: Api<ResourceSlice> = Api::all(self.client.clone());
        let name = format!("storm-{}", rng.usize(..NODES));
        let deleted = slices.delete(&name, &DeleteParams::default()).await;
        whatever(deleted.map_err(ClusterError::api("delete a slice")))
    }

    async fn delete_node(&self, rng: &mut Rng) -> Result<(), ClusterError> {
        let nodes: Api<Node> = Api::all(self.client.clone());
        let name = format!("storm-{}", rng.usize(..NODES));
        let deleted = nodes.delete(&name, &DeleteParams::default()).await;
        whatever(deleted.map_err(ClusterError::api("delete a node")))
    }

    /// A node with all its devices, whatever of it there is.
    async fn mend_node(&self, number: usize) -> Result<(), ClusterError> {
        let name = format!("storm-{number}");
        let nodes: Api<Node> = Api::all(self.client.clone());
        whatever(load::create(&nodes, load::node(&name, "storm")).await)?;
        let node = nodes.get_opt(&name).await;
        let Some(node) = node.map_err(ClusterError::api("get a node"))? else {
            return Ok(());
        };
        let slices: Api<ResourceSlice> = Api::all(self.client.clone());
        let uid = node.metadata.uid.as_deref();
        let slice = load::slice(&name, uid, DEVICES, self.generation());
        whatever(load::create(&slices, slice.clone()).await)?;
        let whole = slices
            .patch(&name, &PatchParams::default(), &Patch::Merge(slice))
            .await;
        whatever(whole.map_err(ClusterError::api("mend a slice")))
    }

    /// All nodes have all their devices again, and keep them: the slice of a node that was deleted goes
    /// with that node, also when it is found only later.
    async fn mend(&self) -> Result<(), ClusterError> {
        until(SETTLED_WITHIN, "all nodes have all devices", async || {
            let whole = self.whole().await?;
            let broken: Vec<usize> = (0..NODES)
                .filter(|n| !whole.contains(&format!("storm-{n}")))
                .collect();
            load::at_once(broken.iter(), |n| self.mend_node(*n)).await?;
            Ok(broken.is_empty().then_some(()))
        })
        .await
    }

    /// Nodes with all their devices, in a slice that goes with this node and no earlier one.
    async fn whole(&self) -> Result<BTreeSet<String>, ClusterError> {
        let every = ListParams::default();
        let nodes: Api<Node> = Api::all(self.client.clone());
        let nodes = nodes.list_metadata(&every).await;
        let nodes = nodes.map_err(ClusterError::api("list nodes"))?;
        let uids: BTreeMap<_, _> = nodes
            .items
            .into_iter()
            .map(|node| (node.metadata.name, node.metadata.uid))
            .collect();
        let slices: Api<ResourceSlice> = Api::all(self.client.clone());
        let slices = slices.list(&every).await;
        let slices = slices.map_err(ClusterError::api("list slices"))?;
        let is_whole = |slice: &ResourceSlice| {
            let owners = slice.metadata.owner_references.iter().flatten();
            let mut owners = owners.map(|owner| Some(&owner.uid));
            let uid = uids.get(&slice.metadata.name).and_then(Option::as_ref);
            slice.spec.devices.as_ref().map(Vec::len) == Some(DEVICES)
                && uid.is_some()
                && owners.all(|owner| owner == uid)
        };
        let slices = slices.items.into_iter().filter(is_whole);
        Ok(slices.filter_map(|slice| slice.metadata.name).collect())
    }

    /// Pods that could be bound and are not, and claims that are deleted and stay although nobody has them.
    async fn left_behind(&self) -> Result<Vec<String>, ClusterError> {
        let every = ListParams::default();
        let claims = self.in_namespace::<ResourceClaim>().list(&every).await;
        let claims = claims.map_err(ClusterError::api("list claims"))?.items;
        let pods = self.in_namespace::<Pod>().list(&every).await;
        let pods = pods.map_err(ClusterError::api("list pods"))?.items;
        let mut left = Vec::new();
        let mut free: BTreeMap<String, usize> = BTreeMap::new();
        for n in 0..NODES {
            free.insert(format!("storm-{n}"), DEVICES);
        }
        for claim in &claims {
            for result in results(claim) {
                if let Some(free) = free.get_mut(&result) {
                    *free = free.saturating_sub(1);
                }
            }
            let metadata = &claim.metadata;
            if metadata.deletion_timestamp.is_some() && users(claim) == 0 {
                left.push(format!(
                    "claim {:?} is deleted, and nobody lets it go",
                    metadata.name
                ));
            }
        }
        let most = free.values().copied().max().unwrap_or_default();
        let by_name: BTreeMap<_, _> = claims
            .iter()
            .map(|claim| (claim.metadata.name.as_deref(), claim))
            .collect();
        for pod in pods.iter().filter(|pod| node_of(pod).is_none()) {
            let name = &pod.metadata.name;
            // Whose claim somebody took away, or is taking away, waits rightly.
            let Some(claim) = claim_of(pod).and_then(|claim| by_name.get(&Some(claim))) else {
                continue;
            };
            if claim.metadata.deletion_timestamp.is_some() {
                continue;
            }
            let held = results(claim).count();
            if held > 0 {
                left.push(format!(
                    "pod {name:?} waits, and its claim has {held} devices"
                ));
            } else if wanted(claim) <= most {
                left.push(format!(
                    "pod {name:?} waits for {} devices, and {most} are free on a node",
                    wanted(claim)
                ));
            }
        }
        Ok(left)
    }
}

fn node_of(pod: &Pod) -> Option<&str> {
    pod.spec.as_ref()?.node_name.as_deref()
}

/// The one claim that each pod here has.
fn claim_of(pod: &Pod) -> Option<&str> {
    let entry = pod.spec.as_ref()?.resource_claims.as_ref()?.first()?;
    let made = pod
        .status
        .as_ref()
        .and_then(|it| it.resource_claim_statuses.as_ref());
    let made = made.and_then(|made| made.first()?.resource_claim_name.as_deref());
    entry.resource_claim_name.as_deref().or(made)
}

/// The pool of each device that a claim has.
fn results(claim: &ResourceClaim) -> impl Iterator<Item = String> {
    let allocation = claim.status.as_ref().and_then(|it| it.allocation.as_ref());
    let results = allocation.and_then(|it| it.devices.as_ref()?.results.as_ref());
    results.into_iter().flatten().map(|it| it.pool.clone())
}

fn users(claim: &ResourceClaim) -> usize {
    let users = claim
        .status
        .as_ref()
        .and_then(|it| it.reserved_for.as_ref());
    users.map_or(0, Vec::len)
}

fn wanted(claim: &ResourceClaim) -> usize {
    let spec: Value = json!(claim.spec);
    let count = &spec["devices"]["requests"][0]["exactly"]["count"];
    count
        .as_u64()
        .and_then(|it| usize::try_from(it).ok())
        .unwrap_or_default()
}
