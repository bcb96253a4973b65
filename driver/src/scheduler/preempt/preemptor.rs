//! Lets pods go where only devices are short.
//!
//! When Filter has refused every node, what the scheduler does next decides: it may find a node by preemption
//! of its own, and asks (Preempt), or have asked about a single node first, and ask about all of them (Filter
//! again). So a refusal is put aside until that scheduling attempt must be over, and forgotten if the
//! scheduler found anything. Then it is done as the scheduler does it: the pod is nominated for the node, its
//! victims get the condition `DisruptionTarget` and are deleted with their grace, and an Event says why. Once
//! they are gone, the scheduler tries the pod again, and until then the node is closed to pods that are no
//! more important.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::api::{DeleteParams, Preconditions};
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use lru::LruCache;
use serde_json::json;
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval};

use super::{Room, Victims, room};
use crate::kubernetes::api::{ApiError, Operation, within};
use crate::scheduler::bind::Binder;
use crate::scheduler::decide::Decider;
use crate::scheduler::metrics::Metrics;
use crate::scheduler::pod::Pod;
use crate::scheduler::state::{Nomination, State};

/// How often is looked.
const PERIOD: Duration = Duration::from_millis(250);
/// When a scheduling attempt must be over.
const OVER: Duration = Duration::from_millis(500);
/// How many pods are remembered.
const PODS: usize = 1024;
/// From so many nodes on, the scheduler may have left some out (its `minFeasibleNodesToFind`).
const SAMPLED: usize = 100;

#[derive(Debug, Clone)]
struct Refusal {
    pod: Pod,
    nodes: Vec<String>,
    at: Instant,
}

/// Lets pods go.
#[derive(Debug)]
pub struct Preemptor {
    state: Arc<State>,
    decider: Arc<Decider>,
    binder: Binder,
    metrics: Arc<Metrics>,
    refusals: Mutex<LruCache<String, Refusal>>,
}

impl Preemptor {
    /// By these decisions, while this process leads.
    #[must_use]
    pub fn new(
        state: Arc<State>,
        decider: Arc<Decider>,
        binder: Binder,
        metrics: Arc<Metrics>,
    ) -> Self {
        let pods = NonZeroUsize::new(PODS).unwrap_or(NonZeroUsize::MIN);
        Self {
            state,
            decider,
            binder,
            metrics,
            refusals: Mutex::new(LruCache::new(pods)),
        }
    }

    /// Filter refused a pod on all nodes that were left.
    pub fn refused(&self, pod: Pod, nodes: Vec<String>) {
        if !pod.may_preempt {
            return;
        }
        let mut refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        let refusal = Refusal {
            nodes,
            at: Instant::now(),
            pod,
        };
        refusals.put(refusal.pod.uid.clone(), refusal);
    }

    /// The scheduler has found a node for a pod, or looks for one by preemption of its own.
    pub fn forget(&self, pod: &str) {
        let mut refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        refusals.pop(pod);
    }

    /// The refusals whose scheduling attempts are over, the most important pod first.
    fn due(&self) -> Vec<Refusal> {
        let mut refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        let over = |refusal: &Refusal| refusal.at.elapsed() >= OVER;
        let due = refusals.iter().filter(|(_, refusal)| over(refusal));
        let due: Vec<String> = due.map(|(uid, _)| uid.clone()).collect();
        let mut due: Vec<Refusal> = due.iter().filter_map(|uid| refusals.pop(uid)).collect();
        due.sort_by_key(|refusal| std::cmp::Reverse(refusal.pod.priority));
        due
    }

