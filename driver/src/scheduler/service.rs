//! The extender's four verbs: bodies in, answers out.
//!
//! A body is bounded in size and time, and whatever is in it, the answer is one: what cannot be read is
//! told in the answer's own `Error`, where the verb has one, for the scheduler shows that to the user and
//! not the body of a failed request. Deciding is work, not waiting, so it is done aside from the threads
//! that serve, for as many questions at a time as there are processors.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::State as Shared;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use lru::LruCache;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tracing::{Instrument as _, info_span};

use super::bind::{BindError, Binder};
use super::decide::Decider;
use super::metrics::Metrics;
use super::pod::{Pod, PodObject};
use super::preempt::preempt;
use super::preempt::preemptor::Preemptor;
use super::state::State;
use super::wire::{
    Args, BindArgs, BindResult, Candidates, FilterResult, HostPriority, PreemptArgs, PreemptResult,
};

/// The most bytes of a body: some 10,000 nodes as whole objects, or a million names.
const BODY: usize = 128 << 20;
/// How long a body may take to arrive.
const ARRIVAL: Duration = Duration::from_secs(10);
/// How many pods are remembered between Filter and Bind.
const PODS: usize = 4096;

/// Why a replica that does not lead neither decides nor binds. What there is a leader for is passed on to it.
pub(super) const NOBODY_LEADS: &str =
    "no replica of Supercargo leads; the logs and the Events about the Lease say why";

/// Which pods are decided for.
#[derive(Debug, Clone)]
pub enum Mode {
    /// Those of one scheduler, whose claims are allocated here.
    Own {
        /// Its name.
        scheduler: String,
    },
    /// All that have pending claims, which the scheduler allocates itself.
    Coexist,
}

impl Mode {
    fn concerns(&self, pod: &Pod) -> bool {
        match self {
            Self::Own { scheduler } => pod.scheduler == *scheduler && pod.may_claim(),
            Self::Coexist => !pod.claims.is_empty(),
        }
    }
}

/// What answers.
#[derive(Debug)]
pub struct Service {
    /// Which pods are decided for.
    pub mode: Mode,
    /// What is known.
    pub state: Arc<State>,
    /// What decides.
    pub decider: Arc<Decider>,
    /// What binds.
    pub binder: Option<Binder>,
    /// What lets pods go for others.
    pub preemptor: Option<Arc<Preemptor>>,
    /// What counts.
    pub metrics: Arc<Metrics>,
    pods: Mutex<LruCache<String, Pod>>,
    deciders: Semaphore,
}

impl Service {
    /// Answers by these parts; without a binder, Bind is refused, and without a preemptor, nobody goes.
    #[must_use]
    pub fn new(
        mode: Mode,
        state: Arc<State>,
        decider: Arc<Decider>,
        binder: Option<Binder>,
        preemptor: Option<Arc<Preemptor>>,
        metrics: Arc<Metrics>,
    ) -> Self {
        let processors = std::thread::available_parallelism().map_or(2, NonZeroUsize::get);
        Self {
            mode,
            state,
            decider,
            binder,
            preemptor,
            metrics,
            pods: Mutex::new(LruCache::new(
                NonZeroUsize::new(PODS).unwrap_or(NonZeroUsize::MIN),
            )),
            deciders: Semaphore::new(processors),
        }
    }

    /// The pages.
    pub fn router(self: Arc<Self>) -> Router {
        Router::new()
            .route("/filter", post(filter))
            .route("/prioritize", post(prioritize))
            .route("/bind", post(bind))
            .route("/preempt", post(preempt_pods))
            .with_state(self)
    }

    fn remember(&self, pod: &Pod) {
        let mut pods = self.pods.lock().unwrap_or_else(PoisonError::into_inner);
        pods.put(pod.uid.clone(), pod.clone());
    }

    fn recall(&self, uid: &str) -> Option<Pod> {
        let mut pods = self.pods.lock().unwrap_or_else(PoisonError::into_inner);
        pods.pop(uid)
    }

