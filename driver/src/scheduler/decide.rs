//! Which nodes do for a pod, how good they are, and what it gets there.
//!
//! The same pods come again and again: a Job's are alike but for their names, and between two of them one
//! node changed. So a node's verdict is kept, for claims that are alike, until something changes that
//! concerns the node; what is left to be asked is asked shard by shard, with the claims made ready once.
//! What is kept can only make an answer faster. A verdict is never what devices are taken by: Bind decides
//! anew, and takes them only if the node is still as it was then ([`State::assume`]).

mod ask;

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::{ContainerExtendedResourceRequest, Node};
use k8s_openapi::api::resource::v1::ResourceClaim;
use lru::LruCache;
use serde_json::json;
use supercargo_host::allocator::Budget;
use supercargo_host::node_selector::NodeTerms;
use supercargo_host::scheduling::{claim_name, reservation};

use ask::{Spare, ask};

use super::miss::{self, Miss};
use super::pod::Pod;
use super::state::{Found, PodClaims, Stamp, State, Wait, Wants};
use super::wire::{Candidates, FilterResult, HostPriority, MOST, Refused};
use crate::serving::ToldApartBy;

/// How many kinds of claims verdicts are kept of.
const KINDS: usize = 64;
/// What one question to one node may cost.
const STEPS: u64 = 1_000_000;
/// How long one call may take: well within the 5 seconds that the scheduler gives an extender by default.
const CALL: Duration = Duration::from_secs(3);
/// How often Bind decides anew when the node changes under it.
const TRIES: usize = 8;

/// What a node says to some claims.
#[derive(Debug, Clone)]
enum Verdict {
    Fits {
        score: Option<f64>,
        free: usize,
    },
    Misses(Arc<Miss>),
    /// The claims themselves are wrong: no node will do.
    Wrong(Arc<str>),
}

impl Verdict {
    fn fits(&self) -> bool {
        matches!(self, Self::Fits { .. })
    }
}

/// By the slots of nodes.
type Known = Vec<Option<(Stamp, Verdict)>>;

/// Decides.
#[derive(Debug)]
pub struct Decider {
    state: Arc<State>,
    known: Mutex<LruCache<String, Arc<Mutex<Known>>>>,
    /// What of claims is looked at besides their specs.
    apart: Mutex<ToldApartBy>,
    spare: Spare,
    asked: AtomicU64,
    remembered: AtomicU64,
}

/// What a pod is to get on a node: decided, and assumed.
#[derive(Debug)]
pub struct Taken {
    /// The pending claims with their allocations.
    pub pending: Vec<Arc<ResourceClaim>>,
    /// The claims that have their devices already.
    pub allocated: Vec<Arc<ResourceClaim>>,
    /// Which containers get devices of the special claim for extended resources.
    pub mappings: Vec<ContainerExtendedResourceRequest>,
    _under_way: UnderWay,
}

/// Whatever ends the writing of what was taken: what is left of it then has to be found out.
#[derive(Debug)]
struct UnderWay {
    state: Arc<State>,
    claims: Vec<String>,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.claims.iter().for_each(|uid| self.state.abandon(uid));
    }
}

impl Decider {
    /// Decides by this state.
    #[must_use]
    pub fn new(state: Arc<State>) -> Self {
        Self {
            state,
            known: Mutex::new(LruCache::new(
                NonZeroUsize::new(KINDS).unwrap_or(NonZeroUsize::MIN),
            )),
            apart: Mutex::default(),
            spare: Spare::new(),
            asked: AtomicU64::new(0),
            remembered: AtomicU64::new(0),
        }
    }

    /// Policies and rules tell claims apart by this.
    pub fn tell_apart_by(&self, what: ToldApartBy) {
        *self.apart.lock().unwrap_or_else(PoisonError::into_inner) = what;
    }

    /// How many nodes were asked, and how many verdicts were known.
    #[must_use]
    pub fn counts(&self) -> (u64, u64) {
        let count = |of: &AtomicU64| of.load(Ordering::Relaxed);
        (count(&self.asked), count(&self.remembered))
    }

