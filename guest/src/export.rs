//! What `export!` expands to: from the component's raw functions to a policy's traits and back.
//!
//! An interface is exported whole or not at all, so a policy that only selects also exports `place`.
//! What it did not list answers with a refusal; its description says that it is not there, and the
//! host never calls it.

pub use crate::bindings::exports::supercargo::policy::about::Hooks;
use crate::bindings::exports::supercargo::policy::about::{Description, Interests};
use crate::bindings::exports::supercargo::policy::allocation::{Domain, NodeSet, Situation};
use crate::bindings::exports::supercargo::policy::configuration::{
    AllocatedClaim, CandidateParameters, Plan, Violation,
};
use crate::bindings::exports::supercargo::policy::inventory::{
    Announcement, Hardware, Incident, TaintChange,
};
use crate::bindings::exports::supercargo::policy::{allocation, types};
use crate::policy::{Assess, Place, Policy, Prepare, Publish, Select, Unprepare, Validate};
use crate::proposal::{Refusal, bounded};
use crate::settings::Settings;
use crate::{configuration, place, situation};

/// What `export!` knows of a policy.
pub trait Exported: Policy {
    const PACKAGE: &'static str;
    const VERSION: &'static str;
    const SUMMARY: &'static str;
    const HOOKS: Hooks;
}

pub mod sections {
    //! What tells the component encoder of each interface; written by the build script.
    macro_rules! section {
        ($name:ident, $file:literal) => {
            pub const $name: [u8; include_bytes!(concat!(env!("OUT_DIR"), "/", $file)).len()] =
                *include_bytes!(concat!(env!("OUT_DIR"), "/", $file));
        };
    }
    section!(ABOUT, "about");
    section!(ALLOCATION, "allocation");
    section!(CONFIGURATION, "configuration");
    section!(INVENTORY, "inventory");
}

#[must_use]
pub fn describe<P: Exported>() -> Description {
    let mut summary = P::SUMMARY.to_owned();
    summary.truncate(summary.floor_char_boundary(256));
    let names = |names: &[crate::Name]| names.iter().map(ToString::to_string).collect();
    Description {
        name: P::PACKAGE.to_ascii_lowercase().replace('_', "-"),
        version: P::VERSION.to_owned(),
        summary,
        hooks: P::HOOKS,
        interests: Interests {
            attributes: names(P::ATTRIBUTES),
            capacities: names(P::CAPACITIES),
            node_labels: names(P::NODE_LABELS),
            context: P::CONTEXT,
        },
        settings_schema: P::Settings::schema(),
    }
}

fn settings<P: Policy>(json: &str) -> Result<P::Settings, types::Refusal> {
    P::Settings::read(json).map_err(|error| types::Refusal {
        reason: bounded(format!("the policy cannot read its settings: {error}")),
    })
}

pub fn select<P: Select>(
    json: String,
    raw: Situation,
) -> Result<Vec<allocation::Proposal>, types::Refusal> {
    let situation = situation::Situation::new(&raw, P::ATTRIBUTES, P::CAPACITIES);
    let proposals = P::select(&settings::<P>(&json)?, situation).map_err(Refusal::into_raw)?;
    Ok(proposals.into_raw())
}

pub fn place<P: Place>(json: String, raw: Domain) -> Result<Vec<NodeSet>, types::Refusal> {
    let domain = place::Domain::new(&raw, P::NODE_LABELS);
    let sets = P::place(&settings::<P>(&json)?, domain).map_err(Refusal::into_raw)?;
    Ok(sets.into_iter().map(place::NodeSet::into_raw).collect())
}

#[must_use]
pub fn validate<P: Validate>(json: String, candidate: CandidateParameters) -> Vec<Violation> {
    match settings::<P>(&json) {
        Ok(settings) => P::validate(&settings, &candidate),
        Err(refusal) => vec![Violation {
            field: String::new(),
            message: refusal.reason,
        }],
    }
}

