//! Counting arguments: whether all requests together want more than there is.

use smallvec::SmallVec;

use super::Search;
use super::lookahead::{Lookahead, Want};
use crate::allocator::amounts::Nanos;
use crate::allocator::bits::Bits;
use crate::allocator::view::Flags;

impl Search<'_> {
    /// Hall's condition on each request's devices: those that can only be served from them must not
    /// want more than there are.
    pub(super) fn enough_devices(&self, ahead: &Lookahead, wants: &[Want]) -> bool {
        wants.iter().filter(|want| want.exclusive).all(|want| {
            if want.open.intersects(&ahead.shareable) {
                return true;
            }
            let wanted: i64 = (wants.iter())
                .filter(|other| other.exclusive && other.open.is_subset(&want.open))
                .fold(0, |sum, other| sum.saturating_add(other.count));
            wanted <= i64::from(want.open.count())
        })
    }

    /// Whether the counters can bear the least that the requests will draw.
    pub(super) fn enough_counters(&self, ahead: &Lookahead, wants: &[Want]) -> bool {
        if self.view.counters.is_empty() {
            return true;
        }
        let counters = &self.view.counters;
        let sets = counters
            .last()
            .map_or(0, |last| last.set_number as usize + 1);
        let total = ahead.kind_count;
        // What the requests from some point on draw at least, by kind and in all, and from which sets.
        let mut demand: SmallVec<[Nanos; 16]> = SmallVec::from_elem(0, total + 1);
        let mut reached = Bits::new(sets);
        let mut everywhere = false;
        for want in wants.iter().rev() {
            if !want.exclusive || want.count <= 0 {
                continue;
            }
            let mut least: SmallVec<[Nanos; 16]> = SmallVec::from_elem(Nanos::MAX, total + 1);
            let mut places: SmallVec<[Place; 16]> = SmallVec::from_elem(Place::default(), sets);
            let mut smallest: SmallVec<[(i64, Nanos); 64]> =
                SmallVec::from_elem((0, Nanos::MAX), counters.len());
            let mut elsewhere = 0;
            for position in want.open.iter() {
                let draws = self.view.draws(position);
                let mut own: SmallVec<[Nanos; 16]> = SmallVec::from_elem(0, total + 1);
                let set = draws
                    .first()
                    .map(|draw| counters[draw.counter as usize].set_number);
                let single = !draws.is_empty()
                    && !self.view.flags[position as usize].has(Flags::SHAREABLE)
                    && draws.iter().all(|draw| {
                        Some(counters[draw.counter as usize].set_number) == set && draw.amount >= 0
                    });
                if let (Some(set), true) = (set, single) {
                    places[set as usize].devices += 1;
                    reached.set(set);
                    for draw in draws {
                        own[ahead.kinds[draw.counter as usize] as usize] += draw.amount;
                        own[total] += draw.amount;
                        let (times, least) = &mut smallest[draw.counter as usize];
                        *times += 1;
                        *least = draw.amount.min(*least);
                    }
                } else {
                    elsewhere += 1;
                }
                for (least, own) in least.iter_mut().zip(&own) {
                    *least = (*least).min(*own);
                }
            }
            // How many devices of this request each set can bear.
            let mut bearable = elsewhere;
            for place in &mut places {
                place.bearable = place.devices;
            }
            for (index, (times, least)) in smallest.iter().enumerate() {
                let place = &mut places[counters[index].set_number as usize];
                if *times == place.devices {
                    while place.bearable > 0
                        && Nanos::from(place.bearable).saturating_mul(*least)
                            > self.counters.left[index]
                    {
                        place.bearable -= 1;
                    }
                }
            }
            bearable += places.iter().map(|place| place.bearable).sum::<i64>();
            if bearable < want.count {
                return false;
            }
            everywhere |= elsewhere > 0;
            if everywhere {
                continue;
            }
            for (demand, least) in demand.iter_mut().zip(&least) {
                *demand = demand.saturating_add(least.saturating_mul(Nanos::from(want.count)));
            }
            let mut supply: SmallVec<[Nanos; 16]> = SmallVec::from_elem(0, total + 1);
            for (index, counter) in counters.iter().enumerate() {
                let left = self.counters.left[index];
                if reached.get(counter.set_number) && left > 0 {
                    supply[ahead.kinds[index] as usize] += left;
                    supply[total] += left;
                }
            }
            if demand
                .iter()
                .zip(&supply)
                .any(|(demand, supply)| demand > supply)
            {
                return false;
            }
        }
        true
    }
}

#[derive(Clone, Default)]
struct Place {
    devices: i64,
    bearable: i64,
}
