//! The names of slices: `<place in the pool>-<driver>-<node>-<random>`.
//!
//! The allocator takes the slices of a pool in the order of their names, so the place comes first, as
//! at least five hexadecimal digits. The rest is for people who read `kubectl get resourceslices`; the
//! API server adds the random part, and with that part a name has 63 characters at most.

use super::Owner;

/// What the API server keeps of a `generateName`.
const PREFIX: usize = 58;
/// Hexadecimal digits of the place: more than a million slices.
const DIGITS: usize = 5;

/// The `generateName` of the slice at a place.
pub(super) fn generate(index: usize, owner: &Owner) -> String {
    let mut name = format!("{index:05x}-{}-{}", owner.driver, owner.node).to_ascii_lowercase();
    // Driver and node are DNS names and have no characters of several bytes.
    name.truncate(PREFIX - 1);
    let end = name.trim_end_matches(['-', '.']).len();
    name.truncate(end);
    name.push('-');
    name
}

/// The place that a name says.
pub(super) fn index(name: &str) -> Option<usize> {
    let (digits, _) = name.split_once('-')?;
    let hexadecimal = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f');
    if digits.len() < DIGITS || !digits.bytes().all(hexadecimal) {
        return None;
    }
    usize::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use supercargo_host::names;

    use super::*;

    fn owner(driver: &str, node: &str) -> Owner {
        Owner {
            driver: driver.to_owned(),
            node: node.to_owned(),
        }
    }

    #[test]
    fn a_name_says_place_driver_and_node() {
        let name = generate(26, &owner("gpu.nvidia.com", "node-1"));
        assert_eq!(name, "0001a-gpu.nvidia.com-node-1-");
        assert_eq!(index(&format!("{name}x7k2p")), Some(26));
    }

    #[test]
    fn long_names_are_cut_where_a_name_may_end() {
        for length in 1..240 {
            let node = "a.".repeat(length / 2) + "b";
            let name = generate(0, &owner(&"D".repeat(length % 63 + 1), &node));
            assert!(name.len() <= PREFIX, "{name}");
            let begins = name.trim_end_matches('-');
            assert_eq!(names::dns_subdomain(begins), Ok(()), "{name}");
        }
    }

    #[test]
    fn names_of_others_have_no_place() {
        for name in [
            "",
            "gpu-0",
            "0001-x",
            "0001A-x",
            "00001",
            "+0001-x",
            &format!("{}-x", "f".repeat(40)),
        ] {
            assert_eq!(index(name), None, "{name}");
        }
    }

    #[test]
    fn names_sort_as_places_do() {
        let owner = owner("d", "n");
        let names: Vec<_> = [0, 1, 15, 16, 255, 0xf_ffff]
            .map(|index| generate(index, &owner))
            .into();
        assert!(names.is_sorted());
    }
}
