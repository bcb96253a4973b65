//! Devices that are as good as each other: where one failed, the other fails too.
//!
//! Two devices are alike if no request and no constraint tells them apart and they draw the same
//! from the same counters. Two devices of untouched counter sets are alike if the sets are: the same
//! devices in the same order, with the same amounts left. Say a device failed as the next one of a
//! request, and a solution existed with a later device that is like it. Exchanging the two (or the
//! two sets) in that solution gives a solution with the first device, whose other devices of this
//! request still come later. But it had none.

use std::collections::HashMap;

use super::{Picked, Search};
use crate::allocator::view::Flags;

/// What a counter set looks like: the shapes of its devices, its counters and what is left.
type Look<'a> = (Vec<u32>, Vec<(&'a str, i128)>);

/// Who is like whom.
pub(super) struct Symmetry {
    /// Equal numbers: alike in any situation.
    kind: Vec<u32>,
    /// Equal numbers: alike as long as their sets are untouched. 0: like nobody.
    mirrored: Vec<u32>,
    /// The one counter set that a device draws from; `u32::MAX` if there is none.
    set: Vec<u32>,
}

impl Symmetry {
    pub(super) fn alike(&self, failed: u32, other: u32, picked: &[Picked]) -> bool {
        let (failed, other) = (failed as usize, other as usize);
        if self.kind[failed] == self.kind[other] {
            return true;
        }
        if self.mirrored[failed] == 0 || self.mirrored[failed] != self.mirrored[other] {
            return false;
        }
        let (a, b) = (self.set[failed], self.set[other]);
        picked.iter().all(|picked| {
            let set = self.set[picked.position as usize];
            set != a && set != b
        })
    }
}

impl Search<'_> {
    /// Compares all devices. Only asked for when every verdict is known.
    pub(super) fn symmetry(&self) -> Symmetry {
        let counters = &self.view.counters;
        let sets = counters
            .last()
            .map_or(0, |last| last.set_number as usize + 1);
        let mut first_of_set = vec![u32::MAX; sets];
        for (index, counter) in (0..).zip(counters) {
            let first = &mut first_of_set[counter.set_number as usize];
            *first = index.min(*first);
        }
        let mut kinds: HashMap<Vec<i128>, u32> = HashMap::new();
        let mut shapes: HashMap<Vec<i128>, u32> = HashMap::new();
        let mut symmetry = Symmetry {
            kind: Vec::new(),
            mirrored: vec![0; self.view.devices.len()],
            set: Vec::new(),
        };
        // The devices of each set with their shapes; `None` if the set is like no other.
        let mut members: Vec<Option<Vec<(u32, u32)>>> = vec![Some(Vec::new()); sets];
        for position in 0..self.view.devices.len() as u32 {
            let draws = self.view.draws(position);
            let flags = self.view.flags[position as usize];
            let mut shape = self.signature(position);
            if flags.has(Flags::SHAREABLE) || self.consumed(position).is_some() {
                shape.push(i128::from(position) + 1);
            } else {
                shape.push(0);
            }
            let set_of =
                |draw: &crate::allocator::view::Draw| counters[draw.counter as usize].set_number;
            let set = draws.first().map(set_of);
            let mut kind = shape.clone();
            for draw in draws {
                kind.extend([i128::from(draw.counter), draw.amount]);
                let rank = draw.counter - first_of_set[set_of(draw) as usize];
                shape.extend([i128::from(rank), draw.amount]);
            }
            let next = kinds.len() as u32;
            symmetry.kind.push(*kinds.entry(kind).or_insert(next));
            let next = shapes.len() as u32;
            let shape = *shapes.entry(shape).or_insert(next);
            if draws.iter().all(|draw| Some(set_of(draw)) == set) {
                symmetry.set.push(set.unwrap_or(u32::MAX));
                if let Some(members) = set.and_then(|set| members[set as usize].as_mut()) {
                    members.push((position, shape));
                }
            } else {
                symmetry.set.push(u32::MAX);
                draws
                    .iter()
                    .for_each(|draw| members[set_of(draw) as usize] = None);
            }
        }
        self.mirror(&mut symmetry, &members);
        symmetry
    }

    /// Numbers devices by the look of their set and their place in it.
    fn mirror(&self, symmetry: &mut Symmetry, members: &[Option<Vec<(u32, u32)>>]) {
        let mut left = self.counters.left.clone();
        for picked in self.picked.iter().filter(|picked| picked.drew) {
            for draw in self.view.draws(picked.position) {
                left[draw.counter as usize] += draw.amount;
            }
        }
        let mut looks: HashMap<Look<'_>, u32> = HashMap::new();
        let mut next = 1;
        for (number, members) in (0..).zip(members) {
            let Some(members) = members else {
                continue;
            };
            let counters = (self.view.counters.iter().zip(&left))
                .filter(|(counter, _)| counter.set_number == number)
                .map(|(counter, left)| (counter.name.as_str(), *left))
                .collect();
            let shapes = members.iter().map(|(_, shape)| *shape).collect();
            let base = *looks.entry((shapes, counters)).or_insert_with(|| {
                let base = next;
                next += members.len() as u32;
                base
            });
            for (rank, (position, _)) in (0..).zip(members) {
                symmetry.mirrored[*position as usize] = base + rank;
            }
        }
    }

    /// All that requests and constraints know of a device.
    fn signature(&self, position: u32) -> Vec<i128> {
        let device = self.view.devices[position as usize];
        let pool = self.view.pool_of[position as usize] as usize;
        let unknown = self.counters.unknown.get(pool) == Some(&true);
        let mut signature = vec![
            i128::from(self.free.get(position)),
            i128::from(unknown),
            i128::from(self.view.flags[position as usize].has(Flags::DRAWS)),
        ];
        for (variant, state) in self.variants.iter().enumerate() {
            let listed = state
                .all
                .as_ref()
                .is_some_and(|all| all.contains(&position));
            signature.push(match &state.all {
                Some(_) => i128::from(listed) + 2 * i128::from(self.usable(variant, position)),
                None => i128::from(state.fit.get(position)),
            });
        }
        for constraint in self.plan.claims.iter().flat_map(|claim| &claim.constraints) {
            signature.push(i128::from(constraint.column.code(device)));
        }
        signature
    }
}
