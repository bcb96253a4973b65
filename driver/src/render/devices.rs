//! Device names, shortened the way cluster people write host lists: `gpu-[0-3,6]`.

use std::collections::BTreeMap;

/// The names in natural order, runs of three and more of one prefix folded.
pub fn fold<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let mut plain: Vec<&str> = Vec::new();
    let mut numbered: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    let mut all = 0;
    let mut order: Vec<Part> = Vec::new();
    for name in names {
        all += 1;
        match split(name) {
            Some((prefix, number)) => {
                let numbers = numbered.entry(prefix).or_default();
                if numbers.is_empty() {
                    order.push(Part::Numbered(prefix));
                }
                numbers.push(number);
            }
            None => {
                order.push(Part::Plain(plain.len()));
                plain.push(name);
            }
        }
    }
    let mut parts = Vec::with_capacity(all);
    for part in order {
        match part {
            Part::Plain(at) => parts.extend(plain.get(at).map(|name| (*name).to_owned())),
            Part::Numbered(prefix) => {
                let mut numbers = numbered.remove(prefix).unwrap_or_default();
                numbers.sort_unstable();
                if numbers.len() < 3 {
                    parts.extend(numbers.iter().map(|number| format!("{prefix}{number}")));
                } else {
                    parts.push(format!("{prefix}[{}]", runs(&numbers)));
                }
            }
        }
    }
    parts.join(" ")
}

enum Part<'a> {
    Plain(usize),
    Numbered(&'a str),
}

/// `gpu-12` is `gpu-` and 12; names like `gpu-012`, which the number would not give back, are not.
fn split(name: &str) -> Option<(&str, u64)> {
    let prefix = name.trim_end_matches(|character: char| character.is_ascii_digit());
    let digits = name.strip_prefix(prefix)?;
    if prefix.is_empty() || (digits.len() > 1 && digits.starts_with('0')) {
        return None;
    }
    Some((prefix, digits.parse().ok()?))
}

fn runs(numbers: &[u64]) -> String {
    let mut runs: Vec<(u64, u64)> = Vec::new();
    for &number in numbers {
        match runs.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(number) => *last = number,
            _ => runs.push((number, number)),
        }
    }
    let show = |&(first, last): &(u64, u64)| {
        if first == last {
            first.to_string()
        } else {
            format!("{first}-{last}")
        }
    };
    runs.iter().map(show).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_folded_in_numerical_order() {
        assert_eq!(fold(["gpu-3", "gpu-0", "gpu-1", "gpu-2"]), "gpu-[0-3]");
        assert_eq!(
            fold(["gpu-0", "gpu-1", "gpu-2", "gpu-10", "gpu-6"]),
            "gpu-[0-2,6,10]"
        );
    }

    #[test]
    fn few_and_odd_names_stay_as_they_are() {
        assert_eq!(fold(["gpu-1", "gpu-0"]), "gpu-0 gpu-1");
        assert_eq!(
            fold(["cat", "gpu-007", "gpu-1", "dog"]),
            "cat gpu-007 gpu-1 dog"
        );
        assert_eq!(fold([]), "");
    }
}
