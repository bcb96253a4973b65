use axum::http::Request;
use proptest::prelude::*;
use serde_json::{Value, json};
use supercargo_host::policy::{Engine, EngineOptions};
use tower::Service as _;

use super::*;
use tokio::sync::watch;

use crate::scheduler::guard::Guarded;
use crate::scheduler::leader::Leadership;
use crate::scheduler::state::Kind;
use crate::scheduler::state::tests::{being_read, claim, cluster, pod_object};
use crate::serving::{Origin, Policies};

fn service(mode: Mode) -> Router {
    service_over(cluster(3, 2), mode)
}

fn service_over(state: Arc<State>, mode: Mode) -> Router {
    state.observe(claim("c", 1, 1));
    let decider = Arc::new(Decider::new(Arc::clone(&state)));
    let options = EngineOptions {
        concurrency: 1,
        ..EngineOptions::default()
    };
    let policies = Policies::new("", Engine::new(options).unwrap(), Origin::default()).unwrap();
    let guarded = watch::Sender::new(Guarded::AT_START).subscribe();
    let leadership = Leadership::new(guarded);
    let metrics = Metrics::new(
        Arc::new(policies),
        Arc::clone(&state),
        Arc::clone(&decider),
        leadership,
    );
    let service = Service::new(mode, state, decider, None, None, Arc::new(metrics));
    Arc::new(service).router()
}

fn own() -> Router {
    service(Mode::Own {
        scheduler: "supercargo".to_owned(),
    })
}

async fn ask(router: &Router, verb: &str, body: impl Into<Body>) -> (StatusCode, Vec<u8>) {
    let request = Request::post(format!("/{verb}")).body(body.into()).unwrap();
    let response = router.clone().call(request).await.unwrap();
    let status = response.status();
    (
        status,
        to_bytes(response.into_body(), BODY).await.unwrap().to_vec(),
    )
}

async fn answer(router: &Router, verb: &str, body: Value) -> Value {
    let (status, body) = ask(router, verb, body.to_string()).await;
    assert_eq!(status, StatusCode::OK);
    serde_json::from_slice(&body).unwrap()
}

#[tokio::test]
async fn a_pod_of_another_scheduler_passes_everywhere() {
    let mut pod = pod_object("p", "c");
    pod["spec"]["schedulerName"] = json!("default-scheduler");
    let nodes = json!(["node-0", "nobody-knows-it"]);
    let result = answer(&own(), "filter", json!({"Pod": pod, "NodeNames": nodes})).await;
    assert_eq!(result["NodeNames"], nodes);
    let scores = answer(
        &own(),
        "prioritize",
        json!({"Pod": pod, "NodeNames": nodes}),
    )
    .await;
    assert_eq!(scores[1], json!({"Host": "nobody-knows-it", "Score": 0}));
}

#[tokio::test]
async fn node_objects_go_back_as_they_came() {
    let node = json!({"metadata": {"name": "node-1"}, "x": 1});
    let body = json!({"Pod": pod_object("p", "c"), "Nodes": {"items": [node]}, "NodeNames": null});
    let result = answer(&own(), "filter", body).await;
    assert_eq!(result["Nodes"]["items"], json!([node]));
    assert_eq!(result["NodeNames"], Value::Null);
}

#[tokio::test]
async fn co_existing_mode_decides_for_everybody_and_binds_nobody() {
    let router = service(Mode::Coexist);
    let mut pod = pod_object("p", "c");
    pod["spec"]["schedulerName"] = json!("default-scheduler");
    let body = json!({"Pod": pod, "NodeNames": ["node-0", "nobody-knows-it"]});
    let result = answer(&router, "filter", body).await;
    assert_eq!(result["NodeNames"], json!(["node-0"]));
    let body = json!({"PodName": "p", "PodNamespace": "n", "PodUID": "1", "Node": "node-0"});
    let result = answer(&router, "bind", body).await;
    assert!(
        result["Error"]
            .as_str()
            .unwrap()
            .contains("remove bindVerb")
    );
}

#[tokio::test]
async fn nothing_is_decided_before_the_cluster_is_read() {
    let state = being_read(3, 2);
    let router = service_over(Arc::clone(&state), Mode::Coexist);
    let body = json!({"Pod": pod_object("p", "c"), "NodeNames": ["node-0"]});
    for kind in Kind::ALL {
        let result = answer(&router, "filter", body.clone()).await;
        let error = result["Error"].as_str().unwrap();
        assert!(error.contains(kind.as_str()), "{error}");
        state.synced(kind);
    }
    let result = answer(&router, "filter", body).await;
    assert_eq!(result["NodeNames"], json!(["node-0"]));
}

#[tokio::test]
async fn a_body_may_be_so_large_and_no_larger() {
    let large = vec![b' '; BODY + 1];
    let (status, body) = ask(&own(), "prioritize", large).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let said = String::from_utf8(body).unwrap();
    assert!(said.contains("length limit exceeded"), "{said}");
}

