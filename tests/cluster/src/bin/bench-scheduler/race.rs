//! The in-tree plugin against Supercargo: pods a second, how long each waits, and what both write.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use serde_json::{Value, json};
use supercargo_cluster::figures::{count as f, quantile};
use supercargo_cluster::load::{self, Bound};
use supercargo_cluster::metrics::{Histogram, series};
use supercargo_cluster::{Cluster, Extender, Options, Owner, Process, own_processor};

use crate::{Failure, POLICIES, WITHIN};

const NODES: usize = 500;
/// Of each node.
const DEVICES: usize = 10;
const PODS: usize = 1000;
/// How often both run: a small machine is not equally fast at all times.
const ROUNDS: usize = 3;

/// What one of the two did.
#[derive(Debug, Default)]
struct Report {
    figures: Vec<(&'static str, f64, &'static str)>,
    writes: BTreeMap<String, f64>,
    processors: Vec<(&'static str, f64)>,
    steps: Vec<(String, f64, f64)>,
}

/// A cluster with nodes, and Supercargo where it is to allocate.
struct Site {
    cluster: Cluster,
    extender: Option<Extender>,
}

impl Site {
    async fn in_tree() -> Result<Self, Failure> {
        let cluster = Cluster::start(Options::no_kubelets()).await?;
        let client = cluster.client();
        load::class(&client).await?;
        load::nodes(&client, "node", NODES, DEVICES).await?;
        Ok(Self {
            cluster,
            extender: None,
        })
    }

    async fn supercargo() -> Result<Self, Failure> {
        let cluster = Cluster::start(Owner::options()).await?;
        let owner = Owner::set_up(&cluster, "node", NODES, DEVICES, &POLICIES).await?;
        let extender = Some(owner.start(&cluster).await?);
        Ok(Self { cluster, extender })
    }

