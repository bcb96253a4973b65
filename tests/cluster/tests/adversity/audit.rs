//! What the extender asked of the API server, as that server says.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;
use supercargo_cluster::Options;
use supercargo_cluster::devices::example;
use supercargo_cluster::harness::Bed;

use crate::Failure;

/// A verb on a resource of a group; a subresource follows its resource, as in `pods/binding`.
pub(crate) type Right = (String, String, String);

/// A request that was answered.
#[derive(Debug)]
pub(crate) struct Request {
    /// What it needed.
    pub(crate) right: Right,
    /// The node whose token it came with.
    pub(crate) node: String,
    /// When it came, as RFC 3339 with microseconds.
    pub(crate) at: String,
    /// How it was answered.
    pub(crate) code: u64,
}

impl Request {
    /// Whether it changes anything but the Lease.
    pub(crate) fn writes(&self) -> bool {
        let (_, resource, verb) = &self.right;
        !matches!(verb.as_str(), "get" | "list" | "watch") && resource != "leases"
    }
}

/// Has an API server write down what the extender asks.
pub(crate) fn audited(mut options: Options) -> Options {
    let policy = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/adversity/audit.yaml");
    options.api_server_flags = vec![
        format!("--audit-policy-file={policy}"),
        "--audit-log-path=-".to_owned(),
    ];
    options
}

/// All requests so far for what RBAC gives this account alone.
pub(crate) fn requests(bed: &Bed) -> Result<Vec<Request>, Failure> {
    let server = bed.process("kube-apiserver").ok_or("no API server")?;
    let text = fs::read_to_string(server.log())?;
    let events = text.lines().filter(|line| line.starts_with('{'));
    let events = events.filter_map(|line| serde_json::from_str::<Value>(line).ok());
    Ok(events.filter_map(|event| request(&event)).collect())
}

fn request(event: &Value) -> Option<Request> {
    let text = |pointer: &str| {
        let value = event.pointer(pointer).and_then(Value::as_str);
        value.unwrap_or_default().to_owned()
    };
    let (resource, part) = (text("/objectRef/resource"), text("/objectRef/subresource"));
    // Everybody may ask who they are.
    if resource.is_empty() || resource == "selfsubjectreviews" {
        return None;
    }
    let resource = match part.is_empty() {
        true => resource,
        false => format!("{resource}/{part}"),
    };
    Some(Request {
        right: (text("/objectRef/apiGroup"), resource, text("/verb")),
        node: text("/user/extra/authentication.kubernetes.io~1node-name/0"),
        at: text("/requestReceivedTimestamp"),
        code: event.pointer("/responseStatus/code")?.as_u64()?,
    })
}

/// What the roles of a mode's manifest give.
pub(crate) async fn given(bed: &Bed, mode: &str) -> Result<BTreeSet<Right>, Failure> {
    let file = example(&format!("scheduler/{mode}/rbac.yaml"));
    let file = file.display().to_string();
    let text = bed
        .kubectl()
        .run(&["create", "--dry-run=client", "--output=json", "-f", &file])
        .await?;
    let mut rights = BTreeSet::new();
    let objects = serde_json::Deserializer::from_str(&text).into_iter::<Value>();
    for object in objects {
        let object = object?;
        let objects = match object["items"].as_array() {
            Some(items) => items.clone(),
            None => vec![object],
        };
        for rule in objects
            .iter()
            .flat_map(|it| it["rules"].as_array().into_iter().flatten())
        {
            for group in words(&rule["apiGroups"]) {
                for resource in words(&rule["resources"]) {
                    for verb in words(&rule["verbs"]) {
                        rights.insert((group.clone(), resource.clone(), verb));
                    }
                }
            }
        }
    }
    Ok(rights)
}

fn words(list: &Value) -> Vec<String> {
    let words = list.as_array().into_iter().flatten();
    words
        .filter_map(|word| word.as_str().map(str::to_owned))
        .collect()
}
