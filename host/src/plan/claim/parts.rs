//! Which policy sets up which devices of a claim.

use std::collections::BTreeSet;

use k8s_openapi::api::resource::v1::ResourceClaim;

use super::read::{allocation, results};
use super::{ClaimError, ClaimOnNode};
use crate::configuration::Rule;

/// The devices of a claim whose requests one policy serves, as a claim of their own: positions in plans
/// and questions are positions in this part.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// The policy; `None`: no rule matches, so the devices are exposed and nothing else is done.
    pub policy: Option<String>,
    /// The devices, and the parameters that hold for them.
    pub claim: ClaimOnNode,
}

impl ClaimOnNode {
    /// Divides the claim by the policies that serve its requests: the first rule that matches decides,
    /// as when the devices were chosen. `claim` is the object that this was read from.
    ///
    /// # Errors
    /// A device serves a request that the claim does not make.
    pub fn parts(self, claim: &ResourceClaim, rules: &[Rule]) -> Result<Vec<Part>, ClaimError> {
        let mut parts: Vec<Part> = Vec::new();
        let Self {
            devices,
            parameters,
            ..
        } = &self;
        for device in devices {
            let class = class(claim, &device.request).ok_or_else(|| ClaimError::NoSuchRequest {
                claim: format!("{}/{}", self.namespace, self.name),
                device: device.device.clone(),
                request: device.request.clone(),
            })?;
            let drivers: BTreeSet<&str> = allocation(claim)
                .into_iter()
                .flat_map(results)
                .filter(|result| result.request == device.request)
                .map(|result| result.driver.as_str())
                .collect();
            let matches = |rule: &&Rule| {
                let labels = claim.metadata.labels.as_ref();
                rule.matches(class, &self.namespace, labels, drivers.iter().copied())
            };
            let policy = rules.iter().find(matches).map(|rule| rule.policy.clone());
            match parts.iter_mut().find(|part| part.policy == policy) {
                Some(part) => part.claim.devices.push(device.clone()),
                None => parts.push(Part {
                    policy,
                    claim: Self {
                        devices: vec![device.clone()],
                        parameters: Vec::new(),
                        ..self.clone()
                    },
                }),
            }
        }
        for part in &mut parts {
            let served = super::parameters::requests(&part.claim.devices);
            let own = parameters.iter().filter_map(|parameters| {
                let mut own = parameters.clone();
                own.requests.retain(|name| served.contains(&name.as_str()));
                (!own.requests.is_empty()).then_some(own)
            });
            part.claim.parameters = own.collect();
        }
        Ok(parts)
    }
}

/// The device class of `request`, or of the alternative after the `/`.
fn class<'a>(claim: &'a ResourceClaim, request: &str) -> Option<&'a str> {
    let requests = claim.spec.as_ref()?.devices.as_ref()?.requests.as_ref()?;
    let (name, alternative) = match request.split_once('/') {
        Some((name, alternative)) => (name, Some(alternative)),
        None => (request, None),
    };
    let asked = requests.iter().find(|asked| asked.name == name)?;
    match alternative {
        None => Some(&asked.exactly.as_ref()?.device_class_name),
        Some(alternative) => asked
            .first_available
            .iter()
            .flatten()
            .find(|sub| sub.name == alternative)
            .map(|sub| sub.device_class_name.as_str()),
    }
}
