//! What the sockets are called.
//!
//! One instance has the plain names. Instances of a rolling update have their pod's UID in them, as
//! upstream's plugin library does, so that a node that comes from another driver's release finds the
//! names it knows. The kernel takes 107 bytes of a socket's path; the name of the registration socket,
//! which carries the driver and the UID, has shorter forms for that.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use supercargo_host::names;

use super::{Config, PluginError};

/// Longest path of a socket: `sun_path` has 108 bytes, and the last is 0.
pub(super) const PATH_MAX: usize = 107;

/// Longest UID that may become part of a file's name; the API server's have 36 characters.
const UID_MAX: usize = 128;

/// Where an instance listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SocketPaths {
    /// In the kubelet's registry.
    pub(super) registration: PathBuf,
    /// In the driver's own folder.
    pub(super) service: PathBuf,
}

/// The sockets of the instance in that pod.
pub(super) fn socket_paths(
    config: &Config,
    pod_uid: Option<&str>,
) -> Result<SocketPaths, PluginError> {
    let driver = config.driver.as_str();
    named("the driver name", driver, names::driver(driver))?;
    let Some(pod_uid) = pod_uid else {
        return Ok(SocketPaths {
            registration: fitting(&config.registry, [format!("{driver}-reg.sock")])?,
            service: fitting(&config.data, ["dra.sock".to_owned()])?,
        });
    };
    named("the pod UID", pod_uid, uid(pod_uid))?;
    let forms = [
        format!("{driver}-{pod_uid}-reg.sock"),
        format!("{driver}-{}-reg.sock", digest::<8>(&[pod_uid])),
        format!("dra-{}-reg.sock", digest::<16>(&[driver, "\0", pod_uid])),
    ];
    Ok(SocketPaths {
        registration: fitting(&config.registry, forms)?,
        service: fitting(&config.data, [format!("dra-{pod_uid}.sock")])?,
    })
}

/// The pod UID in the name of a service socket; `None` in the plain name.
pub(super) fn pod_uid_of(service: &str) -> Option<Option<&str>> {
    if service == "dra.sock" {
        return Some(None);
    }
    let pod_uid = service.strip_prefix("dra-")?.strip_suffix(".sock")?;
    uid(pod_uid).is_ok().then_some(Some(pod_uid))
}

/// Checks a UID that may become part of a file's name.
pub(super) fn uid(uid: &str) -> names::Checked {
    if uid.is_empty() {
        return Err("must not be empty".to_owned());
    }
    if uid.len() > UID_MAX {
        return Err(format!("must have at most {UID_MAX} characters"));
    }
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if uid.starts_with('.') || !uid.bytes().all(plain) {
        return Err(
            "must be letters, digits, '-', '_' and '.', and not begin with '.' (like \
             'a1b2c3d4-0000-4000-8000-000000000000')"
                .to_owned(),
        );
    }
    Ok(())
}

fn named(what: &'static str, name: &str, checked: names::Checked) -> Result<(), PluginError> {
    checked.map_err(|rule| PluginError::Name {
        what,
        name: name.chars().take(UID_MAX).collect(),
        rule,
    })
}

/// The first form whose path is short enough.
fn fitting<const N: usize>(folder: &Path, forms: [String; N]) -> Result<PathBuf, PluginError> {
    let mut paths = forms.iter().map(|form| folder.join(form));
    let fits = |path: &PathBuf| path.as_os_str().len() <= PATH_MAX;
    match paths.clone().find(fits) {
        Some(path) => Ok(path),
        None => Err(PluginError::TooLong {
            path: paths.next_back().unwrap_or_default(),
            shorten: "kubelet folder or driver name",
        }),
    }
}

fn digest<const N: usize>(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    parts.iter().for_each(|part| hash.update(part));
    let bytes: Vec<u8> = hash.finalize().into_iter().take(N).collect();
    URL_SAFE_NO_PAD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const POD: &str = "a1b2c3d4-0000-4000-8000-000000000000";

    fn paths(registry: &str, driver: &str, pod_uid: Option<&str>) -> Result<SocketPaths, String> {
        let config = Config {
            driver: driver.to_owned(),
            registry: registry.into(),
            data: "/p".into(),
            pod_uid: None,
        };
        socket_paths(&config, pod_uid).map_err(|error| error.to_string())
    }

    #[test]
    fn a_single_instance_has_the_plain_names() {
        let paths = paths("/r", "gpu.example.com", None).unwrap();
        assert_eq!(paths.registration, Path::new("/r/gpu.example.com-reg.sock"));
        assert_eq!(paths.service, Path::new("/p/dra.sock"));
    }

    #[test]
    fn an_instance_of_a_rolling_update_has_its_pods_uid_in_its_names() {
        let paths = paths("/r", "gpu.example.com", Some(POD)).unwrap();
        assert_eq!(
            paths.registration,
            PathBuf::from(format!("/r/gpu.example.com-{POD}-reg.sock"))
        );
        assert_eq!(paths.service, PathBuf::from(format!("/p/dra-{POD}.sock")));
    }

    #[test]
    fn long_registration_paths_have_shorter_forms_that_fill_the_limit() {
        let driver = "gpu.example.com";
        let mut forms = Vec::new();
        for length in 1..=90 {
            let registry = format!("/{}", "r".repeat(length));
            match paths(&registry, driver, Some(POD)) {
                Ok(paths) => {
                    assert!(paths.registration.as_os_str().len() <= PATH_MAX);
                    let name = paths.registration.file_name().unwrap().to_owned();
                    if forms.last() != Some(&name) {
                        forms.push(name);
                    }
                }
                Err(error) => assert!(error.contains("107"), "{error}"),
            }
        }
        assert_eq!(
            forms,
            [
                "gpu.example.com-a1b2c3d4-0000-4000-8000-000000000000-reg.sock",
                "gpu.example.com-8A98IgMAm2Y-reg.sock",
                "dra-pZKA7_FsMWrRJnrK0yUAsg-reg.sock",
            ]
        );
    }

    #[test]
    fn a_name_that_would_leave_the_folder_is_refused() {
        for name in ["..", "a/b", "a\0b", "", ".hidden", &"a".repeat(129)] {
            assert!(uid(name).is_err(), "{name:?}");
            assert!(paths("/r", "gpu.example.com", Some(name)).is_err());
        }
        assert!(
            paths("/r", "../x", None)
                .unwrap_err()
                .contains("driver name")
        );
    }

    #[test]
    fn a_service_socket_tells_whose_it_is() {
        assert_eq!(pod_uid_of("dra.sock"), Some(None));
        assert_eq!(pod_uid_of(&format!("dra-{POD}.sock")), Some(Some(POD)));
        assert_eq!(pod_uid_of("serialize.lock"), None);
        assert_eq!(pod_uid_of("dra-.sock"), None);
    }
}
