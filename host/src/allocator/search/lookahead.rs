//! Looking ahead: whether the rest of the search can succeed at all from here.
//!
//! Every test here is a necessary condition. What it refuses has no solution, so upstream would have
//! searched it in vain; what it lets pass may still fail.

use std::collections::HashMap;

use smallvec::SmallVec;

use super::constraints::Held;
use super::symmetry::Symmetry;
use super::{Search, VariantState};
use crate::allocator::attributes::Value;
use crate::allocator::bits::Bits;
use crate::allocator::plan::Count;
use crate::allocator::view::Flags;

/// With more requests than this, comparing each with each costs more than it saves.
const MOST_COMPARED: usize = 64;

/// What is worked out once, after the first dead ends.
pub(super) struct Lookahead {
    /// Requests from here on may meet errors, so nothing may be concluded from them.
    horizon: usize,
    /// The devices that suit each variant and are not allocated.
    eligible: Vec<Bits>,
    /// For each claim and constraint, who has which value.
    holders: Vec<Vec<Holders>>,
    symmetry: Option<Symmetry>,
    /// Counters of the same name in a pool are of a kind.
    pub(super) kinds: Vec<u32>,
    pub(super) kind_count: usize,
    pub(super) shareable: Bits,
}

struct Holders {
    /// Devices with a value that the constraint accepts as a first one.
    any: Bits,
    of: HashMap<u32, Bits>,
}

/// A request that still wants devices.
pub(super) struct Want {
    pub(super) open: Bits,
    pub(super) count: i64,
    /// No other request can have the same devices.
    pub(super) exclusive: bool,
}

