//! The administrator's configuration: which policies there are, and which requests they serve.
//!
//! One strict YAML file. A typo must not turn a policy off silently, so an unknown field is an
//! error with its path, and so is a rule that names a policy that is not there.

mod limits;

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::plan::Grants;

/// `apiVersion` of the file.
pub const API_VERSION: &str = "supercargo.dev/v1alpha1";
/// `kind` of the file.
pub const KIND: &str = "Configuration";

/// The whole file.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Configuration {
    /// Always [`API_VERSION`].
    pub api_version: String,
    /// Always [`KIND`].
    pub kind: String,
    /// The policies, by unique name.
    #[serde(default)]
    pub policies: Vec<PolicyEntry>,
    /// Which request is served by which policy: the first rule that matches decides, and a request
    /// that no rule matches is allocated first fit, exactly as upstream does.
    #[serde(default)]
    pub rules: Vec<Rule>,
}

/// One policy.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PolicyEntry {
    /// The name that rules, logs and metrics use.
    pub name: String,
    /// The component's file; a relative path starts at the configuration file's folder.
    pub wasm: String,
    /// Settings, checked against the policy's own schema when it is loaded.
    #[serde(default)]
    pub settings: Map<String, Value>,
    /// Limits that differ from the defaults.
    #[serde(default)]
    pub limits: Map<String, Value>,
    /// What the policy's plans may do to devices and containers; nothing, unless it is written.
    #[serde(default)]
    pub grants: Grants,
    /// What happens when none of the policy's proposals can be used, or it proposes nothing.
    #[serde(default)]
    pub on_no_proposal: Fallback,
    /// What happens when the policy traps, runs over a limit or answers nonsense.
    #[serde(default)]
    pub on_failure: Fallback,
}

/// What to do with a request whose policy gave nothing usable.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Fallback {
    /// Allocate as if there were no policy.
    #[default]
    FirstFit,
    /// The claim does not fit on this node.
    Unschedulable,
}

/// Maps requests to a policy. Every criterion that is given must hold; one with several entries
/// holds when any of them does.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rule {
    /// The policy that serves what matches.
    pub policy: String,
    /// Device classes of the request.
    #[serde(default)]
    pub device_classes: BTreeSet<String>,
    /// Drivers: every device that is eligible for the request is published by one of these.
    #[serde(default)]
    pub drivers: BTreeSet<String>,
    /// Namespaces of the claim.
    #[serde(default)]
    pub namespaces: BTreeSet<String>,
    /// Labels that the claim carries.
    #[serde(default)]
    pub claim_labels: BTreeMap<String, String>,
}

/// What is wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {message}")]
pub struct ConfigurationError {
    /// The field, like `rules[2].policy`.
    pub path: String,
    /// What is wrong and what to do.
    pub message: String,
}

impl Configuration {
    /// The limits of the policy at `position`: the defaults, and in their place what is written.
    ///
    /// # Errors
    /// A limit that is unknown, unreadable, or higher than any may be.
    pub fn limits(&self, position: usize) -> Result<crate::policy::Limits, ConfigurationError> {
        match self.policies.get(position) {
            Some(policy) => limits::limits(&policy.limits, &format!("policies[{position}].limits")),
            None => Ok(crate::policy::Limits::default()),
        }
    }

    /// Reads a configuration from the tree of its YAML document.
    ///
    /// # Errors
    /// The first field that is unknown, missing, of the wrong type, or refers to nothing.
    pub fn from_value(value: Value) -> Result<Self, ConfigurationError> {
        let configuration: Self = serde_path_to_error::deserialize(value).map_err(|error| {
            let path = error.path().to_string();
            ConfigurationError {
                path: if path == "." {
                    "(the document)".to_owned()
                } else {
                    path
                },
                message: error.into_inner().to_string(),
            }
        })?;
        configuration.validate()?;
        Ok(configuration)
    }

    /// No policies: everything is allocated first fit, and devices are exposed and nothing else.
    #[must_use]
    pub fn none() -> Self {
        Self {
            api_version: API_VERSION.to_owned(),
            kind: KIND.to_owned(),
            policies: Vec::new(),
            rules: Vec::new(),
        }
    }