    /// Why nothing is decided yet. Who may not bind does not filter either: it would be in vain.
    fn unready(&self) -> Option<String> {
        if self.binder.as_ref().is_some_and(|binder| !binder.leads()) {
            return Some(NOBODY_LEADS.to_owned());
        }
        let unsynced = self.state.unsynced();
        let kinds: Vec<&str> = unsynced.iter().map(|kind| kind.as_str()).collect();
        (!kinds.is_empty()).then(|| {
            format!(
                "Supercargo has not read the cluster's {} yet",
                kinds.join(", ")
            )
        })
    }

    /// Answers a question by work that takes no waiting. What is given to `work` is the body, or why there is
    /// none.
    async fn answer(self: Arc<Self>, verb: &'static str, body: Body, work: Work) -> Response {
        let begun = Instant::now();
        let asked = async {
            let bytes = arrived(body).await?;
            let _permit = self.deciders.acquire().await.map_err(|_| "ending")?;
            let service = Arc::clone(&self);
            let worked = tokio::task::spawn_blocking(move || work(&service, Ok(&bytes))).await;
            worked.map_err(|_| "deciding ended early; the log says more".to_owned())
        };
        let answered = asked.await.unwrap_or_else(|why| work(&self, Err(why)));
        let (outcome, response) = answered;
        self.metrics.answered(verb, outcome, begun.elapsed());
        response
    }

    fn filter<'a>(&self, args: Args<'a>) -> FilterResult<'a> {
        let nodes = match Candidates::of(args.nodes, args.node_names) {
            Ok(nodes) => nodes,
            Err(error) => return FilterResult::error(format!("a node cannot be read: {error}")),
        };
        let pod = Pod::from(args.pod);
        let count = nodes.count();
        let _span = info_span!("filter", pod = pod.full_name(), nodes = count).entered();
        if !self.mode.concerns(&pod) {
            return nodes.filtered(|_, _| None);
        }
        if let Some(unready) = self.unready() {
            return FilterResult::error(unready);
        }
        if let Mode::Own { .. } = self.mode {
            self.remember(&pod);
        }
        let result = self.decider.filter(&pod, nodes);
        if let Some(preemptor) = &self.preemptor {
            match result.refused() {
                Some(nodes) => preemptor.refused(pod, nodes),
                None => preemptor.forget(&pod.uid),
            }
        }
        result
    }

    fn prioritize<'n>(&self, pod: PodObject, nodes: &'n Candidates<'_>) -> Vec<HostPriority<'n>> {
        let pod = Pod::from(pod);
        let count = nodes.count();
        let _span = info_span!("prioritize", pod = pod.full_name(), nodes = count).entered();
        match self.mode.concerns(&pod) {
            true => self.decider.prioritize(&pod, nodes),
            false => nodes.equally_good(),
        }
    }

    fn preempt(&self, args: PreemptArgs) -> PreemptResult {
        let (pod, victims) = args.victims();
        let pod = Pod::from(pod);
        let _span = info_span!("preempt", pod = pod.full_name(), nodes = victims.len()).entered();
        match &self.mode {
            Mode::Own { .. } if self.mode.concerns(&pod) => {
                let answer = preempt(&self.state, &pod, victims);
                if let Some(preemptor) = &self.preemptor
                    && !answer.node_name_to_meta_victims.is_empty()
                {
                    preemptor.forget(&pod.uid);
                }
                answer
            }
            _ => PreemptResult {
                node_name_to_meta_victims: victims,
            },
        }
    }
}

