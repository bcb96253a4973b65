//! The name formats of the Kubernetes API, each told apart by what it refuses.
//!
//! Every check answers `Err` with the rule in words a user can act on; the caller adds where and
//! what was found. Rules: `k8s.io/apimachinery/pkg/util/validation`, and for qualified device names
//! `k8s.io/api/resource/v1`.

/// Longest DNS label.
pub const LABEL_MAX: usize = 63;
/// Longest DNS subdomain.
pub const SUBDOMAIN_MAX: usize = 253;
/// Longest driver name, and longest domain of a qualified device name.
pub const DRIVER_MAX: usize = 63;
/// Longest identifier of a qualified device name (the part behind the `/`).
pub const IDENTIFIER_MAX: usize = 32;

/// The outcome of a check: the broken rule in words.
pub type Checked = Result<(), String>;

/// A lowercase RFC 1123 label: `[a-z0-9]([-a-z0-9]*[a-z0-9])?`, at most 63 characters.
pub fn dns_label(name: &str) -> Checked {
    at_most(name, LABEL_MAX)?;
    if is_label(name) {
        return Ok(());
    }
    Err(
        "must be a lowercase DNS label: letters a-z, digits and '-', beginning and ending with a \
         letter or digit (like 'gpu-0')"
            .to_owned(),
    )
}

/// A lowercase RFC 1123 subdomain: labels joined by dots, at most 253 characters.
pub fn dns_subdomain(name: &str) -> Checked {
    at_most(name, SUBDOMAIN_MAX)?;
    if name.split('.').all(is_label) {
        return Ok(());
    }
    Err(
        "must be a lowercase DNS subdomain: letters a-z, digits, '-' and '.', each part beginning \
         and ending with a letter or digit (like 'gpu.example.com')"
            .to_owned(),
    )
}

/// A driver name: a DNS subdomain of at most 63 characters. Kubernetes lets upper case pass here,
/// and only here.
pub fn driver(name: &str) -> Checked {
    domain(&name.to_ascii_lowercase())
}

/// The domain of a qualified name: a DNS subdomain of at most 63 characters.
fn domain(name: &str) -> Checked {
    at_most(name, DRIVER_MAX)?;
    dns_subdomain(name)
}

/// A pool name: DNS subdomains joined by `/`, at most 253 characters.
pub fn pool(name: &str) -> Checked {
    at_most(name, SUBDOMAIN_MAX)?;
    name.split('/').try_for_each(|part| {
        dns_subdomain(part).map_err(|_| {
            "must be one or more lowercase DNS subdomains joined by '/' (like 'node-1' or \
             'rack-3/node-1')"
                .to_owned()
        })
    })
}

/// A C identifier: letters, digits and `_`, not beginning with a digit.
pub fn c_identifier(name: &str) -> Checked {
    let mut letters = name.bytes();
    let begins = letters
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic() || first == b'_');
    if begins && letters.all(|letter| letter.is_ascii_alphanumeric() || letter == b'_') {
        return Ok(());
    }
    Err(
        "must be a C identifier: letters, digits and '_', not beginning with a digit (like \
         'driverVersion')"
            .to_owned(),
    )
}

/// The name of an attribute or capacity: `[domain/]identifier`.
pub fn qualified_device_name(name: &str) -> Checked {
    let (prefix, identifier) = match name.split_once('/') {
        None => (None, name),
        Some((prefix, identifier)) => (Some(prefix), identifier),
    };
    if identifier.contains('/') {
        return Err("must have at most one '/', between domain and identifier".to_owned());
    }
    if let Some(prefix) = prefix {
        domain(prefix).map_err(|rule| format!("the domain '{prefix}' {rule}"))?;
    }
    at_most(identifier, IDENTIFIER_MAX)
        .and_then(|()| c_identifier(identifier))
        .map_err(|rule| format!("the identifier '{identifier}' {rule}"))
}

/// The name of an attribute with its domain: `domain/identifier`.
pub fn fully_qualified_device_name(name: &str) -> Checked {
    if !name.contains('/') {
        return Err(format!(
            "must begin with a domain, 'domain/{name}', where the domain is usually the driver's name"
        ));
    }
    qualified_device_name(name)
}

/// The key of a label, taint or node resource: `[subdomain/]name` with name at most 63 characters.
pub fn label_key(key: &str) -> Checked {
    let (prefix, name) = match key.split_once('/') {
        None => (None, key),
        Some((prefix, name)) => (Some(prefix), name),
    };
    if let Some(prefix) = prefix {
        dns_subdomain(prefix).map_err(|rule| format!("the prefix '{prefix}' {rule}"))?;
    }
    at_most(name, LABEL_MAX)?;
    if !name.is_empty() && is_label_text(name) {
        return Ok(());
    }
    Err(
        "must be '[domain/]name' where the name has letters, digits, '-', '_' and '.', beginning \
         and ending with a letter or digit"
            .to_owned(),
    )
}

/// The value of a label or taint: empty, or as the name of a label key.
pub fn label_value(value: &str) -> Checked {
    at_most(value, LABEL_MAX)?;
    if value.is_empty() || is_label_text(value) {
        return Ok(());
    }
    Err(
        "must be empty or letters, digits, '-', '_' and '.', beginning and ending with a letter or \
         digit"
            .to_owned(),
    )
}

fn at_most(name: &str, limit: usize) -> Checked {
    if name.len() <= limit {
        return Ok(());
    }
    Err(format!(
        "must be at most {limit} bytes long, has {}",
        name.len()
    ))
}

fn is_label(name: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    name.bytes().all(|byte| inner(byte) || byte == b'-')
        && name.bytes().next().is_some_and(inner)
        && name.bytes().next_back().is_some_and(inner)
}

fn is_label_text(name: &str) -> bool {
    name.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
        && name
            .bytes()
            .next()
            .is_some_and(|byte| byte.is_ascii_alphanumeric())
        && name
            .bytes()
            .next_back()
            .is_some_and(|byte| byte.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_lowercase_and_end_with_a_letter_or_digit() {
        for good in ["a", "gpu-0", "0", &"a".repeat(63)] {
            assert_eq!(dns_label(good), Ok(()), "{good}");
        }
        for bad in ["", "-a", "a-", "A", "a.b", "a_b", &"a".repeat(64)] {
            assert!(dns_label(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn pools_are_subdomains_joined_by_slashes() {
        assert_eq!(pool("rack-3/node-1.example.com"), Ok(()));
        for bad in ["", "/", "a/", "a//b", "A/b"] {
            assert!(pool(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn qualified_names_have_an_optional_domain() {
        assert_eq!(qualified_device_name("driverVersion"), Ok(()));
        assert_eq!(qualified_device_name("gpu.nvidia.com/uuid"), Ok(()));
        for bad in [
            "",
            "/uuid",
            "a/b/c",
            "a-b",
            "gpu.nvidia.com/",
            "1a",
            &"a".repeat(33),
        ] {
            assert!(qualified_device_name(bad).is_err(), "{bad}");
        }
        assert!(fully_qualified_device_name("uuid").is_err());
    }

    #[test]
    fn label_keys_and_values_differ_in_emptiness() {
        assert_eq!(label_key("nvidia.com/gpu"), Ok(()));
        assert!(label_key("").is_err());
        assert!(label_key("a/b/c").is_err());
        assert_eq!(label_value(""), Ok(()));
        assert!(label_value("a b").is_err());
    }
}
