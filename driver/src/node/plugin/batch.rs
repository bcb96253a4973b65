//! What the kubelet asks for in one call, and what of it can be worked on.
//!
//! The kubelet checks an answer by the UIDs in it, and one that is missing fails the pods of all. So
//! every UID that was named gets an answer, and what is wrong with one claim is said of that one.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use supercargo_host::names;

use super::names::uid;
use crate::node::claims::ClaimRef;

/// Claims in one call. A kubelet sends those of one pod, of which the API allows far fewer.
pub(super) const CLAIMS_MAX: usize = 256;

/// Bytes of a text that is told to the kubelet: it ends in a pod's Events, which are short.
const TEXT_MAX: usize = 4096;

/// The claims to work on and the errors of the others, each by its UID.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Batch {
    pub(super) claims: Vec<ClaimRef>,
    pub(super) refused: BTreeMap<String, String>,
}

impl Batch {
    /// Looks through what the kubelet named. What it named twice is worked on once.
    pub(super) fn of(named: impl IntoIterator<Item = ClaimRef>) -> Self {
        let mut claims = BTreeMap::new();
        let mut refused = BTreeMap::new();
        for claim in named {
            if let Err(error) = check(&claim) {
                refused.insert(claim.uid, error);
                continue;
            }
            match claims.entry(claim.uid.clone()) {
                Entry::Vacant(entry) => {
                    entry.insert(claim);
                }
                Entry::Occupied(entry) if *entry.get() == claim => {}
                Entry::Occupied(entry) => {
                    let other: &ClaimRef = entry.get();
                    let error = format!(
                        "UID {} was named for two claims, {}/{} and {}/{}; neither was touched",
                        claim.uid, other.namespace, other.name, claim.namespace, claim.name
                    );
                    refused.insert(claim.uid, error);
                }
            }
        }
        claims.retain(|uid, _| !refused.contains_key(uid));
        Batch {
            claims: claims.into_values().collect(),
            refused,
        }
    }
}

/// Checks what may become part of a path or of a request to the API server.
fn check(claim: &ClaimRef) -> Result<(), String> {
    let told = |what: &str, text: &str, checked: names::Checked| {
        checked.map_err(|rule| {
            let shown: String = text.chars().take(64).collect();
            format!("claim {what} {shown:?} {rule}; the claim was not touched")
        })
    };
    told("UID", &claim.uid, uid(&claim.uid))?;
    told(
        "namespace",
        &claim.namespace,
        names::dns_label(&claim.namespace),
    )?;
    told("name", &claim.name, names::dns_subdomain(&claim.name))
}

/// Cuts a text to what the kubelet should be told.
pub(super) fn short(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(TEXT_MAX));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(namespace: &str, name: &str, uid: &str) -> ClaimRef {
        ClaimRef {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            uid: uid.to_owned(),
        }
    }

    #[test]
    fn a_claim_named_twice_is_worked_on_once() {
        let batch = Batch::of([claim("a", "x", "1"), claim("a", "x", "1")]);
        assert_eq!(batch.claims, [claim("a", "x", "1")]);
        assert!(batch.refused.is_empty());
    }

    #[test]
    fn one_uid_for_two_claims_touches_neither() {
        let batch = Batch::of([
            claim("a", "x", "1"),
            claim("a", "y", "1"),
            claim("a", "x", "1"),
            claim("a", "z", "2"),
        ]);
        assert_eq!(batch.claims, [claim("a", "z", "2")]);
        assert_eq!(batch.refused.keys().collect::<Vec<_>>(), ["1"]);
    }

    #[test]
    fn hostile_names_are_refused_each_for_itself() {
        let long = "a".repeat(300);
        let hostile = [
            claim("a", "x", ""),
            claim("a", "x", "../../etc"),
            claim("a", "x", "nul\0nul"),
            claim("a", "x", ".."),
            claim("a", "x", &long),
            claim("../a", "x", "u1"),
            claim("a", "x/../y", "u2"),
            claim("", "x", "u3"),
            claim("a", "", "u4"),
            claim("a", &long, "u5"),
            claim("a\0", "x", "u6"),
        ];
        let batch = Batch::of(hostile.clone().into_iter().chain([claim("a", "x", "good")]));
        assert_eq!(batch.claims, [claim("a", "x", "good")]);
        assert_eq!(batch.refused.len(), hostile.len());
        insta::assert_snapshot!(
            batch
                .refused
                .values()
                .map(String::as_str)
                .collect::<Vec<_>>()
                .join("\n")
        );
    }

    #[test]
    fn a_text_is_cut_between_characters() {
        let text = short("é".repeat(TEXT_MAX));
        assert_eq!(text.len(), TEXT_MAX);
    }
}
