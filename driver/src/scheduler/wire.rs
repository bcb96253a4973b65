//! The extender protocol as the kube-scheduler speaks it (`k8s.io/kube-scheduler/extender/v1`).
//!
//! Its types have no JSON names, so the keys are Go's field names, while the Kubernetes objects inside
//! have theirs. Of a pod only what a decision needs is read; a node that travels as a whole object goes
//! back as the very bytes that it came in. There may be thousands of nodes in a question and in its answer:
//! their names stay where they were read.

use std::borrow::{Borrow, Cow};
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::pod::PodObject;

/// The highest score of a node.
pub const MOST: i64 = 10;

/// What Filter and Prioritize are asked: a pod, and the nodes that are left.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Args<'a> {
    /// The pod.
    pub pod: PodObject,
    /// The nodes as objects, from a scheduler whose extender is not `nodeCacheCapable`.
    #[serde(borrow, default)]
    pub nodes: Option<NodeList<'a>>,
    /// The nodes by name, from any other.
    #[serde(borrow, default)]
    pub node_names: Option<Vec<Name<'a>>>,
}

/// A list of nodes.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct NodeList<'a> {
    /// The nodes, unread.
    #[serde(borrow, default)]
    pub items: Vec<&'a RawValue>,
}

/// A node's name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

impl From<String> for Name<'_> {
    fn from(name: String) -> Self {
        Self(Cow::Owned(name))
    }
}

impl Borrow<str> for Name<'_> {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for Name<'_> {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

#[derive(Debug, Deserialize)]
struct Named<'a> {
    #[serde(borrow)]
    metadata: Metadata<'a>,
}

#[derive(Debug, Deserialize)]
struct Metadata<'a> {
    #[serde(borrow)]
    name: Name<'a>,
}

/// The nodes of a question: names, and the objects where those came.
#[derive(Debug)]
pub struct Candidates<'a> {
    names: Vec<Name<'a>>,
    objects: Option<Vec<&'a RawValue>>,
}

impl<'a> Candidates<'a> {
    /// Takes the nodes out of a question.
    ///
    /// # Errors
    /// A node without a name.
    pub fn of(
        nodes: Option<NodeList<'a>>,
        names: Option<Vec<Name<'a>>>,
    ) -> Result<Self, serde_json::Error> {
        match (names, nodes) {
            (None, Some(list)) => {
                let name = |object: &&'a RawValue| {
                    serde_json::from_str(object.get()).map(|named: Named<'a>| named.metadata.name)
                };
                Ok(Self {
                    names: list.items.iter().map(name).collect::<Result<_, _>>()?,
                    objects: Some(list.items),
                })
            }
            (names, _) => Ok(Self {
                names: names.unwrap_or_default(),
                objects: None,
            }),
        }
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.names.len()
    }

    /// The names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> + Clone {
        self.names.iter().map(AsRef::as_ref)
    }

    /// The answer to Prioritize that prefers none.
    #[must_use]
    pub fn equally_good(&self) -> Vec<HostPriority<'_>> {
        let equal = |host| HostPriority { host, score: 0 };
        self.names().map(equal).collect()
    }

    /// The answer to Filter that lets a node pass unless `refused` says why not, in the form in which the
    /// nodes came.
    #[must_use]
    pub fn filtered(
        self,
        mut refused: impl FnMut(usize, &str) -> Option<Refused>,
    ) -> FilterResult<'a> {
        let mut result = FilterResult::default();
        let mut passed = Vec::with_capacity(self.names.len());
        let mut kept = Vec::new();
        let mut objects = self.objects.map(Vec::into_iter);
        let whole = objects.is_some();
        for (position, name) in self.names.into_iter().enumerate() {
            let object = objects.as_mut().and_then(Iterator::next);
            match refused(position, name.as_ref()) {
                None => {
                    kept.extend(object);
                    passed.push(name);
                }
                Some(Refused::Now(reason)) => {
                    result.failed_nodes.insert(name, reason);
                }
                Some(Refused::Unresolvable(reason)) => {
                    result.failed_and_unresolvable_nodes.insert(name, reason);
                }
            }
        }
        if whole {
            result.nodes = Some(NodeList { items: kept });
        } else {
            result.node_names = Some(passed);
        }
        result
    }
}

