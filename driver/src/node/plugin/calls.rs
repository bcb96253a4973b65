//! Between the kubelet's calls and the work on claims.
//!
//! A call ends when the kubelet stops waiting (after 45 s); work that has begun must not, for half a
//! preparation is worth nothing. So work runs in tasks of its own. Who asks again for the same while it
//! runs gets its result; who asks for something else of the same claim comes after it. A claim that is
//! stuck therefore costs one task, however often the kubelet tries, and one claim is never prepared and
//! unprepared at once. Work that panics answers with an error, and the next call finds all in order.

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::batch::Batch;
use crate::node::claims::{ClaimRef, PreparedDevice};

/// Claims that may be worked on, or wait for earlier work on them, at once.
const RUNNING_MAX: usize = 1024;

/// Does what the kubelet asks, each claim for itself. Both must be idempotent, for the kubelet asks again
/// whenever it has not seen the answer.
pub trait Handler: Send + Sync + 'static {
    /// Makes a claim's devices ready.
    fn prepare(
        &self,
        claim: ClaimRef,
    ) -> impl Future<Output = Result<Vec<PreparedDevice>, String>> + Send;

    /// Undoes that. A claim that never was prepared, or that nobody knows, is no error.
    fn unprepare(&self, claim: ClaimRef) -> impl Future<Output = Result<(), String>> + Send;
}

/// What can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    Prepare,
    Unprepare,
}

/// What came of one claim; for [`Operation::Unprepare`] the list is empty.
pub(super) type Outcome = Result<Vec<PreparedDevice>, String>;

type Awaited = watch::Receiver<Option<Outcome>>;
type Done = watch::Sender<Option<Outcome>>;

/// The newest work on a claim.
#[derive(Debug)]
struct Running {
    operation: Operation,
    claim: ClaimRef,
    outcome: Awaited,
}

/// All work that runs.
#[derive(Debug)]
pub(super) struct Calls<H> {
    handler: H,
    work: Mutex<Work>,
}

#[derive(Debug, Default)]
struct Work {
    /// The newest of each claim, by its UID.
    newest: HashMap<String, Running>,
    /// How much there is, with what waits for earlier work on the same claim.
    amount: usize,
}

impl<H: Handler> Calls<H> {
    pub(super) fn new(handler: H) -> Self {
        Calls {
            handler,
            work: Mutex::default(),
        }
    }

    /// Has it done, and answers for every UID. Safe to give up on at any time.
    pub(super) async fn call(
        self: &Arc<Self>,
        operation: Operation,
        batch: Batch,
    ) -> BTreeMap<String, Outcome> {
        let mut answers: BTreeMap<_, _> = batch
            .refused
            .into_iter()
            .map(|(uid, error)| (uid, Err(error)))
            .collect();
        for (uid, begun) in self.begin(operation, batch.claims) {
            let outcome = match begun {
                Ok(awaited) => finished(awaited).await,
                Err(error) => Err(error),
            };
            answers.insert(uid, outcome);
        }
        answers
    }

    /// For how many claims work runs.
    pub(super) fn running(&self) -> usize {
        self.lock().newest.len()
    }

    /// Waits until no work runs.
    pub(super) async fn finished(&self) {
        loop {
            let next = self
                .lock()
                .newest
                .values()
                .next()
                .map(|run| run.outcome.clone());
            let Some(awaited) = next else { return };
            // Only that it ended matters here.
            let _outcome = finished(awaited).await;
        }
    }

    fn begin(
        self: &Arc<Self>,
        operation: Operation,
        claims: Vec<ClaimRef>,
    ) -> Vec<(String, Result<Awaited, String>)> {
        let mut work = self.lock();
        let mut begun = Vec::with_capacity(claims.len());
        for claim in claims {
            let before = match work.newest.get(&claim.uid) {
                Some(run) if run.operation == operation && run.claim == claim => {
                    begun.push((claim.uid, Ok(run.outcome.clone())));
                    continue;
                }
                run => run.map(|run| run.outcome.clone()),
            };
            if work.amount >= RUNNING_MAX {
                let error = format!(
                    "{RUNNING_MAX} claims are being worked on; this one comes when it is asked for \
                     again"
                );
                begun.push((claim.uid, Err(error)));
                continue;
            }
            let (done, outcome) = watch::channel(None);
            begun.push((claim.uid.clone(), Ok(outcome.clone())));
            let run = Running {
                operation,
                claim: claim.clone(),
                outcome,
            };
            work.newest.insert(claim.uid.clone(), run);
            work.amount += 1;
            let calls = Arc::clone(self);
            tokio::spawn(async move {
                if let Some(before) = before {
                    // How it ended is for those who asked for it.
                    let _outcome = finished(before).await;
                }
                calls.work(operation, claim, done).await;
            });
        }
        begun
    }

    async fn work(self: Arc<Self>, operation: Operation, claim: ClaimRef, done: Done) {
        let calls = Arc::clone(&self);
        let uid = claim.uid.clone();
        // A task of its own, so that a panic ends there.
        let task = tokio::spawn(async move {
            match operation {
                Operation::Prepare => calls.handler.prepare(claim).await,
                Operation::Unprepare => {
                    let unprepared = calls.handler.unprepare(claim).await;
                    unprepared.map(|()| Vec::new())
                }
            }
        });
        let outcome = task.await.unwrap_or_else(|error| {
            tracing::error!(%error, ?operation, claim = uid, "work on a claim ended in a defect of the driver");
            Err(
                "the driver failed in an unforeseen way (its log has the place); it is tried again"
                    .to_owned(),
            )
        });
        self.end(&uid, &done);
        done.send_replace(Some(outcome));
    }

    fn end(&self, uid: &str, done: &Done) {
        let mut work = self.lock();
        work.amount = work.amount.saturating_sub(1);
        let newest = work.newest.get(uid);
        if newest.is_some_and(|run| run.outcome.same_channel(&done.subscribe())) {
            work.newest.remove(uid);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Work> {
        // Nothing panics while it is locked.
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn finished(mut awaited: Awaited) -> Outcome {
    match awaited.wait_for(Option::is_some).await {
        Ok(outcome) => outcome.clone().unwrap_or_else(|| Ok(Vec::new())),
        Err(_) => Err("the driver stopped before this was done".to_owned()),
    }
}
