//! Filter and Prioritize over a large cluster, and the memory that takes.

use std::time::Instant;

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::resource::v1::ResourceClaim;
use kube::{Api, Client};
use serde_json::{Value, json};
use supercargo_cluster::figures::{count as f, megabytes, quantile};
use supercargo_cluster::load;
use supercargo_cluster::metrics::{Histogram, sum};
use supercargo_cluster::{Cluster, Options, Owner, until};

use crate::{Failure, POLICIES, WITHIN};

const MANY: usize = 5000;
/// Of each node.
const GPUS: usize = 8;
/// How many pods are decided for, one after the other.
const ASKED: usize = 300;

/// Asks about all nodes of a large cluster, and binds as a scheduler would.
pub(crate) async fn large() -> Result<(), Failure> {
    eprintln!("large: a cluster with {MANY} nodes");
    let options = Options {
        scheduler: false,
        ..Owner::options()
    };
    let cluster = Cluster::start(options).await?;
    let owner = Owner::set_up(&cluster, "node", MANY, GPUS, &POLICIES).await?;
    let extender = owner.start(&cluster).await?;
    let empty = extender.process().resident()?;
    let client = cluster.client();
    cluster.namespace("large").await?;
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
        format!("http://{}", extender.listens()).parse()?,
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
