//! From a document to an object of its kind: version, list, type, conversion, defaults, checks.

use std::sync::Arc;

use k8s_openapi::api::{batch, core, resource};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::convert;
use super::cures;
use super::decode::decode;
use super::defaults;
use super::identity;
use super::path::Path;
use super::problem::{Finding, Severity};
use super::tree::{Tree, Value};
use super::validate::{self, Dialect};
use super::{Object, Read, Source, Sourced};

const CLAIM_KINDS: [&str; 4] = [
    "DeviceClass",
    "ResourceSlice",
    "ResourceClaim",
    "ResourceClaimTemplate",
];
const CORE_KINDS: [&str; 3] = ["Node", "Pod", "Namespace"];

/// Reads one document into `read`, item by item when it is a list.
pub(crate) fn take(source: &Source, tree: Tree, read: &mut Read) {
    let header = match Header::of(&tree) {
        Ok(header) => header,
        Err(finding) => {
            let object = label(&tree, None);
            read.problems.push(source.problem(object, finding));
            return;
        }
    };
    match header.kind.strip_suffix("List") {
        Some(item_kind) => list(source, &header, item_kind, tree, read),
        None => single(source, &header, tree, read),
    }
}

/// What a document says it is.
struct Header {
    api_version: String,
    kind: String,
}

impl Header {
    fn of(tree: &Tree) -> Result<Self, Finding> {
        let Value::Map(entries) = &tree.value else {
            let message = format!(
                "a Kubernetes object is a mapping, found {}",
                tree.value.describe()
            );
            let cure = match &tree.value {
                Value::List(_) => {
                    "write several objects as documents between `---` lines, or as \
                                   items of a `kind: List`"
                }
                _ => "begin with apiVersion:, kind: and metadata:",
            };
            return Err(Finding::at(tree.line, message, cure));
        };
        let text = |field: &str| match tree.get(field).map(|value| (value, value.text())) {
            Some((_, Some(text))) if !text.is_empty() => Ok(text.to_owned()),
            Some((value, _)) => Err(Finding {
                path: field.to_owned(),
                ..Finding::at(
                    value.line,
                    format!("expected a string, found {}", value.value.describe()),
                    "write it like apiVersion: resource.k8s.io/v1 and kind: ResourceClaim",
                )
            }),
            None => {
                let found: Vec<&str> = entries
                    .iter()
                    .take(6)
                    .map(|entry| entry.key.as_str())
                    .collect();
                Err(Finding {
                    path: field.to_owned(),
                    ..Finding::at(
                        tree.line,
                        format!("this document has no {field}; it has {}", found.join(", ")),
                        "every object begins with apiVersion: and kind: in the first column",
                    )
                })
            }
        };
        Ok(Self {
            api_version: text("apiVersion")?,
            kind: text("kind")?,
        })
    }
}

fn list(source: &Source, header: &Header, item_kind: &str, tree: Tree, read: &mut Read) {
    let object = Some(header.kind.clone());
    let Value::Map(entries) = tree.value else {
        return;
    };
    for entry in entries {
        match (entry.key.as_str(), entry.value.value) {
            ("items", Value::List(items)) => {
                for item in items {
                    read_item(source, header, item_kind, item, read);
                }
            }
            ("apiVersion" | "kind" | "metadata", _) | ("items", Value::Null) => {}
            ("items", other) => {
                let message = format!("expected a list, found {}", other.describe());
                let path = "items".to_owned();
                let finding = Finding {
                    path,
                    ..Finding::at(entry.line, message, "")
                };
                read.problems.push(source.problem(object.clone(), finding));
            }
            (other, _) => {
                let finding = Finding {
                    path: other.to_owned(),
                    ..Finding::at(
                        entry.line,
                        format!("a {} has no field `{other}`", header.kind),
                        "objects stand in its items",
                    )
                };
                read.problems.push(source.problem(object.clone(), finding));
            }
        }
    }
}

fn read_item(source: &Source, header: &Header, item_kind: &str, item: Tree, read: &mut Read) {
    let source = Source {
        line: item.line,
        ..source.clone()
    };
    // The items of a typed list need not repeat what they are.
    if !item_kind.is_empty() && item.get("kind").is_none() && item.get("apiVersion").is_none() {
        let kind = item_kind.to_owned();
        let header = Header {
            api_version: header.api_version.clone(),
            kind,
        };
        single(&source, &header, item, read);
        return;
    }
    match Header::of(&item) {
        Ok(header) => single(&source, &header, item, read),
        Err(finding) => read
            .problems
            .push(source.problem(label(&item, None), finding)),
    }
}

