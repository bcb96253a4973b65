//! resource.k8s.io/v1beta1 to v1 and back, as the API server converts.
//!
//! Two places differ in shape (`k8s.io/dynamic-resource-allocation/api/v1beta1/conversion.go`): a
//! request's fields stand in the request itself, and a device's under `basic`. The conversion works
//! on the JSON form of an object, which must be well formed in the version it comes from. v1beta2
//! has v1's shape: there only `apiVersion` differs.

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

/// Turns a v1beta1 object's JSON into v1's. An object without `kind` is left as it is.
pub fn v1beta1_to_v1(object: &mut Value) {
    convert(object, "resource.k8s.io/v1", slice, claim);
}

/// Turns a v1 object's JSON into v1beta1's. An object without `kind` is left as it is.
pub fn v1_to_v1beta1(object: &mut Value) {
    convert(
        object,
        "resource.k8s.io/v1beta1",
        nest_devices,
        flatten_requests,
    );
}

type Spec<'a> = Option<&'a mut Value>;

fn convert(object: &mut Value, version: &str, slice: fn(Spec<'_>), claim: fn(Spec<'_>)) {
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
        object.insert("apiVersion".to_owned(), Value::from(version));
    }
}

/// The mappings in the list at `pointer`.
fn each<'a>(spec: Spec<'a>, pointer: &str) -> impl Iterator<Item = &'a mut Map<String, Value>> {
    spec.and_then(|spec| spec.pointer_mut(pointer))
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
        .filter_map(Value::as_object_mut)
}

fn flatten_requests(spec: Spec<'_>) {
    for request in each(spec, "/devices/requests") {
        if let Some(Value::Object(exactly)) = request.remove("exactly") {
            request.extend(exactly);
        }
    }
}

fn nest_devices(spec: Spec<'_>) {
    for device in each(spec, "/devices") {
        let name = device.remove("name");
        let basic = std::mem::take(device);
        device.insert("basic".to_owned(), Value::Object(basic));
        if let Some(name) = name {
            device.insert("name".to_owned(), name);
        }
    }
}

fn claim(spec: Spec<'_>) {
    for request in each(spec, "/devices/requests") {
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

fn slice(mut spec: Spec<'_>) {
    if let Some(spec) = spec.as_deref_mut().and_then(Value::as_object_mut) {
        if spec.get("nodeName").and_then(Value::as_str) == Some("") {
            spec.remove("nodeName");
        }
        if spec.get("allNodes").and_then(Value::as_bool) == Some(false) {
            spec.remove("allNodes");
        }
    }
    for device in each(spec, "/devices") {
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_written_as_v1beta1_reads_back_as_it_was() {
        let slice = json!({"apiVersion": "resource.k8s.io/v1", "kind": "ResourceSlice",
            "metadata": {"name": "s"},
            "spec": {"driver": "gpu.example.com", "nodeName": "n", "devices": [
                {"name": "gpu-0", "attributes": {"model": {"string": "x"}},
                 "taints": [{"key": "k", "effect": "NoSchedule"}]},
                {"name": "gpu-1"}]}});
        let claim = json!({"apiVersion": "resource.k8s.io/v1", "kind": "ResourceClaim",
            "metadata": {"name": "c"},
            "spec": {"devices": {"requests": [
                {"name": "a", "exactly": {"deviceClassName": "gpu", "allocationMode": "All"}},
                {"name": "b", "firstAvailable": [{"name": "c", "deviceClassName": "gpu"}]}]}}});
        for object in [slice, claim] {
            let mut there = object.clone();
            v1_to_v1beta1(&mut there);
            assert_eq!(there["apiVersion"], "resource.k8s.io/v1beta1");
            assert_ne!(there["spec"], object["spec"]);
            v1beta1_to_v1(&mut there);
            assert_eq!(there, object);
        }
    }

    #[test]
    fn a_device_without_anything_has_an_empty_basic() {
        let mut slice = json!({"kind": "ResourceSlice", "spec": {"devices": [{"name": "gpu-0"}]}});
        v1_to_v1beta1(&mut slice);
        assert_eq!(
            slice["spec"]["devices"][0],
            json!({"name": "gpu-0", "basic": {}})
        );
    }
}
