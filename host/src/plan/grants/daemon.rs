//! Daemons: what runs is the administrator's, which of its options are set is the policy's.

use serde::{Deserialize, Serialize};

use super::bounds::{admits_text, bounded};
use super::{Name, Scalar, plain_path, sensitive};
use crate::policy::configuration::Variable;

/// Words of a command.
const MOST_WORDS: usize = 256;

/// A daemon that a policy may start for a claim, and stop again.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DaemonGrant {
    /// The name by which a policy asks for it.
    pub name: String,
    /// The program, an absolute path on the node, and its arguments. No part of it comes from a policy.
    pub command: Vec<String>,
    /// Options that a policy may set. They reach the daemon as environment variables.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<OptionGrant>,
}

/// An option of a daemon, and its values: one of `values`, or a number from `min` to `max`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OptionGrant {
    /// The option's name, in full.
    pub name: String,
    /// The least number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<i64>,
    /// The greatest number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<i64>,
    /// Values that are admitted as they are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<Scalar>,
}

impl DaemonGrant {
    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        if Name::just(&self.name).is_none() {
            return Err(("name", format!("{:?} is no name in full", self.name)));
        }
        if self.command.len() > MOST_WORDS {
            let problem = format!("{} words; at most {MOST_WORDS}", self.command.len());
            return Err(("command", problem));
        }
        if !self
            .command
            .first()
            .is_some_and(|program| plain_path(program))
        {
            let problem = "must begin with the absolute path of a program";
            return Err(("command", problem.to_owned()));
        }
        for option in &self.options {
            if !sensitive::is_variable(&option.name) || sensitive::environment(&option.name) {
                let problem = format!("{:?} cannot be an option of a daemon", option.name);
                return Err(("options", problem));
            }
            bounded(option.min, option.max, &option.values)?;
        }
        Ok(())
    }

    /// Whether a policy may give it that option.
    #[must_use]
    pub fn admits(&self, option: &Variable) -> bool {
        self.options.iter().any(|granted| {
            granted.name == option.name
                && admits_text(granted.min, granted.max, &granted.values, &option.value)
        })
    }
}