fn single(source: &Source, header: &Header, tree: Tree, read: &mut Read) {
    let (group, version) = header
        .api_version
        .rsplit_once('/')
        .unwrap_or(("", &header.api_version));
    let parsed = match (group, version, header.kind.as_str()) {
        ("resource.k8s.io", _, kind) => resource_kind(version, kind, &tree),
        ("", "v1", "Node") => parse(&tree, |node| Object::Node(Box::new(node))),
        ("", "v1", "Pod") => parse(&tree, |pod: core::v1::Pod| Object::Pod(Box::new(pod))),
        ("", "v1", "Namespace") => parse(&tree, Object::Namespace),
        ("batch", "v1", "Job") => parse(&tree, |job: batch::v1::Job| Object::Job(Box::new(job))),
        _ => None,
    };
    let object = label(&tree, Some(&header.kind));
    let Some((parsed, dialect)) = parsed else {
        other_kind(source, header, group, &tree, object, read);
        return;
    };
    let mut findings = Vec::new();
    match parsed {
        Err(misfits) => {
            findings.extend(cures::explain(misfits, &header.api_version, &header.kind));
        }
        Ok(parsed) => {
            findings.extend(validate::object(&parsed, &tree, dialect));
            if findings
                .iter()
                .all(|finding| finding.severity != Severity::Error)
            {
                keep(source, *parsed, dialect, tree, read);
            }
        }
    }
    let problem = |finding| source.problem(object.clone(), finding);
    read.problems.extend(findings.into_iter().map(problem));
}

fn keep(source: &Source, mut object: Object, dialect: Dialect, tree: Tree, read: &mut Read) {
    match &mut object {
        Object::ResourceClaim(claim) => defaults::claim(claim),
        Object::ResourceClaimTemplate(template) => defaults::template(template),
        _ => {}
    }
    identity::complete(&mut object, source);
    // What others refer to and what refers to others is checked later, with lines.
    let checked = matches!(
        object,
        Object::Pod(_)
            | Object::Job(_)
            | Object::ResourceClaim(_)
            | Object::ResourceClaimTemplate(_)
    );
    let tree = checked.then(|| Arc::new(tree));
    let source = Source {
        tree,
        dialect,
        ..source.clone()
    };
    read.objects.push(Sourced { source, object });
}

type Parsed = Option<(Result<Box<Object>, Vec<super::decode::Misfit>>, Dialect)>;

fn resource_kind(version: &str, kind: &str, tree: &Tree) -> Parsed {
    use resource::{v1alpha3, v1beta1, v1beta2};
    match (version, kind) {
        ("v1", "DeviceClass") => parse(tree, Object::DeviceClass),
        ("v1", "ResourceSlice") => parse(tree, Object::ResourceSlice),
        ("v1", "ResourceClaim") => parse(tree, Object::ResourceClaim),
        ("v1", "ResourceClaimTemplate") => parse(tree, boxed_template),
        ("v1", "DeviceTaintRule") => parse(tree, Object::DeviceTaintRule),
        ("v1beta2", "DeviceClass") => same::<v1beta2::DeviceClass, _>(tree, Object::DeviceClass),
        ("v1beta2", "ResourceSlice") => {
            same::<v1beta2::ResourceSlice, _>(tree, Object::ResourceSlice)
        }
        ("v1beta2", "ResourceClaim") => {
            same::<v1beta2::ResourceClaim, _>(tree, Object::ResourceClaim)
        }
        ("v1beta2", "ResourceClaimTemplate") => {
            same::<v1beta2::ResourceClaimTemplate, _>(tree, boxed_template)
        }
        ("v1beta2", "DeviceTaintRule") => {
            same::<v1beta2::DeviceTaintRule, _>(tree, Object::DeviceTaintRule)
        }
        ("v1alpha3", "DeviceTaintRule") => {
            same::<v1alpha3::DeviceTaintRule, _>(tree, Object::DeviceTaintRule)
        }
        ("v1beta1", "DeviceClass") => flat::<v1beta1::DeviceClass, _>(tree, Object::DeviceClass),
        ("v1beta1", "ResourceSlice") => {
            flat::<v1beta1::ResourceSlice, _>(tree, Object::ResourceSlice)
        }
        ("v1beta1", "ResourceClaim") => {
            flat::<v1beta1::ResourceClaim, _>(tree, Object::ResourceClaim)
        }
        ("v1beta1", "ResourceClaimTemplate") => {
            flat::<v1beta1::ResourceClaimTemplate, _>(tree, boxed_template)
        }
        _ => None,
    }
}

fn boxed_template(template: resource::v1::ResourceClaimTemplate) -> Object {
    Object::ResourceClaimTemplate(Box::new(template))
}

/// A kind in the version used inside.
fn parse<T: DeserializeOwned>(tree: &Tree, wrap: fn(T) -> Object) -> Parsed {
    let (object, misfits) = decode::<T>(tree, Path::root());
    let parsed = match object {
        Some(object) if misfits.is_empty() => Ok(Box::new(wrap(object))),
        _ => Err(misfits),
    };
    Some((parsed, Dialect::V1))
}

