//! Settings of hardware that several claims change at once.
//!
//! Claims that share a GPU do not end in the reverse order in which they began. Putting back the value
//! that was read before would then bring back the value of a claim that is long over. So a setting is
//! kept as layers: at the bottom the value that the hardware had when no claim had touched it, above it
//! one value for each claim, and the topmost holds. Undoing a step takes the claim's layer away,
//! wherever it lies, and when the last is gone the hardware is as it was.
//!
//! The layers are written before the hardware is touched, and forgotten after it was put back, so a
//! crash between any two writes leaves something that doing or undoing the step again completes. They
//! belong where the settings themselves live as long: on a file system that a reboot clears.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::folder;

/// The most that the layers of one piece of hardware may take on disk.
const MOST_BYTES: u64 = 1 << 20;

/// One setting: what it was, and what claims want it to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Layers {
    /// The value without any claim.
    base: String,
    /// What claims set, the latest last; at most one a claim.
    layers: Vec<Layer>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Layer {
    claim: String,
    value: String,
}

impl Layers {
    /// A setting that no claim has touched.
    pub(super) fn on(base: String) -> Self {
        Self {
            base,
            layers: Vec::new(),
        }
    }

    /// The value that holds.
    pub(super) fn value(&self) -> &str {
        self.layers.last().map_or(&self.base, |layer| &layer.value)
    }

    /// What a claim set.
    pub(super) fn of(&self, claim: &str) -> Option<&str> {
        let layer = self.layers.iter().find(|layer| layer.claim == claim);
        layer.map(|layer| layer.value.as_str())
    }

    /// The value without any claim.
    pub(super) fn base(&self) -> &str {
        &self.base
    }

    /// Whether no claim wants anything of it.
    pub(super) fn is_bare(&self) -> bool {
        self.layers.is_empty()
    }

    /// Has a claim set a value. Its layer comes to lie on top, unless it has that value already.
    pub(super) fn put(&mut self, claim: &str, value: &str) {
        if self.of(claim) == Some(value) {
            return;
        }
        self.take(claim);
        self.layers.push(Layer {
            claim: claim.to_owned(),
            value: value.to_owned(),
        });
    }

    /// Puts a claim's layer back to what it was before a step: to `earlier`, or away. A claim without a
    /// layer never ran the step, or undid it already.
    pub(super) fn restore(&mut self, claim: &str, earlier: Option<&str>) {
        match earlier {
            Some(earlier) => {
                if let Some(layer) = self.layers.iter_mut().find(|layer| layer.claim == claim) {
                    earlier.clone_into(&mut layer.value);
                }
            }
            None => self.take(claim),
        }
    }

    fn take(&mut self, claim: &str) {
        self.layers.retain(|layer| layer.claim != claim);
    }
}

/// The layered settings of one piece of hardware, in one file.
#[derive(Debug)]
pub(super) struct Ledger {
    file: PathBuf,
}

impl Ledger {
    pub(super) fn at(file: PathBuf) -> Self {
        Self { file }
    }

    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    /// What is there. No file means that no claim has touched anything.
    pub(super) fn read(&self) -> io::Result<BTreeMap<String, Layers>> {
        match folder::read(&self.file, MOST_BYTES)? {
            None => Ok(BTreeMap::new()),
            Some(text) => serde_json::from_str(&text).map_err(|error| {
                let message = format!(
                    "{error}; it is not what was written, so earlier values are lost: set them by hand and remove the file"
                );
                io::Error::new(io::ErrorKind::InvalidData, message)
            }),
        }
    }

    /// Writes all of it, or removes the file when there is nothing to keep.
    pub(super) fn write(&self, settings: &BTreeMap<String, Layers>) -> io::Result<()> {
        if settings.is_empty() {
            return folder::remove(&self.file);
        }
        let text = serde_json::to_string(settings).map_err(io::Error::other)?;
        folder::write(&self.file, &text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_topmost_layer_holds_and_the_base_comes_back_in_whatever_order_claims_end() {
        let mut setting = Layers::on("default".to_owned());
        setting.put("a", "short");
        setting.put("b", "long");
        assert_eq!(setting.value(), "long");
        setting.restore("a", None);
        assert_eq!(setting.value(), "long");
        setting.restore("b", None);
        assert_eq!(setting.value(), "default");
        assert!(setting.is_bare());
    }

    #[test]
    fn a_claim_that_sets_twice_undoes_twice() {
        let mut setting = Layers::on("default".to_owned());
        setting.put("a", "short");
        setting.put("a", "long");
        setting.restore("a", Some("short"));
        assert_eq!(setting.value(), "short");
        setting.restore("a", None);
        setting.restore("a", Some("short"));
        assert_eq!(setting.value(), "default", "undone already");
    }

    #[test]
    fn setting_again_what_is_set_changes_nothing() {
        let mut setting = Layers::on("default".to_owned());
        setting.put("a", "short");
        setting.put("b", "long");
        setting.put("a", "short");
        assert_eq!(setting.value(), "long");
    }

    #[test]
    fn a_torn_file_is_an_error_that_says_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::at(folder.path().join("gpu-0.json"));
        assert_eq!(ledger.read().unwrap(), BTreeMap::new());
        std::fs::write(ledger.file(), "{\"compute").unwrap();
        let error = ledger.read().unwrap_err().to_string();
        assert!(error.contains("remove the file"), "{error}");
    }
}
