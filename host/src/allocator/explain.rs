//! Why a request gets no device: for each device the first rule that refuses it.
//!
//! The search answers with a yes or a no and stops as early as it can. A person who waits for a pod
//! needs the opposite: every device looked at, with a reason that names what to change. So this asks
//! each rule on its own, in the order in which a person thinks of them: is it here, is it what I
//! asked for, may I use it, is it free.

use k8s_openapi::api::core::v1::Node;
use k8s_openapi::api::resource::v1::ResourceClaim;

use super::amounts::{Nanos, show};
use super::attributes::Value;
use super::capacity::Consumption;
use super::plan::{Claims, Count};
use super::search::Search;
use super::view::{Flags, PoolState, ViewPool};
use super::{
    AllocateError, AllocatedState, Allocator, Budget, DeviceId, DeviceIndex, RequestIndex, taints,
};

mod mentions;
mod rule;
mod text;

pub use rule::{Explanation, RefusedDevice, RequestExplanation, Rule, Shortage};

impl Allocator {
    /// Explains, for each request and alternative, what rules out which devices on a node.
    ///
    /// Every device of the inventory is listed, so ask for one node, when something stays pending.
    #[must_use]
    pub fn explain(
        &self,
        state: &AllocatedState,
        node: &Node,
        claims: &[&ResourceClaim],
    ) -> Explanation {
        let plan = Claims::new(self, claims);
        let answer = self.search(state, None, &plan, node, Budget::UNLIMITED, |search| {
            Ok(search.explain())
        });
        answer.unwrap_or_else(|error| Explanation {
            requests: (0..plan.variants.len())
                .map(|variant| RequestExplanation::broken(&plan, variant, error.to_string()))
                .collect(),
        })
    }
}

impl RequestExplanation {
    fn broken(plan: &Claims<'_>, variant: usize, error: String) -> Self {
        Self {
            index: plan.index_of(variant),
            name: plan.result_name(variant),
            needed: 0,
            eligible: Vec::new(),
            refused: Vec::new(),
            shortage: None,
            error: Some(error),
        }
    }

    /// Whether the eligible devices alone are enough.
    #[must_use]
    pub fn enough(&self) -> bool {
        self.error.is_none()
            && self.eligible.len() as u64 >= self.needed.max(1)
            && self.shortage.is_none()
    }
}

