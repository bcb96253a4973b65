//! Guidance: what a policy wants, checked before it is followed.

use std::collections::HashMap;

use super::Search;
use crate::allocator::bits::Bits;
use crate::allocator::{Choice, Guidance};

impl Search<'_> {
    /// Takes guidance over; `false` if it asks for what cannot be.
    pub(super) fn guide(&mut self, guidance: &Guidance) -> bool {
        for (&(claim, request), &alternative) in &guidance.alternatives {
            let Some(index) = (self.plan.requests.iter())
                .position(|other| other.claim == claim && other.index == request)
            else {
                return false;
            };
            let request = &self.plan.requests[index];
            if !request.prioritized || alternative >= request.variants.len() {
                return false;
            }
            self.pinned[index] = Some(alternative);
        }
        if guidance.choices.is_empty() {
            return true;
        }
        self.guided = true;
        let positions: HashMap<u32, u32> = self.view.devices.iter().copied().zip(0..).collect();
        for (index, choice) in &guidance.choices {
            let (exact, devices) = match choice {
                Choice::Exact(devices) => (true, devices),
                Choice::Prefer(devices) => (false, devices),
            };
            let Some(variant) = self.plan.find(*index) else {
                if exact {
                    return false;
                }
                continue;
            };
            let mut seen = Bits::new(self.view.devices.len());
            let mut order = Vec::new();
            for device in devices {
                match positions.get(&device.0) {
                    Some(position) if !seen.get(*position) => {
                        seen.set(*position);
                        order.push(*position);
                    }
                    // A demand for what the node does not have, or for the same device twice, cannot
                    // be met. A preference forbids nothing: what cannot be is passed over.
                    _ if exact => return false,
                    _ => {}
                }
            }
            let state = &mut self.variants[variant];
            if exact && order.len() as i64 != state.count {
                return false;
            }
            match &mut state.all {
                Some(all) if exact && order.iter().any(|position| !all.contains(position)) => {
                    return false;
                }
                Some(all) => {
                    order.retain(|position| all.contains(position));
                    order.extend(all.iter().filter(|position| !seen.get(**position)));
                    *all = order;
                }
                None => {
                    if !exact {
                        let rest = 0..self.view.devices.len() as u32;
                        order.extend(rest.filter(|position| !seen.get(*position)));
                    }
                    state.order = Some(order);
                    state.exact = exact;
                }
            }
        }
        true
    }
}
