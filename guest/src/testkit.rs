//! Tests a policy as ordinary Rust: no WebAssembly, no cluster.
//!
//! A [`Fixture`] is a node with devices and a claim, written in Rust or in YAML (in the words of a
//! ResourceSlice, so that a real one can be pasted in). [`select`] puts it to the policy as the
//! host would, with just the attributes and context that the policy declares, and holds the answer
//! to the contract: a proposal that the host would throw away is an error here, and says why.
//!
//! ```
//! use supercargo_guest::prelude::*;
//! use supercargo_guest::testkit::{self, Fixture, FixtureDevice};
//!
//! pub struct LastFit;
//! impl Policy for LastFit {
//!     type Settings = NoSettings;
//! }
//! impl Select for LastFit {
//!     fn select(_: &NoSettings, situation: Situation<'_>) -> Result<Proposals, Refusal> {
//!         let last = |s: supercargo_guest::situation::Slot<'_>| {
//!             Proposal::prefer().assign(s.first(), s.first().devices().rev())
//!         };
//!         Ok(situation.slots().map(last).collect())
//!     }
//! }
//!
//! let fixture = Fixture::new("gpu.example.com")
//!     .device(FixtureDevice::new("gpu-0"))
//!     .device(FixtureDevice::new("gpu-1"))
//!     .request("gpu", 1);
//! let proposals = testkit::select::<LastFit>(&fixture)?;
//! assert_eq!(proposals[0].devices_of("gpu"), ["gpu-1", "gpu-0"]);
//! # Ok::<(), testkit::Unusable>(())
//! ```

mod contract;
mod fixture;
mod lower;

use crate::bindings::exports::supercargo::policy::about::Description;
use crate::export::{self, Exported};
use crate::policy::{Policy, Select};
use crate::settings::Settings as _;
use crate::situation::Situation;

pub use contract::{Proposed, Unusable};
pub use fixture::{
    Amount, CounterSet, Draw, Fixture, FixtureClaim, FixtureConstraint, FixtureDevice,
    FixtureParameters, FixtureRequest, FixtureUnit, FixtureValue,
};

/// Puts a fixture to a policy and checks its answer.
///
/// # Errors
/// [`Unusable`]: the policy refused, could not read its settings, or broke the contract; or the
/// fixture makes no sense.
///
/// ```
/// use supercargo_guest::prelude::*;
/// use supercargo_guest::testkit::{self, Fixture, FixtureDevice, Unusable};
///
/// pub struct Never;
/// impl Policy for Never {
///     type Settings = NoSettings;
/// }
/// impl Select for Never {
///     fn select(_: &NoSettings, _: Situation<'_>) -> Result<Proposals, Refusal> {
///         Err(Refusal::new("not today"))
///     }
/// }
///
/// let fixture = Fixture::new("a.example").device(FixtureDevice::new("a")).request("r", 1);
/// assert_eq!(
///     testkit::select::<Never>(&fixture).unwrap_err(),
///     Unusable::Refused { reason: "not today".to_owned() },
/// );
/// ```
pub fn select<P: Select>(fixture: &Fixture) -> Result<Vec<Proposed>, Unusable> {
    let question = lower::lower::<P>(fixture)?;
    let settings = settings::<P>(fixture)?;
    let situation = Situation::new(&question.raw, P::ATTRIBUTES, P::CAPACITIES);
    let proposals = P::select(&settings, situation).map_err(|refusal| Unusable::Refused {
        reason: refusal.reason().to_owned(),
    })?;
    contract::check(fixture, &question, proposals.into_raw())
}