    /// One policy for every request: what `--policy` on the command line means.
    #[must_use]
    pub fn single(name: &str, wasm: &str) -> Self {
        Self {
            api_version: API_VERSION.to_owned(),
            kind: KIND.to_owned(),
            policies: vec![PolicyEntry {
                name: name.to_owned(),
                wasm: wasm.to_owned(),
                settings: Map::new(),
                limits: Map::new(),
                grants: Grants::default(),
                on_no_proposal: Fallback::FirstFit,
                on_failure: Fallback::FirstFit,
            }],
            rules: vec![Rule {
                policy: name.to_owned(),
                ..Rule::default()
            }],
        }
    }

    fn validate(&self) -> Result<(), ConfigurationError> {
        let wrong = |path: String, message: String| Err(ConfigurationError { path, message });
        if self.api_version != API_VERSION {
            return wrong(
                "apiVersion".to_owned(),
                format!(
                    "{:?} is not supported; write {API_VERSION}",
                    self.api_version
                ),
            );
        }
        if self.kind != KIND {
            return wrong("kind".to_owned(), format!("{:?} is not {KIND}", self.kind));
        }
        let mut names = BTreeSet::new();
        for (index, policy) in self.policies.iter().enumerate() {
            if let Err(reason) = crate::names::dns_label(&policy.name) {
                return wrong(format!("policies[{index}].name"), reason.to_string());
            }
            if !names.insert(policy.name.as_str()) {
                return wrong(
                    format!("policies[{index}].name"),
                    format!(
                        "{:?} is there twice; give each policy a name of its own",
                        policy.name
                    ),
                );
            }
        }
        for (index, rule) in self.rules.iter().enumerate() {
            if !names.contains(rule.policy.as_str()) {
                let known = names.iter().copied().collect::<Vec<_>>().join(", ");
                return wrong(
                    format!("rules[{index}].policy"),
                    format!("no policy is named {:?}; there are: {known}", rule.policy),
                );
            }
        }
        Ok(())
    }
}