/// Why a node does not pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// Taking pods away there may help.
    Now(String),
    /// Taking pods away does not help.
    Unresolvable(String),
}

/// The answer to Filter.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct FilterResult<'a> {
    /// The nodes that pass, where objects came.
    pub nodes: Option<NodeList<'a>>,
    /// The nodes that pass, where names came.
    pub node_names: Option<Vec<Name<'a>>>,
    /// The others, with the reason, where preemption may help.
    pub failed_nodes: BTreeMap<Name<'a>, String>,
    /// The others, where it cannot.
    pub failed_and_unresolvable_nodes: BTreeMap<Name<'a>, String>,
    /// Why nothing could be decided; empty otherwise.
    pub error: String,
}

impl FilterResult<'_> {
    /// Whether something was decided, and no node passes.
    #[must_use]
    pub fn lets_nobody_pass(&self) -> bool {
        let none_passed = match (&self.nodes, &self.node_names) {
            (Some(nodes), _) => nodes.items.is_empty(),
            (_, Some(names)) => names.is_empty(),
            _ => false,
        };
        none_passed && self.error.is_empty()
    }

    /// The nodes, if every one of them was refused.
    #[must_use]
    pub fn refused(&self) -> Option<Vec<String>> {
        let refused = self.failed_nodes.keys();
        let refused = refused.chain(self.failed_and_unresolvable_nodes.keys());
        let names = refused.map(|name| name.as_ref().to_owned());
        self.lets_nobody_pass().then(|| names.collect())
    }

    /// Nothing could be decided.
    #[must_use]
    pub fn error(error: String) -> Self {
        Self {
            error,
            ..Self::default()
        }
    }
}

/// How good a node is.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct HostPriority<'a> {
    /// The node.
    pub host: &'a str,
    /// From 0 to [`MOST`].
    pub score: i64,
}

/// What Bind is asked.
#[derive(Debug, Clone, Deserialize)]
pub struct BindArgs {
    /// The pod's name.
    #[serde(rename = "PodName")]
    pub name: String,
    /// The pod's namespace.
    #[serde(rename = "PodNamespace")]
    pub namespace: String,
    /// The pod's UID.
    #[serde(rename = "PodUID")]
    pub uid: String,
    /// The node that the scheduler chose.
    #[serde(rename = "Node")]
    pub node: String,
}

/// The answer to Bind.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct BindResult {
    /// Why the pod is not bound; empty when it is.
    pub error: String,
}

/// What Preempt is asked: on which nodes which pods would have to go.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct PreemptArgs {
    /// The pod that wants room.
    pub pod: PodObject,
    /// The victims as objects.
    #[serde(default)]
    pub node_name_to_victims: Option<BTreeMap<String, Victims>>,
    /// The victims by UID, from a scheduler whose extender is `nodeCacheCapable`.
    #[serde(default)]
    pub node_name_to_meta_victims: Option<BTreeMap<String, MetaVictims>>,
}

/// The pods that would have to go.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Victims {
    /// The pods.
    #[serde(default)]
    pub pods: Option<Vec<PodObject>>,
    /// How many disruption budgets that would break.
    #[serde(rename = "NumPDBViolations", default)]
    pub violations: i64,
}

/// The same by UID.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct MetaVictims {
    /// The pods.
    #[serde(default)]
    pub pods: Option<Vec<MetaPod>>,
    /// How many disruption budgets that would break.
    #[serde(rename = "NumPDBViolations", default)]
    pub violations: i64,
}

/// A pod by UID.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MetaPod {
    /// The UID.
    #[serde(rename = "UID")]
    pub uid: String,
}

/// The answer to Preempt: nodes where it works, with all who have to go.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct PreemptResult {
    /// The victims by node.
    pub node_name_to_meta_victims: BTreeMap<String, MetaVictims>,
}

