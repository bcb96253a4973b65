//! What a policy says about itself.

use wasmtime::component::{ComponentType, Lift};

use flags::{Context as ContextFlags, Hooks as HookFlags};

/// The two sets of flags. The macro that makes them cannot pass on documentation.
#[allow(
    missing_docs,
    reason = "generated; the public face is `Hook` and `Interests`"
)]
mod flags {
    wasmtime::component::flags! {
        Hooks {
            #[component(name = "select")]
            const SELECT;
            #[component(name = "place")]
            const PLACE;
            #[component(name = "validate")]
            const VALIDATE;
            #[component(name = "prepare")]
            const PREPARE;
            #[component(name = "unprepare")]
            const UNPREPARE;
            #[component(name = "publish")]
            const PUBLISH;
            #[component(name = "assess")]
            const ASSESS;
        }
    }

    wasmtime::component::flags! {
        Context {
            #[component(name = "counters")]
            const COUNTERS;
            #[component(name = "consumed-capacity")]
            const CONSUMED_CAPACITY;
            #[component(name = "in-use")]
            const IN_USE;
            #[component(name = "node-name")]
            const NODE_NAME;
            #[component(name = "claim-name")]
            const CLAIM_NAME;
            #[component(name = "namespace")]
            const NAMESPACE;
        }
    }
}

/// A question that a policy may know to answer.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "camelCase")]
pub enum Hook {
    /// Which devices does a claim get?
    Select,
    /// Which nodes does a domain get?
    Place,
    /// Are these parameters right?
    Validate,
    /// What must be done before the claim's containers start?
    Prepare,
    /// What must be undone when the claim is over?
    Unprepare,
    /// What does this node announce?
    Publish,
    /// What follows from a health event?
    Assess,
}

impl Hook {
    /// All hooks, in the order of the WIT.
    pub const ALL: [Self; 7] = [
        Self::Select,
        Self::Place,
        Self::Validate,
        Self::Prepare,
        Self::Unprepare,
        Self::Publish,
        Self::Assess,
    ];

    /// The function's name.
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

    /// The interface that holds the function.
    #[must_use]
    pub fn interface(self) -> &'static str {
        match self {
            Self::Select | Self::Place => "allocation",
            Self::Validate | Self::Prepare | Self::Unprepare => "configuration",
            Self::Publish | Self::Assess => "inventory",
        }
    }

    fn flag(self) -> HookFlags {
        match self {
            Self::Select => HookFlags::SELECT,
            Self::Place => HookFlags::PLACE,
            Self::Validate => HookFlags::VALIDATE,
            Self::Prepare => HookFlags::PREPARE,
            Self::Unprepare => HookFlags::UNPREPARE,
            Self::Publish => HookFlags::PUBLISH,
            Self::Assess => HookFlags::ASSESS,
        }
    }
}

/// What a policy wants to be told: the columns of its tables, and more.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Interests {
    /// Attributes of devices, `domain/name` or a name in the driver's own domain, in the policy's
    /// order.
    pub attributes: Vec<String>,
    /// Capacities of devices, likewise.
    pub capacities: Vec<String>,
    /// Labels of nodes, for `place`.
    pub node_labels: Vec<String>,
    /// Shared counters.
    pub counters: bool,
    /// What is taken of the declared capacities.
    pub consumed_capacity: bool,
    /// Devices in use on the node.
    pub in_use: bool,
    /// The name of the node.
    pub node_name: bool,
    /// The name of the claim.
    pub claim_name: bool,
    /// The namespace of the claim.
    pub namespace: bool,
}

/// Who a policy is and what it needs, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// Its name: lower-case letters, digits and `-`.
    pub name: String,
    /// Its version.
    pub version: semver::Version,
    /// What it is for, in one line.
    pub summary: String,
    /// The hooks it implements, in the order of the WIT.
    pub hooks: Vec<Hook>,
    /// What it wants to be told.
    pub interests: Interests,
    /// The JSON Schema of its settings; `None`: it takes none.
    pub settings_schema: Option<String>,
}

/// What `describe` answers, as it is lifted.
#[derive(Debug, ComponentType, Lift)]
#[component(record)]
pub(super) struct RawDescription {
    name: String,
    version: String,
    summary: String,
    hooks: HookFlags,
    interests: RawInterests,
    #[component(name = "settings-schema")]
    settings_schema: Option<String>,
}

