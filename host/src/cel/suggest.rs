//! Suggestions for names that are not declared.

/// The known name that is closest to `name`, if one is close at all.
pub(crate) fn closest<'k>(name: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    // Names are short; what is longer than any of them is not worth comparing.
    if name.is_empty() || name.len() > 64 {
        return None;
    }
    let most_edits = (name.chars().count() / 3).clamp(1, 3);
    known
        .filter(|known| known.starts_with(|c: char| c.is_ascii_alphabetic()))
        .map(|known| (edits(name, known), known))
        .filter(|(edits, _)| *edits <= most_edits)
        .min()
        .map(|(_, known)| known)
}

/// How many letters must be inserted, removed or replaced; case counts for nothing.
fn edits(left: &str, right: &str) -> usize {
    let left: Vec<char> = left.to_lowercase().chars().collect();
    let mut row: Vec<usize> = (0..=left.len()).collect();
    for (done, r) in right.to_lowercase().chars().enumerate() {
        let mut diagonal = done;
        let mut before = done + 1;
        for (cell, l) in row
            .iter_mut()
            .zip([None].into_iter().chain(left.iter().map(Some)))
        {
            let Some(l) = l else {
                diagonal = std::mem::replace(cell, before);
                continue;
            };
            let cost = (diagonal + usize::from(*l != r))
                .min(*cell + 1)
                .min(before + 1);
            diagonal = std::mem::replace(cell, cost);
            before = cost;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn close_names_are_suggested_and_far_ones_are_not() {
        let known = ["device", "startsWith", "size"];
        let ask = |name| closest(name, known.into_iter());
        assert_eq!(ask("Device").unwrap(), "device");
        assert_eq!(ask("startWith").unwrap(), "startsWith");
        assert_eq!(ask("quantity"), None);
    }

    #[test]
    fn edits_are_counted() {
        assert_eq!(edits("kitten", "sitting"), 3);
        assert_eq!(edits("", "abc"), 3);
        assert_eq!(edits("abc", "abc"), 0);
    }
}
