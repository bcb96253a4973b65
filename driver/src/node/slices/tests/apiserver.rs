//! An API server in memory, as far as ResourceSlices go: versions, names, optimistic locking,
//! preconditions, validation, defaults, dropped fields, watches. It keeps an eye on the driver: after
//! each of its writes, what a reader sees of the pool must be nothing or exactly what is announced.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{Method, Response, StatusCode};
use k8s_openapi::api::resource::v1::{ResourceSlice, ResourceSliceSpec};
use kube::Client;
use serde_json::{Value, json};
use supercargo_host::objects::{self, Object, Severity, convert};
use supercargo_host::quantity::Quantity;
use tokio::sync::mpsc;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::UnboundedReceiverStream;

use crate::node::slices::same::canonical;

/// What goes wrong with the next request of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// 500, and nothing was done.
    Fails,
    /// 500, and it was done all the same.
    Forgets,
    /// 409.
    Conflicts,
    /// 403 as RBAC answers.
    Forbids,
    /// Somebody deletes the first slice before it.
    Loses,
}

#[derive(Default)]
pub(super) struct Store {
    /// By name, in v1's form.
    pub(super) slices: BTreeMap<String, Value>,
    pub(super) node_uid: Option<String>,
    pub(super) served: Vec<&'static str>,
    /// Fields of devices that are dropped.
    pub(super) dropped: Vec<&'static str>,
    /// What goes wrong, for the verb given.
    pub(super) faults: VecDeque<(&'static str, Fault)>,
    /// The writes of the driver: verb and name.
    pub(super) writes: Vec<String>,
    /// All pools that may be seen: each slice in canonical form.
    pub(super) announced: Vec<BTreeSet<String>>,
    /// Where a reader saw something else.
    pub(super) mixtures: Vec<String>,
    pub(super) lists: usize,
    watchers: Vec<mpsc::UnboundedSender<String>>,
    clock: u64,
}

#[derive(Clone, Default)]
pub(super) struct ApiServer(Arc<Mutex<Store>>);

impl ApiServer {
    pub(super) fn new() -> Self {
        let server = Self::default();
        let mut store = server.store();
        store.node_uid = Some("uid-of-node".to_owned());
        store.served = vec!["v1", "v1beta2", "v1beta1"];
        drop(store);
        server
    }

    pub(super) fn store(&self) -> MutexGuard<'_, Store> {
        self.0.lock().unwrap()
    }

    pub(super) fn client(&self) -> Client {
        let router = Router::new().fallback(serve).with_state(self.clone());
        Client::new(router, "default")
    }
}

async fn serve(State(server): State<ApiServer>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, 16 << 20).await.unwrap();
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let query = parts.uri.query().unwrap_or_default().to_owned();
    let path: Vec<&str> = parts.uri.path().trim_matches('/').split('/').collect();
    let mut store = server.store();
    let answer = match path[..] {
        ["apis"] => Ok(store.groups()),
        ["api", "v1", "nodes", name] => store.node(name),
        [
            "apis",
            "resource.k8s.io",
            version,
            "resourceslices",
            ref name @ ..,
        ] => {
            if !store.served.contains(&version) {
                let text = Body::from("404 page not found\n");
                return Response::builder().status(404).body(text).unwrap();
            }
            let name = name.first().copied();
            if query.contains("watch=true") {
                return store.watch();
            }
            store.act(&parts.method, version, name, body)
        }
        _ => Err(status(404, "NotFound", "no such path")),
    };
    let (code, body) = match answer {
        Ok(body) => (StatusCode::OK, body),
        Err(body) => (
            StatusCode::from_u16(body["code"].as_u64().unwrap() as u16).unwrap(),
            body,
        ),
    };
    let body = Body::from(body.to_string());
    Response::builder().status(code).body(body).unwrap()
}

fn status(code: u16, reason: &str, message: &str) -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code,
        "reason": reason, "message": message, "details": {"name": "some-name"}})
}

