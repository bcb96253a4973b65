//! The watches that feed the state.
//!
//! Each kind is listed and watched for as long as the process runs. A list that comes again (after a
//! connection was lost, or the API server forgot) updates what changed and removes what is gone; meanwhile
//! what was known goes on being known.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt as _};
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::resource::v1::DeviceTaintRule;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::api::{ApiResource, DynamicObject, GroupVersionKind, PartialObjectMeta};
use kube::core::Object;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, Resource};
use serde::{Deserialize, Serialize};
use serde_json::json;
use supercargo_host::objects::ADMIN_LABEL;
use supercargo_host::quantity;
use supercargo_host::scheduling::extended;

use super::{Budget, Kind, State};
use crate::kubernetes::api::{ApiError, GROUP, ResourceApi, Version};
use crate::scheduler::pod::{Pod, PodObject};

/// How long is waited before the API server is asked again what it serves.
const AGAIN: Duration = Duration::from_secs(2);

/// Versions that have DeviceTaintRules, the preferred ones first. Their form is the same.
const TAINT_RULES: [&str; 3] = ["v1", "v1beta2", "v1alpha3"];

/// A node, as far as it is read.
type NodeObject = Object<Unread, NodeStatus>;

/// What is not read.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Unread {}

/// Of a node's status.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct NodeStatus {
    allocatable: Option<BTreeMap<String, Quantity>>,
}

impl NodeStatus {
    /// The extended resources that the node's device plugins offer.
    fn offers(self) -> BTreeSet<String> {
        let some = |amount: &Quantity| {
            quantity::Quantity::parse(&amount.0).is_ok_and(|amount| !amount.is_zero())
        };
        self.allocatable
            .into_iter()
            .flatten()
            .filter(|(name, amount)| extended::may_be_devices(name) && some(amount))
            .map(|(name, _)| name)
            .collect()
    }
}

type Events<K> = watcher::Result<Event<K>>;

/// Feeds one kind. Of pods, those that may have claims. Never ends.
pub async fn feed(api: ResourceApi, state: Arc<State>, kind: Kind) {
    let client = api.client().clone();
    let config = watcher::Config::default();
    match kind {
        Kind::Slices | Kind::Classes | Kind::Claims => resource_api(api, state, kind).await,
        Kind::TaintRules => taint_rules(client, state).await,
        Kind::Nodes => {
            let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("", "v1", "Node"));
            let nodes: Api<NodeObject> = Api::all_with(client, &resource);
            let events = watcher(nodes, config).default_backoff();
            follow(
                kind,
                events,
                &state,
                &mut HashSet::new(),
                name_of,
                |name, node| match node {
                    None => state.set_node(name, None, BTreeSet::new()),
                    Some(node) => {
                        let labels = node.metadata.labels.unwrap_or_default();
                        let offers = node.status.unwrap_or_default().offers();
                        state.set_node(name, Some(labels), offers);
                    }
                },
            )
            .await;
        }
        Kind::Namespaces => {
            let namespaces: Api<PartialObjectMeta<Namespace>> = Api::all(client);
            let config = config.labels(&format!("{ADMIN_LABEL}=true"));
            let events = watcher(namespaces, config).default_backoff();
            follow(
                kind,
                events,
                &state,
                &mut HashSet::new(),
                name_of,
                |name, namespace| {
                    state.set_admin_namespace(name, namespace.is_some());
                },
            )
            .await;
        }
        Kind::Budgets => {
            let budgets: Api<PodDisruptionBudget> = Api::all(client);
            let events = watcher(budgets, config).default_backoff();
            let name = |budget: &PodDisruptionBudget| {
                let namespace = budget.metadata.namespace.clone().unwrap_or_default();
                format!("{namespace}/{}", name_of(budget))
            };
            let known = &mut HashSet::new();
            follow(kind, events, &state, known, name, |name, budget| {
                state.set_budget(name, budget.and_then(Budget::of));
            })
            .await;
        }
        Kind::Pods => {
            let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("", "v1", "Pod"));
            let pods: Api<PodObject> = Api::all_with(client, &resource);
            let events = watcher(pods, config).default_backoff();
            follow(
                kind,
                events,
                &state,
                &mut HashSet::new(),
                uid_of,
                |uid, pod| {
                    let pod = pod.map(Pod::from);
                    state.set_pod(uid, pod.filter(Pod::may_claim));
                },
            )
            .await;
        }
    }
}

fn name_of(object: &impl Resource) -> String {
    object.meta().name.clone().unwrap_or_default()
}

fn uid_of(object: &impl Resource) -> String {
    object.meta().uid.clone().unwrap_or_default()
}

