//! Claims made ready for searching: classes looked up, selectors compiled, quantities read.
//!
//! What does not depend on the node is done once, also for a sweep over thousands of nodes. Mistakes
//! that upstream would report are kept in place and surface in upstream's order, because an `All`
//! request of an earlier claim may fail first, and that depends on the node.

use std::sync::Arc;

use k8s_openapi::api::resource::v1::{
    CapacityRequirements, DeviceClass, DeviceSelector, DeviceToleration, ResourceClaim,
};

use super::attributes::Column;
use super::expressions::Expression;
use super::{Allocator, RequestIndex};
use crate::quantity::Quantity;

mod complete;

/// The claims of one pod.
#[derive(Debug)]
pub(super) struct Claims<'a> {
    pub(super) claims: Vec<Claim<'a>>,
    /// All requests, claim by claim.
    pub(super) requests: Vec<Request<'a>>,
    /// All variants, request by request.
    pub(super) variants: Vec<Variant<'a>>,
}

#[derive(Debug)]
pub(super) struct Claim<'a> {
    pub(super) object: &'a ResourceClaim,
    pub(super) constraints: Vec<Constraint>,
    /// Reported after all of the claim's requests.
    pub(super) error: Option<String>,
}

#[derive(Debug)]
pub(super) struct Request<'a> {
    pub(super) claim: usize,
    /// Its place in the claim.
    pub(super) index: usize,
    pub(super) name: &'a str,
    /// `firstAvailable`: one of the variants is chosen.
    pub(super) prioritized: bool,
    /// Its variants: one if not prioritized.
    pub(super) variants: std::ops::Range<usize>,
    /// Reported before its variants are looked at.
    pub(super) error: Option<String>,
}

/// A request, or one alternative of a `firstAvailable` request.
#[derive(Debug)]
pub(super) struct Variant<'a> {
    pub(super) request: usize,
    pub(super) claim: usize,
    pub(super) name: &'a str,
    pub(super) class: Option<&'a DeviceClass>,
    /// The class's selectors, then the request's.
    pub(super) selectors: Vec<Selector<'a>>,
    pub(super) admin: bool,
    pub(super) tolerations: &'a [DeviceToleration],
    pub(super) capacity: Vec<(String, Quantity)>,
    pub(super) count: Count,
    /// Which of the claim's constraints apply.
    pub(super) constraints: Vec<usize>,
    /// Reported when the variant is looked at.
    pub(super) error: Option<String>,
}

#[derive(Debug)]
pub(super) struct Selector<'a> {
    pub(super) of_class: bool,
    pub(super) index: usize,
    pub(super) text: &'a str,
    pub(super) expression: Arc<Expression>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Count {
    Exact(i64),
    All,
}

#[derive(Debug)]
pub(super) struct Constraint {
    pub(super) distinct: bool,
    pub(super) attribute: String,
    pub(super) column: Arc<Column>,
}

/// What an exact request and an alternative have in common.
struct Asked<'a> {
    name: &'a str,
    class: &'a str,
    selectors: &'a [DeviceSelector],
    mode: &'a str,
    count: i64,
    admin: Option<bool>,
    tolerations: &'a [DeviceToleration],
    capacity: Option<&'a CapacityRequirements>,
    derived: bool,
}

/// `namespace/name`, as error texts name a claim.
pub(super) fn claim_name(claim: &ResourceClaim) -> String {
    let name = claim.metadata.name.as_deref().unwrap_or_default();
    match claim.metadata.namespace.as_deref() {
        None | Some("") => name.to_owned(),
        Some(namespace) => format!("{namespace}/{name}"),
    }
}