impl Store {
    fn groups(&self) -> Value {
        let versions: Vec<_> = self
            .served
            .iter()
            .map(|version| json!({"groupVersion": format!("resource.k8s.io/{version}"), "version": version}))
            .collect();
        let mut groups = vec![
            json!({"name": "apps", "versions": [{"groupVersion": "apps/v1", "version": "v1"}]}),
        ];
        if !versions.is_empty() {
            groups.push(json!({"name": "resource.k8s.io", "versions": versions}));
        }
        json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
    }

    fn node(&self, name: &str) -> Result<Value, Value> {
        let missing = || status(404, "NotFound", "nodes \"node-1\" not found");
        let uid = self.node_uid.as_ref().ok_or_else(missing)?;
        Ok(
            json!({"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata",
            "metadata": {"name": name, "uid": uid}}),
        )
    }

    fn act(
        &mut self,
        method: &Method,
        version: &str,
        name: Option<&str>,
        body: Value,
    ) -> Result<Value, Value> {
        let verb = match (method.as_str(), name) {
            ("GET", None) => "list",
            ("POST", None) => "create",
            ("PUT", Some(_)) => "update",
            ("DELETE", Some(_)) => "delete",
            other => panic!("the driver is not expected to send {other:?}"),
        };
        let fault = match self.faults.front() {
            Some((of, fault)) if *of == verb => Some(*fault),
            _ => None,
        };
        if fault.is_some() {
            self.faults.pop_front();
        }
        match fault {
            Some(Fault::Fails) => return Err(status(500, "InternalError", "out of order")),
            Some(Fault::Conflicts) => return Err(status(409, "Conflict", "changed in between")),
            Some(Fault::Forbids) => {
                let message =
                    format!("resourceslices.resource.k8s.io is forbidden: cannot {verb} resource");
                return Err(status(403, "Forbidden", &message));
            }
            Some(Fault::Loses) => {
                if let Some(name) = self.slices.keys().next().cloned() {
                    self.remove(&name);
                }
            }
            Some(Fault::Forgets) | None => {}
        }
        if verb == "list" {
            self.lists += 1;
            let items: Vec<_> = self
                .slices
                .values()
                .map(|slice| written(slice, version, false))
                .collect();
            return Ok(
                json!({"kind": "ResourceSliceList", "apiVersion": format!("resource.k8s.io/{version}"),
                "metadata": {"resourceVersion": self.clock.to_string()}, "items": items}),
            );
        }
        let before = self.seen();
        let done = match (verb, name) {
            ("create", _) => self.create(read(body, version)),
            ("update", Some(name)) => self.update(name, read(body, version)),
            (_, name) => self.delete(name.unwrap(), &body),
        };
        self.writes.push(format!("{verb} {}", name.unwrap_or("-")));
        let after = self.seen();
        if let Some(after) = after.filter(|after| before.as_ref() != Some(after))
            && !self.announced.contains(&after)
        {
            self.mixtures
                .push(format!("{:?} showed {after:#?}", self.writes.last()));
        }
        if fault == Some(Fault::Forgets) {
            return Err(status(500, "InternalError", "lost the answer"));
        }
        done.map(|slice| written(&slice, version, true))
    }

    fn create(&mut self, mut slice: Value) -> Result<Value, Value> {
        self.clock += 1;
        if slice["metadata"]["name"].is_null() {
            let prefix = slice["metadata"]["generateName"]
                .as_str()
                .unwrap()
                .to_owned();
            slice["metadata"]["name"] = json!(format!("{prefix}{:05}", self.clock));
        }
        slice["metadata"]["uid"] = json!(format!("uid-{}", self.clock));
        self.put(slice, "ADDED")
    }