pub fn prepare<P: Prepare>(json: String, raw: AllocatedClaim) -> Result<Plan, types::Refusal> {
    let claim = configuration::AllocatedClaim::new(&raw, P::ATTRIBUTES, P::CAPACITIES);
    P::prepare(&settings::<P>(&json)?, claim).map_err(Refusal::into_raw)
}

pub fn unprepare<P: Unprepare>(json: String, raw: AllocatedClaim) -> Result<Plan, types::Refusal> {
    let claim = configuration::AllocatedClaim::new(&raw, P::ATTRIBUTES, P::CAPACITIES);
    P::unprepare(&settings::<P>(&json)?, claim).map_err(Refusal::into_raw)
}

pub fn publish<P: Publish>(json: String, raw: Hardware) -> Result<Announcement, types::Refusal> {
    P::publish(&settings::<P>(&json)?, &raw).map_err(Refusal::into_raw)
}

pub fn assess<P: Assess>(json: String, raw: Incident) -> Result<Vec<TaintChange>, types::Refusal> {
    P::assess(&settings::<P>(&json)?, &raw).map_err(Refusal::into_raw)
}

/// The answer of a hook that was not listed.
pub fn absent<T>() -> Result<T, types::Refusal> {
    Err(types::Refusal {
        reason: "this policy has no such hook".to_owned(),
    })
}

