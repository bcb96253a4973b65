//! What a policy is told of a claim that is to be prepared: what it declared, and nothing else.

use std::sync::Arc;

use super::claim::requests;
use super::{ClaimOnNode, DeviceOfClaim};
use crate::allocator::qualified;
use crate::policy::configuration::{AllocatedClaim, AllocatedDevice};
use crate::policy::lower::{exact, number, value};
use crate::policy::types::{ParameterSource, Parameters};
use crate::policy::{Interests, Quantity, Texts, Value};
use crate::quantity;

/// The question for `prepare` and `unprepare`. Positions of devices are those of `claim`; requests are
/// numbered in the order in which devices serve them.
#[must_use]
pub fn question(claim: &ClaimOnNode, interests: &Interests) -> AllocatedClaim {
    let requests = requests(&claim.devices);
    let request = |name: &str| requests.iter().position(|request| *request == name);
    let mut texts = Texts::default();
    let mut attributes = Vec::new();
    let mut capacities = Vec::new();
    let mut devices = Vec::new();
    for device in &claim.devices {
        let mut text = |text: &str| texts.position(&text.into());
        devices.push(AllocatedDevice {
            request: number(request(&device.request).unwrap_or_default()),
            driver: text(&device.driver),
            pool: text(&device.pool),
            name: text(&device.device),
            share: device.share_id.as_deref().map(text),
            admin_access: device.admin_access,
        });
        for name in &interests.attributes {
            let found = qualified(&device.driver, name, |name| device.attributes.get(name));
            attributes.push(found.map_or(Value::Absent, |found| value(found, &mut texts)));
        }
        for name in &interests.capacities {
            capacities.push(capacity(device, name));
        }
    }
    let parameters = claim.parameters.iter().map(|parameters| Parameters {
        requests: parameters
            .requests
            .iter()
            .filter_map(|name| request(name).map(number))
            .collect(),
        driver: parameters.driver.as_str().into(),
        source: if parameters.from_class {
            ParameterSource::DeviceClass
        } else {
            ParameterSource::Claim
        },
        json: parameters.json.as_str().into(),
    });
    let declared = |declared: bool, name: &str| declared.then(|| Arc::<str>::from(name));
    AllocatedClaim {
        uid: claim.uid.as_str().into(),
        name: declared(interests.claim_name, &claim.name),
        namespace: declared(interests.namespace, &claim.namespace),
        node: declared(interests.node_name, &claim.node),
        parameters: parameters.collect(),
        strings: texts.into_strings(),
        devices,
        attributes,
        capacities,
    }
}

/// A capacity by its declared name: of a shared device what the claim got of it.
fn capacity(device: &DeviceOfClaim, name: &str) -> Option<Quantity> {
    let capacities = if device.share_id.is_some() {
        &device.consumed_capacity
    } else {
        &device.capacity
    };
    let found = qualified(&device.driver, name, |name| capacities.get(name))?;
    quantity::Quantity::parse(&found.0)
        .ok()
        .map(|quantity| exact(&quantity))
}