    fn update(&mut self, name: &str, slice: Value) -> Result<Value, Value> {
        let there = self
            .slices
            .get(name)
            .ok_or_else(|| status(404, "NotFound", "no such slice"))?;
        let field = |slice: &Value, field: &str| slice["metadata"][field].clone();
        for locked in ["uid", "resourceVersion"] {
            if field(there, locked) != field(&slice, locked) {
                return Err(status(409, "Conflict", "the object has been modified"));
            }
        }
        for immutable in ["driver", "nodeName"] {
            assert_eq!(there["spec"][immutable], slice["spec"][immutable]);
        }
        assert_eq!(there["spec"]["pool"]["name"], slice["spec"]["pool"]["name"]);
        self.clock += 1;
        self.put(slice, "MODIFIED")
    }

    /// What the registry does to what comes in: drop, default, validate, store.
    fn put(&mut self, mut slice: Value, event: &str) -> Result<Value, Value> {
        for device in slice
            .pointer_mut("/spec/devices")
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
        {
            let device = device.as_object_mut().unwrap();
            self.dropped
                .iter()
                .for_each(|field| drop(device.remove(*field)));
            for taint in device
                .get_mut("taints")
                .and_then(Value::as_array_mut)
                .into_iter()
                .flatten()
            {
                if taint["timeAdded"].is_null() {
                    taint["timeAdded"] = json!(format!("2026-01-01T00:{:02}:00Z", self.clock % 60));
                }
            }
            for capacity in device
                .get_mut("capacity")
                .and_then(Value::as_object_mut)
                .into_iter()
                .flatten()
            {
                let text = capacity.1["value"].as_str().unwrap();
                capacity.1["value"] = json!(Quantity::parse(text).unwrap().to_string());
            }
        }
        let typed: ResourceSlice = serde_json::from_value(slice.clone()).unwrap();
        let problems = objects::check("request", &Object::ResourceSlice(typed));
        if let Some(problem) = problems
            .iter()
            .find(|problem| problem.severity == Severity::Error)
        {
            return Err(status(422, "Invalid", &problem.to_string()));
        }
        slice["metadata"]["resourceVersion"] = json!(self.clock.to_string());
        let name = slice["metadata"]["name"].as_str().unwrap().to_owned();
        self.slices.insert(name, slice.clone());
        self.tell(event, &slice);
        Ok(slice)
    }

    fn delete(&mut self, name: &str, options: &Value) -> Result<Value, Value> {
        let there = self
            .slices
            .get(name)
            .ok_or_else(|| status(404, "NotFound", "no such slice"))?;
        let wanted = &options["preconditions"];
        for locked in ["uid", "resourceVersion"] {
            assert!(
                wanted[locked].is_string(),
                "a deletion says what it deletes"
            );
            if wanted[locked] != there["metadata"][locked] {
                return Err(status(409, "Conflict", "the precondition does not hold"));
            }
        }
        Ok(self.remove(name))
    }

    fn remove(&mut self, name: &str) -> Value {
        self.clock += 1;
        let mut slice = self.slices.remove(name).unwrap();
        slice["metadata"]["resourceVersion"] = json!(self.clock.to_string());
        self.tell("DELETED", &slice);
        slice
    }

    fn tell(&mut self, event: &str, slice: &Value) {
        self.watchers.retain(|watcher| {
            let object = metadata(slice);
            watcher
                .send(format!("{}\n", json!({"type": event, "object": object})))
                .is_ok()
        });
    }

    /// Watches from now on; the driver is expected to have listed just before.
    fn watch(&mut self) -> Response<Body> {
        let (sender, receiver) = mpsc::unbounded_channel();
        self.watchers.push(sender);
        let lines = UnboundedReceiverStream::new(receiver).map(Ok::<_, std::io::Error>);
        Response::new(Body::from_stream(lines))
    }

    pub(super) fn watches(&self) -> usize {
        self.watchers.len()
    }

    /// Ends all watches with an error.
    pub(super) fn expire_watches(&mut self) {
        let gone =
            json!({"type": "ERROR", "object": status(410, "Expired", "too old resource version")});
        for watcher in self.watchers.drain(..) {
            let _ = watcher.send(format!("{gone}\n"));
        }
    }

