//! `GpuConfig`, read strictly: everything that is wrong, each with its path.
//!
//! Fields of strategies that were not chosen are wrong rather than ignored, and what may be left out
//! may also be empty: `timeSlicingConfig: {}` means the driver's own interval.

use supercargo_guest::configuration::{TimeSlice, Violation};
use supercargo_guest::serde_json::{self, Map, Value};

const API_VERSION: &str = "resource.nvidia.com/v1beta1";
const KIND: &str = "GpuConfig";
const TIME_SLICING: &str = "TimeSlicing";

/// What is asked for a GPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GpuConfig {
    /// How long turns are; none: not shared.
    pub interval: Option<Interval>,
}

/// How long a turn is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interval {
    /// The driver's own.
    Default,
    /// Short turns.
    Short,
    /// Medium turns.
    Medium,
    /// Long turns.
    Long,
}

impl Interval {
    const ALL: [Self; 4] = [Self::Default, Self::Short, Self::Medium, Self::Long];

    /// As it is written.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Default => "Default",
            Self::Short => "Short",
            Self::Medium => "Medium",
            Self::Long => "Long",
        }
    }
}

impl From<Interval> for TimeSlice {
    fn from(interval: Interval) -> Self {
        match interval {
            Interval::Default => Self::DriverDefault,
            Interval::Short => Self::Short,
            Interval::Medium => Self::Medium,
            Interval::Long => Self::Long,
        }
    }
}

impl GpuConfig {
    /// Reads the JSON object of opaque parameters.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn read(json: &str) -> Result<Self, Vec<Violation>> {
        let mut wrong = Wrong(Vec::new());
        let interval = match serde_json::from_str(json) {
            Ok(Value::Object(top)) => config(&top, &mut wrong),
            Ok(_) => wrong.add("", "is no object".to_owned()),
            Err(error) => wrong.add("", format!("is no JSON: {error}")),
        };
        if wrong.0.is_empty() {
            Ok(Self { interval })
        } else {
            Err(wrong.0)
        }
    }
}

struct Wrong(Vec<Violation>);

impl Wrong {
    fn add<T>(&mut self, field: &str, message: String) -> Option<T> {
        self.0.push(Violation {
            field: field.to_owned(),
            message,
        });
        None
    }

    /// Fields that nothing is known of. `at` ends with a dot, or is empty.
    fn unknown(&mut self, at: &str, object: &Map<String, Value>, known: &[&str]) {
        for field in object
            .keys()
            .filter(|field| !known.contains(&field.as_str()))
        {
            let field: String = field.chars().take(64).collect();
            let message = format!("is unknown; there are: {}", known.join(", "));
            self.add::<()>(&format!("{at}{field}"), message);
        }
    }

    /// An object; absent and null are the same, as for the API server.
    fn object<'v>(
        &mut self,
        at: &str,
        holder: &'v Map<String, Value>,
        name: &str,
    ) -> Option<&'v Map<String, Value>> {
        match holder.get(name) {
            None | Some(Value::Null) => None,
            Some(Value::Object(object)) => Some(object),
            Some(_) => self.add(&format!("{at}{name}"), "must be an object".to_owned()),
        }
    }
}

fn config(top: &Map<String, Value>, wrong: &mut Wrong) -> Option<Interval> {
    for (field, expected) in [("apiVersion", API_VERSION), ("kind", KIND)] {
        if top.get(field).and_then(Value::as_str) != Some(expected) {
            wrong.add::<()>(field, format!("must be {expected}"));
        }
    }
    wrong.unknown("", top, &["apiVersion", "kind", "sharing"]);
    let sharing = wrong.object("", top, "sharing")?;
    wrong.unknown(
        "sharing.",
        sharing,
        &["strategy", "timeSlicingConfig", "mpsConfig"],
    );
    match sharing.get("strategy").and_then(Value::as_str) {
        Some(TIME_SLICING) => {}
        Some("MPS") => {
            return wrong.add(
                "sharing.strategy",
                format!("is MPS, which this policy does not do; write {TIME_SLICING}"),
            );
        }
        _ => return wrong.add("sharing.strategy", format!("must be {TIME_SLICING}")),
    }
    if sharing
        .get("mpsConfig")
        .is_some_and(|config| !config.is_null())
    {
        wrong.add::<()>(
            "sharing.mpsConfig",
            format!("belongs to the strategy MPS; leave it out with {TIME_SLICING}"),
        );
    }
    let Some(slicing) = wrong.object("sharing.", sharing, "timeSlicingConfig") else {
        return Some(Interval::Default);
    };
    wrong.unknown("sharing.timeSlicingConfig.", slicing, &["interval"]);
    match slicing.get("interval") {
        None | Some(Value::Null) => Some(Interval::Default),
        Some(value) => {
            let all = Interval::ALL.into_iter();
            let found = all
                .clone()
                .find(|interval| value.as_str() == Some(interval.word()));
            if found.is_none() {
                let words: Vec<&str> = all.map(Interval::word).collect();
                wrong.add::<()>(
                    "sharing.timeSlicingConfig.interval",
                    format!("must be one of {}", words.join(", ")),
                );
            }
            found
        }
    }
}