/// Reads a fixture from YAML, puts it to the policy, and compares the first proposal with what the
/// fixture expects.
///
/// # Panics
/// With the reason, where anything differs: it is the body of a test.
///
/// ```
/// use supercargo_guest::prelude::*;
/// use supercargo_guest::testkit;
///
/// pub struct FirstFit;
/// impl Policy for FirstFit {
///     type Settings = NoSettings;
/// }
/// impl Select for FirstFit {
///     fn select(_: &NoSettings, situation: Situation<'_>) -> Result<Proposals, Refusal> {
///         let first = |request: Request<'_>| {
///             Proposal::exact().assign(request, request.devices().take(request.count()))
///         };
///         Ok(situation.slots().map(|slot| first(slot.first())).collect())
///     }
/// }
///
/// testkit::expect::<FirstFit>(
///     "
/// driver: gpu.example.com
/// devices:
/// - name: gpu-0
/// - name: gpu-1
/// requests:
/// - {name: gpu, count: 1}
/// expect:
///   gpu: [gpu-0]
/// ",
/// );
/// ```
#[track_caller]
#[expect(clippy::panic, reason = "the body of a test")]
pub fn expect<P: Select>(yaml: &str) {
    let fixture = match Fixture::parse(yaml) {
        Ok(fixture) => fixture,
        Err(error) => panic!("{error}"),
    };
    if fixture.hook.as_deref().is_some_and(|hook| hook != "select") || !fixture.objects.is_empty() {
        panic!("this fixture takes a host: run `supercargo policy test`");
    }
    let answer = select::<P>(&fixture);
    let problem = match (&answer, &fixture.refusal) {
        (Err(Unusable::Refused { reason }), Some(part)) if reason.contains(part) => None,
        (_, Some(part)) => Some(format!("expected a refusal with `{part}`, got {answer:?}")),
        (Err(error), None) => Some(error.to_string()),
        (Ok(proposals), None) => proposals.first().and_then(|first| {
            let got = first.up_to_count();
            let same = fixture.expect.is_empty() || got == fixture.expect;
            (!same).then(|| {
                format!(
                    "expected {:?}, got {got:?} because: {}",
                    fixture.expect, first.reason
                )
            })
        }),
    };
    if let Some(problem) = problem {
        panic!("{problem}");
    }
}

/// Lets `look` see a fixture as a policy would, for tests of what a policy is made of.
///
/// # Errors
/// [`Unusable::Fixture`], where the fixture makes no sense.
///
/// ```
/// use supercargo_guest::prelude::*;
/// use supercargo_guest::testkit::{self, Fixture, FixtureDevice};
///
/// const INDEX: Attribute<i64> = Attribute::int("a.example", "index");
/// pub struct Mine;
/// impl Policy for Mine {
///     type Settings = NoSettings;
///     const ATTRIBUTES: &'static [Name] = &[INDEX.name()];
/// }
///
/// let fixture = Fixture::new("a.example").device(FixtureDevice::new("a").int("index", 7));
/// let index = testkit::with_situation::<Mine, _>(&fixture, |situation| {
///     situation.devices().next().and_then(|device| device.get(INDEX))
/// })?;
/// assert_eq!(index, Some(7));
/// # Ok::<(), testkit::Unusable>(())
/// ```
pub fn with_situation<P: Policy, R>(
    fixture: &Fixture,
    look: impl FnOnce(Situation<'_>) -> R,
) -> Result<R, Unusable> {
    let question = lower::lower::<P>(fixture)?;
    Ok(look(Situation::new(
        &question.raw,
        P::ATTRIBUTES,
        P::CAPACITIES,
    )))
}

/// What an exported policy says of itself.
///
/// ```
/// use supercargo_guest::prelude::*;
///
/// pub struct Mine;
/// impl Policy for Mine {
///     type Settings = NoSettings;
/// }
/// impl Select for Mine {
///     fn select(_: &NoSettings, _: Situation<'_>) -> Result<Proposals, Refusal> {
///         Ok(Proposals::new())
///     }
/// }
/// supercargo_guest::export!(Mine: select);
///
/// let description = supercargo_guest::testkit::describe::<Mine>();
/// assert_eq!(description.version, env!("CARGO_PKG_VERSION"));
/// assert_eq!(description.settings_schema, None);
/// ```
#[must_use]
pub fn describe<P: Exported>() -> Description {
    export::describe::<P>()
}

fn settings<P: Policy>(fixture: &Fixture) -> Result<P::Settings, Unusable> {
    let json = match &fixture.settings {
        serde_json::Value::Null => "{}".to_owned(),
        settings => settings.to_string(),
    };
    P::Settings::read(&json).map_err(|error| Unusable::Settings { error })
}
