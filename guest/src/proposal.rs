//! Answers to `select`.

use std::borrow::Cow;

use crate::bindings::exports::supercargo::policy::{allocation, types};
use crate::situation::{Device, Request};

/// One way to serve a claim.
///
/// ```
/// use supercargo_guest::prelude::*;
///
/// fn best(request: Request<'_>, devices: &[Device<'_>]) -> Proposal {
///     Proposal::exact()
///         .assign(request, devices.iter().copied())
///         .score(80.0)
///         .reason("one whole NVLink group")
/// }
/// ```
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct Proposal {
    exact: bool,
    assignments: Vec<allocation::Assignment>,
    score: f64,
    reason: Cow<'static, str>,
}

impl Proposal {
    /// Just the assigned devices, as many as each request asks for. Requests that are not assigned
    /// any are completed by the host's first fit.
    ///
    /// ```
    /// # use supercargo_guest::Proposal;
    /// let proposal = Proposal::exact();
    /// ```
    pub fn exact() -> Self {
        Self::new(true)
    }

    /// The assigned devices first, in this order; then all others in the host's order. Finds a way
    /// wherever there is one.
    ///
    /// ```
    /// # use supercargo_guest::Proposal;
    /// let proposal = Proposal::prefer();
    /// ```
    pub fn prefer() -> Self {
        Self::new(false)
    }

    fn new(exact: bool) -> Self {
        Self {
            exact,
            assignments: Vec::new(),
            score: 50.0,
            reason: Cow::Borrowed(""),
        }
    }

    /// Assigns devices to a request, once for each request. Of the alternatives of one slot only
    /// one may be assigned.
    ///
    /// ```
    /// # use supercargo_guest::prelude::*;
    /// fn all_of(request: Request<'_>) -> Proposal {
    ///     Proposal::prefer().assign(request, request.devices())
    /// }
    /// ```
    pub fn assign<'a>(
        mut self,
        request: Request<'a>,
        devices: impl IntoIterator<Item = Device<'a>>,
    ) -> Self {
        let devices = devices.into_iter().map(Device::position).collect();
        self.assignments.push(allocation::Assignment {
            request: request.position(),
            devices,
        });
        self
    }

    /// How good the node would be for this claim: 0 (worst) to 100 (best); what lies outside is
    /// moved to the nearer end, and what is no number to 0. 50 unless said.
    ///
    /// ```
    /// # use supercargo_guest::Proposal;
    /// let proposal = Proposal::exact().score(100.0);
    /// ```
    pub fn score(mut self, score: f64) -> Self {
        self.score = if score.is_nan() {
            0.0
        } else {
            score.clamp(0.0, 100.0)
        };
        self
    }

    /// Why, in one sentence, for whoever asks for an explanation.
    ///
    /// ```
    /// # use supercargo_guest::Proposal;
    /// let proposal = Proposal::exact().reason("the fullest group that fits");
    /// ```
    pub fn reason(mut self, reason: impl Into<Cow<'static, str>>) -> Self {
        self.reason = reason.into();
        self
    }

    pub(crate) fn into_raw(self) -> allocation::Proposal {
        let choice = if self.exact {
            allocation::Choice::Exact(self.assignments)
        } else {
            allocation::Choice::Prefer(self.assignments)
        };
        let reason = bounded(self.reason.into_owned());
        allocation::Proposal {
            choice,
            score: self.score,
            reason,
        }
    }
}

/// Proposals, best first; at most 16 unless the administrator allows more.
///
/// ```
/// use supercargo_guest::prelude::*;
///
/// let one: Proposals = Proposal::prefer().into();
/// let several: Proposals = [Proposal::exact(), Proposal::prefer()].into_iter().collect();
/// assert_eq!((one.len(), several.len()), (1, 2));
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
#[must_use]
pub struct Proposals(Vec<Proposal>);

impl Proposals {
    /// None yet. Answering so is a refusal without a reason.
    ///
    /// ```
    /// assert!(supercargo_guest::Proposals::new().is_empty());
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one, less good than those before it.
    ///
    /// ```
    /// use supercargo_guest::{Proposal, Proposals};
    /// let mut proposals = Proposals::new();
    /// proposals.push(Proposal::exact());
    /// assert_eq!(proposals.len(), 1);
    /// ```
    pub fn push(&mut self, proposal: Proposal) {
        self.0.push(proposal);
    }

    /// How many there are.
    ///
    /// ```
    /// assert_eq!(supercargo_guest::Proposals::new().len(), 0);
    /// ```
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    ///
    /// ```
    /// assert!(supercargo_guest::Proposals::new().is_empty());
    /// ```
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn into_raw(self) -> Vec<allocation::Proposal> {
        self.0.into_iter().map(Proposal::into_raw).collect()
    }
}

impl From<Proposal> for Proposals {
    fn from(proposal: Proposal) -> Self {
        Self(vec![proposal])
    }
}

impl FromIterator<Proposal> for Proposals {
    fn from_iter<I: IntoIterator<Item = Proposal>>(proposals: I) -> Self {
        Self(proposals.into_iter().collect())
    }
}

impl IntoIterator for Proposals {
    type Item = Proposal;
    type IntoIter = std::vec::IntoIter<Proposal>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl Extend<Proposal> for Proposals {
    fn extend<I: IntoIterator<Item = Proposal>>(&mut self, proposals: I) {
        self.0.extend(proposals);
    }
}

/// Why a policy has no answer, in one sentence for the person whose pod is waiting.
///
/// ```
/// use supercargo_guest::Refusal;
/// let refusal = Refusal::new("no NVLink group of this node has 4 free GPUs");
/// assert_eq!(refusal.reason(), "no NVLink group of this node has 4 free GPUs");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal(String);

impl Refusal {
    /// A refusal with its reason; what is longer than 1,024 bytes is cut.
    ///
    /// ```
    /// let refusal = supercargo_guest::Refusal::new("this node is for testing only");
    /// ```
    #[must_use]
    pub fn new(reason: impl Into<String>) -> Self {
        Self(bounded(reason.into()))
    }

    /// The reason.
    ///
    /// ```
    /// assert_eq!(supercargo_guest::Refusal::new("no").reason(), "no");
    /// ```
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.0
    }

    pub(crate) fn into_raw(self) -> types::Refusal {
        types::Refusal { reason: self.0 }
    }
}

/// Reasons have a limit in the contract; a longer one would void the answer.
pub(crate) fn bounded(mut reason: String) -> String {
    reason.truncate(reason.floor_char_boundary(1024));
    reason
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_are_moved_into_range() {
        let score = |score| Proposal::exact().score(score).into_raw().score;
        assert_eq!(score(-3.0), 0.0);
        assert_eq!(score(f64::INFINITY), 100.0);
        assert_eq!(score(f64::NAN), 0.0);
    }

    #[test]
    fn long_reasons_are_cut_between_characters() {
        let raw = Refusal::new("ö".repeat(1000)).into_raw();
        assert_eq!(raw.reason.len(), 1024);
        assert_eq!(Refusal::new("ö".repeat(600) + "x").reason().len(), 1024);
    }
}