#[derive(Debug, ComponentType, Lift)]
#[component(record)]
pub(super) struct RawInterests {
    attributes: Vec<String>,
    capacities: Vec<String>,
    #[component(name = "node-labels")]
    node_labels: Vec<String>,
    context: ContextFlags,
}

/// What is wrong with a description.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{field}` {problem}")]
pub struct DescriptionError {
    /// The field of `description`.
    pub field: &'static str,
    /// What is wrong with it, and what it must be.
    pub problem: String,
}

impl RawDescription {
    /// Checks every field; all that is wrong, rather than the first.
    pub(super) fn check(self) -> Result<Description, Vec<DescriptionError>> {
        let mut wrong = Vec::new();
        let mut refuse = |field, problem: String| wrong.push(DescriptionError { field, problem });

        if !is_policy_name(&self.name) {
            refuse(
                "name",
                format!(
                    "is {}; it must be 1 to 63 lower-case letters, digits and `-`, and begin and end with a letter or digit",
                    shortened(&self.name)
                ),
            );
        }
        let version = semver::Version::parse(&self.version);
        if let Err(error) = &version {
            refuse(
                "version",
                format!(
                    "is {}, which is no semantic version 2.0.0: {error}",
                    shortened(&self.version)
                ),
            );
        }
        if self.summary.len() > 256 || self.summary.contains(char::is_control) {
            refuse(
                "summary",
                "must be one line of at most 256 bytes".to_owned(),
            );
        }
        check_names(
            "interests.attributes",
            &self.interests.attributes,
            64,
            317,
            &mut refuse,
        );
        check_names(
            "interests.capacities",
            &self.interests.capacities,
            64,
            317,
            &mut refuse,
        );
        check_names(
            "interests.node-labels",
            &self.interests.node_labels,
            16,
            317,
            &mut refuse,
        );
        let schema_bytes = self.settings_schema.as_deref().map_or(0, str::len);
        if schema_bytes > 64 * 1024 {
            refuse(
                "settings-schema",
                format!("has {schema_bytes} bytes; at most 65536 are read"),
            );
        }

        match version {
            Ok(version) if wrong.is_empty() => Ok(Description {
                name: self.name,
                version,
                summary: self.summary,
                hooks: Hook::ALL
                    .into_iter()
                    .filter(|hook| self.hooks & hook.flag() == hook.flag())
                    .collect(),
                interests: self.interests.into(),
                settings_schema: self.settings_schema,
            }),
            _ => Err(wrong),
        }
    }
}

impl From<RawInterests> for Interests {
    fn from(raw: RawInterests) -> Self {
        let has = |flag: ContextFlags| raw.context & flag == flag;
        Self {
            counters: has(ContextFlags::COUNTERS),
            consumed_capacity: has(ContextFlags::CONSUMED_CAPACITY),
            in_use: has(ContextFlags::IN_USE),
            node_name: has(ContextFlags::NODE_NAME),
            claim_name: has(ContextFlags::CLAIM_NAME),
            namespace: has(ContextFlags::NAMESPACE),
            attributes: raw.attributes,
            capacities: raw.capacities,
            node_labels: raw.node_labels,
        }
    }
}

fn is_policy_name(name: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=63).contains(&name.len())
        && name.bytes().all(inner)
        && !name.starts_with('-')
        && !name.ends_with('-')
}

/// Names of columns: bounded, not empty, none twice.
fn check_names(
    field: &'static str,
    names: &[String],
    most: usize,
    longest: usize,
    refuse: &mut impl FnMut(&'static str, String),
) {
    if names.len() > most {
        refuse(
            field,
            format!("has {} entries; at most {most} are allowed", names.len()),
        );
        return;
    }
    let mut seen = std::collections::BTreeSet::new();
    for name in names {
        let well_formed = (1..=longest).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_graphic())
            && name.split('/').count() <= 2
            && name.split('/').all(|part| !part.is_empty());
        if !well_formed {
            refuse(
                field,
                format!("holds {}; write `domain/name` or `name`", shortened(name)),
            );
        } else if !seen.insert(name) {
            refuse(field, format!("holds {} twice", shortened(name)));
        }
    }
}

/// A text from a guest, fit to be printed.
fn shortened(text: &str) -> String {
    let head: String = text.chars().take(64).collect();
    if head.len() < text.len() {
        format!("{head:?}...")
    } else {
        format!("{head:?}")
    }
}
