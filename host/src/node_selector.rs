//! Which nodes a node selector, a pod's required node affinity or a pod's `nodeName` admits.
//!
//! Kubernetes has one rule for all of these (`k8s.io/component-helpers` nodeaffinity) with two
//! temperaments towards mistakes: a ResourceSlice or allocation with a malformed selector is an
//! error at once ([`NodeTerms::parse`]), while a pod's affinity with one malformed term still
//! matches by its other terms ([`NodeTerms::lenient`]). Both are here, over one parsed form.

use k8s_openapi::api::core::v1::{
    Affinity, Node, NodeSelector, NodeSelectorRequirement, NodeSelectorTerm, Pod,
};
use std::collections::BTreeMap;

use crate::names;

/// A requirement of a node selector that can match nothing because it is malformed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("nodeSelectorTerms[{term}].{field}: {message}")]
pub struct NodeSelectorError {
    /// Position of the term.
    pub term: usize,
    /// Path of the field within the term, like `matchExpressions[0].values`.
    pub field: String,
    /// The broken rule.
    pub message: String,
}

/// A parsed node selector: terms are alternatives, the requirements of a term all hold.
#[derive(Debug, Clone, Default)]
pub struct NodeTerms {
    terms: Vec<Result<Vec<Requirement>, NodeSelectorError>>,
}

#[derive(Debug, Clone)]
enum Requirement {
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
    Exists(String),
    DoesNotExist(String),
    Greater(String, i64),
    Less(String, i64),
    NameIs(String),
    NameIsNot(String),
    /// A field other than `metadata.name`: nodes have none, so only its absence can hold.
    OtherField {
        wanted: String,
        equal: bool,
    },
}

impl NodeTerms {
    /// Parses a selector; any malformed term makes the whole an error.
    pub fn parse(selector: &NodeSelector) -> Result<Self, NodeSelectorError> {
        let terms = Self::lenient(selector);
        match terms.first_error() {
            Some(error) => Err(error.clone()),
            None => Ok(terms),
        }
    }

    /// Parses a selector; a malformed term matches nothing and is told by [`Self::first_error`].
    pub fn lenient(selector: &NodeSelector) -> Self {
        let terms = selector
            .node_selector_terms
            .iter()
            .enumerate()
            .filter(|(_, term)| !is_empty(term))
            .map(|(position, term)| parse_term(position, term))
            .collect();
        Self { terms }
    }

    /// The first malformed term's error.
    pub fn first_error(&self) -> Option<&NodeSelectorError> {
        self.terms.iter().find_map(|term| term.as_ref().err())
    }

    /// Whether any term admits the node. A selector without (non-empty) terms admits none.
    pub fn matches(&self, node: &Node) -> bool {
        self.terms.iter().flatten().any(|requirements| {
            requirements
                .iter()
                .all(|requirement| requirement.holds(node))
        })
    }
}

/// Why a node does not take a pod, as far as the pod itself says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NodeMismatch {
    /// `spec.nodeName` binds the pod elsewhere.
    #[error("the pod is bound to node {0} (spec.nodeName)")]
    BoundElsewhere(String),
    /// A label of `spec.nodeSelector` is absent or different.
    #[error("spec.nodeSelector wants label {key}={wanted}, the node has {}", found.as_deref().unwrap_or("none"))]
    Label {
        /// The label's key.
        key: String,
        /// The value the pod wants.
        wanted: String,
        /// The value the node has.
        found: Option<String>,
    },
    /// No term of the required node affinity admits the node.
    #[error("no term of the pod's required node affinity matches the node")]
    Affinity,
    /// No term admits the node, and one of them is malformed.
    #[error("the pod's required node affinity is malformed: {0}")]
    Malformed(NodeSelectorError),
}

/// Whether a node may take a pod by `spec.nodeName`, `spec.nodeSelector` and the required terms of
/// `spec.affinity.nodeAffinity`.
pub fn admits(node: &Node, pod: &Pod) -> Result<(), NodeMismatch> {
    let Some(spec) = &pod.spec else { return Ok(()) };
    if let Some(bound) = spec.node_name.as_deref().filter(|name| !name.is_empty())
        && node.metadata.name.as_deref() != Some(bound)
    {
        return Err(NodeMismatch::BoundElsewhere(bound.to_owned()));
    }
    for (key, wanted) in spec.node_selector.iter().flatten() {
        let found = label(node, key);
        if found != Some(wanted) {
            return Err(NodeMismatch::Label {
                key: key.clone(),
                wanted: wanted.clone(),
                found: found.cloned(),
            });
        }
    }
    match required_terms(spec.affinity.as_ref()) {
        Some(selector) => {
            let terms = NodeTerms::lenient(selector);
            match terms.first_error() {
                _ if terms.matches(node) => Ok(()),
                Some(error) => Err(NodeMismatch::Malformed(error.clone())),
                None => Err(NodeMismatch::Affinity),
            }
        }
        None => Ok(()),
    }
}