impl PreemptArgs {
    /// The victims by UID, in whichever form they came.
    #[must_use]
    pub fn victims(self) -> (PodObject, BTreeMap<String, MetaVictims>) {
        let objects = self.node_name_to_victims.unwrap_or_default();
        let by_uid = |victims: Victims| MetaVictims {
            pods: Some(
                victims
                    .pods
                    .into_iter()
                    .flatten()
                    .filter_map(|pod| pod.metadata.uid.map(|uid| MetaPod { uid }))
                    .collect(),
            ),
            violations: victims.violations,
        };
        let victims = match self.node_name_to_meta_victims {
            Some(victims) => victims,
            None => objects
                .into_iter()
                .map(|(node, victims)| (node, by_uid(victims)))
                .collect(),
        };
        (self.pod, victims)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_are_answered_with_names_under_gos_field_names() {
        let body = json!({
            "Pod": {"metadata": {"name": "p", "creationTimestamp": null}, "spec": {"containers": []}, "status": {}},
            "Nodes": null,
            "NodeNames": ["a", "b", "c"],
        })
        .to_string();
        let args: Args<'_> = serde_json::from_str(&body).unwrap();
        let kept = args.node_names.as_deref().unwrap_or_default();
        assert!(kept.iter().all(|name| matches!(name.0, Cow::Borrowed(_))));
        let nodes = Candidates::of(args.nodes, args.node_names).unwrap();
        let result = nodes.filtered(|_, name| match name {
            "a" => None,
            "b" => Some(Refused::Now("full".into())),
            _ => Some(Refused::Unresolvable("elsewhere".into())),
        });
        assert_eq!(
            serde_json::to_value(result).unwrap(),
            json!({
                "Nodes": null,
                "NodeNames": ["a"],
                "FailedNodes": {"b": "full"},
                "FailedAndUnresolvableNodes": {"c": "elsewhere"},
                "Error": "",
            })
        );
    }

    #[test]
    fn objects_are_answered_with_the_same_bytes() {
        let body = r#"{"Pod": {"metadata": {"name": "p"}, "spec": {}},
            "Nodes": {"metadata": {}, "items": [
                {"metadata": {"name": "a"}, "unheard-of": 1.50}, {"metadata": {"name": "b"}}]}}"#;
        let args: Args<'_> = serde_json::from_str(body).unwrap();
        let nodes = Candidates::of(args.nodes, args.node_names).unwrap();
        let result = nodes.filtered(|_, name| (name == "b").then(|| Refused::Now("no".into())));
        assert_eq!(
            serde_json::to_string(&result).unwrap(),
            r#"{"Nodes":{"items":[{"metadata": {"name": "a"}, "unheard-of": 1.50}]},"NodeNames":null,"#
                .to_owned()
                + r#""FailedNodes":{"b":"no"},"FailedAndUnresolvableNodes":{},"Error":""}"#
        );
    }

    #[test]
    fn victims_are_the_same_in_both_forms() {
        let pod = json!({"metadata": {"name": "p"}, "spec": {}});
        let read = |body: serde_json::Value| -> PreemptArgs {
            serde_json::from_str(&body.to_string()).unwrap()
        };
        let objects = read(json!({"Pod": pod, "NodeNameToVictims": {"a": {
            "Pods": [{"metadata": {"uid": "1"}, "spec": {}}], "NumPDBViolations": 2}}}));
        let meta = read(
            json!({"Pod": pod, "NodeNameToVictims": null, "NodeNameToMetaVictims": {"a": {
            "Pods": [{"UID": "1"}], "NumPDBViolations": 2}}}),
        );
        let (_, objects) = objects.victims();
        assert_eq!(objects, meta.victims().1);
        let result = PreemptResult {
            node_name_to_meta_victims: objects,
        };
        assert_eq!(
            serde_json::to_value(result).unwrap(),
            json!({"NodeNameToMetaVictims": {"a": {"Pods": [{"UID": "1"}], "NumPDBViolations": 2}}})
        );
    }
}