/// Feeds a kind whose version may change while this runs.
async fn resource_api(api: ResourceApi, state: Arc<State>, kind: Kind) {
    let mut known = HashSet::new();
    loop {
        let version = match api.version().await {
            Ok(version) => version,
            Err(error) => {
                tracing::warn!(%error, "cannot watch {}", kind.as_str());
                tokio::time::sleep(AGAIN).await;
                continue;
            }
        };
        let resource = match kind {
            Kind::Slices => version.slices(),
            Kind::Classes => version.classes(),
            _ => version.claims(),
        };
        let objects: Api<DynamicObject> = Api::all_with(api.client().clone(), &resource);
        let events = watcher(objects, watcher::Config::default()).default_backoff();
        // Trouble may mean that this version is served no longer.
        let served = events.then(|event| {
            let api = api.clone();
            async move {
                let moved = event.is_err() && api.discover().await.is_ok_and(|now| now != version);
                (!moved).then_some(event)
            }
        });
        let events = served.take_while(|event| std::future::ready(event.is_some()));
        let events = std::pin::pin!(events.filter_map(std::future::ready));
        let key = |object: &DynamicObject| match kind {
            Kind::Claims => uid_of(object),
            _ => name_of(object),
        };
        follow(kind, events, &state, &mut known, key, |key, object| {
            if let Err(error) = set(&state, version, kind, key, object) {
                tracing::error!(%error, key, "an object is passed over");
            }
        })
        .await;
    }
}

fn set(
    state: &State,
    version: Version,
    kind: Kind,
    key: &str,
    object: Option<DynamicObject>,
) -> Result<(), ApiError> {
    match kind {
        Kind::Slices => {
            let slice = object.map(|object| version.read_slice(object)).transpose();
            // One that cannot be read is as good as none: its pool is then incomplete.
            state.set_slice(key, slice.as_ref().ok().cloned().flatten());
            slice.map(drop)
        }
        Kind::Classes => {
            let class = object.map(|object| version.read_class(object)).transpose();
            state.set_class(key, class.as_ref().ok().cloned().flatten());
            class.map(drop)
        }
        _ => {
            match object {
                Some(object) => state.observe(version.read_claim(object)?),
                None => state.gone(key),
            }
            Ok(())
        }
    }
}

/// Feeds DeviceTaintRules, where they are served.
async fn taint_rules(client: Client, state: Arc<State>) {
    let version = loop {
        match taint_rule_version(&client).await {
            Ok(version) => break version,
            Err(error) => {
                tracing::warn!(%error, "cannot find out whether DeviceTaintRules are served");
                tokio::time::sleep(AGAIN).await;
            }
        }
    };
    let Some(version) = version else {
        tracing::info!("the API server serves no DeviceTaintRules");
        state.synced(Kind::TaintRules);
        return std::future::pending().await;
    };
    let kind = GroupVersionKind::gvk(GROUP, version, "DeviceTaintRule");
    let resource = ApiResource::from_gvk_with_plural(&kind, Kind::TaintRules.as_str());
    let rules: Api<DynamicObject> = Api::all_with(client, &resource);
    let events = watcher(rules, watcher::Config::default()).default_backoff();
    let mut known = HashSet::new();
    follow(
        Kind::TaintRules,
        events,
        &state,
        &mut known,
        name_of,
        |name, rule| {
            let read = |rule: DynamicObject| {
                let mut value = serde_json::to_value(rule)?;
                if let Some(object) = value.as_object_mut() {
                    object.insert("apiVersion".to_owned(), json!(format!("{GROUP}/v1")));
                    object.insert("kind".to_owned(), json!("DeviceTaintRule"));
                }
                serde_json::from_value::<DeviceTaintRule>(value)
            };
            match rule.map(read).transpose() {
                Ok(rule) => state.set_taint_rule(name, rule),
                Err(error) => tracing::error!(%error, name, "a DeviceTaintRule is passed over"),
            }
        },
    )
    .await;
}

async fn taint_rule_version(client: &Client) -> kube::Result<Option<&'static str>> {
    let groups = client.list_api_groups().await?;
    let served = groups.groups.iter().filter(|group| group.name == GROUP);
    let served: Vec<&str> = served
        .flat_map(|group| &group.versions)
        .map(|version| version.version.as_str())
        .collect();
    for version in TAINT_RULES {
        if served.contains(&version) {
            let resources = client
                .list_api_group_resources(&format!("{GROUP}/{version}"))
                .await?;
            let wanted = Kind::TaintRules.as_str();
            if resources.resources.iter().any(|it| it.name == wanted) {
                return Ok(Some(version));
            }
        }
    }
    Ok(None)
}

/// Hands each object on under its key, and tells when the first list is complete.
async fn follow<K>(
    kind: Kind,
    events: impl Stream<Item = Events<K>>,
    state: &State,
    known: &mut HashSet<String>,
    key: impl Fn(&K) -> String,
    set: impl Fn(&str, Option<K>),
) {
    let mut events = std::pin::pin!(events);
    let mut listed = HashSet::new();
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Init) => listed.clear(),
            Ok(Event::InitApply(object)) => {
                let key = key(&object);
                set(&key, Some(object));
                known.insert(key.clone());
                listed.insert(key);
            }
            Ok(Event::InitDone) => {
                for key in known.difference(&listed) {
                    set(key, None);
                }
                *known = std::mem::take(&mut listed);
                state.synced(kind);
            }
            Ok(Event::Apply(object)) => {
                let key = key(&object);
                set(&key, Some(object));
                known.insert(key);
            }
            Ok(Event::Delete(object)) => {
                let key = key(&object);
                set(&key, None);
                known.remove(&key);
            }
            Err(error) => tracing::warn!(
                %error,
                "trouble with the watch on {}; it is tried again (see examples/scheduler/own/rbac.yaml for the rights it needs)",
                kind.as_str()
            ),
        }
    }
}
