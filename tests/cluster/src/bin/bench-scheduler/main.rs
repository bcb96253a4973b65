//! What allocating costs a scheduler: the in-tree plugin, and Supercargo beside it on the same bed.
//!
//! Each gets a fresh cluster with 500 nodes of ten devices, half of them taken, and 1,000 pods at once, each
//! with a claim from a template. Then Supercargo alone gets 5,000 nodes of eight GPUs, and is asked as a
//! scheduler asks, with all nodes by name. Nothing limits the clients but the machine. What each process
//! took of the processors is told besides, for on a small machine that is what decides.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::resource::v1::ResourceClaim;
use kube::{Api, Client};
use serde_json::{Value, json};
use supercargo_cluster::load::{self, Bound};
use supercargo_cluster::metrics::{Histogram, series, sum};
use supercargo_cluster::{
    Cluster, Extender, Options, Owner, Process, build_policy, free_ports, supercargo, until,
};

/// The nodes of the race, and the devices of each.
const NODES: usize = 500;
const DEVICES: usize = 10;
/// The pods of the race.
const PODS: usize = 1000;
/// The large cluster.
const MANY: usize = 5000;
const GPUS: usize = 8;
/// How many pods are decided for there, one after the other.
const ASKED: usize = 300;

const WITHIN: Duration = Duration::from_secs(900);

/// Placement by NVLink groups.
const CONFIGURATION: &str = "
apiVersion: supercargo.dev/v1alpha1
kind: Configuration
policies:
- name: nvlink-groups
  wasm: nvlink-groups.wasm
rules:
- policy: nvlink-groups
  deviceClasses: [load]