impl<'a> Claims<'a> {
    pub(super) fn new(allocator: &'a Allocator, claims: &[&'a ResourceClaim]) -> Self {
        let mut plan = Self {
            claims: Vec::with_capacity(claims.len()),
            requests: Vec::new(),
            variants: Vec::new(),
        };
        for claim in claims {
            plan.add_claim(allocator, claim);
        }
        plan
    }

    fn add_claim(&mut self, allocator: &'a Allocator, object: &'a ResourceClaim) {
        let index = self.claims.len();
        let spec = object.spec.as_ref().and_then(|spec| spec.devices.as_ref());
        let constraints = spec
            .and_then(|devices| devices.constraints.as_deref())
            .unwrap_or_default();
        let mut claim = Claim {
            object,
            constraints: Vec::new(),
            error: None,
        };
        for (i, constraint) in constraints.iter().enumerate() {
            let (distinct, attribute) = match (
                &constraint.match_attribute,
                &constraint.distinct_attribute,
            ) {
                (Some(attribute), _) => (false, attribute),
                (None, Some(attribute)) => (true, attribute),
                (None, None) => {
                    claim.error = Some(format!(
                        "claim {}, constraint #{i}: empty constraint (unsupported constraint type?)",
                        claim_name(object)
                    ));
                    break;
                }
            };
            claim.constraints.push(Constraint {
                distinct,
                attribute: attribute.clone(),
                column: allocator.attributes.column(
                    &allocator.inventory,
                    attribute,
                    allocator.features.list_type_attributes,
                ),
            });
        }
        self.claims.push(claim);
        let requests = spec
            .and_then(|devices| devices.requests.as_deref())
            .unwrap_or_default();
        for (place, request) in requests.iter().enumerate() {
            let first = self.variants.len();
            let alternatives = request.first_available.as_deref().unwrap_or_default();
            let prioritized = !alternatives.is_empty();
            let error = allocator.gate_error(object, request);
            let asked: Vec<Asked<'a>> = if error.is_some() {
                Vec::new()
            } else if prioritized {
                (alternatives.iter())
                    .map(|sub| Asked {
                        name: &sub.name,
                        class: &sub.device_class_name,
                        selectors: sub.selectors.as_deref().unwrap_or_default(),
                        mode: sub.allocation_mode.as_deref().unwrap_or_default(),
                        count: sub.count.unwrap_or_default(),
                        admin: None,
                        tolerations: sub.tolerations.as_deref().unwrap_or_default(),
                        capacity: sub.capacity.as_ref(),
                        derived: sub
                            .derived_attributes
                            .as_ref()
                            .is_some_and(|all| !all.is_empty()),
                    })
                    .collect()
            } else {
                let exactly = request.exactly.as_ref();
                vec![Asked {
                    name: &request.name,
                    class: exactly.map_or("", |exactly| &exactly.device_class_name),
                    selectors: (exactly.and_then(|exactly| exactly.selectors.as_deref()))
                        .unwrap_or_default(),
                    mode: (exactly.and_then(|exactly| exactly.allocation_mode.as_deref()))
                        .unwrap_or_default(),
                    count: exactly
                        .and_then(|exactly| exactly.count)
                        .unwrap_or_default(),
                    admin: exactly.and_then(|exactly| exactly.admin_access),
                    tolerations: (exactly.and_then(|exactly| exactly.tolerations.as_deref()))
                        .unwrap_or_default(),
                    capacity: exactly.and_then(|exactly| exactly.capacity.as_ref()),
                    derived: (exactly.and_then(|exactly| exactly.derived_attributes.as_ref()))
                        .is_some_and(|all| !all.is_empty()),
                }]
            };
            for one in asked {
                let applies = |i: &usize| {
                    let names = constraints
                        .get(*i)
                        .and_then(|constraint| constraint.requests.as_deref());
                    let names = names.unwrap_or_default();
                    names.is_empty()
                        || names.contains(&request.name)
                        || prioritized
                            && names.iter().any(|name| {
                                name.split_once('/') == Some((request.name.as_str(), one.name))
                            })
                };
                let known = self
                    .claims
                    .last()
                    .map_or(0, |claim| claim.constraints.len());
                let variant = Variant {
                    request: self.requests.len(),
                    claim: index,
                    name: one.name,
                    class: None,
                    selectors: Vec::new(),
                    admin: one.admin == Some(true),
                    tolerations: one.tolerations,
                    capacity: Vec::new(),
                    count: if one.mode == "All" {
                        Count::All
                    } else {
                        Count::Exact(one.count)
                    },
                    constraints: (0..known).filter(applies).collect(),
                    error: None,
                };
                self.variants
                    .push(allocator.complete(object, variant, &one));
            }
            self.requests.push(Request {
                claim: index,
                index: place,
                name: &request.name,
                prioritized,
                variants: first..self.variants.len(),
                error,
            });
        }
    }

    /// The request that `index` means, and its variant.
    pub(super) fn find(&self, index: RequestIndex) -> Option<usize> {
        let request = (self.requests.iter())
            .find(|request| request.claim == index.claim && request.index == index.request)?;
        let variant = match (request.prioritized, index.alternative) {
            (false, None) => request.variants.start,
            (true, Some(alternative)) => request.variants.start.checked_add(alternative)?,
            _ => return None,
        };
        request.variants.contains(&variant).then_some(variant)
    }

    /// How the contract names a variant.
    #[expect(clippy::indexing_slicing, reason = "variants know their request")]
    pub(super) fn index_of(&self, variant: usize) -> RequestIndex {
        let request = &self.requests[self.variants[variant].request];
        RequestIndex {
            claim: request.claim,
            request: request.index,
            alternative: request
                .prioritized
                .then(|| variant - request.variants.start),
        }
    }

    /// `req` or `req/sub`.
    #[expect(clippy::indexing_slicing, reason = "variants know their request")]
    pub(super) fn result_name(&self, variant: usize) -> String {
        let variant = &self.variants[variant];
        let request = &self.requests[variant.request];
        if request.prioritized {
            format!("{}/{}", request.name, variant.name)
        } else {
            request.name.to_owned()
        }
    }
}
