//! A new policy: a folder that builds and is tested as it stands, in each language and for each hook.
//!
//! Everything is inside the program, so that a folder can be made where there is nothing else. A
//! policy in Rust brings the SDK's source with it, as it is beside this crate, and the versions of its
//! dependencies that it was tested with: the SDK of a project is of the version of the program that
//! made it, whatever is published elsewhere.

mod expand;
mod name;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::error::BuildError;
use crate::project::Language;
use expand::Terms;
use name::Names;

include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

/// The versions of the SDK's dependencies that it is tested with.
const LOCK: &str = include_str!(concat!(env!("OUT_DIR"), "/Cargo.lock"));

/// A question that a policy may answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Hook {
    /// Which devices does a claim get?
    Select,
    /// Which nodes does a domain get?
    Place,
    /// Are opaque parameters right?
    Validate,
    /// What must be done before the containers start?
    Prepare,
    /// What must be undone when the claim is over?
    Unprepare,
    /// What does a node announce?
    Publish,
    /// What follows from a health event?
    Assess,
}

impl Hook {
    /// All of them, as the contract lists them.
    pub const ALL: [Self; 7] = [
        Self::Select,
        Self::Place,
        Self::Validate,
        Self::Prepare,
        Self::Unprepare,
        Self::Publish,
        Self::Assess,
    ];

    /// As the contract calls it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Select => "select",
            Self::Place => "place",
            Self::Validate => "validate",
            Self::Prepare => "prepare",
            Self::Unprepare => "unprepare",
            Self::Publish => "publish",
            Self::Assess => "assess",
        }
    }

    /// The interface that it is in.
    fn interface(self) -> &'static str {
        match self {
            Self::Select | Self::Place => "allocation",
            Self::Validate | Self::Prepare | Self::Unprepare => "configuration",
            Self::Publish | Self::Assess => "inventory",
        }
    }
}

impl FromStr for Hook {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|hook| hook.name() == text)
            .ok_or_else(|| {
                let known: Vec<_> = Self::ALL.iter().map(|hook| hook.name()).collect();
                format!("there is no such hook; there are {}", known.join(", "))
            })
    }
}

/// A policy to be begun.
#[derive(Debug, Clone)]
pub struct Template {
    names: Names,
    language: Language,
    hooks: BTreeSet<Hook>,
}

impl Template {
    /// A policy of this name that answers these questions; without any, `select`.
    ///
    /// # Errors
    /// Where the name is none for a policy.
    ///
    /// ```
    /// use supercargo_guest_build::{Hook, Language, Template};
    ///
    /// let template = Template::new("my-policy", Language::C, [Hook::Select])?;
    /// assert!(template.files().iter().any(|(name, _)| name == "policy.c"));
    /// assert!(Template::new("My Policy", Language::C, [Hook::Select]).is_err());
    /// # Ok::<(), supercargo_guest_build::BuildError>(())
    /// ```
    pub fn new(
        name: &str,
        language: Language,
        hooks: impl IntoIterator<Item = Hook>,
    ) -> Result<Self, BuildError> {
        let mut hooks: BTreeSet<Hook> = hooks.into_iter().collect();
        if hooks.is_empty() {
            hooks.insert(Hook::Select);
        }
        Ok(Self {
            names: Names::new(name)?,
            language,
            hooks,
        })
    }

    /// The files, by their paths in the folder.
    #[must_use]
    pub fn files(&self) -> Vec<(String, String)> {
        let terms = Terms::new(&self.names, self.language, &self.hooks);
        let own = format!("{}/", self.folder());
        let mut files: Vec<(String, String)> = Vec::new();
        for (path, text) in TEMPLATES {
            let name = if let Some(name) = path.strip_prefix(&own) {
                name
            } else if let Some(name) = path.strip_prefix("shared/") {
                name
            } else if path.starts_with("fixtures/") && !self.replaces(path) {
                path
            } else {
                continue;
            };
            if self.about_another_hook(name) {
                continue;
            }
            let name = match name {
                "gitignore" => ".gitignore",
                name => name.strip_suffix(".template").unwrap_or(name),
            };
            files.push((name.to_owned(), terms.expand(text)));
        }
        if self.language == Language::Rust {
            let sdk = SDK
                .iter()
                .map(|(name, text)| (format!("vendor/{name}"), (*text).to_owned()));
            files.extend(sdk);
            files.push(("Cargo.lock".to_owned(), LOCK.to_owned()));
        }
        files
    }