";

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> ExitCode {
    match bench().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn bench() -> Result<(), Failure> {
    let program = supercargo()?;
    let only = std::env::args().nth(1);
    let wanted = |part: &str| only.as_deref().is_none_or(|only| only == part);
    if wanted("race") {
        let in_tree = race(&program, false).await?;
        let ours = race(&program, true).await?;
        print_race(&in_tree, &ours);
    }
    if wanted("large") {
        large(&program).await?;
    }
    Ok(())
}

/// What one of the two did.
#[derive(Debug, Default)]
struct Report {
    figures: Vec<(&'static str, f64, &'static str)>,
    writes: BTreeMap<String, f64>,
    processors: Vec<(&'static str, f64)>,
    steps: Vec<(String, f64, f64)>,
}

/// A cluster with nodes and Supercargo's rights, and Supercargo where it is to allocate.
struct Site {
    cluster: Cluster,
    extender: Option<Extender>,
}

impl Site {
    async fn start(
        program: &Path,
        supercargo: bool,
        scheduler: bool,
        nodes: usize,
        devices: usize,
    ) -> Result<(Self, u16), Failure> {
        let [port] = free_ports()?;
        let mut options = Options::no_kubelets();
        options.scheduler = scheduler;
        if supercargo {
            options.scheduler_configuration = Owner::scheduler_configuration(port)?;
        }
        let cluster = Cluster::start(options).await?;
        let client = cluster.client();
        load::class(&client).await?;
        load::nodes(&client, "node", nodes, devices).await?;
        let mut extender = None;
        if supercargo {
            let folder = cluster.folder().join("policies");
            fs::create_dir(&folder)?;
            build_policy(program, "nvlink-groups", &folder)?;
            let owner = Owner::set_up(&cluster, program, port, &folder, CONFIGURATION).await?;
            extender = Some(owner.start(&cluster).await?);
        }
        Ok((Self { cluster, extender }, port))
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

async fn race(program: &Path, supercargo: bool) -> Result<Report, Failure> {
    let (who, scheduler) = match supercargo {
        false => ("in-tree", "default-scheduler"),
        true => ("supercargo", "supercargo"),
    };
    eprintln!("{who}: a cluster with {NODES} nodes");
    let (site, _) = Site::start(program, supercargo, true, NODES, DEVICES).await?;
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
        Ok(Self {
            processors: processors.collect::<Result<_, Failure>>()?,
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

fn print_race(in_tree: &Report, ours: &Report) {
    println!("{NODES} nodes x {DEVICES} devices, half of them taken, {PODS} pods at once\n");
    println!("| | in-tree plugin | Supercargo | ratio |\n|---|---|---|---|");
    for ((what, theirs, unit), (_, ours, _)) in in_tree.figures.iter().zip(&ours.figures) {
        println!(
            "| {what} | {theirs:.1} {unit} | {ours:.1} {unit} | {:.2} |",
            ours / theirs
        );
    }
    let total = |of: &Report| of.writes.values().sum::<f64>();
    println!(
        "| API writes a pod | {:.2} | {:.2} | |",
        total(in_tree),
        total(ours)
    );
    let all = |of: &Report| of.processors.iter().map(|(_, each)| each).sum::<f64>();
    println!(
        "| processor time a pod | {:.2} ms | {:.2} ms | |",
        all(in_tree),
        all(ours)
    );
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

/// Asks about all nodes of a large cluster, and binds as a scheduler would.
async fn large(program: &Path) -> Result<(), Failure> {
    eprintln!("large: a cluster with {MANY} nodes");
    let (site, port) = Site::start(program, true, false, MANY, GPUS).await?;
    let extender = site.extender.as_ref().ok_or("no extender")?;
    let empty = extender.process().resident()?;
    let client = site.cluster.client();
    site.cluster.namespace("large").await?;
    let pods: Api<Pod> = Api::namespaced(client.clone(), "large");
    let claims: Api<ResourceClaim> = Api::namespaced(client.clone(), "large");
    load::at_once(0..ASKED, async |n| {
        let name = format!("p-{n}");
        let claim = json!({"metadata": {"name": name}, "spec": load::claim_spec(1 + n % 4)});
        load::create(&claims, claim).await?;
        let claim = json!({"resourceClaimName": name});
        load::create(&pods, load::pod(&name, "supercargo", &claim))
            .await
            .map(drop)
    })
    .await?;

    until(WITHIN, "the extender has seen all claims", async || {
        let metrics = extender.metrics().await?;
        let seen = sum(&metrics, "supercargo_objects", &["resourceclaims"]);
        Ok((seen >= f(ASKED)).then_some(()))
    })
    .await?;

    eprintln!("large: {ASKED} pods are decided for");
    let asker = Client::try_from(kube::Config::new(
        format!("http://127.0.0.1:{port}").parse()?,
    ))?;
    let names: Vec<String> = (0..MANY).map(|n| format!("node-{n}")).collect();
    let (mut first, mut later, mut binds) = (Vec::new(), Vec::new(), Vec::new());
    for n in 0..ASKED {
        let pod = pods.get(&format!("p-{n}")).await?;
        let mut args = json!({"Pod": pod, "Nodes": null, "NodeNames": names});
        let body = serde_json::to_vec(&args)?;
        let begun = Instant::now();
        let passed = ask(&asker, "filter", body).await?;
        let filtered = begun.elapsed();
        let passed: Value = serde_json::from_str(&passed)?;
        if passed.get("Error").and_then(Value::as_str) != Some("") {
            return Err(format!("filter: {passed}").into());
        }
        if let (Some(args), Some(passed)) = (args.as_object_mut(), passed.get("NodeNames")) {
            args.insert("NodeNames".to_owned(), passed.clone());
        }
        let body = serde_json::to_vec(&args)?;
        let begun = Instant::now();
        let scores = ask(&asker, "prioritize", body).await?;
        let took = (filtered + begun.elapsed()).as_secs_f64() * 1e3;
        // Four kinds of claims: of each, the first has to be decided for every node.
        if n < 4 {
            first.push(took)
        } else {
            later.push(took)
        }
        let scores: Vec<Value> = serde_json::from_str(&scores)?;
        let score = |it: &&Value| it.get("Score").and_then(Value::as_i64);
        let best = scores.iter().max_by_key(score).ok_or("no node passes")?;
        let bind = json!({"PodName": pod.metadata.name, "PodNamespace": "large",
            "PodUID": pod.metadata.uid, "Node": best.get("Host")});
        let begun = Instant::now();
        let bound = ask(&asker, "bind", serde_json::to_vec(&bind)?).await?;
        binds.push(begun.elapsed().as_secs_f64() * 1e3);
        if serde_json::from_str::<Value>(&bound)?
            .get("Error")
            .and_then(Value::as_str)
            != Some("")
        {
            return Err(format!("bind: {bound}").into());
        }
    }
    for times in [&mut first, &mut later, &mut binds] {
        times.sort_by(f64::total_cmp);
    }
    let metrics = extender.metrics().await?;
    println!("\n{MANY} nodes x {GPUS} GPUs, all nodes by name, {ASKED} pods one after the other\n");
    println!("| | p50 | p99 |\n|---|---|---|");
    for (what, times) in [
        ("filter + prioritize", &later),
        ("filter + prioritize, first of its kind", &first),
        ("bind", &binds),
    ] {
        println!(
            "| {what} | {:.1} ms | {:.1} ms |",
            quantile(times, 0.5),
            quantile(times, 0.99)
        );
    }
    for verb in ["filter", "prioritize"] {
        let label = format!("verb=\"{verb}\"");
        let took = Histogram::of(
            &metrics,
            "supercargo_extender_request_duration_seconds",
            &[&label],
        );
        println!(
            "| {verb}, within the extender | {:.1} ms | {:.1} ms |",
            took.quantile(0.5) * 1e3,
            took.quantile(0.99) * 1e3
        );
    }
    println!(
        "\nresident memory: {:.0} MB at first, {:.0} MB in the end; nodes judged: {:.0} asked, {:.0} remembered",
        megabytes(empty),
        megabytes(extender.process().resident()?),
        sum(
            &metrics,
            "supercargo_nodes_judged_total",
            &["how=\"asked\""]
        ),
        sum(
            &metrics,
            "supercargo_nodes_judged_total",
            &["how=\"remembered\""]
        )
    );
    Ok(())
}

async fn ask(client: &Client, verb: &str, body: Vec<u8>) -> Result<String, Failure> {
    let request =
        http::Request::post(format!("/{verb}")).header("content-type", "application/json");
    Ok(client.request_text(request.body(body)?).await?)
}

fn quantile(sorted: &[f64], part: f64) -> f64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a place in a list"
    )]
    let place = (f(sorted.len()) * part) as usize;
    sorted
        .get(place.min(sorted.len().saturating_sub(1)))
        .copied()
        .unwrap_or(f64::NAN)
}

/// A count among figures.
fn f(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::INFINITY, f64::from)
}

fn megabytes(bytes: u64) -> f64 {
    u32::try_from(bytes >> 10).map_or(f64::INFINITY, f64::from) * 1024.0 / 1e6
}