impl Rule {
    /// Whether the rule applies to a request for `class`, of a claim in `namespace` with `labels`,
    /// whose eligible devices are published by `drivers`.
    #[must_use]
    pub fn matches<'a>(
        &self,
        class: &str,
        namespace: &str,
        labels: Option<&BTreeMap<String, String>>,
        mut drivers: impl Iterator<Item = &'a str>,
    ) -> bool {
        let any = |set: &BTreeSet<String>, value: &str| set.is_empty() || set.contains(value);
        any(&self.device_classes, class)
            && any(&self.namespaces, namespace)
            && self.claim_labels.iter().all(|(key, value)| {
                labels
                    .and_then(|labels| labels.get(key))
                    .is_some_and(|found| found == value)
            })
            && (self.drivers.is_empty() || drivers.all(|driver| self.drivers.contains(driver)))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(value: Value) -> Result<Configuration, String> {
        Configuration::from_value(value).map_err(|error| error.to_string())
    }

    #[test]
    fn a_complete_file_is_read_with_its_defaults() {
        let configuration = read(json!({
            "apiVersion": "supercargo.dev/v1alpha1", "kind": "Configuration",
            "policies": [{"name": "nvlink", "wasm": "nvlink.wasm", "onNoProposal": "unschedulable"}],
            "rules": [{"policy": "nvlink", "deviceClasses": ["gpu.nvidia.com"]}],
        }))
        .unwrap();
        assert_eq!(
            configuration.policies[0].on_no_proposal,
            Fallback::Unschedulable
        );
        assert_eq!(configuration.policies[0].on_failure, Fallback::FirstFit);
        assert!(configuration.rules[0].matches("gpu.nvidia.com", "default", None, [].into_iter()));
        assert!(!configuration.rules[0].matches("mig.nvidia.com", "default", None, [].into_iter()));
    }

    #[test]
    fn an_unknown_field_is_named_with_its_path() {
        let error = read(json!({
            "apiVersion": "supercargo.dev/v1alpha1", "kind": "Configuration",
            "policies": [{"name": "a", "wasm": "a.wasm"}],
            "rules": [{"policy": "a"}, {"policy": "a", "deviceClass": "gpu"}],
        }))
        .unwrap_err();
        assert!(
            error.starts_with("rules[1].deviceClass: unknown field `deviceClass`"),
            "{error}"
        );
    }

    fn with_grants(grants: Value) -> Result<Configuration, String> {
        read(json!({
            "apiVersion": "supercargo.dev/v1alpha1", "kind": "Configuration",
            "policies": [{"name": "a", "wasm": "a.wasm", "grants": grants}],
        }))
    }

    #[test]
    fn nothing_is_granted_unless_it_is_written() {
        let nothing = with_grants(json!([])).unwrap();
        assert_eq!(nothing.policies[0].grants, Grants::default());
        let some = with_grants(json!([{
            "devices": {"attributes": {"type": "gpu"}, "names": ["gpu-*"]},
            "setTimeSlice": ["driverDefault", "long"],
            "setProperty": [{"name": "power-limit-milliwatts", "min": 1, "max": 9}],
            "openImexChannel": [0, "4-7"],
        }]))
        .unwrap();
        assert_ne!(some.policies[0].grants, Grants::default());
    }

    #[test]
    fn a_mistake_in_a_grant_is_named_with_its_path() {
        let grants = "policies[0].grants";
        for (grant, path, part) in [
            (
                json!({"setTimeslice": []}),
                "[1].setTimeslice",
                "unknown field",
            ),
            (
                json!({"setTimeSlice": ["brief"]}),
                "[1].setTimeSlice[0]",
                "brief",
            ),
            (
                json!({"mounts": [{"hostPath": "/a/../b"}]}),
                "[1].mounts[0].hostPath",
                "plain absolute",
            ),
            (
                json!({"mounts": [{"hostpath": "/a"}]}),
                "[1].mounts[0].hostpath",
                "unknown field",
            ),
            (
                json!({"openImexChannel": ["7-4"]}),
                "[1].openImexChannel[0]",
                "run of numbers",
            ),
            (
                json!({"openImexChannel": [2048]}),
                "",
                "[1].openImexChannel[0]: 2048 is beyond",
            ),
            (
                json!({"additionalGroups": ["0-4"]}),
                "",
                "[1].additionalGroups[0]: group 0",
            ),
            (
                json!({"setProperty": [{"name": "x"}]}),
                "",
                "[1].setProperty[0].values: is missing",
            ),
            (
                json!({"hooks": [{"path": "/bin/*", "stages": ["poststop"]}]}),
                "",
                "[1].hooks[0].path",
            ),
            (
                json!({"startDaemon": [{"name": "a", "command": ["sh"]}]}),
                "",
                "[1].startDaemon[0].command",
            ),
        ] {
            let error = with_grants(json!([{}, grant])).unwrap_err();
            assert!(error.starts_with(&format!("{grants}{path}: ")), "{error}");
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn a_rule_for_a_policy_that_is_not_there_is_refused() {
        let error = read(json!({
            "apiVersion": "supercargo.dev/v1alpha1", "kind": "Configuration",
            "policies": [{"name": "a", "wasm": "a.wasm"}], "rules": [{"policy": "b"}],
        }))
        .unwrap_err();
        assert_eq!(
            error,
            "rules[0].policy: no policy is named \"b\"; there are: a"
        );
    }

    #[test]
    fn every_given_criterion_must_hold() {
        let labels = BTreeMap::from([("tier".to_owned(), "gold".to_owned())]);
        let rule = Rule {
            policy: "a".to_owned(),
            namespaces: BTreeSet::from(["ml".to_owned()]),
            claim_labels: labels.clone(),
            drivers: BTreeSet::from(["gpu.nvidia.com".to_owned()]),
            ..Rule::default()
        };
        let gpu = || ["gpu.nvidia.com"].into_iter();
        assert!(rule.matches("any", "ml", Some(&labels), gpu()));
        assert!(!rule.matches("any", "web", Some(&labels), gpu()));
        assert!(!rule.matches("any", "ml", None, gpu()));
        let mixed = ["gpu.nvidia.com", "nic.example.com"].into_iter();
        assert!(!rule.matches("any", "ml", Some(&labels), mixed));
    }
}