/// A version with v1's shape.
fn same<T, U>(tree: &Tree, wrap: fn(U) -> Object) -> Parsed
where
    T: DeserializeOwned + Serialize,
    U: DeserializeOwned,
{
    let parsed = converted::<T, U>(tree, wrap, |value| {
        if let Some(object) = value.as_object_mut() {
            object.insert("apiVersion".to_owned(), "resource.k8s.io/v1".into());
        }
    });
    Some((parsed, Dialect::V1))
}

/// v1beta1, whose requests and devices have another shape.
fn flat<T, U>(tree: &Tree, wrap: fn(U) -> Object) -> Parsed
where
    T: DeserializeOwned + Serialize,
    U: DeserializeOwned,
{
    let parsed = converted::<T, U>(tree, wrap, convert::v1beta1_to_v1);
    Some((parsed, Dialect::V1beta1))
}

fn converted<T, U>(
    tree: &Tree,
    wrap: fn(U) -> Object,
    convert: fn(&mut serde_json::Value),
) -> Result<Box<Object>, Vec<super::decode::Misfit>>
where
    T: DeserializeOwned + Serialize,
    U: DeserializeOwned,
{
    let (object, mut misfits) = decode::<T>(tree, Path::root());
    if let (Some(object), true) = (object, misfits.is_empty()) {
        let v1 = serde_json::to_value(object).and_then(|mut value| {
            convert(&mut value);
            serde_json::from_value::<U>(value)
        });
        match v1 {
            Ok(object) => return Ok(Box::new(wrap(object))),
            Err(error) => misfits.push(super::decode::Misfit {
                line: tree.line,
                path: String::new(),
                kind: super::decode::MisfitKind::Other(format!("cannot convert to v1: {error}")),
            }),
        }
    }
    Err(misfits)
}

/// A kind that is not read: an error when it was meant to be one that is, else a notice.
fn other_kind(
    source: &Source,
    header: &Header,
    group: &str,
    tree: &Tree,
    object: Option<String>,
    read: &mut Read,
) {
    let Header { api_version, kind } = header;
    let homes = [
        (&CLAIM_KINDS[..], "resource.k8s.io/v1, v1beta2 or v1beta1"),
        (
            &["DeviceTaintRule"][..],
            "resource.k8s.io/v1, v1beta2 or v1alpha3",
        ),
        (&CORE_KINDS[..], "v1"),
        (&["Job"][..], "batch/v1"),
    ];
    let wrong_home = |home: &str| match home.starts_with("resource.k8s.io") {
        true => matches!(group, "resource.k8s.io" | ""),
        false => matches!(group, "" | "core" | "batch"),
    };
    for (kinds, home) in homes {
        let Some(known) = kinds.iter().find(|known| known.eq_ignore_ascii_case(kind)) else {
            continue;
        };
        let finding = if *known != kind.as_str() {
            let line = tree.get("kind").map_or(tree.line, |value| value.line);
            Finding {
                path: "kind".to_owned(),
                ..Finding::at(
                    line,
                    format!("'{kind}' is no kind"),
                    format!("did you mean {known}?"),
                )
            }
        } else if wrong_home(home) {
            let line = tree.get("apiVersion").map_or(tree.line, |value| value.line);
            Finding {
                path: "apiVersion".to_owned(),
                ..Finding::at(
                    line,
                    format!("{kind} is not read in {api_version}"),
                    format!("set apiVersion: {home}"),
                )
            }
        } else {
            continue;
        };
        read.problems.push(source.problem(object, finding));
        return;
    }
    let name = name_of(tree);
    let finding = Finding {
        severity: Severity::Notice,
        ..Finding::at(
            tree.line,
            format!("{kind} ({api_version}) is not used here"),
            "",
        )
    };
    read.problems.push(source.problem(object, finding));
    let ignored = Object::Ignored {
        api_version: api_version.clone(),
        kind: kind.clone(),
        name,
    };
    read.objects.push(Sourced {
        source: source.clone(),
        object: ignored,
    });
}

/// `Kind namespace/name`, as far as the document tells.
fn label(tree: &Tree, kind: Option<&str>) -> Option<String> {
    let kind = kind.or_else(|| tree.get("kind").and_then(Tree::text))?;
    let metadata = tree.get("metadata");
    let namespace = metadata
        .and_then(|metadata| metadata.get("namespace"))
        .and_then(Tree::text);
    Some(match (name_of(tree), namespace) {
        (Some(name), Some(namespace)) => format!("{kind} {namespace}/{name}"),
        (Some(name), None) => format!("{kind} {name}"),
        (None, _) => kind.to_owned(),
    })
}

/// The name, also where it stands outside of `metadata`.
fn name_of(tree: &Tree) -> Option<String> {
    let metadata = tree.get("metadata");
    let within = metadata
        .and_then(|metadata| metadata.get("name"))
        .and_then(Tree::text);
    let name = within.or_else(|| tree.get("name").and_then(Tree::text));
    let generated = metadata
        .and_then(|metadata| metadata.get("generateName"))
        .and_then(Tree::text);
    name.or(generated).map(str::to_owned)
}
