//! A number for each two devices, and the set with the greatest or least sum.

use crate::situation::Device;

/// How many sets are compared one by one; beyond, the search is greedy. 16 choose 8 is below.
const EXACT: u64 = 20_000;

/// From how many devices a greedy search begins.
const STARTS: usize = 16;

/// A number for each two devices: bandwidth, hops, distance.
///
/// ```
/// use supercargo_guest::prelude::*;
/// use supercargo_guest::topology::Pairwise;
///
/// const INDEX: Attribute<i64> = Attribute::int("gpu.example.com", "index");
///
/// /// Devices with neighbouring numbers.
/// fn neighbours<'a>(request: Request<'a>) -> Option<Vec<Device<'a>>> {
///     let distances = Pairwise::new(request.devices(), |a, b| {
///         match (a.get(INDEX), b.get(INDEX)) {
///             (Some(a), Some(b)) => a.abs_diff(b).try_into().unwrap_or(i64::MAX),
///             _ => 1_000,
///         }
///     });
///     distances.nearest(request.count())
/// }
/// ```
#[derive(Debug, Clone)]
pub struct Pairwise<'a> {
    devices: Vec<Device<'a>>,
    weights: Vec<i64>,
}

impl<'a> Pairwise<'a> {
    /// Asks `weight` once for each two devices; it holds in both directions.
    ///
    /// ```
    /// # use supercargo_guest::{Request, topology::Pairwise};
    /// fn flat<'a>(request: Request<'a>) -> Pairwise<'a> {
    ///     Pairwise::new(request.devices(), |_, _| 1)
    /// }
    /// ```
    #[must_use]
    pub fn new(
        devices: impl IntoIterator<Item = Device<'a>>,
        weight: impl Fn(Device<'a>, Device<'a>) -> i64,
    ) -> Self {
        let devices: Vec<_> = devices.into_iter().collect();
        let mut weights = vec![0; devices.len() * devices.len()];
        for (i, a) in devices.iter().enumerate() {
            for (j, b) in devices.iter().enumerate().skip(i + 1) {
                let weight = weight(*a, *b);
                for cell in [i * devices.len() + j, j * devices.len() + i] {
                    if let Some(cell) = weights.get_mut(cell) {
                        *cell = weight;
                    }
                }
            }
        }
        Self { devices, weights }
    }

    /// The sum over all pairs of a set of these devices; others count nothing.
    ///
    /// ```
    /// # use supercargo_guest::{Device, topology::Pairwise};
    /// fn is_better(pairs: &Pairwise<'_>, a: &[Device<'_>], b: &[Device<'_>]) -> bool {
    ///     pairs.total(a) > pairs.total(b)
    /// }
    /// ```
    #[must_use]
    pub fn total(&self, set: &[Device<'_>]) -> i64 {
        let own: Vec<usize> = set
            .iter()
            .filter_map(|device| self.devices.iter().position(|own| own == device))
            .collect();
        self.sum(&own)
    }

    /// The `count` devices with the greatest sum over all their pairs: exact for what one node
    /// holds, greedy with improvement where there are too many sets to compare. None where there
    /// are too few devices.
    ///
    /// ```
    /// # use supercargo_guest::{Device, topology::Pairwise};
    /// fn best<'a>(bandwidth: &Pairwise<'a>) -> Option<Vec<Device<'a>>> {
    ///     bandwidth.strongest(4)
    /// }
    /// ```
    #[must_use]
    pub fn strongest(&self, count: usize) -> Option<Vec<Device<'a>>> {
        self.search(count, 1)
    }

