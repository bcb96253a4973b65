//! May this device be given to this request: selectors, use, taints, gates, and what the result says.

use k8s_openapi::api::resource::v1::{
    Device, DeviceClass, DeviceTaint, DeviceToleration, ResourceSlice,
};
use supercargo_host::cel::{Environment, Options, Selector};

use super::requests::Ask;
use super::{Grant, Situation};

pub(super) fn check(situation: &Situation<'_>, grants: &[Grant<'_>], wrong: &mut Vec<String>) {
    for (i, grant) in grants.iter().enumerate() {
        let mut say = |text: &str| wrong.push(format!("{grant}: {text}"));
        match selected(situation, &grant.ask, grant.slice, grant.device) {
            Ok(true) => {}
            Ok(false) => say("a selector is false"),
            Err(error) => say(&error),
        }
        for earlier in grants.iter().take(i) {
            if conflict(situation, earlier, grant) {
                say(&format!(
                    "also given to claim #{}, request {}",
                    earlier.claim, earlier.result.request
                ));
            }
        }
        if !grant.ask.admin() && situation.state.devices.contains(&grant.id()) {
            say("is in use");
        }
        if situation.features.device_taints
            && let Some(taint) = intolerable(grant.device, grant.ask.tolerations)
        {
            say(&format!("taint {} is not tolerated", taint.key));
        }
        check_gates(situation, grant, &mut say);
        check_copies(situation, grant, &mut say);
    }
}

/// Whether two grants cannot stand together. A request never gets one device twice, not even a
/// shareable one. Admin access sees what others use, but within its claim each device comes once.
fn conflict(situation: &Situation<'_>, a: &Grant<'_>, b: &Grant<'_>) -> bool {
    let same_claim = a.claim == b.claim;
    a.id() == b.id()
        && if a.shareable(situation.features) {
            same_claim && a.ask.index == b.ask.index
        } else {
            same_claim || (!a.ask.admin() && !b.ask.admin())
        }
}

fn check_gates(situation: &Situation<'_>, grant: &Grant<'_>, say: &mut impl FnMut(&str)) {
    let filled = |list: Option<usize>| list.is_some_and(|length| length > 0);
    if !situation.features.partitionable_devices
        && filled(grant.device.consumes_counters.as_ref().map(Vec::len))
    {
        say("consumes counters while their gate is off");
    }
    if filled(grant.slice.spec.skip_node_operations.as_ref().map(Vec::len)) {
        say("skips node operations, which no gate allows");
    }
}

/// What the result repeats from the request and the device.
fn check_copies(situation: &Situation<'_>, grant: &Grant<'_>, say: &mut impl FnMut(&str)) {
    let result = grant.result;
    if result.admin_access != grant.ask.admin().then_some(true) {
        say("adminAccess is not the request's");
    }
    if result.tolerations.as_deref().unwrap_or_default() != grant.ask.tolerations {
        say("tolerations are not the request's");
    }
    let conditions = |list: &Option<Vec<String>>| list.clone().unwrap_or_default();
    let published = |list: &Option<Vec<String>>| {
        if situation.features.device_binding {
            conditions(list)
        } else {
            Vec::new()
        }
    };
    if conditions(&result.binding_conditions) != published(&grant.device.binding_conditions)
        || conditions(&result.binding_failure_conditions)
            != published(&grant.device.binding_failure_conditions)
    {
        say("binding conditions are not the device's");
    }
}

/// Whether the class's and the request's selectors hold. A device whose binding conditions nobody
/// would wait for is selected by nothing.
pub(super) fn selected(
    situation: &Situation<'_>,
    ask: &Ask<'_>,
    slice: &ResourceSlice,
    device: &Device,
) -> Result<bool, String> {
    if !situation.features.device_binding
        && device
            .binding_conditions
            .as_ref()
            .is_some_and(|list| !list.is_empty())
    {
        return Ok(false);
    }
    let class =
        class(situation, ask.class).ok_or_else(|| format!("there is no class {}", ask.class))?;
    let of_class = class
        .spec
        .iter()
        .flat_map(|spec| spec.selectors.iter().flatten());
    let options = Options {
        consumable_capacity: situation.features.consumable_capacity,
        list_type_attributes: situation.features.list_type_attributes,
        environment: Environment::Stored,
    };
    for selector in of_class.chain(ask.selectors) {
        let cel = selector.cel.as_ref().ok_or("a selector without CEL")?;
        let selector =
            Selector::compile(&cel.expression, options).map_err(|error| error.to_string())?;
        if !selector
            .matches(&slice.spec.driver, device)
            .map_err(|error| error.to_string())?
            .matches
        {
            return Ok(false);
        }
    }
    Ok(true)
}

pub(super) fn class<'a>(situation: &Situation<'a>, name: &str) -> Option<&'a DeviceClass> {
    situation
        .classes
        .iter()
        .find(|class| class.metadata.name.as_deref() == Some(name))
}

fn intolerable<'a>(
    device: &'a Device,
    tolerations: &[DeviceToleration],
) -> Option<&'a DeviceTaint> {
    let blocks =
        |taint: &&DeviceTaint| ["NoSchedule", "NoExecute"].contains(&taint.effect.as_str());
    let mut taints = device.taints.iter().flatten().filter(blocks);
    taints.find(|taint| {
        !tolerations
            .iter()
            .any(|toleration| tolerates(toleration, taint))
    })
}

fn tolerates(toleration: &DeviceToleration, taint: &DeviceTaint) -> bool {
    fn text(field: &Option<String>) -> &str {
        field.as_deref().unwrap_or_default()
    }
    let empty_or =
        |field: &Option<String>, value: &str| text(field).is_empty() || text(field) == value;
    empty_or(&toleration.effect, &taint.effect)
        && empty_or(&toleration.key, &taint.key)
        && match text(&toleration.operator) {
            "" | "Equal" => text(&toleration.value) == text(&taint.value),
            "Exists" => true,
            _ => false,
        }
}
