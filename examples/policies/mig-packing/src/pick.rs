//! Choosing one candidate after the other by what it destroys.

use std::cmp::Reverse;

use supercargo_guest::prelude::*;

use crate::board::{Boards, Slices};
use crate::settings::Geometry;

/// How many placements of each profile are lost, most precious first. Ordered as a word is.
pub(crate) type Loss = Vec<u16>;

/// A device and what it costs.
#[derive(Debug, Clone)]
pub(crate) struct Pick<'a> {
    pub(crate) device: Device<'a>,
    pub(crate) loss: Loss,
}

/// What is left while a claim is being served.
#[derive(Debug, Clone)]
pub(crate) struct Picker<'a> {
    /// The placements of each profile.
    placements: Vec<Vec<u64>>,
    boards: Boards,
    /// What each device takes, by position.
    slices: Vec<Option<Slices>>,
    left: Vec<Quantity>,
    taken: Vec<Device<'a>>,
}

impl<'a> Picker<'a> {
    pub(crate) fn new(situation: Situation<'a>, geometry: &Geometry, boards: Boards) -> Self {
        let placements = |profile: &crate::Profile| profile.placements().collect();
        Self {
            placements: geometry.profiles.iter().map(placements).collect(),
            slices: situation
                .devices()
                .map(|device| boards.slices_of(device))
                .collect(),
            boards,
            left: situation.counters().map(|counter| counter.left()).collect(),
            taken: Vec::new(),
        }
    }

    /// The candidate with the least loss, taken.
    pub(crate) fn best(&mut self, request: Request<'a>) -> Option<Pick<'a>> {
        let candidates = request.devices().filter(|device| self.can_be_had(*device));
        let device = candidates.min_by_key(|device| self.cost(*device))?;
        let (loss, ..) = self.cost(device);
        if let Some(slices) = self.slices_of(device) {
            self.boards.take(slices);
        }
        for (counter, amount) in device.uses() {
            if let Some(left) = self.left.get_mut(counter.position() as usize) {
                *left = left.checked_sub(amount).unwrap_or(Quantity::ZERO);
            }
        }
        self.taken.push(device);
        Some(Pick { device, loss })
    }

    /// All candidates, the one with the least loss first.
    pub(crate) fn ranked(&self, request: Request<'a>) -> Vec<Device<'a>> {
        let mut devices: Vec<_> = request.devices().collect();
        devices.sort_by_cached_key(|device| self.cost(*device));
        devices
    }

    /// The size of the smallest candidate.
    pub(crate) fn least_slices(&self, request: Request<'_>) -> u32 {
        let size = |device| {
            self.slices_of(device)
                .map_or(0, |slices| slices.bits.count_ones())
        };
        request.devices().map(size).min().unwrap_or(0)
    }

    /// 100 where nothing is lost, 0 where each pick destroys all that an empty GPU offers.
    pub(crate) fn score(&self, picks: &[Pick<'_>]) -> f64 {
        let worth = |profile: &[u64]| profile.first().map_or(0, |bits| bits.count_ones());
        let weights: Vec<u32> = self
            .placements
            .iter()
            .map(|profile| worth(profile))
            .collect();
        let lost: u32 = picks
            .iter()
            .flat_map(|pick| pick.loss.iter().zip(&weights))
            .map(|(lost, weight)| u32::from(*lost).saturating_mul(*weight))
            .sum();
        let offered = |(profile, weight): (&Vec<u64>, &u32)| {
            u32::try_from(profile.len())
                .unwrap_or(u32::MAX)
                .saturating_mul(*weight)
        };
        let board: u32 = self.placements.iter().zip(&weights).map(offered).sum();
        let picks = u32::try_from(picks.len()).unwrap_or(u32::MAX);
        let worst = f64::from(board) * f64::from(picks);
        if worst > 0.0 {
            100.0 * (1.0 - f64::from(lost) / worst)
        } else {
            50.0
        }
    }

    fn slices_of(&self, device: Device<'_>) -> Option<Slices> {
        self.slices
            .get(device.position() as usize)
            .copied()
            .flatten()
    }

    /// Whether it still can be had beside what was taken for this claim.
    fn can_be_had(&self, device: Device<'a>) -> bool {
        !self.taken.contains(&device)
            && device.uses().all(|(counter, amount)| {
                self.left
                    .get(counter.position() as usize)
                    .is_some_and(|left| amount <= *left)
            })
    }

    /// What it destroys; then the smaller partition, the fuller board, and the place farther back,
    /// since the front is where large partitions begin. What takes no slices destroys nothing here.
    fn cost(&self, device: Device<'_>) -> (Loss, u32, u32, Reverse<u64>) {
        let Some(slices) = self.slices_of(device) else {
            return (vec![0; self.placements.len()], 0, 0, Reverse(0));
        };
        let free = self.boards.free(slices.board);
        let after = free & !slices.bits;
        let possible = |free: u64, placements: &[u64]| {
            placements
                .iter()
                .filter(|placement| **placement & !free == 0)
                .count()
        };
        let lost = |placements: &Vec<u64>| {
            let lost = possible(free, placements) - possible(after, placements);
            u16::try_from(lost).unwrap_or(u16::MAX)
        };
        let loss = self.placements.iter().map(lost).collect();
        (
            loss,
            slices.bits.count_ones(),
            free.count_ones(),
            Reverse(slices.bits),
        )
    }
}