fn required_terms(affinity: Option<&Affinity>) -> Option<&NodeSelector> {
    affinity?
        .node_affinity
        .as_ref()?
        .required_during_scheduling_ignored_during_execution
        .as_ref()
}

fn label<'node>(node: &'node Node, key: &str) -> Option<&'node String> {
    let labels: &BTreeMap<_, _> = node.metadata.labels.as_ref()?;
    labels.get(key)
}

fn is_empty(term: &NodeSelectorTerm) -> bool {
    let none = |list: &Option<Vec<_>>| list.as_ref().is_none_or(Vec::is_empty);
    none(&term.match_expressions) && none(&term.match_fields)
}

fn parse_term(
    position: usize,
    term: &NodeSelectorTerm,
) -> Result<Vec<Requirement>, NodeSelectorError> {
    let mut requirements = Vec::new();
    type Parse = fn(&NodeSelectorRequirement) -> Result<Requirement, (&'static str, String)>;
    let lists: [(&str, &Option<Vec<_>>, Parse); 2] = [
        (
            "matchExpressions",
            &term.match_expressions,
            parse_expression,
        ),
        ("matchFields", &term.match_fields, parse_field),
    ];
    for (list, wanted, parse) in lists {
        for (index, requirement) in wanted.iter().flatten().enumerate() {
            requirements.push(parse(requirement).map_err(|(field, message)| {
                NodeSelectorError {
                    term: position,
                    field: format!("{list}[{index}].{field}"),
                    message,
                }
            })?);
        }
    }
    Ok(requirements)
}

fn parse_expression(
    wanted: &NodeSelectorRequirement,
) -> Result<Requirement, (&'static str, String)> {
    names::label_key(&wanted.key).map_err(|rule| ("key", format!("'{}' {rule}", wanted.key)))?;
    let values = wanted.values.as_deref().unwrap_or_default();
    for value in values {
        names::label_value(value).map_err(|rule| ("values", format!("'{value}' {rule}")))?;
    }
    let key = wanted.key.clone();
    let number = || match values {
        [value] => go_integer(value).ok_or_else(|| {
            (
                "values",
                format!("operators Gt and Lt compare integers, '{value}' is none"),
            )
        }),
        _ => Err((
            "values",
            "operators Gt and Lt need exactly one value".to_owned(),
        )),
    };
    match (wanted.operator.as_str(), values) {
        ("In" | "NotIn", []) => Err((
            "values",
            "operators In and NotIn need at least one value".to_owned(),
        )),
        ("In", _) => Ok(Requirement::In(key, values.to_vec())),
        ("NotIn", _) => Ok(Requirement::NotIn(key, values.to_vec())),
        ("Exists", []) => Ok(Requirement::Exists(key)),
        ("DoesNotExist", []) => Ok(Requirement::DoesNotExist(key)),
        ("Exists" | "DoesNotExist", _) => Err((
            "values",
            "operators Exists and DoesNotExist take no values".to_owned(),
        )),
        ("Gt", _) => Ok(Requirement::Greater(key, number()?)),
        ("Lt", _) => Ok(Requirement::Less(key, number()?)),
        (other, _) => Err((
            "operator",
            format!("'{other}' is unknown, use In, NotIn, Exists, DoesNotExist, Gt or Lt"),
        )),
    }
}

fn parse_field(wanted: &NodeSelectorRequirement) -> Result<Requirement, (&'static str, String)> {
    let equal = match wanted.operator.as_str() {
        "In" => true,
        "NotIn" => false,
        other => {
            return Err((
                "operator",
                format!("'{other}' is unknown here, use In or NotIn"),
            ));
        }
    };
    let [value] = wanted.values.as_deref().unwrap_or_default() else {
        return Err(("values", "must have exactly one value".to_owned()));
    };
    let value = value.clone();
    Ok(match (wanted.key.as_str(), equal) {
        ("metadata.name", true) => Requirement::NameIs(value),
        ("metadata.name", false) => Requirement::NameIsNot(value),
        (_, equal) => Requirement::OtherField {
            wanted: value,
            equal,
        },
    })
}

/// An integer as Go's `strconv.ParseInt(text, 10, 64)` reads it.
fn go_integer(text: &str) -> Option<i64> {
    text.parse().ok()
}

impl Requirement {
    fn holds(&self, node: &Node) -> bool {
        let integer = |key| label(node, key).and_then(|value| go_integer(value));
        let name = node.metadata.name.as_deref().unwrap_or_default();
        match self {
            Self::In(key, values) => label(node, key).is_some_and(|value| values.contains(value)),
            Self::NotIn(key, values) => {
                label(node, key).is_none_or(|value| !values.contains(value))
            }
            Self::Exists(key) => label(node, key).is_some(),
            Self::DoesNotExist(key) => label(node, key).is_none(),
            Self::Greater(key, bound) => integer(key).is_some_and(|value| value > *bound),
            Self::Less(key, bound) => integer(key).is_some_and(|value| value < *bound),
            // A node without a name has no fields, and then fields are not asked.
            Self::NameIs(wanted) => name.is_empty() || name == wanted,
            Self::NameIsNot(wanted) => name.is_empty() || name != wanted,
            Self::OtherField { wanted, equal } => name.is_empty() || wanted.is_empty() == *equal,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn node() -> Node {
        serde_json::from_value(json!({"metadata": {"name": "node-1", "labels": {
            "zone": "a", "gpus": "8", "empty": ""}}}))
        .unwrap()
    }

    fn terms(terms: Value) -> NodeSelector {
        serde_json::from_value(json!({"nodeSelectorTerms": terms})).unwrap()
    }

    fn expression(key: &str, operator: &str, values: &[&str]) -> Value {
        json!([{"matchExpressions": [{"key": key, "operator": operator, "values": values}]}])
    }

    fn matches(selector: Value) -> Result<bool, String> {
        NodeTerms::parse(&terms(selector))
            .map(|terms| terms.matches(&node()))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn each_operator_decides_as_kubernetes_does() {
        let cases: [(&str, &str, &[&str], bool); 13] = [
            ("zone", "In", &["a", "b"], true),
            ("zone", "In", &["b"], false),
            ("absent", "In", &["a"], false),
            ("zone", "NotIn", &["a"], false),
            ("absent", "NotIn", &["a"], true),
            ("empty", "In", &[""], true),
            ("zone", "Exists", &[], true),
            ("absent", "DoesNotExist", &[], true),
            ("gpus", "Gt", &["7"], true),
            ("gpus", "Gt", &["8"], false),
            ("gpus", "Lt", &["9"], true),
            ("zone", "Lt", &["9"], false),
            ("absent", "Gt", &["0"], false),
        ];
        for (key, operator, values, expected) in cases {
            let found = matches(expression(key, operator, values));
            assert_eq!(found, Ok(expected), "{key} {operator} {values:?}");
        }
    }

    #[test]
    fn malformed_requirements_name_their_field() {
        for (key, operator, values, field) in [
            ("zone", "In", &[][..], "values"),
            ("zone", "Exists", &["a"], "values"),
            ("zone", "Gt", &["x"], "values"),
            ("zone", "Gt", &["1", "2"], "values"),
            ("zone", "Near", &["a"], "operator"),
            ("not a key", "Exists", &[], "key"),
            ("zone", "In", &["not a value"], "values"),
        ] {
            let error = matches(expression(key, operator, values)).unwrap_err();
            let expected = format!("nodeSelectorTerms[0].matchExpressions[0].{field}: ");
            assert!(error.starts_with(&expected), "{error}");
        }
    }

    #[test]
    fn terms_are_alternatives_and_empty_terms_match_nothing() {
        assert_eq!(matches(json!([])), Ok(false));
        assert_eq!(matches(json!([{}])), Ok(false));
        let either = json!([
            {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["b"]}]},
            {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["node-1"]}]}
        ]);
        assert_eq!(matches(either), Ok(true));
    }

    #[test]
    fn fields_other_than_the_name_are_empty() {
        let field = |key: &str, operator: &str, value: &str| json!([{"matchFields": [{"key": key, "operator": operator, "values": [value]}]}]);
        assert_eq!(
            matches(field("metadata.name", "NotIn", "node-1")),
            Ok(false)
        );
        assert_eq!(
            matches(field("spec.unschedulable", "In", "true")),
            Ok(false)
        );
        assert_eq!(
            matches(field("spec.unschedulable", "NotIn", "true")),
            Ok(true)
        );
    }

    #[test]
    fn a_pod_goes_where_its_name_labels_and_affinity_say() {
        let pod = |spec: Value| -> Pod { serde_json::from_value(json!({"spec": spec})).unwrap() };
        let ask = |spec: Value| admits(&node(), &pod(spec));
        assert_eq!(ask(json!({})), Ok(()));
        assert_eq!(
            ask(json!({"nodeName": "node-1", "nodeSelector": {"zone": "a"}})),
            Ok(())
        );
        assert_eq!(
            ask(json!({"nodeName": "other"})),
            Err(NodeMismatch::BoundElsewhere("other".to_owned()))
        );
        assert_eq!(
            ask(json!({"nodeSelector": {"zone": "b"}}))
                .unwrap_err()
                .to_string(),
            "spec.nodeSelector wants label zone=b, the node has a"
        );
        let affinity = |terms: Value| {
            json!({"affinity": {"nodeAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}}})
        };
        assert_eq!(ask(affinity(expression("zone", "In", &["a"]))), Ok(()));
        assert_eq!(
            ask(affinity(expression("zone", "In", &["b"]))),
            Err(NodeMismatch::Affinity)
        );
    }

    #[test]
    fn a_malformed_affinity_term_does_not_hide_a_good_one() {
        let bad = json!({"matchExpressions": [{"key": "zone", "operator": "Near"}]});
        let good = json!({"matchExpressions": [{"key": "zone", "operator": "Exists"}]});
        let selector = terms(json!([bad, good]));
        assert!(NodeTerms::parse(&selector).is_err());
        assert!(NodeTerms::lenient(&selector).matches(&node()));
    }
}