#[tokio::test]
async fn what_cannot_be_read_is_told_with_its_place() {
    let (_, body) = ask(
        &own(),
        "filter",
        r#"{"Pod": {"metadata": {}, "spec": {"priority": "high"}}}"#,
    )
    .await;
    let result: Value = serde_json::from_slice(&body).unwrap();
    let error = result["Error"].as_str().unwrap();
    assert!(error.contains("Pod.spec.priority"), "{error}");
    let (status, _) = ask(&own(), "prioritize", "{").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}

/// A question of the protocol with one thing in it replaced by another.
fn mutilated() -> impl Strategy<Value = Value> {
    let paths = vec![
        "/Pod",
        "/Pod/metadata",
        "/Pod/metadata/uid",
        "/Pod/spec",
        "/Pod/spec/resourceClaims",
        "/Pod/spec/resourceClaims/0",
        "/Pod/spec/resourceClaims/0/resourceClaimName",
        "/Nodes",
        "/Nodes/items",
        "/Nodes/items/0",
        "/Nodes/items/0/metadata",
        "/NodeNames",
        "/NodeNames/0",
        "/NodeNameToMetaVictims",
        "/NodeNameToMetaVictims/node-0",
        "/NodeNameToMetaVictims/node-0/Pods",
    ];
    let junk = prop_oneof![
        Just(Value::Null),
        any::<i64>().prop_map(|it| json!(it)),
        any::<f64>().prop_map(|it| json!(it)),
        ".{0,20}".prop_map(|it| json!(it)),
        Just(json!([])),
        Just(json!({})),
        Just(json!([["node-0", "node-0"], {"UID": 1}])),
        Just(json!(["node-0", "node-0", "", "node-2"])),
    ];
    (proptest::sample::select(paths), junk, any::<bool>()).prop_map(|(path, junk, names)| {
        let mut body = json!({
            "Pod": pod_object("p", "c"),
            "Nodes": {"items": [{"metadata": {"name": "node-0"}}, {"metadata": {"name": "node-9"}}]},
            "NodeNames": ["node-0", "node-1", "elsewhere"],
            "NodeNameToMetaVictims": {"node-0": {"Pods": [{"UID": "1"}]}, "elsewhere": {}},
        });
        if !names {
            body["NodeNames"] = Value::Null;
        }
        if let Some(place) = body.pointer_mut(path) {
            *place = junk;
        }
        body
    })
}

/// All nodes that an answer speaks of.
fn spoken_of(answer: &Value) -> Vec<String> {
    let strings = |value: &Value| -> Vec<String> {
        let list = value.as_array().into_iter().flatten();
        list.filter_map(|it| it.as_str().map(str::to_owned))
            .collect()
    };
    let keys = |value: &Value| -> Vec<String> {
        value
            .as_object()
            .into_iter()
            .flat_map(|it| it.keys().cloned())
            .collect()
    };
    let mut all = strings(&answer["NodeNames"]);
    all.extend(keys(&answer["FailedNodes"]));
    all.extend(keys(&answer["FailedAndUnresolvableNodes"]));
    all.extend(keys(&answer["NodeNameToMetaVictims"]));
    let items = answer["Nodes"]["items"].as_array().into_iter().flatten();
    all.extend(items.map(|node| node["metadata"]["name"].as_str().unwrap().to_owned()));
    let hosts = answer.as_array().into_iter().flatten();
    all.extend(hosts.map(|host| host["Host"].as_str().unwrap().to_owned()));
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_body_gets_an_answer_within_the_nodes_it_names(
        body in prop_oneof![
            mutilated().prop_map(|body| body.to_string().into_bytes()),
            proptest::collection::vec(any::<u8>(), 0..200),
            (mutilated(), any::<usize>()).prop_map(|(body, at)| {
                let mut body = body.to_string().into_bytes();
                body.truncate(at % body.len().max(1));
                body
            }),
        ],
        verb in proptest::sample::select(vec!["filter", "prioritize", "bind", "preempt"]),
        coexist in any::<bool>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let router = if coexist { service(Mode::Coexist) } else { own() };
        let (status, answer) = runtime.block_on(ask(&router, verb, body.clone()));
        prop_assert!(status == StatusCode::OK || status == StatusCode::BAD_REQUEST);
        if status == StatusCode::OK {
            let answer: Value = serde_json::from_slice(&answer).unwrap();
            let asked: Value = serde_json::from_slice(&body).unwrap_or_default();
            let mut known: Vec<String> = spoken_of(&json!({
                "NodeNames": asked["NodeNames"], "NodeNameToMetaVictims": asked["NodeNameToMetaVictims"]}));
            let items = asked["Nodes"]["items"].as_array().into_iter().flatten();
            known.extend(items.filter_map(|it| it["metadata"]["name"].as_str().map(str::to_owned)));
            for node in spoken_of(&answer) {
                prop_assert!(known.contains(&node), "{node} was not asked about");
            }
        }
    }
}