    /// Writes them into a folder that is not there or empty.
    ///
    /// # Errors
    /// Where there is something already, or a file cannot be written.
    ///
    /// ```no_run
    /// # use supercargo_guest_build::{Hook, Language, Template};
    /// Template::new("my-policy", Language::Rust, [Hook::Select])?.write("my-policy")?;
    /// # Ok::<(), supercargo_guest_build::BuildError>(())
    /// ```
    pub fn write(&self, folder: impl AsRef<Path>) -> Result<(), BuildError> {
        let folder = folder.as_ref();
        let something = match fs::read_dir(folder) {
            Ok(mut entries) => entries.next().is_some(),
            Err(_) => folder.symlink_metadata().is_ok(),
        };
        if something {
            return Err(BuildError::NotEmpty {
                folder: folder.to_owned(),
            });
        }
        for (name, text) in self.files() {
            let path = folder.join(name);
            let cannot = |action, path: PathBuf| {
                move |source| BuildError::File {
                    action,
                    path,
                    source,
                }
            };
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent).map_err(cannot("create", parent.to_owned()))?;
            }
            fs::write(&path, text).map_err(cannot("write", path.clone()))?;
        }
        Ok(())
    }

    /// Where the templates of the language are.
    fn folder(&self) -> &'static str {
        match self.language {
            Language::Rust => "rust",
            Language::C => "c",
            Language::JavaScript => "javascript",
            Language::Python => "python",
        }
    }

    /// Whether the language has a fixture of its own instead.
    fn replaces(&self, path: &str) -> bool {
        let own = format!("{}/{path}", self.folder());
        TEMPLATES.iter().any(|(other, _)| *other == own)
    }

    /// Fixtures, and in Rust modules, begin with the name of the hook that they are about.
    fn about_another_hook(&self, name: &str) -> bool {
        let Some(file) = name
            .strip_prefix("fixtures/")
            .or_else(|| name.strip_prefix("src/"))
        else {
            return false;
        };
        let stem = file.split(['-', '.']).next().unwrap_or(file);
        stem.parse::<Hook>()
            .is_ok_and(|hook| !self.hooks.contains(&hook))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LANGUAGES: [Language; 4] = [
        Language::Rust,
        Language::C,
        Language::JavaScript,
        Language::Python,
    ];

    #[test]
    fn no_directive_and_no_placeholder_is_left_in_any_file() {
        for language in LANGUAGES {
            for set in 1..128_usize {
                let hooks = Hook::ALL
                    .into_iter()
                    .enumerate()
                    .filter(|(at, _)| set >> at & 1 == 1)
                    .map(|(_, hook)| hook);
                let template = Template::new("gpu-pairs", language, hooks).unwrap();
                for (name, text) in template.files() {
                    if name.starts_with("vendor/") || name == "Cargo.lock" {
                        continue;
                    }
                    for left in ["//@", "#@", "my-policy", "my_policy", "MyPolicy"] {
                        assert!(!text.contains(left), "{name} has {left}:\n{text}");
                    }
                    let placeholder = text.split('@').nth(1).filter(|word| {
                        !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || c == '-')
                    });
                    assert_eq!(placeholder, None, "{name}:\n{text}");
                }
            }
        }
    }

    #[test]
    fn each_hook_has_its_fixture_and_no_other_has() {
        for hook in Hook::ALL {
            for language in LANGUAGES {
                let files = Template::new("a", language, [hook]).unwrap().files();
                let fixtures: Vec<_> = files
                    .iter()
                    .filter_map(|(name, _)| name.strip_prefix("fixtures/"))
                    .collect();
                assert!(!fixtures.is_empty(), "{hook:?}");
                assert!(
                    fixtures.iter().all(|name| name.starts_with(hook.name())),
                    "{fixtures:?}"
                );
            }
        }
    }

    #[test]
    fn a_folder_with_something_in_it_is_left_alone() {
        let template = Template::new("a", Language::C, [Hook::Select]).unwrap();
        let error = template.write(env!("CARGO_MANIFEST_DIR")).unwrap_err();
        assert!(error.to_string().contains("is not empty"), "{error}");
    }
}
