//! Sets of positions as bits: a node rarely has more than 256 devices, so four words stay inline.

use smallvec::SmallVec;

/// A set of small numbers.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct Bits(SmallVec<[u64; 4]>);

impl Bits {
    /// An empty set for numbers below `len`.
    pub(super) fn new(len: usize) -> Self {
        Self(SmallVec::from_elem(0, len.div_ceil(64)))
    }

    /// The set of all numbers below `len`.
    pub(super) fn all(len: usize) -> Self {
        let mut bits = Self(SmallVec::from_elem(u64::MAX, len.div_ceil(64)));
        if let (Some(last), rest @ 1..) = (bits.0.last_mut(), len % 64) {
            *last = (1 << rest) - 1;
        }
        bits
    }

    #[inline]
    pub(super) fn get(&self, i: u32) -> bool {
        self.0
            .get(i as usize / 64)
            .is_some_and(|word| word >> (i % 64) & 1 == 1)
    }

    #[inline]
    pub(super) fn set(&mut self, i: u32) {
        if let Some(word) = self.0.get_mut(i as usize / 64) {
            *word |= 1 << (i % 64);
        }
    }

    #[inline]
    pub(super) fn clear(&mut self, i: u32) {
        if let Some(word) = self.0.get_mut(i as usize / 64) {
            *word &= !(1 << (i % 64));
        }
    }

    /// Removes all numbers below `i`.
    pub(super) fn clear_below(&mut self, i: u32) {
        let whole = i as usize / 64;
        for word in self.0.iter_mut().take(whole) {
            *word = 0;
        }
        if let Some(word) = self.0.get_mut(whole) {
            *word &= u64::MAX << (i % 64);
        }
    }

    pub(super) fn and(&mut self, other: &Self) {
        for (a, b) in self.0.iter_mut().zip(&other.0) {
            *a &= b;
        }
    }

    pub(super) fn and_not(&mut self, other: &Self) {
        for (a, b) in self.0.iter_mut().zip(&other.0) {
            *a &= !b;
        }
    }

    pub(super) fn or(&mut self, other: &Self) {
        for (a, b) in self.0.iter_mut().zip(&other.0) {
            *a |= b;
        }
    }

    pub(super) fn is_subset(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).all(|(a, b)| a & !b == 0)
    }

    pub(super) fn intersects(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).any(|(a, b)| a & b != 0)
    }

    pub(super) fn count(&self) -> u32 {
        self.0.iter().map(|word| word.count_ones()).sum()
    }

    /// The smallest number in the set that is at least `from`.
    pub(super) fn next(&self, from: u32) -> Option<u32> {
        let mut index = from as usize / 64;
        let mut word = self.0.get(index)? & (u64::MAX << (from % 64));
        loop {
            if word != 0 {
                return Some(index as u32 * 64 + word.trailing_zeros());
            }
            index += 1;
            word = *self.0.get(index)?;
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        let mut from = 0;
        std::iter::from_fn(move || {
            let found = self.next(from)?;
            from = found + 1;
            Some(found)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Bits;

    #[test]
    fn a_set_holds_what_was_put_in() {
        let mut set = Bits::new(300);
        for i in [0, 63, 64, 255, 299] {
            set.set(i);
        }
        assert_eq!(set.iter().collect::<Vec<_>>(), [0, 63, 64, 255, 299]);
        set.clear(64);
        set.clear_below(63);
        assert_eq!(set.iter().collect::<Vec<_>>(), [63, 255, 299]);
        assert_eq!(set.count(), 3);
        assert_eq!(set.next(64), Some(255));
        assert!(set.is_subset(&Bits::all(300)));
        assert!(!Bits::all(300).is_subset(&set));
        assert_eq!(Bits::all(64).count(), 64);
        assert_eq!(Bits::all(65).count(), 65);
        assert_eq!(Bits::new(0).next(0), None);
    }
}