    /// The `count` devices with the least sum over all their pairs, likewise.
    ///
    /// ```
    /// # use supercargo_guest::{Device, topology::Pairwise};
    /// fn close<'a>(distances: &Pairwise<'a>) -> Option<Vec<Device<'a>>> {
    ///     distances.nearest(4)
    /// }
    /// ```
    #[must_use]
    pub fn nearest(&self, count: usize) -> Option<Vec<Device<'a>>> {
        self.search(count, -1)
    }

    fn weight(&self, i: usize, j: usize) -> i64 {
        self.weights
            .get(i * self.devices.len() + j)
            .copied()
            .unwrap_or(0)
    }

    /// What `device` adds to a set.
    fn gain(&self, set: &[usize], device: usize) -> i64 {
        set.iter().fold(0, |sum, &member| {
            sum.saturating_add(self.weight(device, member))
        })
    }

    fn sum(&self, set: &[usize]) -> i64 {
        set.iter().enumerate().fold(0, |sum, (position, &device)| {
            sum.saturating_add(self.gain(set.get(..position).unwrap_or_default(), device))
        })
    }

    fn search(&self, count: usize, sign: i64) -> Option<Vec<Device<'a>>> {
        if count > self.devices.len() {
            return None;
        }
        let set = if combinations(self.devices.len(), count) <= EXACT {
            self.compare_all(count, sign)
        } else {
            self.grow(count, sign)
        };
        Some(
            set.into_iter()
                .filter_map(|index| self.devices.get(index).copied())
                .collect(),
        )
    }

    /// Every set, in lexical order, so that of equals the first wins.
    fn compare_all(&self, count: usize, sign: i64) -> Vec<usize> {
        let mut set: Vec<usize> = (0..count).collect();
        let mut best = set.clone();
        let mut best_sum = self.sum(&set).saturating_mul(sign);
        while advance(&mut set, self.devices.len()) {
            let sum = self.sum(&set).saturating_mul(sign);
            if sum > best_sum {
                best_sum = sum;
                best.clone_from(&set);
            }
        }
        best
    }

    /// Adds what helps most, from several beginnings, then exchanges single devices while it helps.
    fn grow(&self, count: usize, sign: i64) -> Vec<usize> {
        let all = self.devices.len();
        let starts = (0..all).step_by(all.div_ceil(STARTS).max(1));
        let grown = starts.map(|start| {
            let mut set = vec![start];
            while set.len() < count {
                let outside = (0..all).filter(|device| !set.contains(device));
                let gain = |device: &usize| self.gain(&set, *device).saturating_mul(sign);
                // `max_by_key` would take the last of equals.
                let Some(next) = outside.rev().max_by_key(gain) else {
                    break;
                };
                set.push(next);
            }
            set
        });
        let value = |set: &Vec<usize>| self.sum(set).saturating_mul(sign);
        let mut best = grown.max_by_key(value).unwrap_or_default();
        for _ in 0..count {
            if !self.exchange(&mut best, sign) {
                break;
            }
        }
        best.sort_unstable();
        best
    }

    /// One exchange that helps, if there is one.
    fn exchange(&self, set: &mut [usize], sign: i64) -> bool {
        for position in 0..set.len() {
            let Some(&old) = set.get(position) else {
                return false;
            };
            let rest: Vec<usize> = set
                .iter()
                .copied()
                .filter(|&device| device != old)
                .collect();
            let value = |device: usize| self.gain(&rest, device).saturating_mul(sign);
            let outside = (0..self.devices.len()).filter(|device| !set.contains(device));
            let best = outside.max_by_key(|&device| value(device));
            if let Some(new) = best.filter(|&new| value(new) > value(old)) {
                if let Some(slot) = set.get_mut(position) {
                    *slot = new;
                }
                return true;
            }
        }
        false
    }
}

/// The next set of as many out of `all` in lexical order.
fn advance(set: &mut [usize], all: usize) -> bool {
    let count = set.len();
    let movable = |(position, device): (usize, &usize)| *device < all - (count - position);
    let Some(position) = set.iter().enumerate().rposition(movable) else {
        return false;
    };
    let Some(first) = set.get(position).map(|device| device + 1) else {
        return false;
    };
    for (device, next) in set.iter_mut().skip(position).zip(first..) {
        *device = next;
    }
    true
}

/// n choose k, or the greatest number where it is greater.
fn combinations(n: usize, k: usize) -> u64 {
    let k = k.min(n - k);
    (0..k).fold(1_u64, |product, i| {
        product
            .saturating_mul((n - i) as u64)
            .checked_div(i as u64 + 1)
            .unwrap_or(u64::MAX)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::{Fixture, FixtureDevice, with_situation};

    struct Plain;
    impl crate::Policy for Plain {
        type Settings = crate::NoSettings;
    }

    fn chosen(
        count: u32,
        weight: impl Fn(u32, u32) -> i64,
        choose: impl Fn(&Pairwise<'_>) -> Option<Vec<u32>>,
    ) -> Option<Vec<u32>> {
        let devices = (0..count).map(|position| FixtureDevice::new(format!("d{position}")));
        let fixture = devices
            .fold(Fixture::new("a.example"), Fixture::device)
            .request("r", 1);
        with_situation::<Plain, _>(&fixture, |situation| {
            choose(&Pairwise::new(situation.devices(), |a, b| {
                weight(a.position(), b.position())
            }))
        })
        .unwrap()
    }

    fn positions(devices: Option<Vec<Device<'_>>>) -> Option<Vec<u32>> {
        Some(devices?.into_iter().map(Device::position).collect())
    }

    #[test]
    fn the_strongest_set_is_found_though_its_best_pair_is_elsewhere() {
        // 0 and 1 have the fattest link, 2, 3 and 4 are a triangle.
        let weight = |a, b| match (a, b) {
            (0, 1) => 50,
            (2.., 2..) => 40,
            _ => 1,
        };
        assert_eq!(
            chosen(5, weight, |p| positions(p.strongest(2))),
            Some(vec![0, 1])
        );
        assert_eq!(
            chosen(5, weight, |p| positions(p.strongest(3))),
            Some(vec![2, 3, 4])
        );
    }

    #[test]
    fn the_nearest_devices_are_neighbours() {
        let weight = |a: u32, b: u32| i64::from(a.abs_diff(b));
        assert_eq!(
            chosen(8, weight, |p| positions(p.nearest(3))),
            Some(vec![0, 1, 2])
        );
    }

    #[test]
    fn a_large_search_finds_the_one_dense_cluster() {
        // 40 choose 8 is 77 million; the eight multiples of five are linked with each other.
        let weight = |a: u32, b: u32| i64::from(a.is_multiple_of(5) && b.is_multiple_of(5));
        let multiples = (0..8).map(|i| i * 5).collect();
        assert_eq!(
            chosen(40, weight, |p| positions(p.strongest(8))),
            Some(multiples)
        );
    }

    #[test]
    fn more_than_there_are_cannot_be_chosen() {
        assert_eq!(chosen(3, |_, _| 1, |p| positions(p.strongest(4))), None);
        assert_eq!(
            chosen(3, |_, _| 1, |p| positions(p.strongest(0))),
            Some(vec![])
        );
    }
}
