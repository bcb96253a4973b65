//! What to do about a field that is not where it should be.
//!
//! The general answer is a list of the fields that exist. The mistakes people really make deserve
//! better: forms of another API version, a level too many or too few, a name outside `metadata`.

use super::decode::{Misfit, MisfitKind};
use super::problem::{Finding, Severity};

/// Fields of `ExactDeviceRequest`, which v1beta1 has in the request itself.
const EXACT: [&str; 8] = [
    "deviceClassName",
    "selectors",
    "allocationMode",
    "count",
    "adminAccess",
    "tolerations",
    "capacity",
    "derivedAttributes",
];

/// Says misfits in words; fields that share one mistake are told once.
pub(crate) fn explain(misfits: Vec<Misfit>, api_version: &str, kind: &str) -> Vec<Finding> {
    let mut told: Vec<Misfit> = Vec::new();
    for misfit in misfits {
        let same = told
            .iter_mut()
            .find(|other| is_same_mistake(other, &misfit));
        match (same.map(|other| &mut other.kind), &misfit.kind) {
            (
                Some(MisfitKind::UnknownField { more, .. }),
                MisfitKind::UnknownField { field, .. },
            ) => more.push(field.clone()),
            _ => told.push(misfit),
        }
    }
    told.into_iter()
        .map(|misfit| explain_one(misfit, api_version, kind))
        .collect()
}

/// Whether two fields are in the wrong place together: written in another version's form.
fn is_same_mistake(one: &Misfit, other: &Misfit) -> bool {
    let place = |misfit: &Misfit| match &misfit.kind {
        MisfitKind::UnknownField {
            owner,
            field,
            known,
            ..
        } if (*owner == "DeviceRequest" && EXACT.contains(&field.as_str()))
            || (*owner == "Device" && known.contains(&"basic")) =>
        {
            misfit.path.strip_suffix(field.as_str()).map(str::to_owned)
        }
        _ => None,
    };
    place(one).is_some() && place(one) == place(other)
}

fn explain_one(misfit: Misfit, api_version: &str, kind: &str) -> Finding {
    let Misfit {
        line,
        path,
        kind: what,
    } = misfit;
    let (message, cure) = match what {
        MisfitKind::UnknownField {
            owner,
            field,
            known,
            found,
            more,
        } => {
            let several = match more.is_empty() {
                true => format!("field `{field}`"),
                false => format!("fields `{field}`, `{}`", more.join("`, `")),
            };
            let message = format!("{owner} of {api_version} has no {several}");
            let place = Place {
                owner,
                field: &field,
                known,
                path: &path,
                found: &found,
            };
            (message, place.cure(api_version, kind))
        }
        MisfitKind::Repeated { field, first_line } => (
            format!("the field `{field}` is there twice, first on line {first_line}"),
            "keep one of the two; if they belong to different objects or list items, check the \
             indentation and the `---` between documents"
                .to_owned(),
        ),
        MisfitKind::WrongType {
            owner,
            expected,
            found,
        } => {
            let cure = wrong_type(owner, expected, &found, &path);
            (
                format!("expected {}, found {found}", article(owner, expected)),
                cure,
            )
        }
        MisfitKind::Other(message) => (message, String::new()),
    };
    Finding {
        severity: Severity::Error,
        line,
        path,
        message,
        cure,
    }
}

fn article(owner: Option<&str>, expected: &str) -> String {
    match owner {
        Some(owner) => format!("{expected} ({owner})"),
        None => expected.to_owned(),
    }
}

fn wrong_type(owner: Option<&str>, expected: &str, found: &str, path: &str) -> String {
    let value = found.rsplit_once(' ').map_or("", |(_, value)| value);
    match (owner, expected) {
        (Some("DeviceAttribute"), _) => format!(
            "say which kind of value it is, like {{string: \"...\"}}, {{int: 1}}, {{bool: true}} or \
             {{version: 1.2.3}}; found {found}"
        ),
        (Some("DeviceCapacity" | "Counter"), _) => {
            "put the quantity under `value:`, like {value: 80Gi}".to_owned()
        }
        (_, "a string") if found.starts_with("the number") => {
            format!("put it in quotes: \"{value}\"")
        }
        (_, "a string") if found.starts_with("the boolean") => {
            "put it in quotes: plain y, n, yes, no, on, off, true and false are booleans in YAML"
                .to_owned()
        }
        (_, "an integer" | "an integer of 32 bits" | "true or false")
            if found.starts_with("the string") =>
        {
            "write it without quotes".to_owned()
        }
        (_, "a list") => {
            format!(
                "begin each item with `- `, like\n    {}:\n    - ...",
                last_field(path)
            )
        }
        (_, "a mapping") if found == "a list" => {
            "remove the `- ` in front of its fields".to_owned()
        }
        _ => String::new(),
    }
}

fn last_field(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or(path)
}

struct Place<'a> {
    owner: &'a str,
    field: &'a str,
    known: &'a [&'a str],
    path: &'a str,
    found: &'a str,
}

