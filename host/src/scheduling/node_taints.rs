//! Whether a node keeps a pod away: cordoned, or tainted with what the pod does not tolerate.
//!
//! The device rules know nothing of this, but without it a pod would be placed where Kubernetes
//! never puts it. Only `NoSchedule` and `NoExecute` keep pods away; `PreferNoSchedule` does not.

use k8s_openapi::api::core::v1::{Node, Pod, Taint, Toleration};

const UNSCHEDULABLE: &str = "node.kubernetes.io/unschedulable";

/// The first taint of `node` that keeps `pod` away, as `key=value:effect`.
pub fn untolerated(node: &Node, pod: &Pod) -> Option<String> {
    let spec = node.spec.as_ref()?;
    let tolerations = pod
        .spec
        .as_ref()
        .and_then(|spec| spec.tolerations.as_deref())
        .unwrap_or_default();
    let cordon = (spec.unschedulable == Some(true)).then(|| Taint {
        key: UNSCHEDULABLE.to_owned(),
        effect: "NoSchedule".to_owned(),
        ..Taint::default()
    });
    spec.taints
        .iter()
        .flatten()
        .chain(&cordon)
        .filter(|taint| matches!(taint.effect.as_str(), "NoSchedule" | "NoExecute"))
        .find(|taint| {
            !tolerations
                .iter()
                .any(|toleration| tolerates(toleration, taint))
        })
        .map(|taint| match taint.value.as_deref() {
            Some(value) if !value.is_empty() => format!("{}={value}:{}", taint.key, taint.effect),
            _ => format!("{}:{}", taint.key, taint.effect),
        })
}

fn tolerates(toleration: &Toleration, taint: &Taint) -> bool {
    let unset_or = |wanted: &Option<String>, value: &str| {
        wanted
            .as_deref()
            .is_none_or(|wanted| wanted.is_empty() || wanted == value)
    };
    if !unset_or(&toleration.effect, &taint.effect) || !unset_or(&toleration.key, &taint.key) {
        return false;
    }
    let wanted = toleration.value.as_deref().unwrap_or_default();
    let found = taint.value.as_deref().unwrap_or_default();
    let number = |text: &str| text.parse::<i64>().ok();
    match toleration.operator.as_deref().unwrap_or_default() {
        "" | "Equal" => wanted == found,
        "Exists" => true,
        "Gt" => number(found)
            .zip(number(wanted))
            .is_some_and(|(found, wanted)| found > wanted),
        "Lt" => number(found)
            .zip(number(wanted))
            .is_some_and(|(found, wanted)| found < wanted),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn ask(node: Value, tolerations: Value) -> Option<String> {
        let node: Node =
            serde_json::from_value(json!({"metadata": {"name": "n"}, "spec": node})).unwrap();
        let pod: Pod =
            serde_json::from_value(json!({"spec": {"containers": [], "tolerations": tolerations}}))
                .unwrap();
        untolerated(&node, &pod)
    }

    fn tainted(effect: &str) -> Value {
        json!({"taints": [{"key": "nvidia.com/gpu", "value": "present", "effect": effect}]})
    }

    #[test]
    fn a_taint_keeps_pods_away_unless_tolerated() {
        assert_eq!(
            ask(tainted("NoSchedule"), json!([])).as_deref(),
            Some("nvidia.com/gpu=present:NoSchedule")
        );
        assert_eq!(ask(tainted("PreferNoSchedule"), json!([])), None);
        for tolerated in [
            json!([{"operator": "Exists"}]),
            json!([{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoExecute"}]),
            json!([{"key": "nvidia.com/gpu", "value": "present"}]),
        ] {
            assert_eq!(ask(tainted("NoExecute"), tolerated), None);
        }
        for other in [
            json!([{"key": "nvidia.com/gpu", "value": "absent"}]),
            json!([{"key": "other", "operator": "Exists"}]),
            json!([{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]),
        ] {
            assert!(ask(tainted("NoExecute"), other).is_some());
        }
    }

    #[test]
    fn a_cordoned_node_takes_nobody_who_does_not_say_so() {
        let cordoned = json!({"unschedulable": true});
        assert_eq!(
            ask(cordoned.clone(), json!([])).as_deref(),
            Some("node.kubernetes.io/unschedulable:NoSchedule")
        );
        assert_eq!(
            ask(
                cordoned,
                json!([{"key": UNSCHEDULABLE, "operator": "Exists"}])
            ),
            None
        );
    }
}
