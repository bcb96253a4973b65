//! Tests that share one cluster.
//!
//! A test binary starts one cluster, when the first test needs it, and ends it after the last. Where
//! no cluster can run, every test is reported as ignored, with its name and the reason. When one
//! fails, the ends of all logs are printed and the logs kept.
//!
//! ```no_run
//! use supercargo_cluster::harness::{Bed, Outcome};
//! use supercargo_cluster::{Options, tests};
//!
//! tests! { Options::nodes(1); the_server_answers }
//!
//! async fn the_server_answers(bed: &Bed) -> Outcome {
//!     let version = bed.client().apiserver_version().await?;
//!     assert_eq!(version.major, "1");
//!     Ok(())
//! }
//! ```

use std::ops::Deref;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures::future::LocalBoxFuture;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::resource::v1::ResourceClaim;
use kube::Api;
use kube::api::{DeleteParams, ListParams};
use libtest_mimic::{Arguments, Completion, Failed, Trial};
use serde::de::DeserializeOwned;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::OnceCell;

use crate::devices::held_on_nodes;
use crate::{Cluster, ClusterError, Options, until, until_objects};

/// What a test answers. Assertions may panic.
pub type Outcome = Result<(), Box<dyn std::error::Error + Send + Sync>>;

/// How long pods and claims of a test may take to go.
const EMPTIED_WITHIN: Duration = Duration::from_secs(120);

/// The cluster of a test binary.
pub struct Bed {
    cluster: Cluster,
    namespaces: AtomicU32,
}

impl Bed {
    /// Makes a namespace for one test and answers its name.
    pub async fn fresh_namespace(&self) -> Result<String, ClusterError> {
        let number = self.namespaces.fetch_add(1, Ordering::Relaxed);
        let name = format!("test-{number}");
        self.cluster.namespace(&name).await?;
        Ok(name)
    }

    /// Ends a test: its pods and claims go, and all that nodes held for them.
    pub async fn nothing_stays(&self, namespace: &str) -> Result<(), ClusterError> {
        // A Job would make its pods anew.
        let jobs: Api<Job> = Api::namespaced(self.client(), namespace);
        delete_all(&jobs).await?;
        let pods: Api<Pod> = Api::namespaced(self.client(), namespace);
        let claims: Api<ResourceClaim> = Api::namespaced(self.client(), namespace);
        delete_all(&pods).await?;
        delete_all(&claims).await?;
        gone(&pods, "all pods are gone").await?;
        gone(&claims, "all claims are gone").await?;
        let mut held = Vec::new();
        let gone = until(EMPTIED_WITHIN, "nodes hold nothing", async || {
            held = held_on_nodes(&self.cluster);
            Ok(held.is_empty().then_some(()))
        });
        match gone.await {
            Err(ClusterError::TimedOut { until, after }) => Err(ClusterError::TimedOut {
                until: format!("{until}: {held:?}"),
                after,
            }),
            done => done,
        }
    }
}

/// Any object of the API.
trait Object:
    kube::Resource<DynamicType = ()> + Clone + std::fmt::Debug + DeserializeOwned + Send + 'static
{
}

impl<K> Object for K where
    K: kube::Resource<DynamicType = ()>
        + Clone
        + std::fmt::Debug
        + DeserializeOwned
        + Send
        + 'static
{
}

async fn delete_all<K: Object>(api: &Api<K>) -> Result<(), ClusterError> {
    let every = ListParams::default();
    api.delete_collection(&DeleteParams::background(), &every)
        .await
        .map(drop)
        .map_err(ClusterError::api(format!(
            "delete all at {}",
            api.resource_url()
        )))
}

async fn gone<K: Object>(api: &Api<K>, what: &str) -> Result<(), ClusterError> {
    let none = |objects: &[K]| objects.is_empty().then_some(());
    until_objects(api, EMPTIED_WITHIN, what, none).await
}

impl Deref for Bed {
    type Target = Cluster;

    fn deref(&self) -> &Cluster {
        &self.cluster
    }
}

/// A test by name. [`tests!`](crate::tests) makes them.
pub struct Test {
    name: &'static str,
    run: for<'a> fn(&'a Bed) -> LocalBoxFuture<'a, Outcome>,
}

impl Test {
    /// A test that is called after its function.
    #[must_use]
    pub fn new(
        name: &'static str,
        run: for<'a> fn(&'a Bed) -> LocalBoxFuture<'a, Outcome>,
    ) -> Self {
        Self { name, run }
    }
}

/// Writes the `main` of a test binary: what cluster it needs, and its tests.
#[macro_export]
macro_rules! tests {
    ($options:expr; $($test:ident),+ $(,)?) => {
        fn main() -> std::process::ExitCode {
            $crate::harness::run($options, vec![
                $($crate::harness::Test::new(stringify!($test), |bed| Box::pin($test(bed)))),+
            ])
        }
    };
}

/// Runs the tests that the command line asks for, with Cargo's usual arguments.
#[must_use]
pub fn run(options: Options, tests: Vec<Test>) -> ExitCode {
    let mut arguments = Arguments::from_args();
    if options.controllers {
        // The devices of the nodes are all tests'.
        arguments.test_threads.get_or_insert(1);
    }
    let runtime = match Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => Arc::new(runtime),
        Err(error) => {
            eprintln!("cluster: {error}");
            return ExitCode::FAILURE;
        }
    };
    let shared = Arc::new(Shared {
        runtime,
        options,
        bed: OnceCell::new(),
    });
    let trials = tests
        .into_iter()
        .map(|test| {
            let shared = Arc::clone(&shared);
            Trial::ignorable_test(test.name, move || shared.attempt(&test))
        })
        .collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    if let Some(Ok(bed)) = shared.bed.get()
        && conclusion.has_failed()
    {
        report(bed);
    }
    conclusion.exit_code()
}

struct Shared {
    runtime: Arc<Runtime>,
    options: Options,
    bed: OnceCell<Result<Bed, ClusterError>>,
}

impl Shared {
    fn attempt(&self, test: &Test) -> Result<Completion, Failed> {
        self.runtime.block_on(async {
            let bed = self.bed.get_or_init(|| async {
                let cluster = Cluster::start(self.options.clone()).await?;
                let namespaces = AtomicU32::new(1);
                Ok(Bed {
                    cluster,
                    namespaces,
                })
            });
            match bed.await {
                Ok(bed) => match (test.run)(bed).await {
                    Ok(()) => Ok(Completion::Completed),
                    Err(error) => Err(Failed::from(chain(&*error))),
                },
                Err(ClusterError::Unavailable(why)) => Ok(Completion::ignored_with(why)),
                Err(error) => Err(Failed::from(format!("there is no cluster: {error}"))),
            }
        })
    }
}

/// An error with all its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        cause = error.source();
    }
    text
}

fn report(bed: &Bed) {
    let binary = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("tests"));
    let name = binary.file_stem().unwrap_or_default().to_string_lossy();
    // Cargo appends a hash to the name.
    let name = name.rsplit_once('-').map_or(&*name, |(name, _)| name);
    bed.report(name);
}