/// Exports a policy with the hooks it implements.
///
/// The hooks are named in the order one likes, out of `select`, `place`, `validate`, `prepare`,
/// `unprepare`, `publish` and `assess`; the policy must implement the trait of each. In a native
/// build this checks just that and makes the description; in a build for WebAssembly it also makes
/// the exports of the component, and only those interfaces that hold a listed hook.
///
/// ```
/// use supercargo_guest::prelude::*;
///
/// pub struct Nothing;
/// impl Policy for Nothing {
///     type Settings = NoSettings;
/// }
/// impl Select for Nothing {
///     fn select(_: &NoSettings, _: Situation<'_>) -> Result<Proposals, Refusal> {
///         Err(Refusal::new("this policy gives nothing to anybody"))
///     }
/// }
/// supercargo_guest::export!(Nothing: select);
/// ```
///
/// A hook without its trait does not compile:
///
/// ```compile_fail,E0277
/// use supercargo_guest::prelude::*;
///
/// pub struct Nothing;
/// impl Policy for Nothing {
///     type Settings = NoSettings;
/// }
/// supercargo_guest::export!(Nothing: select);
/// ```
#[macro_export]
macro_rules! export {
    ($policy:ty : $($hook:ident),+ $(,)?) => {
        const _: () = {
            $($crate::__hook!(requires $hook $policy);)+
        };

        impl $crate::export::Exported for $policy {
            const PACKAGE: &'static str = env!("CARGO_PKG_NAME");
            const VERSION: &'static str = env!("CARGO_PKG_VERSION");
            const SUMMARY: &'static str = env!("CARGO_PKG_DESCRIPTION");
            const HOOKS: $crate::bindings::exports::supercargo::policy::about::Hooks =
                $crate::bindings::exports::supercargo::policy::about::Hooks::empty()
                    $(.union($crate::__hook!(flag $hook)))+;
        }

        #[cfg(target_family = "wasm")]
        const _: () = {
            struct Component;

            impl $crate::bindings::exports::supercargo::policy::about::Guest for Component {
                fn describe() -> $crate::bindings::exports::supercargo::policy::about::Description {
                    $crate::export::describe::<$policy>()
                }
            }
            $crate::__interface!(about __export_supercargo_policy_about_0_1_0_cabi ABOUT
                        "component-type:supercargo:about");

            $crate::__any!([select place] in [$($hook)+] {
                impl $crate::bindings::exports::supercargo::policy::allocation::Guest for Component {
                    fn select(
                        settings: String,
                        situation: $crate::bindings::exports::supercargo::policy::allocation::Situation,
                    ) -> Result<
                        Vec<$crate::bindings::exports::supercargo::policy::allocation::Proposal>,
                        $crate::bindings::exports::supercargo::policy::types::Refusal,
                    > {
                        $crate::__call!(select in [$($hook)+] $policy, settings, situation)
                    }
                    fn place(
                        settings: String,
                        domain: $crate::bindings::exports::supercargo::policy::allocation::Domain,
                    ) -> Result<
                        Vec<$crate::bindings::exports::supercargo::policy::allocation::NodeSet>,
                        $crate::bindings::exports::supercargo::policy::types::Refusal,
                    > {
                        $crate::__call!(place in [$($hook)+] $policy, settings, domain)
                    }
                }
                $crate::__interface!(
                    allocation __export_supercargo_policy_allocation_0_1_0_cabi ALLOCATION
                        "component-type:supercargo:allocation"
                );
            });

            $crate::__any!([validate prepare unprepare] in [$($hook)+] {
                impl $crate::bindings::exports::supercargo::policy::configuration::Guest
                    for Component
                {
                    fn validate(
                        settings: String,
                        candidate: $crate::configuration::CandidateParameters,
                    ) -> Vec<$crate::configuration::Violation> {
                        $crate::__call!(validate in [$($hook)+] $policy, settings, candidate)
                    }
                    fn prepare(
                        settings: String,
                        claim: $crate::bindings::exports::supercargo::policy::configuration::AllocatedClaim,
                    ) -> Result<
                        $crate::configuration::Plan,
                        $crate::bindings::exports::supercargo::policy::types::Refusal,
                    > {
                        $crate::__call!(prepare in [$($hook)+] $policy, settings, claim)
                    }
                    fn unprepare(
                        settings: String,
                        claim: $crate::bindings::exports::supercargo::policy::configuration::AllocatedClaim,
                    ) -> Result<
                        $crate::configuration::Plan,
                        $crate::bindings::exports::supercargo::policy::types::Refusal,
                    > {
                        $crate::__call!(unprepare in [$($hook)+] $policy, settings, claim)
                    }
                }
                $crate::__interface!(
                    configuration __export_supercargo_policy_configuration_0_1_0_cabi CONFIGURATION
                        "component-type:supercargo:configuration"
                );
            });

            $crate::__any!([publish assess] in [$($hook)+] {
                impl $crate::bindings::exports::supercargo::policy::inventory::Guest for Component {
                    fn publish(
                        settings: String,
                        hardware: $crate::inventory::Hardware,
                    ) -> Result<
                        $crate::inventory::Announcement,
                        $crate::bindings::exports::supercargo::policy::types::Refusal,
                    > {
                        $crate::__call!(publish in [$($hook)+] $policy, settings, hardware)
                    }
                    fn assess(
                        settings: String,
                        incident: $crate::inventory::Incident,
                    ) -> Result<
                        Vec<$crate::inventory::TaintChange>,
                        $crate::bindings::exports::supercargo::policy::types::Refusal,
                    > {
                        $crate::__call!(assess in [$($hook)+] $policy, settings, incident)
                    }
                }
                $crate::__interface!(
                    inventory __export_supercargo_policy_inventory_0_1_0_cabi INVENTORY
                        "component-type:supercargo:inventory"
                );
            });
        };
    };
}

/// Exports one interface of `Component` and describes it to the encoder.
#[doc(hidden)]
#[macro_export]
macro_rules! __interface {
    ($interface:ident $export:ident $section:ident $link:literal) => {
        $crate::bindings::exports::supercargo::policy::$interface::$export!(
            Component with_types_in $crate::bindings::exports::supercargo::policy::$interface
        );
        const _: () = {
            #[unsafe(link_section = $link)]
            pub static SECTION: [u8; $crate::export::sections::$section.len()] =
                $crate::export::sections::$section;
        };
    };
}

