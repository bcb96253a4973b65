//! What a selector's text mentions of a device, with the device's values.
//!
//! A person who reads "selector is false" wants to see what was compared. The text is only scanned,
//! not understood: a name inside a string constant may be listed too, which does no harm.

use k8s_openapi::api::resource::v1::{Device, DeviceAttribute};

use crate::allocator::attributes::lookup;

/// Names beyond this many are left out.
const MOST: usize = 8;

/// The mentioned names in order of appearance, as the text writes them.
pub(super) fn values(text: &str, driver: &str, device: &Device) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("device.") {
        rest = rest.get(at + "device.".len()..).unwrap_or_default();
        if let Some((name, value)) = mention(rest, driver, device)
            && found.len() < MOST
            && !found.iter().any(|(known, _)| *known == name)
        {
            found.push((name, value));
        }
    }
    found
}

fn mention(text: &str, driver: &str, device: &Device) -> Option<(String, String)> {
    let unset = || "not set".to_owned();
    if text.starts_with("driver") {
        return Some(("device.driver".to_owned(), format!("{driver:?}")));
    }
    if text.starts_with("allowMultipleAllocations") {
        let value = device.allow_multiple_allocations.unwrap_or_default();
        return Some((
            "device.allowMultipleAllocations".to_owned(),
            value.to_string(),
        ));
    }
    let (attributes, rest) = match text.strip_prefix("attributes") {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix("capacity")?),
    };
    let (domain, rest) = key(rest)?;
    let (id, _) = key(rest)?;
    let name = format!("{domain}/{id}");
    let value = if attributes {
        lookup(device.attributes.as_ref(), driver, &name).map_or_else(unset, shown)
    } else {
        lookup(device.capacity.as_ref(), driver, &name)
            .map_or_else(unset, |one| one.value.0.clone())
    };
    Some((name, value))
}

/// Reads `["key"]`, `[?"key"]`, `.key` or `.?key`.
fn key(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_start();
    if let Some(quoted) = text.strip_prefix('[') {
        let quoted = quoted.trim_start_matches(['?', ' ']);
        let quote = quoted
            .chars()
            .next()
            .filter(|quote| matches!(quote, '"' | '\''))?;
        let (key, rest) = quoted.get(1..)?.split_once(quote)?;
        return Some((key, rest.trim_start().strip_prefix(']')?));
    }
    let bare = text.strip_prefix('.')?;
    let bare = bare.strip_prefix('?').unwrap_or(bare);
    let end = bare
        .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .unwrap_or(bare.len());
    if end == 0 {
        return None;
    }
    bare.split_at_checked(end)
}

fn shown(attribute: &DeviceAttribute) -> String {
    match attribute {
        DeviceAttribute { int: Some(int), .. } => int.to_string(),
        DeviceAttribute {
            bool: Some(bool), ..
        } => bool.to_string(),
        DeviceAttribute {
            string: Some(text), ..
        } => format!("{text:?}"),
        DeviceAttribute {
            version: Some(text),
            ..
        } => text.clone(),
        DeviceAttribute {
            ints: Some(list), ..
        } => format!("{list:?}"),
        DeviceAttribute {
            bools: Some(list), ..
        } => format!("{list:?}"),
        DeviceAttribute {
            strings: Some(list),
            ..
        }
        | DeviceAttribute {
            versions: Some(list),
            ..
        } => {
            format!("{list:?}")
        }
        _ => "of unknown type".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_listed_for_what_the_text_mentions() {
        let device: Device = serde_json::from_value(serde_json::json!({
            "name": "gpu-0",
            "attributes": {"model": {"string": "a100"}, "other.example/index": {"int": 3}},
            "capacity": {"memory": {"value": "40Gi"}}
        }))
        .unwrap();
        let text = r#"device.driver == "x" && device.attributes["d.example"].model == "h100"
            && device.attributes['other.example'][?"index"].orValue(0) > 1 && device.attributes["d.example"].?nope.hasValue()
            && device.capacity["d.example"].memory.isGreaterThan(quantity("80Gi")) && device.attributes"#;
        let found = values(text, "d.example", &device);
        let found: Vec<(&str, &str)> = found
            .iter()
            .map(|(a, b)| (a.as_str(), b.as_str()))
            .collect();
        assert_eq!(
            found,
            [
                ("device.driver", "\"d.example\""),
                ("d.example/model", "\"a100\""),
                ("other.example/index", "3"),
                ("d.example/nope", "not set"),
                ("d.example/memory", "40Gi"),
            ]
        );
    }
}