impl Search<'_> {
    /// The devices that the variant could get, taken alone.
    pub(super) fn candidates(
        &mut self,
        request: RequestIndex,
    ) -> Result<Vec<DeviceIndex>, AllocateError> {
        self.validate()?;
        let Some(variant) = self.plan.find(request) else {
            return Ok(Vec::new());
        };
        self.ready_counters();
        let mut found = Vec::new();
        for position in 0..self.view.devices.len() as u32 {
            if self.available(variant, position)
                && self.judge(variant, position)?
                && self.refused_by_use(variant, position)?.is_none()
                && self.usable(variant, position)
            {
                found.push(DeviceIndex(self.device_at(position)));
            }
        }
        Ok(found)
    }

    fn explain(&mut self) -> Explanation {
        self.ready_counters();
        let requests = (0..self.plan.variants.len())
            .map(|variant| self.explain_variant(variant))
            .collect();
        Explanation { requests }
    }

    fn explain_variant(&mut self, variant: usize) -> RequestExplanation {
        let plan = self.plan;
        let Some(asked) = plan.variants.get(variant) else {
            return RequestExplanation::broken(plan, variant, String::new());
        };
        if let Some(error) = &asked.error {
            return RequestExplanation::broken(plan, variant, error.clone());
        }
        let inventory = &self.allocator.inventory;
        let mut eligible = Vec::new();
        let mut refused = Vec::new();
        let mut matching: u64 = 0;
        let positions: std::collections::HashMap<u32, u32> =
            self.view.devices.iter().copied().zip(0..).collect();
        for device in 0..inventory.devices.len() as u32 {
            let rule = match positions.get(&device) {
                None => Some(self.unseen(device)),
                Some(position) => self.rule(variant, *position, &mut matching),
            };
            let device = DeviceIndex(device);
            match rule {
                None => eligible.push(device),
                Some(rule) => refused.push(RefusedDevice { device, rule }),
            }
        }
        let needed = match asked.count {
            Count::Exact(count) => u64::try_from(count).unwrap_or_default(),
            Count::All => matching,
        };
        RequestExplanation {
            index: plan.index_of(variant),
            name: plan.result_name(variant),
            needed,
            shortage: self.shortage(variant, &eligible, needed),
            eligible,
            refused,
            error: None,
        }
    }

    /// Why a device is none of the node's candidates.
    fn unseen(&self, device: u32) -> Rule {
        let inventory = &self.allocator.inventory;
        let slice = inventory.published(device).slice;
        let owner = inventory.slice(slice);
        let pool = || inventory.pool(owner.pool).id();
        let here: Option<&ViewPool> = self.view.pools.iter().find(|pool| pool.pool == owner.pool);
        match here.map(|pool| &pool.state) {
            Some(PoolState::Incomplete { have, want }) => Rule::IncompletePool {
                pool: pool(),
                have: *have,
                want: *want,
            },
            Some(PoolState::Invalid(reason)) => Rule::InvalidPool {
                pool: pool(),
                reason: reason.clone(),
            },
            _ if owner.ignored => Rule::Outdated,
            _ => {
                let reaches = match &owner.reach {
                    Some(reach) => reach.matches(self.node),
                    None => Ok(false),
                };
                if reaches == Ok(true) {
                    Rule::Outdated
                } else {
                    Rule::OtherNode
                }
            }
        }
    }

    /// The first rule that refuses a candidate; counts those that are what was asked for.
    fn rule(&mut self, variant: usize, position: u32, matching: &mut u64) -> Option<Rule> {
        let plan = self.plan;
        let asked = plan.variants.get(variant)?;
        let inventory = &self.allocator.inventory;
        let device = self.device_at(position);
        let object = inventory.device(device);
        let flags = self.flags_at(position);
        if flags.has(Flags::ELSEWHERE) || flags.has(Flags::MALFORMED) {
            return Some(Rule::OtherNode);
        }
        if flags.has(Flags::BINDING) {
            return Some(Rule::Gate("DRADeviceBindingConditions"));
        }
        for selector in &asked.selectors {
            match selector.expression.ask(inventory, device) {
                Ok(true) => {}
                Ok(false) => {
                    let class = asked.class.and_then(|class| class.metadata.name.clone());
                    let driver = &inventory
                        .slice(inventory.published(device).slice)
                        .object
                        .spec
                        .driver;
                    return Some(Rule::Selector {
                        class: selector.of_class.then(|| class.unwrap_or_default()),
                        index: selector.index,
                        expression: selector.text.to_owned(),
                        values: mentions::values(selector.text, driver, object),
                    });
                }
                Err(error) => return Some(Rule::SelectorError(error.to_string())),
            }
        }
        *matching += 1;
        if flags.has(Flags::GATED) {
            return Some(Rule::Gate(
                "DRAPartitionableDevices or DRAOptionalNodeOperations",
            ));
        }
        if flags.has(Flags::TAINTED)
            && let Some(taint) = taints::untolerated(object, asked.tolerations)
        {
            return Some(Rule::Taint {
                key: taint.key.clone(),
                value: taint.value.clone().unwrap_or_default(),
                effect: taint.effect.clone(),
            });
        }
        if !self.available(variant, position) {
            let id = self.allocator.device_id(DeviceIndex(device));
            return Some(Rule::InUse {
                holder: self.holder(&id),
            });
        }
        match self.refused_by_use(variant, position) {
            Err(error) => return Some(Rule::SelectorError(error.to_string())),
            Ok(Some(rule)) => return Some(rule),
            Ok(None) => {}
        }
        let claim = plan.claims.get(asked.claim)?;
        let lacking = asked.constraints.iter().find_map(|index| {
            let constraint = claim.constraints.get(*index)?;
            (constraint.column.value(device) == Value::Missing)
                .then(|| constraint.attribute.clone())
        });
        lacking.map(|attribute| Rule::Constraint { attribute })
    }

    fn holder(&self, id: &DeviceId) -> Option<String> {
        self.state.holders.get(id).cloned()
    }

    /// Capacity and counters: what of a device's shared means is spent.
    fn refused_by_use(
        &mut self,
        variant: usize,
        position: u32,
    ) -> Result<Option<Rule>, AllocateError> {
        let plan = self.plan;
        let Some(asked) = plan.variants.get(variant) else {
            return Ok(None);
        };
        let flags = self.flags_at(position);
        let device = self.allocator.inventory.device(self.device_at(position));
        if self.allocator.features.consumable_capacity
            && (flags.has(Flags::SHAREABLE)
                || flags.has(Flags::CAPACITY)
                || !asked.capacity.is_empty()
                || self.consumed(position).is_some())
        {
            let amounts = match self.consumption(variant, position)? {
                Consumption::Refused(refusal) => return Ok(Some(Rule::NoCapacity(refusal))),
                Consumption::Amounts(amounts) => amounts,
            };
            let stock = self.stock(position).clone();
            let names = device.capacity.iter().flatten().map(|(name, _)| name);
            for ((name, one), left) in names.zip(amounts).zip(stock) {
                let left: Nanos = if asked.admin { one.value } else { left };
                if one.amount > left {
                    return Ok(Some(Rule::Capacity {
                        name: name.clone(),
                        asked: one.quantity.to_string(),
                        left: show(left),
                    }));
                }
            }
        }
        let (used, place) = self.place(position);
        if !flags.has(Flags::DRAWS)
            || asked.admin
            || flags.has(Flags::SHAREABLE) && used.shared.get(place)
        {
            return Ok(None);
        }
        if self.counters.unknown.get(self.pool_at(position)) == Some(&true) {
            return Ok(Some(Rule::UnknownCounters));
        }
        Ok(self.view.draws(position).iter().find_map(|draw| {
            let left = *self.counters.left.get(draw.counter as usize)?;
            let counter = self.view.counters.get(draw.counter as usize)?;
            (draw.amount > left).then(|| Rule::Counter {
                set: counter.set.clone(),
                counter: counter.name.clone(),
                needed: show(draw.amount),
                left: show(left.max(0)),
            })
        }))
    }

    /// The constraint that splits the eligible devices into groups that are all too small.
    fn shortage(&self, variant: usize, eligible: &[DeviceIndex], needed: u64) -> Option<Shortage> {
        let asked = self.plan.variants.get(variant)?;
        if (eligible.len() as u64) < needed {
            return None;
        }
        let claim = self.plan.claims.get(asked.claim)?;
        asked.constraints.iter().find_map(|index| {
            let constraint = claim.constraints.get(*index)?;
            let mut holders: std::collections::HashMap<u32, u32> = std::collections::HashMap::new();
            for device in eligible {
                let elements = match constraint.column.value(device.0) {
                    Value::Missing | Value::Unknown => Vec::new(),
                    Value::One(one) => vec![one],
                    Value::Many(many) => many.to_vec(),
                };
                for element in elements {
                    *holders.entry(element).or_default() += 1;
                }
            }
            let most = holders.values().copied().max().unwrap_or_default();
            let enough = match constraint.distinct {
                true => holders.len() as u64 >= needed,
                false => u64::from(most) >= needed,
            };
            (!enough).then(|| Shortage {
                attribute: constraint.attribute.clone(),
                most: if constraint.distinct {
                    holders.len() as u32
                } else {
                    most
                },
            })
        })
    }
}