    /// What somebody else does to a slice.
    pub(super) fn edit(&mut self, name: &str, change: impl FnOnce(&mut Value)) {
        self.clock += 1;
        let mut slice = self.slices.get(name).unwrap().clone();
        change(&mut slice);
        slice["metadata"]["resourceVersion"] = json!(self.clock.to_string());
        self.slices.insert(name.to_owned(), slice.clone());
        self.tell("MODIFIED", &slice);
    }

    /// Somebody else deletes a slice.
    pub(super) fn lose(&mut self, name: &str) {
        self.remove(name);
    }

    /// Somebody else creates a slice under this name.
    pub(super) fn add(&mut self, name: &str, mut slice: Value) {
        self.clock += 1;
        slice["metadata"]["name"] = json!(name);
        slice["metadata"]["uid"] = json!(format!("uid-{}", self.clock));
        slice["metadata"]["resourceVersion"] = json!(self.clock.to_string());
        self.slices.insert(name.to_owned(), slice.clone());
        self.tell("ADDED", &slice);
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.slices.keys().cloned().collect()
    }

    pub(super) fn typed(&self) -> Vec<ResourceSlice> {
        self.slices
            .values()
            .map(|slice| serde_json::from_value(slice.clone()).unwrap())
            .collect()
    }

    /// The pool as the scheduler sees it; `None` where it waits or refuses.
    pub(super) fn seen(&self) -> Option<BTreeSet<String>> {
        let slices = self.typed();
        let pool = slices
            .iter()
            .filter(|slice| slice.spec.pool.name == "node-1");
        let newest = pool.clone().map(|slice| slice.spec.pool.generation).max()?;
        let current: Vec<_> = pool
            .filter(|slice| slice.spec.pool.generation == newest)
            .collect();
        let count = current.first()?.spec.pool.resource_slice_count;
        if i64::try_from(current.len()).unwrap() != count {
            return None;
        }
        let mut names = BTreeSet::new();
        for slice in &current {
            let devices = slice
                .spec
                .devices
                .iter()
                .flatten()
                .map(|device| &device.name);
            let sets = slice
                .spec
                .shared_counters
                .iter()
                .flatten()
                .map(|set| &set.name);
            if !devices.chain(sets).all(|name| names.insert(name.clone())) {
                return None;
            }
        }
        Some(
            current
                .into_iter()
                .map(|slice| form(slice.spec.clone()))
                .collect(),
        )
    }

    /// From now on a reader may see this.
    pub(super) fn allow(&mut self, specs: &[ResourceSliceSpec]) {
        let pool = specs.iter().cloned().map(form).collect();
        self.announced.push(pool);
    }
}

/// A slice as a reader compares it: the time of a taint is no matter.
fn form(mut spec: ResourceSliceSpec) -> String {
    for device in spec.devices.iter_mut().flatten() {
        device
            .taints
            .iter_mut()
            .flatten()
            .for_each(|taint| taint.time_added = None);
    }
    canonical(spec).to_string()
}

fn written(slice: &Value, version: &str, named: bool) -> Value {
    let mut slice = slice.clone();
    if version == "v1beta1" {
        convert::v1_to_v1beta1(&mut slice);
    }
    slice["apiVersion"] = json!(format!("resource.k8s.io/{version}"));
    if !named {
        // Items of a list do not say what they are.
        let object = slice.as_object_mut().unwrap();
        object.remove("apiVersion");
        object.remove("kind");
    }
    slice
}

fn metadata(slice: &Value) -> Value {
    json!({"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": slice["metadata"]})
}

/// Refuses another version's form, as a strict server would.
fn read(mut slice: Value, version: &str) -> Value {
    assert_eq!(slice["apiVersion"], format!("resource.k8s.io/{version}"));
    assert_eq!(slice["kind"], "ResourceSlice");
    for device in slice["spec"]["devices"].as_array().into_iter().flatten() {
        assert_eq!(
            device["basic"].is_object(),
            version == "v1beta1",
            "{device}"
        );
    }
    if version == "v1beta1" {
        convert::v1beta1_to_v1(&mut slice);
    }
    slice["apiVersion"] = json!("resource.k8s.io/v1");
    slice
}