/// What a verb does with a body, or with why there is none: how it ended, and what is said.
type Work = fn(&Service, Result<&[u8], String>) -> (&'static str, Response);

async fn filter(Shared(service): Shared<Arc<Service>>, body: Body) -> Response {
    let work: Work = |service, asked| {
        let result = match asked.and_then(read::<Args<'_>>) {
            Ok(args) => service.filter(args),
            Err(error) => FilterResult::error(error),
        };
        let outcome = if !result.error.is_empty() {
            "error"
        } else if result.lets_nobody_pass() {
            "none"
        } else {
            "nodes"
        };
        (outcome, json(&result))
    };
    service.answer("filter", body, work).await
}

async fn prioritize(Shared(service): Shared<Arc<Service>>, body: Body) -> Response {
    let work: Work = |service, asked| {
        let asked = asked.and_then(read::<Args<'_>>).and_then(|args| {
            let nodes = Candidates::of(args.nodes, args.node_names);
            Ok((args.pod, nodes.map_err(|error| error.to_string())?))
        });
        match asked {
            Ok((pod, nodes)) => ("scores", json(&service.prioritize(pod, &nodes))),
            Err(error) => ("error", bad(error)),
        }
    };
    service.answer("prioritize", body, work).await
}

async fn preempt_pods(Shared(service): Shared<Arc<Service>>, body: Body) -> Response {
    let work: Work = |service, asked| match asked.and_then(read::<PreemptArgs>) {
        Ok(args) => ("victims", json(&service.preempt(args))),
        Err(error) => ("error", bad(error)),
    };
    service.answer("preempt", body, work).await
}

async fn bind(Shared(service): Shared<Arc<Service>>, body: Body) -> Response {
    let begun = Instant::now();
    let body = arrived(body).await;
    let (outcome, error) = match body.and_then(|bytes| read::<BindArgs>(&bytes)) {
        Ok(args) => service.bind(args).await,
        Err(error) => ("error", error),
    };
    service.metrics.answered("bind", outcome, begun.elapsed());
    json(&BindResult { error })
}

impl Service {
    async fn bind(self: &Arc<Self>, args: BindArgs) -> (&'static str, String) {
        let Some(binder) = self.binder.clone() else {
            let error = "in co-existing mode Supercargo binds nothing; remove bindVerb from the \
                         extender's entry in the KubeSchedulerConfiguration";
            return ("error", error.to_owned());
        };
        if let Some(unready) = self.unready() {
            return ("error", unready);
        }
        let known = self.recall(&args.uid);
        let span = info_span!(
            "bind",
            pod = format!("{}/{}", args.namespace, args.name),
            node = args.node
        );
        let bound = async move {
            let Err(error) = binder.bind(&args, known).await else {
                return ("bound", String::new());
            };
            let outcome = match &error {
                BindError::Refused(_) => "refused",
                BindError::Undone(_) => "undone",
                BindError::Open(_) => "open",
                BindError::Waits(_) => "waits",
            };
            tracing::info!(%error, outcome, "a pod was not bound");
            (outcome, error.to_string())
        };
        // On a task of its own: a scheduler that hangs up must not leave half a pod bound.
        match tokio::spawn(bound.instrument(span)).await {
            Ok(outcome) => outcome,
            Err(_) => ("error", "binding ended early; the log says more".to_owned()),
        }
    }
}

/// A body: bounded in size and time.
async fn arrived(body: Body) -> Result<Bytes, String> {
    timeout(ARRIVAL, to_bytes(body, BODY))
        .await
        .map_err(|_| "the request did not arrive in time".to_owned())?
        .map_err(|error| format!("the request cannot be read: {error}"))
}

/// Reads a body, with the place of what is wrong. That place is looked for only then, for keeping track of it
/// takes longer than reading.
fn read<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, String> {
    serde_json::from_slice(bytes).map_err(|wrong| {
        let mut reader = serde_json::Deserializer::from_slice(bytes);
        match serde_path_to_error::deserialize::<_, T>(&mut reader) {
            Err(error) => format!("the request is not what the extender protocol says: {error}"),
            Ok(_) => format!("the request is followed by something else: {wrong}"),
        }
    })
}

fn json(value: &impl Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(body) => {
            let kind = [(header::CONTENT_TYPE, "application/json")];
            (StatusCode::OK, kind, body).into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// To verbs whose answer has no room for an error.
fn bad(error: String) -> Response {
    (StatusCode::BAD_REQUEST, error).into_response()
}

#[cfg(test)]
mod tests;
