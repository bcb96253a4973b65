//! Upstream's answer to an allocation problem, and how ours compares with it.

use k8s_openapi::api::core::v1::Node;
use serde::Deserialize;
use serde_json::Value;
use supercargo_host::allocator::{AllocateError, Allocation};

use crate::difference::{differences, normal_results};

/// How [`Expected`] is to be compared.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Expect {
    #[serde(default)]
    pub(super) result_order_significant: bool,
    pub(super) error_substring: Option<String>,
}

/// Upstream's answer; no results and no error means "does not fit".
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Expected {
    pub(super) results: Value,
    pub(super) error: Option<String>,
    #[serde(default)]
    pub(super) node_local_error: bool,
}

/// Compares one answer: `Err` is the readable difference.
pub(super) fn check(
    want: &Expected,
    expect: &Expect,
    got: &Result<Option<Allocation>, AllocateError>,
) -> Result<(), String> {
    match (&want.error, got) {
        (Some(text), Err(AllocateError::Fatal(_) | AllocateError::NodeLocal(_))) => {
            let error = got
                .as_ref()
                .err()
                .map(ToString::to_string)
                .unwrap_or_default();
            let part = expect.error_substring.as_deref().unwrap_or(text);
            if !error.contains(part) {
                return Err(format!("want an error with {part:?}\ngot error {error:?}"));
            }
            let node_local = matches!(got, Err(AllocateError::NodeLocal(_)));
            if node_local != want.node_local_error {
                return Err(format!(
                    "nodeLocalError: want {}, got {node_local}: {error}",
                    want.node_local_error
                ));
            }
            Ok(())
        }
        (Some(text), got) => Err(format!("want error {text:?}\ngot {}", outline(got))),
        (None, Err(_)) => Err(format!(
            "want {}\ngot {}",
            outline_recorded(&want.results),
            outline(got)
        )),
        (None, Ok(allocation)) => {
            let got_results = match allocation {
                None => Value::Null,
                Some(allocation) => {
                    serde_json::to_value(&allocation.results).map_err(|error| error.to_string())?
                }
            };
            if want.results.is_null() != got_results.is_null() {
                return Err(format!(
                    "want {}\ngot {}",
                    outline_recorded(&want.results),
                    outline(got)
                ));
            }
            let ordered = expect.result_order_significant;
            let wrong = differences(
                "results",
                &normal_results(&want.results, ordered),
                &normal_results(&got_results, ordered),
            );
            if wrong.is_empty() {
                Ok(())
            } else {
                Err(wrong.join("\n"))
            }
        }
    }
}

/// Compares the nodes on which a sweep's claims fit.
pub(super) fn check_sweep(
    want: &[String],
    nodes: &[Node],
    allocate: impl Fn(&Node) -> Result<Option<Allocation>, AllocateError>,
) -> Result<(), String> {
    let mut fit = Vec::new();
    for node in nodes {
        let name = node.metadata.name.clone().unwrap_or_default();
        match allocate(node) {
            Ok(Some(_)) => fit.push(Value::from(name)),
            Ok(None) => {}
            Err(error) => return Err(format!("node {name}: {error}")),
        }
    }
    let want = Value::Array(want.iter().cloned().map(Value::from).collect());
    let wrong = differences("nodes that fit", &want, &Value::Array(fit));
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(wrong.join("\n"))
    }
}

fn outline(got: &Result<Option<Allocation>, AllocateError>) -> String {
    match got {
        Ok(Some(allocation)) => serde_json::to_value(&allocation.results).map_or_else(
            |error| error.to_string(),
            |results| outline_recorded(&results),
        ),
        Ok(None) => "no fit".to_owned(),
        Err(AllocateError::NodeLocal(text)) => format!("node-local error {text:?}"),
        Err(error) => format!("error {:?}", error.to_string()),
    }
}

/// Which devices each request got.
fn outline_recorded(results: &Value) -> String {
    let Some(results) = results.as_array() else {
        return "no fit".to_owned();
    };
    let claims = results.iter().enumerate().map(|(i, result)| {
        let devices = result.pointer("/devices/results").and_then(Value::as_array);
        let devices = devices.into_iter().flatten().map(|device| {
            let field = |name: &str| device.get(name).and_then(Value::as_str).unwrap_or_default();
            format!(
                "{}={}/{}/{}",
                field("request"),
                field("driver"),
                field("pool"),
                field("device")
            )
        });
        format!("#{i}[{}]", devices.collect::<Vec<_>>().join(" "))
    });
    format!("a fit: {}", claims.collect::<Vec<_>>().join(" "))
}
