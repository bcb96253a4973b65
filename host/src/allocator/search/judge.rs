//! Whether a device suits a request, whatever else is allocated: selectors, node, gates, taints.

use super::Search;
use crate::allocator::capacity::{Consumption, consumption};
use crate::allocator::plan::{Count, Selector, claim_name};
use crate::allocator::view::Flags;
use crate::allocator::{AllocateError, taints};
use crate::cel::CelError;

type Answer<T> = Result<T, AllocateError>;

impl Search<'_> {
    /// Whether the device suits the variant, whatever is in use. Devices of an `All` request are
    /// listed by selectors alone; taints decide when they are taken.
    pub(in crate::allocator) fn judge(&mut self, variant: usize, position: u32) -> Answer<bool> {
        let state = &self.variants[variant];
        if state.judged.get(position) {
            return Ok(state.fit.get(position));
        }
        let all = self.plan.variants[variant].count == Count::All;
        let fit = self.selectable(variant, position)? && (all || self.usable(variant, position));
        let state = &mut self.variants[variant];
        state.judged.set(position);
        if fit {
            state.fit.set(position);
        }
        Ok(fit)
    }

    pub(super) fn selectable(&self, variant: usize, position: u32) -> Answer<bool> {
        let flags = self.view.flags[position as usize];
        if flags.has(Flags::BINDING) {
            return Ok(false);
        }
        let inventory = &self.allocator.inventory;
        let asked = &self.plan.variants[variant];
        let device = self.view.devices[position as usize];
        for selector in &asked.selectors {
            let matched = match selector.expression.remembered(device) {
                Some(matched) => matched,
                None => {
                    self.look_at_clock()?;
                    let answer = selector.expression.ask(inventory, device);
                    answer
                        .map_err(|error| self.selector_error(variant, selector, device, &error))?
                }
            };
            if !matched {
                return Ok(false);
            }
        }
        if flags.has(Flags::ELSEWHERE) {
            return Ok(false);
        }
        if flags.has(Flags::MALFORMED)
            && let Some(reach) = &inventory.published(device).reach
        {
            let error = reach.matches(self.node).err().unwrap_or_default();
            return Err(AllocateError::Fatal(format!(
                "failed to parse node selector: {error}"
            )));
        }
        if flags.has(Flags::CAPACITY) || !asked.capacity.is_empty() {
            return match self.consumption(variant, position)? {
                Consumption::Refused(_) => Ok(false),
                Consumption::Amounts(all) => Ok(all.iter().all(|one| one.amount <= one.value)),
            };
        }
        Ok(true)
    }

    pub(in crate::allocator) fn consumption(
        &self,
        variant: usize,
        position: u32,
    ) -> Answer<Consumption> {
        let device = self.view.devices[position as usize];
        let inventory = &self.allocator.inventory;
        consumption(
            &self.plan.variants[variant].capacity,
            inventory.device(device),
        )
        .map_err(|error| {
            AllocateError::Fatal(format!(
                "{}: checking capacity for device {}: {error}",
                self.who(variant),
                inventory.id(device)
            ))
        })
    }

    pub(super) fn selector_error(
        &self,
        variant: usize,
        selector: &Selector<'_>,
        device: u32,
        error: &CelError,
    ) -> AllocateError {
        let asked = &self.plan.variants[variant];
        let class = asked.class.and_then(|class| class.metadata.name.as_deref());
        let owner = match selector.of_class {
            true => format!("class {}", class.unwrap_or_default()),
            false => format!("claim {}", claim_name(self.plan.claims[asked.claim].object)),
        };
        let index = selector.index;
        AllocateError::Fatal(match selector.expression.compile_error() {
            Some(error) => format!("{owner}: selector #{index}: CEL compile error: {error}"),
            None => format!(
                "{owner}: selector #{index} on device {}: CEL runtime error: {error}",
                self.allocator.inventory.id(device)
            ),
        })
    }

    /// Gates and taints: what keeps a selected device from being used.
    pub(in crate::allocator) fn usable(&self, variant: usize, position: u32) -> bool {
        let flags = self.view.flags[position as usize];
        if flags.has(Flags::GATED) {
            return false;
        }
        if !flags.has(Flags::TAINTED) {
            return true;
        }
        let device = self
            .allocator
            .inventory
            .device(self.view.devices[position as usize]);
        taints::untolerated(device, self.plan.variants[variant].tolerations).is_none()
    }
}
