//! Which nodes a slice or a device is for: node name, all nodes, or a `NodeSelector` with upstream's
//! rules (terms are ORed, an empty term matches nothing, a malformed requirement is an error).

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Node, NodeSelector, NodeSelectorRequirement};

/// Where devices can be used.
#[derive(Debug)]
pub(super) enum Reach {
    /// On the node of this name.
    Node(String),
    /// Everywhere.
    AllNodes,
    /// On nodes that the selector matches, unless it is malformed.
    Selector(Result<Vec<Term>, String>),
    /// Nowhere: nothing that is known today was set.
    Nowhere,
}

#[derive(Debug)]
pub(super) struct Term {
    labels: Vec<Requirement>,
    fields: Vec<(String, bool, String)>,
}

#[derive(Debug)]
struct Requirement {
    key: String,
    test: Test,
}

#[derive(Debug)]
enum Test {
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    DoesNotExist,
    Greater(i64),
    Less(i64),
}

/// What of a node decides.
#[derive(Clone, Copy)]
pub(super) struct NodeFacts<'a> {
    pub(super) name: &'a str,
    pub(super) labels: Option<&'a BTreeMap<String, String>>,
}

impl<'a> NodeFacts<'a> {
    pub(super) fn of(node: &'a Node) -> Self {
        Self {
            name: node.metadata.name.as_deref().unwrap_or_default(),
            labels: node.metadata.labels.as_ref(),
        }
    }
}

impl Reach {
    pub(super) fn new(
        node_name: Option<&str>,
        all_nodes: Option<bool>,
        selector: Option<&NodeSelector>,
    ) -> Self {
        match (node_name.unwrap_or_default(), selector) {
            ("", _) if all_nodes == Some(true) => Self::AllNodes,
            ("", Some(selector)) => Self::Selector(parse(selector)),
            ("", None) => Self::Nowhere,
            (name, _) => Self::Node(name.to_owned()),
        }
    }

    /// Whether the node is meant; an error names the malformed requirement.
    pub(super) fn matches(&self, node: NodeFacts<'_>) -> Result<bool, String> {
        match self {
            Self::Node(name) => Ok(name == node.name),
            Self::AllNodes => Ok(true),
            Self::Nowhere => Ok(false),
            Self::Selector(Ok(terms)) => Ok(terms.iter().any(|term| term.matches(node))),
            Self::Selector(Err(error)) => Err(error.clone()),
        }
    }
}

impl Term {
    fn matches(&self, node: NodeFacts<'_>) -> bool {
        let fields = node.name.is_empty()
            || self.fields.iter().all(|(key, equal, value)| {
                let own = if key == "metadata.name" {
                    node.name
                } else {
                    ""
                };
                (own == value) == *equal
            });
        fields && self.labels.iter().all(|label| label.matches(node))
    }
}

impl Requirement {
    fn matches(&self, node: NodeFacts<'_>) -> bool {
        let own = node.labels.and_then(|labels| labels.get(&self.key));
        let number = || own.and_then(|value| value.parse::<i64>().ok());
        match &self.test {
            Test::In(values) => own.is_some_and(|own| values.contains(own)),
            Test::NotIn(values) => own.is_none_or(|own| !values.contains(own)),
            Test::Exists => own.is_some(),
            Test::DoesNotExist => own.is_none(),
            Test::Greater(than) => number().is_some_and(|own| own > *than),
            Test::Less(than) => number().is_some_and(|own| own < *than),
        }
    }
}

fn parse(selector: &NodeSelector) -> Result<Vec<Term>, String> {
    let mut terms = Vec::new();
    let mut errors = Vec::new();
    for (i, term) in selector.node_selector_terms.iter().enumerate() {
        let path = format!("nodeSelectorTerms[{i}]");
        let expressions = term.match_expressions.as_deref().unwrap_or_default();
        let fields = term.match_fields.as_deref().unwrap_or_default();
        if expressions.is_empty() && fields.is_empty() {
            continue;
        }
        let mut parsed = Term {
            labels: Vec::new(),
            fields: Vec::new(),
        };
        for (j, expression) in expressions.iter().enumerate() {
            match label(expression) {
                Ok(requirement) => parsed.labels.push(requirement),
                Err(why) => errors.push(format!("{path}.matchExpressions[{j}]: {why}")),
            }
        }
        for (j, requirement) in fields.iter().enumerate() {
            let values = requirement.values.as_deref().unwrap_or_default();
            match (requirement.operator.as_str(), values) {
                (operator @ ("In" | "NotIn"), [value]) => {
                    let key = requirement.key.clone();
                    parsed.fields.push((key, operator == "In", value.clone()));
                }
                ("In" | "NotIn", _) => errors.push(format!(
                    "{path}.matchFields[{j}].values: Invalid value: must have one element"
                )),
                (operator, _) => errors.push(format!(
                    "{path}.matchFields[{j}].operator: Unsupported value: {operator:?}"
                )),
            }
        }
        terms.push(parsed);
    }
    match errors.as_slice() {
        [] => Ok(terms),
        [one] => Err(one.clone()),
        more => Err(format!("[{}]", more.join(", "))),
    }
}

fn label(requirement: &NodeSelectorRequirement) -> Result<Requirement, String> {
    let values = requirement.values.as_deref().unwrap_or_default();
    let number = || {
        match values {
        [value] => value
            .parse::<i64>()
            .map_err(|_| format!("values[0]: Invalid value: {value:?}: for 'Gt', 'Lt' operators, the value must be an integer")),
        _ => Err("values: Invalid value: for 'Gt', 'Lt' operators, exactly one value is required".to_owned()),
    }
    };
    let test = match requirement.operator.as_str() {
        "In" | "NotIn" if values.is_empty() => {
            return Err(
                "values: Invalid value: for 'in', 'notin' operators, values set can't be empty"
                    .to_owned(),
            );
        }
        "In" => Test::In(values.to_vec()),
        "NotIn" => Test::NotIn(values.to_vec()),
        "Exists" | "DoesNotExist" if !values.is_empty() => {
            return Err(
                "values: Invalid value: values set must be empty for exists and does not exist"
                    .to_owned(),
            );
        }
        "Exists" => Test::Exists,
        "DoesNotExist" => Test::DoesNotExist,
        "Gt" => Test::Greater(number()?),
        "Lt" => Test::Less(number()?),
        operator => return Err(format!("operator: Unsupported value: {operator:?}")),
    };
    Ok(Requirement {
        key: requirement.key.clone(),
        test,
    })
}