impl Place<'_> {
    fn cure(&self, api_version: &str, kind: &str) -> String {
        let Self {
            owner, field, path, ..
        } = *self;
        let beta1 = api_version == "resource.k8s.io/v1beta1";
        let parent = path
            .strip_suffix(field)
            .unwrap_or(path)
            .trim_end_matches('.');
        match (owner, field) {
            ("DeviceRequest", _) if !beta1 && EXACT.contains(&field) => format!(
                "write what is asked for one level down, {parent}.exactly.{field}:\n    - name: \
                 ...\n      exactly:\n        {field}: ...\n  (only resource.k8s.io/v1beta1 has \
                 these fields in the request itself)"
            ),
            ("DeviceRequest", "exactly") if beta1 => format!(
                "resource.k8s.io/v1beta1 has no level `exactly`: move its fields directly into \
                 {parent}, or set apiVersion: resource.k8s.io/v1"
            ),
            ("Device", "basic") => format!(
                "{api_version} has no level `basic`: move attributes, capacity and the other \
                 fields directly into {parent}; only resource.k8s.io/v1beta1 has `basic`"
            ),
            ("Device", _) if beta1 => format!(
                "resource.k8s.io/v1beta1 has the device's fields under `basic`: write \
                 {parent}.basic.{field}, or set apiVersion: resource.k8s.io/v1"
            ),
            ("DeviceRequest" | "ExactDeviceRequest", "basic") => {
                "a request has no `basic` (devices of v1beta1 ResourceSlices do): say what you ask \
                 for with `exactly:` or `firstAvailable:`"
                    .to_owned()
            }
            ("DeviceRequest", "resourceClassName" | "deviceClass") => {
                "name the class in `exactly.deviceClassName`".to_owned()
            }
            ("DeviceSelector", "expression") => {
                "put it one level down: - cel:\n        expression: ...".to_owned()
            }
            ("ResourceClaimTemplateSpec", "devices") => {
                "a template holds the spec of a claim in its own spec: write spec.spec.devices"
                    .to_owned()
            }
            ("ResourceClaimSpec", "spec") if kind == "ResourceClaim" => {
                "only a ResourceClaimTemplate has spec.spec: write spec.devices, or set kind: \
                 ResourceClaimTemplate"
                    .to_owned()
            }
            ("PodResourceClaim", "source") => {
                "since Kubernetes 1.31 without the level `source`: write resourceClaimName or \
                 resourceClaimTemplateName directly"
                    .to_owned()
            }
            ("Container", "resourceClaims" | "claims") => {
                "a container lists the claims it uses in resources.claims; what they are is said \
                 in the pod's spec.resourceClaims"
                    .to_owned()
            }
            ("ResourceRequirements", "resourceClaims") => {
                "inside resources the field is called `claims`".to_owned()
            }
            ("PodSpec", "claims") => "in a pod's spec the field is `resourceClaims`".to_owned(),
            _ if owner == kind => self.outside_metadata(),
            _ => self.similar(),
        }
    }

    /// A field beside `metadata` and `spec` that belongs into one of them.
    fn outside_metadata(&self) -> String {
        let Self { field, found, .. } = *self;
        match field {
            "name" | "namespace" | "generateName" => {
                let value = found
                    .strip_prefix("the string \"")
                    .and_then(|rest| rest.strip_suffix('"'))
                    .unwrap_or("...");
                format!("put it inside metadata:\n    metadata:\n      {field}: {value}")
            }
            "labels" | "annotations" | "uid" | "ownerReferences" | "finalizers" => {
                format!("put it inside metadata: metadata.{field}")
            }
            "devices" | "selectors" | "containers" | "driver" | "pool" | "template" => {
                format!("put it inside spec: spec.{field}; check the indentation")
            }
            _ => self.similar(),
        }
    }

    fn similar(&self) -> String {
        let Self { field, known, .. } = *self;
        let close =
            |known: &&&str| known.eq_ignore_ascii_case(field) || distance(known, field) <= 2;
        if let Some(similar) = known.iter().find(close) {
            return format!("did you mean `{similar}`?");
        }
        match known {
            [] => "remove it".to_owned(),
            _ => format!(
                "remove it or check its indentation; fields here: {}",
                known.join(", ")
            ),
        }
    }
}

/// How many letters to add, remove or replace; anything above 2 is 3.
fn distance(left: &str, right: &str) -> usize {
    let (left, right): (Vec<char>, Vec<char>) = (left.chars().collect(), right.chars().collect());
    if left.len().abs_diff(right.len()) > 2 || left.len() > 64 {
        return 3;
    }
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (index, letter) in left.iter().enumerate() {
        let mut next = vec![index + 1];
        for ((other, above), diagonal) in right.iter().zip(row.iter().skip(1)).zip(row.iter()) {
            let before = next.last().copied().unwrap_or_default();
            next.push(
                (diagonal + usize::from(letter != other))
                    .min(above + 1)
                    .min(before + 1),
            );
        }
        row = next;
    }
    row.last().copied().unwrap_or_default().min(3)
}
