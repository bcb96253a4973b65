//! GPUs as sets of free memory slices, read off the shared counters.

use supercargo_guest::prelude::*;
use supercargo_guest::situation::CounterSet;

use crate::settings::Geometry;

/// What a candidate takes: slices of one board, as bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slices {
    pub(crate) board: usize,
    pub(crate) bits: u64,
}

/// The boards of a node and what is free on each.
#[derive(Debug, Clone)]
pub(crate) struct Boards {
    sets: Vec<CounterSet>,
    free: Vec<u64>,
    /// For each counter of the question the slice it stands for.
    slices: Vec<Option<Slices>>,
}

impl Boards {
    pub(crate) fn read(situation: Situation<'_>, geometry: &Geometry) -> Self {
        let mut this = Self {
            sets: Vec::new(),
            free: Vec::new(),
            slices: Vec::new(),
        };
        for counter in situation.counters() {
            let number = counter.name().strip_prefix(geometry.slice_counter.as_str());
            let bit = number
                .and_then(|n| n.parse().ok())
                .and_then(|n| 1_u64.checked_shl(n));
            let Some(bits) = bit else {
                this.slices.push(None);
                continue;
            };
            let set = counter.set();
            // Counters of one set are neighbours, so its board is mostly the last.
            let known = this.sets.iter().rposition(|other| *other == set);
            let board = known.unwrap_or_else(|| {
                this.sets.push(set);
                this.free.push(0);
                this.sets.len() - 1
            });
            if counter.left() > Quantity::ZERO
                && let Some(free) = this.free.get_mut(board)
            {
                *free |= bits;
            }
            this.slices.push(Some(Slices { board, bits }));
        }
        this
    }

    /// The slices a device takes; none for one that takes no slices, or of several boards.
    pub(crate) fn slices_of(&self, device: Device<'_>) -> Option<Slices> {
        let mut taken: Option<Slices> = None;
        for (counter, amount) in device.uses() {
            let slice = self
                .slices
                .get(counter.position() as usize)
                .copied()
                .flatten();
            let Some(slice) = slice.filter(|_| amount > Quantity::ZERO) else {
                continue;
            };
            match &mut taken {
                None => taken = Some(slice),
                Some(taken) if taken.board == slice.board => taken.bits |= slice.bits,
                Some(_) => return None,
            }
        }
        taken
    }

    /// What is free on a board.
    pub(crate) fn free(&self, board: usize) -> u64 {
        self.free.get(board).copied().unwrap_or(0)
    }

    pub(crate) fn take(&mut self, slices: Slices) {
        if let Some(free) = self.free.get_mut(slices.board) {
            *free &= !slices.bits;
        }
    }
}