    /// The processes that pods pass through.
    fn processes(&self) -> Vec<(&'static str, &Process)> {
        let names = [
            "kube-apiserver",
            "etcd",
            "kube-controller-manager",
            "kube-scheduler",
        ];
        let parts = names.map(|name| (name, self.cluster.process(name)));
        let ours = self.extender.as_ref().map(|it| it.process());
        let all = parts.into_iter().chain([("supercargo", ours)]);
        all.filter_map(|(name, process)| Some((name, process?)))
            .collect()
    }
}

/// Runs both in turns, and prints what they did.
pub(crate) async fn race() -> Result<(), Failure> {
    let (mut in_tree, mut ours) = (Vec::new(), Vec::new());
    for round in 1..=ROUNDS {
        eprintln!("round {round} of {ROUNDS}, in-tree: a cluster with {NODES} nodes");
        let site = Site::in_tree().await?;
        in_tree.push(run(site, "in-tree", "default-scheduler").await?);
        eprintln!("round {round} of {ROUNDS}, supercargo: a cluster with {NODES} nodes");
        let site = Site::supercargo().await?;
        ours.push(run(site, "supercargo", "supercargo").await?);
    }
    print(&mut in_tree, &mut ours);
    Ok(())
}

async fn run(site: Site, who: &str, scheduler: &str) -> Result<Report, Failure> {
    let client = site.cluster.client();
    site.cluster.namespace("race").await?;
    let pods: Api<Pod> = Api::namespaced(client.clone(), "race");
    let mut bound = Bound::follow(&client, "race");

    eprintln!("{who}: half of the devices are taken");
    load::template(&client, "race", "half", DEVICES / 2).await?;
    load::template(&client, "race", "one", 1).await?;
    load::at_once(0..NODES, async |n| {
        let claim = json!({"resourceClaimTemplateName": "half"});
        let mut pod = load::pod(&format!("half-{n}"), scheduler, &claim);
        pin(&mut pod, &format!("node-{n}"));
        load::create(&pods, pod).await.map(drop)
    })
    .await?;
    bound.until(NODES, WITHIN).await?;

    eprintln!("{who}: {PODS} pods at once");
    let before = Look::at(&site).await?;
    let begun = Instant::now();
    let created = std::sync::Mutex::new(BTreeMap::new());
    let created_at = &created;
    let api = &pods;
    load::at_once(0..PODS, async |n| {
        let claim = json!({"resourceClaimTemplateName": "one"});
        let name = format!("p-{n}");
        let pod = load::pod(&name, scheduler, &claim);
        load::create(api, pod).await?;
        let mut created = created_at
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        created.insert(name, Instant::now());
        Ok(())
    })
    .await?;
    let offered = begun.elapsed();
    bound.until(NODES + PODS, WITHIN).await?;
    let took = begun.elapsed();
    let after = Look::at(&site).await?;
    let created = created.into_inner().unwrap_or_default();
    let mut waited: Vec<f64> = bound
        .so_far()
        .into_iter()
        .filter_map(|(name, at)| Some(at.duration_since(*created.get(&name)?).as_secs_f64()))
        .collect();
    waited.sort_by(f64::total_cmp);

    let mut result = Report::default();
    let decisions = |look: &Look| {
        let name = "scheduler_scheduling_algorithm_duration_seconds";
        Histogram::of(&look.scheduler, name, &[])
    };
    let decision = decisions(&after).since(&decisions(&before));
    let sli = |look: &Look| {
        Histogram::of(
            &look.scheduler,
            "scheduler_pod_scheduling_sli_duration_seconds",
            &[],
        )
    };
    let sli = sli(&after).since(&sli(&before));
    result.figures = vec![
        ("pods a second", f(PODS) / took.as_secs_f64(), ""),
        (
            "(pods created a second)",
            f(PODS) / offered.as_secs_f64(),
            "",
        ),
        ("creation to bound, p50", quantile(&waited, 0.5) * 1e3, "ms"),
        (
            "creation to bound, p99",
            quantile(&waited, 0.99) * 1e3,
            "ms",
        ),
        ("scheduler's SLI, p50", sli.quantile(0.5) * 1e3, "ms"),
        ("scheduler's SLI, p99", sli.quantile(0.99) * 1e3, "ms"),
        (
            "scheduler's decision, p50",
            decision.quantile(0.5) * 1e3,
            "ms",
        ),
        (
            "scheduler's decision, p99",
            decision.quantile(0.99) * 1e3,
            "ms",
        ),
    ];
    result.writes = after.writes_since(&before);
    for (name, time) in &after.processors {
        let earlier = before.processors.get(name).copied().unwrap_or_default();
        let each = (*time - earlier).as_secs_f64() * 1e3 / f(PODS);
        result.processors.push((*name, each));
    }
    result.steps = after.steps_since(&before);
    Ok(result)
}

/// A pod that only one node does for.
fn pin(pod: &mut Value, node: &str) {
    let field = json!([{"key": "metadata.name", "operator": "In", "values": [node]}]);
    if let Some(spec) = pod.get_mut("spec").and_then(Value::as_object_mut) {
        let affinity = json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [{"matchFields": field}]}}});
        spec.insert("affinity".to_owned(), affinity);
    }
}

/// What the parts say of themselves at one moment.
struct Look {
    api_server: String,
    scheduler: String,
    extender: String,
    processors: BTreeMap<&'static str, Duration>,
}

impl Look {
    async fn at(site: &Site) -> Result<Self, Failure> {
        let processors = site.processes().into_iter();
        let processors = processors.map(|(name, process)| Ok((name, process.processor()?)));
        let mut processors: BTreeMap<_, _> = processors.collect::<Result<_, Failure>>()?;
        processors.insert("the benchmark, which makes the pods", own_processor());
        Ok(Self {
            processors,
            api_server: site.cluster.api_server_metrics().await?,
            scheduler: site.cluster.scheduler_metrics().await?,
            extender: match &site.extender {
                Some(extender) => extender.metrics().await?,
                None => String::new(),
            },
        })
    }

    /// What was written a pod, by what. Creating the pods, and making their claims, is not counted: it is
    /// the same for all.
    fn writes_since(&self, before: &Self) -> BTreeMap<String, f64> {
        let count = |look: &Self| {
            let mut counts: BTreeMap<String, f64> = BTreeMap::new();
            for (labels, value) in series(&look.api_server, "apiserver_request_total", &[]) {
                let label = |name: &str| {
                    let rest = labels
                        .split(&format!("{name}=\""))
                        .nth(1)
                        .unwrap_or_default();
                    rest.split('"').next().unwrap_or_default().to_owned()
                };
                let (verb, resource, part) =
                    (label("verb"), label("resource"), label("subresource"));
                let counted = matches!(&*verb, "POST" | "PUT" | "PATCH" | "APPLY" | "DELETE")
                    && resource != "leases"
                    && !(verb == "POST" && resource == "resourceclaims")
                    && !(verb == "POST" && resource == "pods" && part.is_empty())
                    && !(verb == "APPLY" && resource == "pods");
                if counted {
                    let slash = if part.is_empty() { "" } else { "/" };
                    *counts
                        .entry(format!("{verb} {resource}{slash}{part}"))
                        .or_default() += value;
                }
            }
            counts
        };
        let (now, then) = (count(self), count(before));
        now.into_iter()
            .map(|(what, count)| {
                let earlier = then.get(&what).copied().unwrap_or_default();
                (what, (count - earlier) / f(PODS))
            })
            .filter(|(_, each)| *each >= 0.001)
            .collect()
    }

