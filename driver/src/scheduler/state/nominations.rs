//! Nodes where devices are being freed for a pod.
//!
//! Between the moment that other pods are told to go and the one that the pod is bound, what they free must not
//! go to a pod that is no more important. So the pod is nominated for its node, and until that ends, the node
//! is closed to such pods.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use super::{Inner, State};
use crate::scheduler::pod::Pod;

/// How long a node stays closed when all that had to go is gone.
const LAST: Duration = Duration::from_secs(30);

/// A pod's claim to what is freed on a node.
#[derive(Debug, Clone)]
pub struct Nomination {
    /// The node.
    pub node: String,
    /// The pod, for people.
    pub pod: String,
    /// How important it is.
    pub priority: i64,
    /// The UIDs of those that go.
    pub victims: BTreeSet<String>,
    until: Instant,
}

impl Nomination {
    /// For a pod, on a node from which these go.
    #[must_use]
    pub fn new(pod: &Pod, node: &str, victims: BTreeSet<String>) -> Self {
        Self {
            node: node.to_owned(),
            pod: pod.full_name(),
            priority: pod.priority,
            victims,
            until: Instant::now() + LAST,
        }
    }
}

impl State {
    /// Nominates a pod.
    pub fn nominate(&self, uid: &str, nomination: Nomination) {
        self.write().nominations.insert(uid.to_owned(), nomination);
    }

    /// A pod is no longer nominated.
    pub fn unnominate(&self, uid: &str) {
        if !self.read().nominations.is_empty() {
            self.write().nominations.remove(uid);
        }
    }

    /// The node that a pod is nominated for.
    #[must_use]
    pub fn nominated(&self, uid: &str) -> Option<String> {
        let inner = self.read();
        inner.nominations.get(uid).map(|it| it.node.clone())
    }

    /// The nodes that are closed to a pod, each with the UID and the name of a pod for which it is.
    #[must_use]
    pub fn closed_to(&self, pod: &Pod) -> HashMap<String, Vec<(String, String)>> {
        let inner = self.read();
        let mut closed: HashMap<String, Vec<(String, String)>> = HashMap::new();
        for (uid, nomination) in &inner.nominations {
            if *uid != pod.uid && nomination.priority >= pod.priority {
                let nominees = closed.entry(nomination.node.clone()).or_default();
                nominees.push((uid.clone(), nomination.pod.clone()));
            }
        }
        closed
    }

    /// Ends what came to its end: the pod is bound or gone, or did not come in time.
    pub fn review_nominations(&self) {
        if !self.read().nominations.is_empty() {
            self.write().review_nominations();
        }
    }
}

impl Inner {
    fn review_nominations(&mut self) {
        let now = Instant::now();
        let pods = &self.pods;
        self.nominations.retain(|uid, nomination| {
            if nomination.victims.iter().any(|uid| pods.contains_key(uid)) {
                nomination.until = now + LAST;
            }
            let waits = |pod: &Pod| !pod.is_bound() && !pod.over;
            now < nomination.until && pods.get(uid).is_some_and(|pod| waits(pod))
        });
    }
}
