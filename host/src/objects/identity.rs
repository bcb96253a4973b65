//! Names, namespaces and uids that an API server would have given.
//!
//! Everything is derived from the object itself, never from chance or the clock: the same files
//! give the same decision, byte for byte, on every machine.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use sha2::{Digest, Sha256};

use super::{Object, Source};

/// The letters Kubernetes ends generated names with: no vowels, so no words.
const SAFE_LETTERS: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";

/// Longest name before the generated ending (`k8s.io/apiserver/pkg/storage/names`).
const BASE_MAX: usize = 58;

/// Fills in what an object must have to be in a cluster.
pub(crate) fn complete(object: &mut Object, source: &Source) {
    let kind = object.kind().to_owned();
    let (metadata, namespaced) = match object {
        Object::ResourceClaim(claim) => (&mut claim.metadata, true),
        Object::ResourceClaimTemplate(template) => (&mut template.metadata, true),
        Object::Pod(pod) => (&mut pod.metadata, true),
        Object::Job(job) => (&mut job.metadata, true),
        Object::DeviceClass(class) => (&mut class.metadata, false),
        Object::ResourceSlice(slice) => (&mut slice.metadata, false),
        Object::DeviceTaintRule(rule) => (&mut rule.metadata, false),
        Object::Node(node) => (&mut node.metadata, false),
        Object::Namespace(namespace) => (&mut namespace.metadata, false),
        Object::Ignored { .. } => return,
    };
    fill(
        metadata,
        &kind,
        namespaced,
        &format!("{}:{}", source.file, source.line),
    );
}

/// Fills in namespace, name and uid; `place` tells objects with the same `generateName` apart.
pub(crate) fn fill(metadata: &mut ObjectMeta, kind: &str, namespaced: bool, place: &str) {
    let empty = |text: &Option<String>| text.as_ref().is_none_or(String::is_empty);
    if namespaced && empty(&metadata.namespace) {
        metadata.namespace = Some("default".to_owned());
    }
    let namespace = metadata.namespace.clone().unwrap_or_default();
    if empty(&metadata.name)
        && let Some(base) = metadata.generate_name.clone()
    {
        metadata.name = Some(generated_name(&base, &[kind, &namespace, place]));
    }
    if empty(&metadata.uid) {
        let name = metadata.name.clone().unwrap_or_default();
        metadata.uid = Some(uid(kind, &namespace, &name));
    }
}

/// A name as `generateName` makes it: the base, shortened, and five letters drawn from `seed`.
pub(crate) fn generated_name(base: &str, seed: &[&str]) -> String {
    let mut end = base.len().min(BASE_MAX);
    while !base.is_char_boundary(end) {
        end -= 1;
    }
    let mut name = base.get(..end).unwrap_or_default().to_owned();
    let mut seeds = vec!["name", base];
    seeds.extend_from_slice(seed);
    let number = digest(&seeds)
        .iter()
        .take(8)
        .fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
    let mut rest = number;
    for _ in 0..5 {
        let letter = SAFE_LETTERS
            .get((rest % 27) as usize)
            .copied()
            .unwrap_or(b'x');
        name.push(char::from(letter));
        rest /= 27;
    }
    name
}

/// A uid that is the same for the same object, in the form of an RFC 4122 UUID of version 8
/// (custom): the version says that it is not random.
pub(crate) fn uid(kind: &str, namespace: &str, name: &str) -> String {
    let hash = digest(&["uid", kind, namespace, name]);
    let mut hex = String::with_capacity(36);
    for (index, byte) in hash.iter().take(16).enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            hex.push('-');
        }
        let byte = match index {
            6 => byte & 0x0f | 0x80,
            8 => byte & 0x3f | 0x80,
            _ => *byte,
        };
        hex.push_str(&format!("{byte:02x}"));
    }
    hex
}

/// A digest of texts that does not confuse `ab, c` with `a, bc`.
fn digest(texts: &[&str]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for text in texts {
        hash.update(text.len().to_le_bytes());
        hash.update(text.as_bytes());
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_names_are_long_enough_and_repeatable() {
        let name = generated_name("pod-gpu-", &["default"]);
        assert_eq!(name.len(), "pod-gpu-".len() + 5);
        assert_eq!(name, generated_name("pod-gpu-", &["default"]));
        assert_ne!(name, generated_name("pod-gpu-", &["other"]));
        assert_eq!(generated_name(&"a".repeat(100), &[]).len(), 63);
    }

    #[test]
    fn uids_are_uuids_and_differ_by_every_part() {
        let one = uid("Pod", "default", "a");
        assert_eq!(one.len(), 36);
        assert_eq!(one.as_bytes()[14], b'8');
        assert_eq!(one, uid("Pod", "default", "a"));
        for other in [
            uid("Job", "default", "a"),
            uid("Pod", "x", "a"),
            uid("Pod", "default", "b"),
        ] {
            assert_ne!(one, other);
        }
    }
}
