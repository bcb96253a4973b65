//! resource.k8s.io/v1beta1 to v1, as the API server converts.
//!
//! Two places differ in shape (`k8s.io/dynamic-resource-allocation/api/v1beta1/conversion.go`): a
//! request's fields stand in the request itself, and a device's under `basic`. The conversion works
//! on the JSON form of an object that has been read strictly as v1beta1 before.

use serde_json::{Map, Value};

/// The fields that make up `exactly`, each with what counts as not set.
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

/// Turns a v1beta1 object's JSON into v1's.
pub(crate) fn v1beta1_to_v1(object: &mut Value) {
    match object
        .get("kind")
        .and_then(Value::as_str)
        .unwrap_or_default()
    {
        "ResourceSlice" => slice(object.get_mut("spec")),
        "ResourceClaim" => claim(object.get_mut("spec")),
        "ResourceClaimTemplate" => {
            claim(object.get_mut("spec").and_then(|spec| spec.get_mut("spec")));
        }
        _ => {}
    }
    if let Some(object) = object.as_object_mut() {
        object.insert("apiVersion".to_owned(), Value::from("resource.k8s.io/v1"));
    }
}

fn claim(spec: Option<&mut Value>) {
    let requests = spec
        .and_then(|spec| spec.pointer_mut("/devices/requests"))
        .and_then(Value::as_array_mut);
    for request in requests
        .into_iter()
        .flatten()
        .filter_map(Value::as_object_mut)
    {
        let mut exactly = Map::new();
        for field in EXACT {
            if let Some(value) = request.remove(field)
                && !is_zero(field, &value)
            {
                exactly.insert(field.to_owned(), value);
            }
        }
        if !exactly.is_empty() {
            request.insert("exactly".to_owned(), Value::Object(exactly));
        }
    }
}

/// Whether Go would hold the zero value: an empty string or number there is the same as none.
fn is_zero(field: &str, value: &Value) -> bool {
    match field {
        "deviceClassName" | "allocationMode" => value.as_str() == Some(""),
        "count" => value.as_i64() == Some(0),
        _ => value.is_null(),
    }
}

fn slice(spec: Option<&mut Value>) {
    let Some(spec) = spec.and_then(Value::as_object_mut) else {
        return;
    };
    if spec.get("nodeName").and_then(Value::as_str) == Some("") {
        spec.remove("nodeName");
    }
    if spec.get("allNodes").and_then(Value::as_bool) == Some(false) {
        spec.remove("allNodes");
    }
    let devices = spec.get_mut("devices").and_then(Value::as_array_mut);
    for device in devices
        .into_iter()
        .flatten()
        .filter_map(Value::as_object_mut)
    {
        if let Some(Value::Object(basic)) = device.remove("basic") {
            for (field, value) in basic {
                // An empty map or list is the same as none once it has been through Go.
                let empty = value.as_object().is_some_and(Map::is_empty)
                    && matches!(field.as_str(), "attributes" | "capacity");
                if !empty {
                    device.insert(field, value);
                }
            }
        }
    }
}