/// Expands to the items if one of the wanted hooks is listed.
#[doc(hidden)]
#[macro_export]
macro_rules! __any {
    ([] in [$($listed:ident)*] { $($items:tt)* }) => {};
    ([$hook:ident $($rest:ident)*] in [$($listed:ident)*] { $($items:tt)* }) => {
        $crate::__if_listed!($hook in [$($listed)*] { $($items)* } else {
            $crate::__any!([$($rest)*] in [$($listed)*] { $($items)* });
        });
    };
}

/// Calls a hook if it is listed.
#[doc(hidden)]
#[macro_export]
macro_rules! __call {
    (validate in [$($listed:ident)*] $policy:ty, $settings:ident, $question:ident) => {
        $crate::__if_listed!(validate in [$($listed)*] {
            $crate::export::validate::<$policy>($settings, $question)
        } else {{
            let _ = ($settings, $question);
            Vec::new()
        }})
    };
    ($hook:ident in [$($listed:ident)*] $policy:ty, $settings:ident, $question:ident) => {
        $crate::__if_listed!($hook in [$($listed)*] {
            $crate::export::$hook::<$policy>($settings, $question)
        } else {{
            let _ = ($settings, $question);
            $crate::export::absent()
        }})
    };
}

/// Chooses by whether a hook is in a list.
#[doc(hidden)]
#[macro_export]
macro_rules! __if_listed {
    ($hook:ident in [] { $($yes:tt)* } else { $($no:tt)* }) => { $($no)* };
    (select in [select $($r:ident)*] { $($y:tt)* } else { $($n:tt)* }) => { $($y)* };
    (place in [place $($r:ident)*] { $($y:tt)* } else { $($n:tt)* }) => { $($y)* };
    (validate in [validate $($r:ident)*] { $($y:tt)* } else { $($n:tt)* }) => { $($y)* };
    (prepare in [prepare $($r:ident)*] { $($y:tt)* } else { $($n:tt)* }) => { $($y)* };
    (unprepare in [unprepare $($r:ident)*] { $($y:tt)* } else { $($n:tt)* }) => { $($y)* };
    (publish in [publish $($r:ident)*] { $($y:tt)* } else { $($n:tt)* }) => { $($y)* };
    (assess in [assess $($r:ident)*] { $($y:tt)* } else { $($n:tt)* }) => { $($y)* };
    ($hook:ident in [$other:ident $($rest:ident)*] { $($y:tt)* } else { $($n:tt)* }) => {
        $crate::__if_listed!($hook in [$($rest)*] { $($y)* } else { $($n)* })
    };
}

/// What there is to know of a hook by its name.
#[doc(hidden)]
#[macro_export]
macro_rules! __hook {
    (flag select) => { $crate::export::Hooks::SELECT };
    (flag place) => { $crate::export::Hooks::PLACE };
    (flag validate) => { $crate::export::Hooks::VALIDATE };
    (flag prepare) => { $crate::export::Hooks::PREPARE };
    (flag unprepare) => { $crate::export::Hooks::UNPREPARE };
    (flag publish) => { $crate::export::Hooks::PUBLISH };
    (flag assess) => { $crate::export::Hooks::ASSESS };
    (requires select $policy:ty) => { $crate::__hook!(implements Select $policy) };
    (requires place $policy:ty) => { $crate::__hook!(implements Place $policy) };
    (requires validate $policy:ty) => { $crate::__hook!(implements Validate $policy) };
    (requires prepare $policy:ty) => { $crate::__hook!(implements Prepare $policy) };
    (requires unprepare $policy:ty) => { $crate::__hook!(implements Unprepare $policy) };
    (requires publish $policy:ty) => { $crate::__hook!(implements Publish $policy) };
    (requires assess $policy:ty) => { $crate::__hook!(implements Assess $policy) };
    (implements $trait:ident $policy:ty) => {
        const _: fn() = || {
            fn implements<P: $crate::$trait>() {}
            implements::<$policy>();
        };
    };
    ($what:ident $other:ident $($rest:tt)*) => {
        compile_error!(concat!(
            "`", stringify!($other), "` is no hook; there are: ",
            "select, place, validate, prepare, unprepare, publish, assess"
        ));
    };
}
