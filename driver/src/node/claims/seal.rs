//! The outer form of a checkpoint file: a line that says what it is, then the content.
//!
//! ```text
//! supercargo-claim 1 sha256:<64 hexadecimal digits>
//! { ... }
//! ```
//! The sum is over the bytes after the line, as they lie in the file. It says that the file is what was
//! written, not that a given release would write the same, so fields can come and go without breaking
//! it. The number is that of the format: releases that share it read each other's files.

use sha2::{Digest as _, Sha256};

const MAGIC: &str = "supercargo-claim";
const FORMAT: &str = "1";

/// The most that a checkpoint of one claim may hold.
pub(super) const MOST_BYTES: u64 = 4 << 20;

/// Why a file cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Damage {
    #[error("it is larger than {MOST_BYTES} bytes")]
    TooLarge,
    #[error("it is empty: it was being written when the machine went down")]
    Empty,
    #[error("it does not begin with `{MAGIC} {FORMAT} sha256:...`: something else wrote it")]
    Foreign,
    #[error(
        "it has format {0}, and this release reads format {FORMAT}: run the release that wrote it, or drain the node"
    )]
    OtherFormat(String),
    #[error("its content does not have the checksum in its first line: it is torn or was changed")]
    Checksum,
    #[error("its content cannot be read: {0}")]
    Content(String),
    #[error("it is about claim {0}, which is not what its name says")]
    OtherClaim(String),
    #[error("it cannot be read: {0}")]
    Unreadable(String),
}

/// Puts the line before the content.
pub(super) fn seal(content: &[u8]) -> Vec<u8> {
    let mut sealed = format!("{MAGIC} {FORMAT} sha256:{}\n", sum(content)).into_bytes();
    sealed.extend_from_slice(content);
    sealed
}

/// Checks the line and takes it off.
pub(super) fn unseal(sealed: &[u8]) -> Result<&[u8], Damage> {
    if sealed.is_empty() {
        return Err(Damage::Empty);
    }
    let end = sealed.iter().take(256).position(|&byte| byte == b'\n');
    let (line, content) = end
        .and_then(|end| Some((sealed.get(..end)?, sealed.get(end + 1..)?)))
        .ok_or(Damage::Foreign)?;
    let mut words = std::str::from_utf8(line)
        .map_err(|_| Damage::Foreign)?
        .split(' ');
    let (magic, format, checksum) = (words.next(), words.next(), words.next());
    match (magic, format, checksum, words.next()) {
        (Some(MAGIC), Some(FORMAT), Some(checksum), None) => {
            let expected = checksum.strip_prefix("sha256:").ok_or(Damage::Foreign)?;
            if expected == sum(content) {
                Ok(content)
            } else {
                Err(Damage::Checksum)
            }
        }
        (Some(MAGIC), Some(other), ..) if other != FORMAT => {
            Err(Damage::OtherFormat(other.to_owned()))
        }
        _ => Err(Damage::Foreign),
    }
}

fn sum(content: &[u8]) -> String {
    use std::fmt::Write as _;
    Sha256::digest(content)
        .iter()
        .fold(String::with_capacity(64), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sealed_is_what_comes_out() {
        assert_eq!(unseal(&seal(b"{}")).unwrap(), b"{}");
        assert_eq!(unseal(&seal(b"")).unwrap(), b"");
    }

    #[test]
    fn any_other_byte_is_noticed() {
        let sealed = seal(br#"{"uid":"a"}"#);
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(unseal(&changed).is_err(), "byte {at}");
        }
        for length in 0..sealed.len() {
            assert!(unseal(&sealed[..length]).is_err(), "{length} bytes");
        }
    }

    #[test]
    fn another_format_is_named() {
        let newer = String::from_utf8(seal(b"{}"))
            .unwrap()
            .replacen(" 1 ", " 2 ", 1);
        assert_eq!(
            unseal(newer.as_bytes()),
            Err(Damage::OtherFormat("2".to_owned()))
        );
    }
}