    /// Filter: the nodes where the pod's claims can be had.
    #[must_use]
    pub fn filter<'a>(&self, pod: &Pod, nodes: Candidates<'a>) -> FilterResult<'a> {
        let (wants, snapshot) = match self.state.wants(pod) {
            Ok(known) => known,
            // Nothing that runs on a node is in the way.
            Err(Wait::Told(why)) => {
                return nodes.filtered(|_, _| Some(Refused::Unresolvable(why.clone())));
            }
            Err(Wait::Passes(why)) => return FilterResult::error(why),
        };
        let found: Vec<_> = nodes.names().map(|name| snapshot.node(name)).collect();
        let mut verdicts = self.verdicts(&wants, &found);
        let closed = self.state.closed_to(pod);
        if !closed.is_empty() {
            for (verdict, node) in verdicts.iter_mut().zip(nodes.names()) {
                if let Some((_, other)) = closed.get(node).and_then(|it| it.first())
                    && verdict.fits()
                    && !wants.is_settled()
                {
                    *verdict = Verdict::Misses(Arc::new(Miss::Closed(other.clone())));
                }
            }
        }
        let wrong = verdicts.iter().find_map(|verdict| match verdict {
            Verdict::Wrong(why) => Some(Arc::clone(why)),
            _ => None,
        });
        // As upstream: an error has the pod tried again, and slices, which may mend it, tell nobody.
        if let Some(why) = wrong {
            return FilterResult::error(why.to_string());
        }
        let passing = verdicts.iter().find_map(|verdict| match verdict {
            Verdict::Misses(miss) => miss.passes(),
            _ => None,
        });
        if let Some(why) = passing
            && !verdicts.iter().any(Verdict::fits)
        {
            return FilterResult::error(why.to_owned());
        }
        let misses = nodes.names().zip(&verdicts);
        let misses = misses.filter_map(|(node, verdict)| match verdict {
            Verdict::Misses(miss) => Some((node, &**miss)),
            _ => None,
        });
        // One for each node that misses, in order.
        let mut texts = miss::texts(misses).into_iter();
        // The scheduler's own preemption frees no devices, except where it is under way already.
        let nominated = self.state.nominated(&pod.uid);
        nodes.filtered(|position, name| match verdicts.get(position) {
            Some(Verdict::Misses(_)) => {
                let text = texts.next().map(|it| it.to_string()).unwrap_or_default();
                Some(match nominated.as_deref() == Some(name) {
                    true => Refused::Now(text),
                    false => Refused::Unresolvable(text),
                })
            }
            _ => None,
        })
    }

    /// Whether there is a node where the pod's claims can be had, whatever else it may lack.
    #[must_use]
    pub fn fits_somewhere(&self, pod: &Pod) -> bool {
        let Ok((wants, snapshot)) = self.state.wants(pod) else {
            return false;
        };
        let nodes: Vec<_> = snapshot.nodes().map(Some).collect();
        self.verdicts(&wants, &nodes).iter().any(Verdict::fits)
    }

    /// Prioritize: the best score of the policies first, and among equals the node with the fewest free
    /// devices, so that whole nodes stay free. There are eleven scores and the order is what counts, so
    /// the best kind of node gets the highest, the next the next one, and from the eleventh on all zero.
    #[must_use]
    pub fn prioritize<'n>(&self, pod: &Pod, nodes: &'n Candidates<'_>) -> Vec<HostPriority<'n>> {
        let known = self.state.wants(pod).ok();
        let Some((wants, snapshot)) = known.filter(|(wants, _)| !wants.is_settled()) else {
            return nodes.equally_good();
        };
        let found: Vec<_> = nodes.names().map(|name| snapshot.node(name)).collect();
        let verdicts = self.verdicts(&wants, &found);
        let rank = |verdict: &Verdict| match verdict {
            // Less is better: thousandths of a score below the best there can be, then free devices.
            Verdict::Fits { score, free } => Some((thousandths_missing(*score), *free)),
            _ => None,
        };
        let mut kinds: Vec<(u32, usize)> = verdicts.iter().filter_map(rank).collect();
        kinds.sort_unstable();
        kinds.dedup();
        let score = |verdict: &Verdict| {
            let place = kinds.binary_search(&rank(verdict)?).ok()?;
            Some(MOST.saturating_sub(i64::try_from(place).ok()?).max(0))
        };
        let scored = nodes.names().zip(&verdicts);
        scored
            .map(|(host, verdict)| HostPriority {
                host,
                score: score(verdict).unwrap_or_default(),
            })
            .collect()
    }

    /// Takes the devices that a pod gets on a node. What is taken stays taken until it is written or
    /// forgotten.
    ///
    /// # Errors
    /// Why the pod cannot be had there.
    pub fn take(&self, pod: &Pod, node: &str) -> Result<Taken, String> {
        for _ in 0..TRIES {
            let known = self.state.wants(pod);
            let (wants, snapshot) = known.map_err(|wait| wait.to_string())?;
            let Some((shard, entry)) = snapshot.node(node) else {
                return Err(format!("node {node} is not known to Supercargo yet"));
            };
            let PodClaims {
                pending,
                allocated,
                mappings,
            } = wants.claims(&wants.missing(&entry.offers))?;
            if let Some(claim) = elsewhere(&allocated, &entry.node) {
                return Err(format!("ResourceClaim {claim} has its devices elsewhere"));
            }
            let taken = |pending: Vec<Arc<ResourceClaim>>| {
                let uids = pending.iter().filter_map(|it| it.metadata.uid.clone());
                Taken {
                    _under_way: UnderWay {
                        state: Arc::clone(&self.state),
                        claims: uids.collect(),
                    },
                    pending,
                    allocated: allocated.clone(),
                    mappings: mappings.clone(),
                }
            };
            if pending.is_empty() {
                return Ok(taken(pending));
            }
            if let Some(nominees) = self.state.closed_to(pod).get(node)
                && let Some((_, other)) = nominees.first()
            {
                return Err(format!("devices are being freed on {node} for pod {other}"));
            }
            if pending.iter().any(|claim| claim.metadata.uid.is_none()) {
                return Err("the claim for the pod's extended resources is gone".to_owned());
            }
            let claims: Vec<&ResourceClaim> = pending.iter().map(|it| &**it).collect();
            let placement = shard.placement();
            let prepared = placement.allocator().prepare(shard.in_use());
            let plan = prepared.plan(&claims);
            let decision = placement.place_planned(&plan, &entry.node, budget());
            let Some(allocation) = decision.allocation else {
                let miss = Miss::of(&plan, placement.allocator(), &entry.node, &decision);
                let said = miss::texts([(node, &miss)].into_iter());
                return Err(format!(
                    "the claims no longer fit on {node}: {}",
                    said.concat()
                ));
            };
            let pending: Vec<Arc<ResourceClaim>> = pending
                .iter()
                .zip(allocation.results)
                .map(|(claim, result)| {
                    let mut claim = (**claim).clone();
                    reservation::allocate(&mut claim, result);
                    Arc::new(claim)
                })
                .collect();
            if self.state.assume(node, shard.stamp(entry), &pending) {
                return Ok(taken(pending));
            }
        }
        Err(format!("node {node} keeps changing; it is tried again"))
    }

    /// What each of these nodes says, in order.
    fn verdicts(&self, wants: &Wants, nodes: &[Option<Found<'_>>]) -> Vec<Verdict> {
        if !wants.depends_on_offers() {
            return self.verdicts_of(wants, &BTreeMap::new(), nodes);
        }
        // What claims must bring differs with what nodes offer by themselves.
        let mut groups: BTreeMap<BTreeMap<&str, &str>, Vec<usize>> = BTreeMap::new();
        let none = BTreeSet::new();
        for (position, found) in nodes.iter().enumerate() {
            let offers = found.map_or(&none, |(_, entry)| &*entry.offers);
            let missing = wants.missing(offers);
            groups.entry(missing).or_default().push(position);
        }
        let mut verdicts: Vec<(usize, Verdict)> = Vec::with_capacity(nodes.len());
        for (missing, positions) in groups {
            let alike = positions.iter().map(|at| nodes.get(*at).copied().flatten());
            let said = self.verdicts_of(wants, &missing, &alike.collect::<Vec<_>>());
            verdicts.extend(positions.into_iter().zip(said));
        }
        verdicts.sort_unstable_by_key(|(at, _)| *at);
        verdicts.into_iter().map(|(_, verdict)| verdict).collect()
    }

    /// What each of these nodes says, where claims must bring the same.
    fn verdicts_of(
        &self,
        wants: &Wants,
        missing: &BTreeMap<&str, &str>,
        nodes: &[Option<Found<'_>>],
    ) -> Vec<Verdict> {
        match wants.claims(missing) {
            Ok(claims) => self.verdicts_on(&claims, nodes),
            Err(why) => vec![Verdict::Misses(Arc::new(Miss::Broken(why))); nodes.len()],
        }
    }

    /// What each of these nodes says to these claims, in order.
    fn verdicts_on(&self, claims: &PodClaims, nodes: &[Option<Found<'_>>]) -> Vec<Verdict> {
        let known = self.known_of(&claims.pending);
        let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
        let mut open = Vec::new();
        let mut said = |(position, found): (usize, &Option<Found<'_>>)| {
            let Some((shard, entry)) = found else {
                return Verdict::Misses(Arc::new(Miss::Unknown));
            };
            if let Some(claim) = elsewhere(&claims.allocated, &entry.node) {
                return Verdict::Misses(Arc::new(Miss::Elsewhere(claim)));
            }
            if claims.pending.is_empty() {
                return Verdict::Fits {
                    score: None,
                    free: entry.free(),
                };
            }
            match known.get(entry.slot) {
                Some(Some((then, verdict))) if *then == shard.stamp(entry) => verdict.clone(),
                _ => {
                    open.push(position);
                    Verdict::Misses(Arc::clone(&LATE))
                }
            }
        };
        let mut verdicts: Vec<Verdict> = nodes.iter().enumerate().map(&mut said).collect();
        let count = |counter: &AtomicU64, by: usize| {
            counter.fetch_add(u64::try_from(by).unwrap_or(u64::MAX), Ordering::Relaxed);
        };
        count(&self.asked, open.len());
        count(&self.remembered, nodes.len().saturating_sub(open.len()));
        for (at, verdict, stamp) in ask(&self.spare, claims, nodes, open) {
            let entry = nodes.get(at).copied().flatten().map(|(_, entry)| entry);
            if let (Some(entry), Some(stamp)) = (entry, stamp) {
                if known.len() <= entry.slot {
                    known.resize(entry.slot + 1, None);
                }
                if let Some(slot) = known.get_mut(entry.slot) {
                    *slot = Some((stamp, verdict.clone()));
                }
            }
            if let Some(slot) = verdicts.get_mut(at) {
                *slot = verdict;
            }
        }
        verdicts
    }

    /// What is known of claims like these.
    fn known_of(&self, pending: &[Arc<ResourceClaim>]) -> Arc<Mutex<Known>> {
        let apart = *self.apart.lock().unwrap_or_else(PoisonError::into_inner);
        let kind = |claim: &Arc<ResourceClaim>| {
            let metadata = &claim.metadata;
            let name = apart.name.then_some(&metadata.name);
            let namespace = apart.namespace.then_some(&metadata.namespace);
            let labels = apart.labels.then_some(&metadata.labels);
            json!([claim.spec, name, namespace, labels])
        };
        let kinds: Vec<_> = pending.iter().map(kind).collect();
        let kind = json!(kinds).to_string();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(known.get_or_insert(kind, Arc::default))
    }
}

/// There was no time to ask.
static LATE: LazyLock<Arc<Miss>> = LazyLock::new(|| Arc::new(Miss::Late));

fn budget() -> Budget {
    Budget {
        steps: STEPS,
        deadline: Instant::now().checked_add(CALL),
    }
}

/// The first claim that has its devices where this node cannot reach them.
fn elsewhere(allocated: &[Arc<ResourceClaim>], node: &Node) -> Option<String> {
    let out_of_reach = |claim: &&Arc<ResourceClaim>| {
        let allocation = claim.status.as_ref().and_then(|it| it.allocation.as_ref());
        let selector = allocation.and_then(|allocation| allocation.node_selector.as_ref());
        selector.is_some_and(|selector| !NodeTerms::lenient(selector).matches(node))
    };
    let claim = allocated.iter().find(out_of_reach)?;
    Some(claim_name(claim))
}

/// How far a score is from 100, in thousandths; a node that no policy scored comes after all others.
fn thousandths_missing(score: Option<f64>) -> u32 {
    let Some(score) = score else {
        return u32::MAX;
    };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and 100,000"
    )]
    let missing = ((100.0 - score.clamp(0.0, 100.0)) * 1000.0).round() as u32;
    missing
}
