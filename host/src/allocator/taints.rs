//! Which taints keep a request off a device.

use k8s_openapi::api::resource::v1::{Device, DeviceTaint, DeviceToleration};

/// Whether a taint's effect is one that blocks at all.
pub(super) fn blocks(taint: &DeviceTaint) -> bool {
    matches!(taint.effect.as_str(), "NoSchedule" | "NoExecute")
}

/// The first taint of `device` that none of the tolerations accepts.
pub(super) fn untolerated<'a>(
    device: &'a Device,
    tolerations: &[DeviceToleration],
) -> Option<&'a DeviceTaint> {
    device
        .taints
        .iter()
        .flatten()
        .filter(|taint| blocks(taint))
        .find(|taint| {
            !tolerations
                .iter()
                .any(|toleration| tolerates(toleration, taint))
        })
}

fn tolerates(toleration: &DeviceToleration, taint: &DeviceTaint) -> bool {
    let text = |field: &Option<String>| field.clone().unwrap_or_default();
    let (effect, key) = (text(&toleration.effect), text(&toleration.key));
    if !effect.is_empty() && effect != taint.effect || !key.is_empty() && key != taint.key {
        return false;
    }
    match toleration.operator.as_deref().unwrap_or_default() {
        "" | "Equal" => text(&toleration.value) == text(&taint.value),
        operator => operator == "Exists",
    }
}