impl Search<'_> {
    /// Prepares looking ahead: asks all selectors, which upstream will do too before it gives up.
    pub(super) fn look_ahead(&mut self) {
        let plan = self.plan;
        let len = self.view.devices.len();
        let mut horizon = plan.requests.len();
        'requests: for (index, request) in plan.requests.iter().enumerate() {
            for variant in request.variants.clone() {
                let asked = &plan.variants[variant];
                let clean = if asked.count == Count::All {
                    // A constraint that `All` cannot keep is an error.
                    asked.constraints.is_empty()
                } else {
                    (0..len as u32).all(|position| {
                        !asked.admin && !self.free.get(position)
                            || self.judge(variant, position).is_ok()
                    })
                };
                if !clean {
                    horizon = index;
                    break 'requests;
                }
            }
        }
        let eligible = (0..plan.variants.len())
            .map(|variant| self.eligible(variant))
            .collect();
        let holders = (0..plan.claims.len())
            .map(|claim| self.holders(claim))
            .collect();
        self.ready_counters();
        let symmetry = (horizon == plan.requests.len() && !self.guided).then(|| self.symmetry());
        let mut names: HashMap<(u32, &str), u32> = HashMap::new();
        let mut kinds = Vec::with_capacity(self.view.counters.len());
        for (number, pool) in (0..).zip(&self.view.pools) {
            for counter in pool.counters.clone() {
                let next = names.len() as u32;
                let name = self.view.counters[counter as usize].name.as_str();
                kinds.push(*names.entry((number, name)).or_insert(next));
            }
        }
        let mut shareable = Bits::new(len);
        for (position, flags) in (0..).zip(&self.view.flags) {
            if flags.has(Flags::SHAREABLE) {
                shareable.set(position);
            }
        }
        self.lookahead = Some(Box::new(Lookahead {
            horizon,
            eligible,
            holders,
            symmetry,
            kind_count: names.len(),
            kinds,
            shareable,
        }));
    }

    fn eligible(&self, variant: usize) -> Bits {
        let len = self.view.devices.len();
        let state = &self.variants[variant];
        let mut eligible = match &state.all {
            Some(all) => {
                let mut listed = Bits::new(len);
                for position in all {
                    if self.usable(variant, *position) {
                        listed.set(*position);
                    }
                }
                listed
            }
            None => state.fit.clone(),
        };
        if let (Some(order), true) = (&state.order, state.exact) {
            let mut allowed = Bits::new(len);
            order.iter().for_each(|position| allowed.set(*position));
            eligible.and(&allowed);
        }
        if !self.plan.variants[variant].admin {
            eligible.and(&self.free);
        }
        eligible
    }

    fn holders(&self, claim: usize) -> Vec<Holders> {
        let len = self.view.devices.len();
        let lists = self.allocator.features.list_type_attributes;
        let constraints = self.plan.claims[claim].constraints.iter();
        constraints
            .map(|constraint| {
                let mut holders = Holders {
                    any: Bits::new(len),
                    of: HashMap::new(),
                };
                for (position, device) in (0..).zip(&self.view.devices) {
                    let value = constraint.column.value(*device);
                    let elements = match &value {
                        Value::Missing => continue,
                        Value::Unknown if lists => continue,
                        Value::Unknown => &[],
                        Value::One(one) => std::slice::from_ref(one),
                        Value::Many(many) => *many,
                    };
                    holders.any.set(position);
                    for element in elements {
                        let holders = holders.of.entry(*element).or_insert_with(|| Bits::new(len));
                        holders.set(position);
                    }
                }
                holders
            })
            .collect()
    }

    /// Whether the variant may still get its devices from `start` on, and all later requests theirs.
    pub(super) fn may_succeed(&mut self, variant: usize, slot: i64, start: u32) -> bool {
        let Some(lookahead) = self.lookahead.take() else {
            return true;
        };
        let may = self.check(&lookahead, variant, slot, start);
        self.lookahead = Some(lookahead);
        may
    }

    fn check(&mut self, ahead: &Lookahead, variant: usize, slot: i64, start: u32) -> bool {
        let plan = self.plan;
        let request = plan.variants[variant].request;
        if request >= ahead.horizon {
            return true;
        }
        let mut open = self.open(ahead, variant);
        let VariantState { order, count, .. } = &self.variants[variant];
        let missing = count - slot;
        match order {
            None => open.clear_below(start),
            Some(order) => order
                .iter()
                .take(start as usize)
                .for_each(|tried| open.clear(*tried)),
        }
        if !self.suffices(ahead, variant, &open, missing) {
            return false;
        }
        let mut wants: SmallVec<[Want; 8]> = SmallVec::new();
        wants.push(Want {
            open,
            count: missing,
            exclusive: !plan.variants[variant].admin,
        });
        for (index, request) in plan
            .requests
            .iter()
            .enumerate()
            .take(ahead.horizon)
            .skip(request + 1)
        {
            let mut variants = request.variants.clone();
            if let Some(pinned) = self.pinned[index] {
                variants = request.variants.start + pinned..request.variants.start + pinned + 1;
            }
            let mut served = false;
            for variant in variants {
                let state = &self.variants[variant];
                if state.all.as_ref().is_some_and(Vec::is_empty) {
                    continue;
                }
                let count = state.count;
                if count <= 0 {
                    served = true;
                    break;
                }
                let open = self.open(ahead, variant);
                if !self.suffices(ahead, variant, &open, count) {
                    continue;
                }
                served = true;
                if !request.prioritized {
                    wants.push(Want {
                        open,
                        count,
                        exclusive: !plan.variants[variant].admin,
                    });
                }
                break;
            }
            if !served {
                return false;
            }
        }
        wants.len() > MOST_COMPARED
            || self.enough_devices(ahead, &wants) && self.enough_counters(ahead, &wants)
    }

    /// The devices that the variant could get next.
    fn open(&mut self, ahead: &Lookahead, variant: usize) -> Bits {
        let asked = &self.plan.variants[variant];
        let mut open = ahead.eligible[variant].clone();
        let claim = &self.claims[asked.claim];
        open.and_not(&claim.taken);
        if !asked.admin {
            open.and_not(&self.taken);
        }
        let none = Bits::new(self.view.devices.len());
        for index in &asked.constraints {
            let (holders, held) = (
                &ahead.holders[asked.claim][*index],
                &claim.constraints[*index].held,
            );
            let of = |element: &u32| holders.of.get(element).unwrap_or(&none);
            open.and(&holders.any);
            if self.plan.claims[asked.claim].constraints[*index].distinct {
                held.iter()
                    .flat_map(Held::elements)
                    .for_each(|element| open.and_not(of(element)));
            } else if let Some(common) = held.last() {
                match common.elements() {
                    [one] => open.and(of(one)),
                    several => {
                        let mut any = none.clone();
                        several.iter().for_each(|element| any.or(of(element)));
                        open.and(&any);
                    }
                }
            }
        }
        if !self.view.counters.is_empty() && !asked.admin {
            for position in open.clone().iter() {
                let flags = self.view.flags[position as usize];
                if flags.has(Flags::DRAWS)
                    && !flags.has(Flags::SHAREABLE)
                    && !self.could_draw(position)
                {
                    open.clear(position);
                }
            }
        }
        open
    }

    /// Whether `count` of the open devices could be had together, as far as numbers tell.
    fn suffices(&self, ahead: &Lookahead, variant: usize, open: &Bits, count: i64) -> bool {
        if i64::from(open.count()) < count {
            return false;
        }
        if count < 2 {
            return true;
        }
        let asked = &self.plan.variants[variant];
        for index in &asked.constraints {
            let holders = &ahead.holders[asked.claim][*index];
            let held = &self.claims[asked.claim].constraints[*index].held;
            if self.plan.claims[asked.claim].constraints[*index].distinct || !held.is_empty() {
                continue;
            }
            // All will have some value in common: one value must have enough holders.
            let enough = holders.of.values().any(|of| {
                let mut having = open.clone();
                having.and(of);
                i64::from(having.count()) >= count
            });
            if !enough {
                return false;
            }
        }
        true
    }

    /// Whether a device that failed here before is as good as this one.
    pub(super) fn failed_alike(&self, failed: &[u32], position: u32) -> bool {
        let Some(symmetry) = self
            .lookahead
            .as_ref()
            .and_then(|ahead| ahead.symmetry.as_ref())
        else {
            return false;
        };
        failed
            .iter()
            .any(|other| symmetry.alike(*other, position, &self.picked))
    }
}
