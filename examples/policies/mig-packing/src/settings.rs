//! What the administrator may set: which placements a GPU has.

use schemars::JsonSchema;
use serde::Deserialize;

/// The placements of a GPU.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Geometry {
    /// What the counters of memory slices begin with; a number follows.
    pub slice_counter: String,
    /// What partitions can be made and where, most precious first. The default is that of NVIDIA's
    /// GPUs with eight memory slices (A100, H100, H200, B200).
    #[schemars(length(max = 16))]
    pub profiles: Vec<Profile>,
}

/// A kind of partition.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Profile {
    /// Its name, for explanations.
    pub name: String,
    /// How many memory slices it covers.
    #[schemars(range(min = 1, max = 64))]
    pub slices: u32,
    /// The slices at which it can begin.
    #[schemars(length(min = 1, max = 64))]
    pub starts: Vec<u32>,
}

impl Default for Geometry {
    fn default() -> Self {
        let profile = |name: &str, slices, starts: &[u32]| Profile {
            name: name.to_owned(),
            slices,
            starts: starts.to_vec(),
        };
        Self {
            slice_counter: "memory-slice-".to_owned(),
            profiles: vec![
                profile("7g", 8, &[0]),
                profile("4g", 4, &[0]),
                profile("3g", 4, &[0, 4]),
                profile("2g", 2, &[0, 2, 4]),
                profile("1g", 1, &[0, 1, 2, 3, 4, 5, 6]),
            ],
        }
    }
}

impl Profile {
    /// The slices of each placement, as bits.
    pub(crate) fn placements(&self) -> impl Iterator<Item = u64> {
        let ones = u64::MAX
            .checked_shr(64_u32.saturating_sub(self.slices))
            .unwrap_or(0);
        self.starts.iter().filter_map(move |start| {
            let fits = start.checked_add(self.slices).is_some_and(|end| end <= 64);
            ones.checked_shl(*start).filter(|bits| fits && *bits != 0)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placements_are_runs_of_bits() {
        let halves = Profile {
            name: "3g".to_owned(),
            slices: 4,
            starts: vec![0, 4],
        };
        assert_eq!(
            halves.placements().collect::<Vec<_>>(),
            [0b1111, 0b1111_0000]
        );
    }

    #[test]
    fn placements_that_no_board_has_count_nothing() {
        let absurd = Profile {
            name: "x".to_owned(),
            slices: 64,
            starts: vec![0, 1, u32::MAX],
        };
        assert_eq!(absurd.placements().collect::<Vec<_>>(), [u64::MAX]);
        let nothing = Profile {
            name: "x".to_owned(),
            slices: 0,
            starts: vec![0],
        };
        assert_eq!(nothing.placements().count(), 0);
    }
}
