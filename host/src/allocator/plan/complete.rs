//! Checking requests as upstream does before it searches, and looking up what they refer to.

use k8s_openapi::api::resource::v1::{DeviceRequest, ResourceClaim};

use super::{Asked, Selector, Variant, claim_name};
use crate::allocator::Allocator;
use crate::allocator::amounts::read;

impl Allocator {
    /// What upstream refuses before it looks at a request, because a gate is off.
    pub(super) fn gate_error(
        &self,
        claim: &ResourceClaim,
        request: &DeviceRequest,
    ) -> Option<String> {
        let alternatives = request.first_available.as_deref().unwrap_or_default();
        let claim = || claim_name(claim);
        if !self.features.prioritized_list && !alternatives.is_empty() {
            return Some(format!(
                "claim {}, request {}: has subrequests, but the DRAPrioritizedList feature is disabled",
                claim(),
                request.name
            ));
        }
        if self.features.consumable_capacity {
            return None;
        }
        let exactly = request.exactly.as_ref();
        if exactly.is_some_and(|exactly| exactly.capacity.is_some()) {
            return Some(format!(
                "claim {}, request {}: has capacity requests, but the DRAConsumableCapacity feature is disabled",
                claim(),
                request.name
            ));
        }
        let sub = alternatives.iter().find(|sub| sub.capacity.is_some())?;
        Some(format!(
            "claim {}, subrequest {}: has capacity requests, but the DRAConsumableCapacity feature is disabled",
            claim(),
            sub.name
        ))
    }

    /// Checks one variant as upstream does before the search, and looks up what it refers to.
    pub(super) fn complete<'a>(
        &'a self,
        claim: &ResourceClaim,
        mut variant: Variant<'a>,
        asked: &Asked<'a>,
    ) -> Variant<'a> {
        let who = || format!("claim {}, request {}", claim_name(claim), asked.name);
        let compile = |text: &str| self.expressions.get(text, self.inventory.devices.len());
        if asked.derived {
            variant.error = Some(format!(
                "{}: cannot handle request with derived attributes, the feature is disabled",
                who()
            ));
            return variant;
        }
        if let Some(i) = asked
            .selectors
            .iter()
            .position(|selector| selector.cel.is_none())
        {
            variant.error = Some(format!(
                "{}, selector #{i}: CEL expression empty (unsupported selector type?)",
                who()
            ));
            return variant;
        }
        if !self.features.admin_access && asked.admin.is_some() {
            variant.error = Some(format!(
                "{}: admin access is requested, but the feature is disabled",
                who()
            ));
            return variant;
        }
        if asked.class.is_empty() {
            variant.error = Some(format!(
                "{}: missing device class name (unsupported request type?)",
                who()
            ));
            return variant;
        }
        let Some(class) = self.classes.get(asked.class) else {
            variant.error = Some(format!(
                "{}: could not retrieve device class {}: deviceclass.resource.k8s.io {:?} not found",
                who(),
                asked.class,
                asked.class
            ));
            return variant;
        };
        variant.class = Some(class);
        let of_class = (class
            .spec
            .as_ref()
            .and_then(|spec| spec.selectors.as_deref()))
        .unwrap_or_default();
        for (of_class, list) in [(true, of_class), (false, asked.selectors)] {
            for (index, selector) in list.iter().enumerate() {
                let text = selector.cel.as_ref().map_or("", |cel| &cel.expression);
                variant.selectors.push(Selector {
                    of_class,
                    index,
                    text,
                    expression: compile(text),
                });
            }
        }
        let requests = asked
            .capacity
            .and_then(|capacity| capacity.requests.as_ref());
        for (name, quantity) in requests.into_iter().flatten() {
            match read(quantity) {
                Some(quantity) => variant.capacity.push((name.clone(), quantity)),
                None => {
                    variant.error = Some(format!(
                        "{}: capacity request {name} is not a quantity: {:?}",
                        who(),
                        quantity.0
                    ));
                    return variant;
                }
            }
        }
        if asked.mode != "ExactCount" && asked.mode != "All" {
            variant.error = Some(format!("{}: unsupported count mode {}", who(), asked.mode));
        }
        variant
    }
}
