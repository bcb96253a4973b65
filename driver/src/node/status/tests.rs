//! Against an API server in memory, which keeps what it is sent.

use std::collections::VecDeque;
use std::sync::Mutex;

use http::{Request, Response, StatusCode};
use kube::Client;
use kube::client::Body;
use serde_json::Value;
use tower::service_fn;

use super::*;
use crate::node::metrics::tests::metrics;

#[derive(Debug, Clone, PartialEq)]
struct Sent {
    method: String,
    uri: String,
    content_type: String,
    body: Value,
}

/// An API server that answers with these status codes, then with 200, and what it was sent.
#[derive(Clone, Default)]
struct Server {
    sent: Arc<Mutex<Vec<Sent>>>,
    codes: Arc<Mutex<VecDeque<u16>>>,
    /// The version that it serves; `None`: v1.
    version: Option<&'static str>,
}

impl Server {
    fn answering(codes: &[u16]) -> Self {
        Self {
            codes: Arc::new(Mutex::new(codes.iter().copied().collect())),
            ..Self::default()
        }
    }

    fn client(&self) -> Client {
        let server = self.clone();
        let service = move |request: Request<Body>| {
            let server = server.clone();
            async move {
                let (parts, body) = request.into_parts();
                let body = body.collect_bytes().await.unwrap();
                if parts.uri.path() == "/apis" {
                    return Ok(answer(200, &groups(server.version.unwrap_or("v1"))));
                }
                let body: Value = serde_json::from_slice(&body).unwrap();
                server.sent.lock().unwrap().push(Sent {
                    method: parts.method.to_string(),
                    uri: parts.uri.to_string(),
                    content_type: parts.headers["content-type"].to_str().unwrap().to_owned(),
                    body: body.clone(),
                });
                let code = server.codes.lock().unwrap().pop_front().unwrap_or(200);
                let failure = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure",
                    "code": code, "message": "no", "reason": "No", "details": {"name": "trainer-gpu"}});
                Ok::<_, std::convert::Infallible>(match code {
                    200 => answer(200, &body),
                    404 => answer(404, &merged(failure, json!({"reason": "NotFound"}))),
                    code => answer(code, &failure),
                })
            }
        };
        Client::new(service_fn(service), "default")
    }

    /// Leaves these with the writer, one after another, and waits until it is through with all.
    async fn after(&self, news: Vec<News>) -> Vec<Sent> {
        let api = ResourceApi::new(self.client());
        let (statuses, task) = DeviceStatuses::start(api, "gpu.nvidia.com", "node-a", metrics());
        let mut written = 0;
        for news in news {
            written += usize::from(matches!(news, News::Wanted(..)));
            statuses.leave(news);
            // Lets the writer take each up before the next comes.
            for _ in 0..100 {
                if self.sent.lock().unwrap().len() >= written {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
        drop(statuses);
        task.await.unwrap();
        self.sent.lock().unwrap().clone()
    }
}

fn answer(code: u16, body: &Value) -> Response<Body> {
    let body = Body::from(serde_json::to_vec(body).unwrap());
    let status = StatusCode::from_u16(code).unwrap();
    Response::builder().status(status).body(body).unwrap()
}

fn merged(mut object: Value, more: Value) -> Value {
    let more = more.as_object().unwrap().clone();
    object.as_object_mut().unwrap().extend(more);
    object
}

/// What `/apis` says.
fn groups(version: &str) -> Value {
    let full = format!("resource.k8s.io/{version}");
    let version = json!({"groupVersion": full, "version": version});
    json!({"kind": "APIGroupList", "apiVersion": "v1",
        "groups": [{"name": "resource.k8s.io", "versions": [version], "preferredVersion": version}]})
}

fn claim() -> ClaimRef {
    ClaimRef {
        namespace: "ml".to_owned(),
        name: "trainer-gpu".to_owned(),
        uid: "11111111-2222-3333-4444-555555555555".to_owned(),
    }
}

fn wanted(ready: bool) -> News {
    News::Wanted(claim(), vec![device(ready)], Instant::now())
}

fn device(ready: bool) -> DeviceState {
    DeviceState {
        pool: "node-a".to_owned(),
        device: "gpu-0".to_owned(),
        share_id: None,
        ready,
        reason: if ready {
            "Prepared"
        } else {
            "InvalidParameters"
        },
        message: String::new(),
        data: Some(json!({"timeSlice": "short"})),
        network: None,
    }
}

#[tokio::test(start_paused = true)]
async fn our_devices_are_applied_under_a_manager_of_our_own() {
    let sent = Server::default().after(vec![wanted(true)]).await;
    assert_eq!(sent.len(), 1);
    let mut sent = sent.into_iter().next().unwrap();
    let time = &mut sent.body["status"]["devices"][0]["conditions"][0]["lastTransitionTime"];
    assert!(time.as_str().unwrap().ends_with('Z'), "{time}");
    *time = Value::from("(when it was written)");
    insta::assert_snapshot!(format!(
        "{} {}\n{}\n{}",
        sent.method,
        sent.uri,
        sent.content_type,
        serde_json::to_string_pretty(&sent.body).unwrap()
    ));
}

#[tokio::test(start_paused = true)]
async fn what_the_status_says_already_is_not_written_again() {
    let sent = Server::default()
        .after(vec![wanted(true), wanted(true)])
        .await;
    assert_eq!(sent.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_told_late_does_not_replace_what_came_after_it() {
    let now = Instant::now();
    let failed = News::Wanted(claim(), vec![device(false)], now);
    let later = now + std::time::Duration::from_nanos(1);
    let prepared = News::Wanted(claim(), vec![device(true)], later);
    let api = Server::default();
    let sent = api.after(vec![prepared, failed]).await;
    let said = &sent.last().unwrap().body["status"]["devices"][0]["conditions"][0];
    assert_eq!(said["status"], "True");
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_is_prepared_anew_is_written_anew() {
    let over = News::Over(claim(), Instant::now());
    let sent = Server::default()
        .after(vec![wanted(true), over, wanted(true)])
        .await;
    assert_eq!(sent.len(), 2);
}

#[test]
fn a_device_that_stays_ready_keeps_its_time_when_its_data_changes() {
    let mut changed = device(true);
    changed.data = None;
    let mut wanted = Wanted::default();
    let mut said = [device(true), changed, device(false)]
        .into_iter()
        .enumerate()
        .map(|(second, device)| {
            assert!(wanted.want(claim(), vec![device], Instant::now()));
            let now = Timestamp::from_second(second as i64).unwrap();
            let times = wanted.times(&claim(), now);
            wanted.wrote(&claim(), Verdict::Done, times.clone(), Instant::now());
            times[0].as_second()
        });
    assert_eq!(said.next(), Some(0));
    assert_eq!(said.next(), Some(0));
    assert_eq!(said.next(), Some(2));
}

#[tokio::test(start_paused = true)]
async fn a_busy_server_is_asked_again_and_a_claim_that_is_gone_is_not() {
    let busy = Server::answering(&[503, 429, 500]);
    assert_eq!(busy.after(vec![wanted(true)]).await.len(), 4);
    for code in [404, 409, 422, 403] {
        let server = Server::answering(&[code]);
        let sent = server.after(vec![wanted(true)]).await;
        assert_eq!(sent.len(), 1, "{code}");
    }
    // For an hour.
    let down = Server::answering(&[503; 120]);
    assert_eq!(down.after(vec![wanted(true)]).await.len(), 121);
}

#[tokio::test(start_paused = true)]
async fn network_data_is_applied_in_every_version() {
    let network = json!({"interfaceName": "net1", "ips": ["10.0.0.2/24"]});
    for version in ["v1", "v1beta2", "v1beta1"] {
        let mut device = device(true);
        device.network = serde_json::from_value(network.clone()).unwrap();
        let server = Server {
            version: Some(version),
            ..Server::default()
        };
        let wanted = News::Wanted(claim(), vec![device], Instant::now());
        let sent = server.after(vec![wanted]).await;
        let [Sent { uri, body, .. }] = &sent[..] else {
            panic!("{sent:?}");
        };
        assert!(uri.starts_with(&format!("/apis/resource.k8s.io/{version}/")));
        assert_eq!(body["apiVersion"], format!("resource.k8s.io/{version}"));
        assert_eq!(body["status"]["devices"][0]["networkData"], network);
    }
}