    /// How often a step was taken a pod, and its mean in milliseconds.
    fn steps_since(&self, before: &Self) -> Vec<(String, f64, f64)> {
        let mut steps = Vec::new();
        let mut step = |what: String, of: &dyn Fn(&Self) -> Histogram| {
            let took = of(self).since(&of(before));
            if took.count() > 0.0 {
                steps.push((what, took.count() / f(PODS), took.mean() * 1e3));
            }
        };
        for point in [
            "PreFilter",
            "Filter",
            "PreScore",
            "Score",
            "Reserve",
            "PreBind",
            "Bind",
        ] {
            let name = "scheduler_framework_extension_point_duration_seconds";
            let label = format!("extension_point=\"{point}\"");
            step(format!("scheduler: {point}"), &|look| {
                Histogram::of(&look.scheduler, name, &[&label])
            });
        }
        step("scheduler: algorithm".to_owned(), &|look| {
            let name = "scheduler_scheduling_algorithm_duration_seconds";
            Histogram::of(&look.scheduler, name, &[])
        });
        for verb in ["filter", "prioritize", "bind"] {
            let label = format!("verb=\"{verb}\"");
            step(format!("extender: {verb}"), &|look| {
                let name = "supercargo_extender_request_duration_seconds";
                Histogram::of(&look.extender, name, &[&label])
            });
        }
        steps
    }
}

impl Report {
    fn pods_a_second(&self) -> f64 {
        self.figures.first().map_or(f64::NAN, |(_, pods, _)| *pods)
    }
}

/// The one in the middle by pods a second, and those of all.
fn middle(reports: &mut [Report]) -> Option<(&Report, String)> {
    reports.sort_by(|a, b| a.pods_a_second().total_cmp(&b.pods_a_second()));
    let all = reports
        .iter()
        .map(|it| format!("{:.1}", it.pods_a_second()));
    let all: Vec<String> = all.collect();
    Some((reports.get(reports.len() / 2)?, all.join(", ")))
}

fn print(in_tree: &mut [Report], ours: &mut [Report]) {
    let (Some((in_tree, theirs)), Some((ours, others))) = (middle(in_tree), middle(ours)) else {
        return;
    };
    println!("{NODES} nodes x {DEVICES} devices, half of them taken, {PODS} pods at once");
    println!(
        "the middle one of {ROUNDS} runs each, by pods a second: {theirs} in-tree, {others} Supercargo\n"
    );
    println!("| | in-tree plugin | Supercargo | ratio |\n|---|---|---|---|");
    for ((what, theirs, unit), (_, ours, _)) in in_tree.figures.iter().zip(&ours.figures) {
        println!(
            "| {what} | {theirs:.1} {unit} | {ours:.1} {unit} | {:.2} |",
            ours / theirs
        );
    }
    let total = |of: &Report| of.writes.values().sum::<f64>();
    let all = |of: &Report| of.processors.iter().map(|(_, each)| each).sum::<f64>();
    for (what, of) in [
        ("API writes a pod", &total as &dyn Fn(&Report) -> f64),
        ("processor time a pod, ms", &all),
    ] {
        let (theirs, ours) = (of(in_tree), of(ours));
        println!(
            "| {what} | {theirs:.2} | {ours:.2} | {:.2} |",
            ours / theirs
        );
    }
    for (who, of) in [("in-tree plugin", in_tree), ("Supercargo", ours)] {
        println!("\n{who}, a pod:");
        for (what, each) in &of.writes {
            println!("    {each:.2} x {what}");
        }
        for (what, each) in &of.processors {
            println!("    {each:.2} ms of a processor in {what}");
        }
        for (what, often, mean) in &of.steps {
            println!("    {often:.2} x {mean:.2} ms {what}");
        }
    }
}
