//! A claim in parts: whose devices are whose to set up.

use k8s_openapi::api::resource::v1::ResourceClaim;

use super::{ClaimError, ClaimOnNode, DeviceOfClaim};

/// Some of a claim's devices, as a claim of their own: positions in plans and questions are positions in
/// this part.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// The requests that it is about, as in [`DeviceOfClaim::request`].
    pub requests: Vec<String>,
    /// The devices that serve them, and the parameters that hold for them.
    pub claim: ClaimOnNode,
    /// Where these devices are in the whole claim.
    pub positions: Vec<usize>,
}

impl ClaimOnNode {
    /// The part of the claim that is about these requests.
    #[must_use]
    pub fn part(&self, requests: Vec<String>) -> Part {
        let (positions, devices) = self
            .devices
            .iter()
            .enumerate()
            .filter(|(_, device)| requests.contains(&device.request))
            .map(|(position, device)| (position, device.clone()))
            .unzip();
        let parameters = self.parameters.iter().filter_map(|parameters| {
            let mut own = parameters.clone();
            own.requests.retain(|request| requests.contains(request));
            (!own.requests.is_empty()).then_some(own)
        });
        Part {
            claim: Self {
                devices,
                parameters: parameters.collect(),
                uid: self.uid.clone(),
                name: self.name.clone(),
                namespace: self.namespace.clone(),
                node: self.node.clone(),
            },
            requests,
            positions,
        }
    }

    /// Divides the claim by who sets up its requests, in the order of the devices. `who` is asked once
    /// for each request, by its device class; requests for which it answers the `same` stay together.
    /// `object` is what this was read from.
    ///
    /// # Errors
    /// A device serves a request that the claim does not make, or `who` cannot tell.
    pub fn divide<W, E: From<ClaimError>>(
        &self,
        object: &ResourceClaim,
        mut who: impl FnMut(&str) -> Result<W, E>,
        same: impl Fn(&W, &W) -> bool,
    ) -> Result<Vec<(W, Part)>, E> {
        let mut groups: Vec<(W, Vec<String>)> = Vec::new();
        for DeviceOfClaim {
            request, device, ..
        } in &self.devices
        {
            if groups
                .iter()
                .any(|(_, requests)| requests.contains(request))
            {
                continue;
            }
            let class =
                request_class(object, request).ok_or_else(|| ClaimError::NoSuchRequest {
                    claim: format!("{}/{}", self.namespace, self.name),
                    device: device.clone(),
                    request: request.clone(),
                })?;
            let found = who(class)?;
            match groups.iter_mut().find(|(other, _)| same(other, &found)) {
                Some((_, requests)) => requests.push(request.clone()),
                None => groups.push((found, vec![request.clone()])),
            }
        }
        let parts = groups.into_iter();
        Ok(parts
            .map(|(who, requests)| (who, self.part(requests)))
            .collect())
    }
}

/// The device class of `request`, or of the alternative after the `/`.
fn request_class<'a>(claim: &'a ResourceClaim, request: &str) -> Option<&'a str> {
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
