//! Giving a device to a request and taking it back: what changes for the devices that come after.

use std::collections::BTreeMap;

use smallvec::SmallVec;

use super::{Picked, Search};
use crate::allocator::AllocateError;
use crate::allocator::amounts::{Nanos, nanos, read};
use crate::allocator::capacity::Consumption;
use crate::allocator::usage::PoolUse;
use crate::allocator::view::Flags;
use crate::quantity::Quantity;

type Answer<T> = Result<T, AllocateError>;

impl<'a> Search<'a> {
    /// Gives an available device to the variant, unless counters, constraints or capacity forbid it.
    pub(super) fn take(&mut self, variant: usize, position: u32, must: bool) -> Answer<bool> {
        let asked = &self.plan.variants[variant];
        let (claim, admin) = (asked.claim, asked.admin);
        if must && !self.usable(variant, position) {
            return Ok(false);
        }
        let flags = self.view.flags[position as usize];
        let shareable = flags.has(Flags::SHAREABLE);
        // Admin access watches a device that others may use: it consumes nothing.
        let draws = flags.has(Flags::DRAWS) && !admin && !(shareable && self.is_shared(position));
        if draws && !self.draw(position) {
            return Ok(false);
        }
        if !self.constrain(variant, position) {
            if draws {
                self.undraw(position);
            }
            if must {
                return Err(AllocateError::Fatal(format!(
                    "{}: cannot add device {} because a claim constraint would not be satisfied",
                    self.who(variant),
                    self.allocator
                        .inventory
                        .id(self.view.devices[position as usize])
                )));
            }
            return Ok(false);
        }
        if self.allocator.features.consumable_capacity
            && !admin
            && (shareable || self.consumed(position).is_some())
            && !self.consume(variant, position, shareable)?
        {
            self.unconstrain(variant);
            if draws {
                self.undraw(position);
            }
            return Ok(false);
        }
        if !shareable {
            self.claims[claim].taken.set(position);
            if !admin {
                self.taken.set(position);
            }
        }
        self.claims[claim].results += 1;
        self.picked.push(Picked {
            variant,
            position,
            drew: draws,
        });
        Ok(true)
    }

    /// Takes back what was taken last.
    pub(super) fn undo(&mut self) {
        let Some(Picked {
            variant,
            position,
            drew,
        }) = self.picked.pop()
        else {
            return;
        };
        let asked = &self.plan.variants[variant];
        let (claim, admin) = (asked.claim, asked.admin);
        let shareable = self.view.flags[position as usize].has(Flags::SHAREABLE);
        self.claims[claim].results -= 1;
        if !shareable {
            self.claims[claim].taken.clear(position);
            if !admin {
                self.taken.clear(position);
            }
        } else if !admin {
            self.unconsume(variant, position);
        }
        self.unconstrain(variant);
        if drew {
            self.undraw(position);
        }
    }

    /// What the state says is consumed of a device's capacity.
    pub(in crate::allocator) fn consumed(
        &self,
        position: u32,
    ) -> Option<&'a BTreeMap<String, Quantity>> {
        let (used, place) = self.place(position);
        used.consumed(place)
    }

    /// A position's pool in use, and its place there.
    pub(in crate::allocator) fn place(&self, position: u32) -> (&'a PoolUse<'a>, u32) {
        let pool = self.view.pool_of[position as usize] as usize;
        let first = self
            .allocator
            .inventory
            .pool(self.view.pools[pool].pool)
            .devices
            .start;
        (
            self.uses[pool],
            self.view.devices[position as usize] - first,
        )
    }

    /// Whether shares of the device are given out, in the state or here.
    pub(super) fn is_shared(&self, position: u32) -> bool {
        let (used, place) = self.place(position);
        used.shared.get(place) || self.shares.get(&position).is_some_and(|shares| *shares > 0)
    }

    /// What is left of each of a device's capacities.
    pub(in crate::allocator) fn stock(&mut self, position: u32) -> &mut Vec<Nanos> {
        let consumed = self.consumed(position);
        let device = self
            .allocator
            .inventory
            .device(self.view.devices[position as usize]);
        self.stock.entry(position).or_insert_with(|| {
            (device.capacity.iter().flatten())
                .map(|(name, capacity)| {
                    let value = read(&capacity.value);
                    let used = consumed.and_then(|consumed| consumed.get(name));
                    value.map_or(0, |value| nanos(&value)) - used.map_or(0, nanos)
                })
                .collect()
        })
    }

    pub(super) fn ask(
        &mut self,
        variant: usize,
        position: u32,
    ) -> Answer<Option<SmallVec<[Nanos; 4]>>> {
        if let Some(asked) = self.asked.get(&(variant, position)) {
            return Ok(Some(asked.clone()));
        }
        let amounts: SmallVec<[Nanos; 4]> = match self.consumption(variant, position)? {
            Consumption::Refused(_) => return Ok(None),
            Consumption::Amounts(amounts) => amounts.iter().map(|one| one.amount).collect(),
        };
        self.asked.insert((variant, position), amounts.clone());
        Ok(Some(amounts))
    }

    /// Consumes capacity, or says that too little is left. Only shares are written down.
    pub(super) fn consume(
        &mut self,
        variant: usize,
        position: u32,
        shareable: bool,
    ) -> Answer<bool> {
        let Some(asked) = self.ask(variant, position)? else {
            return Ok(false);
        };
        let stock = self.stock(position);
        if stock.iter().zip(&asked).any(|(left, asked)| left < asked) {
            return Ok(false);
        }
        if shareable {
            for (left, asked) in stock.iter_mut().zip(&asked) {
                *left -= asked;
            }
            *self.shares.entry(position).or_default() += 1;
        }
        Ok(true)
    }

    pub(super) fn unconsume(&mut self, variant: usize, position: u32) {
        if let (Some(asked), Some(stock)) = (
            self.asked.get(&(variant, position)),
            self.stock.get_mut(&position),
        ) {
            for (left, asked) in stock.iter_mut().zip(asked) {
                *left += asked;
            }
        }
        if let Some(shares) = self.shares.get_mut(&position) {
            *shares -= 1;
        }
    }
}