    /// Looks again and again. Never ends.
    pub async fn run(self: Arc<Self>) {
        let mut turns = interval(PERIOD);
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            turns.tick().await;
            self.state.review_nominations();
            for refusal in self.due() {
                if self.binder.leads() {
                    self.make_room(refusal).await;
                }
            }
        }
    }

    async fn make_room(self: &Arc<Self>, refusal: Refusal) {
        let preemptor = Arc::clone(self);
        let (pod, nodes) = (refusal.pod.clone(), refusal.nodes);
        let found = spawn_blocking(move || {
            let sampled = nodes.len() >= SAMPLED;
            if sampled && preemptor.decider.fits_somewhere(&pod) {
                return Room::Nowhere;
            }
            room(&preemptor.state, &pod, &nodes)
        });
        let pod = refusal.pod;
        match found.await {
            Ok(Room::After(node, victims)) => {
                if let Err(error) = self.preempt(&pod, &node, victims).await {
                    let pod = pod.full_name();
                    tracing::warn!(pod, node, %error, "pods that should go did not all go");
                }
            }
            Ok(Room::Coming(node)) => {
                tracing::debug!(pod = pod.full_name(), node, "waits for pods that are going");
            }
            Ok(Room::Nowhere) | Err(_) => {}
        }
    }

    async fn preempt(&self, pod: &Pod, node: &str, victims: Victims) -> Result<(), ApiError> {
        let Some(_hold) = self.binder.busy().hold(&pod.uid) else {
            return Ok(());
        };
        let now = (self.binder)
            .read_pod(&pod.namespace, &pod.name, &pod.uid)
            .await?;
        // Whoever asked may have told more of it than is true.
        let as_told = |now: &Pod| {
            now.scheduler == pod.scheduler && now.priority >= pod.priority && now.may_preempt
        };
        if !now.is_some_and(|now| !now.is_bound() && !now.over && as_told(&now)) {
            return Ok(());
        }
        let uids = victims.pods.iter().map(|pod| pod.uid.clone()).collect();
        self.state
            .nominate(&pod.uid, Nomination::new(pod, node, uids));
        let nominated =
            json!({"metadata": {"uid": pod.uid}, "status": {"nominatedNodeName": node}});
        self.binder.patch_pod_status(pod, &nominated).await?;
        for victim in &victims.pods {
            if !self.binder.leads() {
                return Ok(());
            }
            match self.send_away(victim, pod, node).await {
                Ok(()) => {
                    let (pod, victim) = (pod.full_name(), victim.full_name());
                    tracing::info!(pod, victim, node, "preempted");
                    self.metrics.preempted();
                }
                Err(ApiError::NotFound { .. } | ApiError::Conflict { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn send_away(&self, victim: &Pod, pod: &Pod, node: &str) -> Result<(), ApiError> {
        let message = format!(
            "{}: preempting to accommodate a higher priority pod",
            pod.scheduler
        );
        let condition = json!({"type": "DisruptionTarget", "status": "True",
            "reason": "PreemptionByScheduler", "message": message,
            "lastTransitionTime": Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()});
        let patch = json!({"metadata": {"uid": victim.uid}, "status": {"conditions": [condition]}});
        self.binder.add_to_pod_status(victim, &patch).await?;
        let parameters = DeleteParams {
            preconditions: Some(Preconditions {
                uid: Some(victim.uid.clone()),
                resource_version: None,
            }),
            ..DeleteParams::default()
        };
        let operation = Operation::new("delete", "", "pods");
        let pods = self.binder.pods(&victim.namespace);
        within(operation, pods.delete(&victim.name, &parameters)).await?;
        self.tell(victim, pod, node).await;
        Ok(())
    }

    /// An Event on the victim, as the scheduler writes it. Where that fails, nobody is worse off.
    async fn tell(&self, victim: &Pod, pod: &Pod, node: &str) {
        let reporter = Reporter {
            controller: pod.scheduler.clone(),
            instance: None,
        };
        let recorder = Recorder::new(self.binder.client(), reporter);
        let event = Event {
            type_: EventType::Normal,
            reason: "Preempted".to_owned(),
            note: Some(format!("Preempted by pod {} on node {node}", pod.uid)),
            action: "Preempting".to_owned(),
            secondary: Some(reference(pod)),
        };
        if let Err(error) = recorder.publish(&event, &reference(victim)).await {
            tracing::debug!(%error, "an Event was not taken by the API server");
        }
    }
}

fn reference(pod: &Pod) -> ObjectReference {
    ObjectReference {
        api_version: Some("v1".to_owned()),
        kind: Some("Pod".to_owned()),
        name: Some(pod.name.clone()),
        namespace: Some(pod.namespace.clone()),
        uid: Some(pod.uid.clone()),
        ..ObjectReference::default()
    }
}
