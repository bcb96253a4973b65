//! Taints that administrators put on devices from outside of the driver's slices.
//!
//! Kubernetes merges DeviceTaintRules into the slices before the allocator sees them
//! (`k8s.io/dynamic-resource-allocation/resourceslice/tracker`); so does this.

use k8s_openapi::api::resource::v1::{DeviceTaintRule, ResourceSlice};

/// Appends the taint of each rule to every device that it selects, in the order of the rules.
///
/// A rule without selector taints nothing, one with an empty selector everything.
pub fn apply<'r>(
    slices: &mut [ResourceSlice],
    rules: impl IntoIterator<Item = &'r DeviceTaintRule>,
) {
    for rule in rules {
        let Some(selector) = &rule.spec.device_selector else {
            continue;
        };
        let selects = |wanted: &Option<String>, value: &String| {
            wanted.as_ref().is_none_or(|wanted| wanted == value)
        };
        for slice in slices.iter_mut() {
            let spec = &mut slice.spec;
            if !selects(&selector.driver, &spec.driver) || !selects(&selector.pool, &spec.pool.name)
            {
                continue;
            }
            for device in spec.devices.iter_mut().flatten() {
                if selects(&selector.device, &device.name) {
                    device
                        .taints
                        .get_or_insert_default()
                        .push(rule.spec.taint.clone());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_rule_taints_what_it_selects_and_nothing_else() {
        let slice: ResourceSlice = serde_json::from_value(json!({
            "metadata": {"name": "s"},
            "spec": {"driver": "gpu.example.com", "pool": {"name": "node-1", "generation": 1,
                "resourceSliceCount": 1}, "devices": [{"name": "gpu-0"}, {"name": "gpu-1"}]}}))
        .unwrap();
        let rule = |selector: serde_json::Value| -> DeviceTaintRule {
            serde_json::from_value(json!({"metadata": {"name": "r"}, "spec": {
                "deviceSelector": selector,
                "taint": {"key": "example.com/broken", "effect": "NoExecute"}}}))
            .unwrap()
        };
        let tainted = |selector: serde_json::Value| -> Vec<usize> {
            let mut slices = [slice.clone()];
            apply(&mut slices, [&rule(selector)]);
            let devices = slices[0].spec.devices.as_ref().unwrap();
            devices
                .iter()
                .map(|device| device.taints.as_ref().map_or(0, Vec::len))
                .collect()
        };
        assert_eq!(tainted(json!(null)), [0, 0]);
        assert_eq!(tainted(json!({})), [1, 1]);
        assert_eq!(
            tainted(json!({"driver": "gpu.example.com", "device": "gpu-1"})),
            [0, 1]
        );
        assert_eq!(tainted(json!({"pool": "node-2"})), [0, 0]);
    }
}
