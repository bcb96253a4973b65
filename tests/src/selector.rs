//! A recorded selector: an expression, the device it is asked about, and upstream's answer.

use std::collections::BTreeMap;

use k8s_openapi::api::resource::v1::{Device, DeviceAttribute, DeviceCapacity};
use serde::Deserialize;
use supercargo_host::cel::{CelError, Environment, ErrorKind, Options, Selector};

use crate::case::CaseError;
use crate::difference::shortened;

/// One line of a file of selectors.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SelectorCase {
    /// Unique in its file, or nearly: upstream runs some cases with two sets of gates.
    pub name: String,
    expression: String,
    device: CaseDevice,
    env_type: String,
    #[serde(default)]
    consumable_capacity: bool,
    #[serde(default)]
    list_type_attributes: bool,
    result: Recorded,
}

/// The device as the scheduler hands it to CEL: no name, but the driver that publishes it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct CaseDevice {
    driver: String,
    allow_multiple_allocations: Option<bool>,
    attributes: Option<BTreeMap<String, DeviceAttribute>>,
    capacity: Option<BTreeMap<String, DeviceCapacity>>,
}

/// Upstream's answer. What is not recorded is not compared.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Recorded {
    #[serde(rename = "match")]
    matches: Option<bool>,
    compile_error: Option<String>,
    eval_error: Option<String>,
    error_kind: Option<String>,
    estimated_max_cost: Option<u64>,
    actual_cost: Option<u64>,
    #[serde(default)]
    cost_varies: bool,
}

impl SelectorCase {
    /// Reads one line.
    pub fn parse(line: &str) -> Result<Self, CaseError> {
        let case: Self = serde_json::from_str(line)?;
        case.options()?;
        Ok(case)
    }

    fn options(&self) -> Result<Options, CaseError> {
        let environment = match self.env_type.as_str() {
            "StoredExpressions" => Environment::Stored,
            "NewExpressions" => Environment::New,
            other => return Err(CaseError::Environment(other.to_owned())),
        };
        Ok(Options {
            consumable_capacity: self.consumable_capacity,
            list_type_attributes: self.list_type_attributes,
            environment,
        })
    }

    /// The selector.
    #[must_use]
    pub fn expression(&self) -> &str {
        &self.expression
    }

    /// The driver that publishes the device.
    #[must_use]
    pub fn driver(&self) -> &str {
        &self.device.driver
    }

    /// The device under that name.
    #[must_use]
    pub fn device(&self, name: String) -> Device {
        Device {
            name,
            allow_multiple_allocations: self.device.allow_multiple_allocations,
            attributes: self.device.attributes.clone(),
            capacity: self.device.capacity.clone(),
            ..Device::default()
        }
    }

    /// Compiles the expression as the case wants it.
    pub fn compile(&self) -> Result<Selector, CelError> {
        // `parse` has refused unknown environments; the scheduler's stands for them here.
        let options = self.options().unwrap_or(Options {
            consumable_capacity: self.consumable_capacity,
            list_type_attributes: self.list_type_attributes,
            environment: Environment::Stored,
        });
        Selector::compile(&self.expression, options)
    }

    /// Answers the case and compares: `Err` is the readable difference.
    pub fn check(&self) -> Result<(), String> {
        let want = &self.result;
        let selector = match (self.compile(), &want.compile_error) {
            (Err(error), Some(text)) => return self.same_kind("compile", text, &error),
            (Err(error), None) => {
                return Err(format!("want it to compile, got {:?}: {error}", error.kind));
            }
            (Ok(_), Some(text)) => {
                let kind = want.error_kind.as_deref().unwrap_or("any");
                return Err(format!(
                    "want a compile error ({kind}): {text}\ngot a compiled selector"
                ));
            }
            (Ok(selector), None) => selector,
        };
        let answer = selector.matches(self.driver(), &self.device("device".to_owned()));
        let mut wrong = Vec::new();
        let cost = match (&answer, &want.eval_error) {
            (Err(error), Some(text)) => {
                wrong.extend(self.same_kind("evaluation", text, error).err());
                error.cost
            }
            (Err(error), None) => {
                let matches = want.matches.unwrap_or_default();
                return Err(format!(
                    "want match {matches}, got {:?}: {error}",
                    error.kind
                ));
            }
            (Ok(got), Some(text)) => {
                return Err(format!(
                    "want an evaluation error: {text}\ngot match {}",
                    got.matches
                ));
            }
            (Ok(got), None) => {
                if let Some(matches) = want.matches
                    && matches != got.matches
                {
                    wrong.push(format!("match: want {matches}, got {}", got.matches));
                }
                got.cost
            }
        };
        if let Some(want) = want.actual_cost.filter(|_| !want.cost_varies)
            && want != cost
        {
            wrong.push(format!("actualCost: want {want}, got {cost}"));
        }
        if let Some(want) = want.estimated_max_cost
            && want != selector.max_cost()
        {
            wrong.push(format!(
                "estimatedMaxCost: want {want}, got {}",
                selector.max_cost()
            ));
        }
        if wrong.is_empty() {
            Ok(())
        } else {
            Err(wrong.join("\n"))
        }
    }

    /// Texts differ between engines; kinds must not. Cases recorded without a kind take any.
    fn same_kind(&self, stage: &str, text: &str, error: &CelError) -> Result<(), String> {
        match self.result.error_kind.as_deref() {
            Some(kind) if kind != kind_name(error.kind) => Err(format!(
                "{stage} error: want {kind}: {text}\ngot {}: {error}",
                kind_name(error.kind)
            )),
            _ => Ok(()),
        }
    }

    /// The inputs in a few lines.
    #[must_use]
    pub fn inputs(&self) -> String {
        let gates = [
            (self.consumable_capacity, " +DRAConsumableCapacity"),
            (self.list_type_attributes, " +DRAListTypeAttributes"),
        ];
        let gates: String = gates
            .iter()
            .filter(|(on, _)| *on)
            .map(|(_, gate)| *gate)
            .collect();
        let values = |value: serde_json::Result<String>| value.unwrap_or_default();
        let mut device = format!("driver {}", self.device.driver);
        if let Some(shared) = self.device.allow_multiple_allocations {
            device += &format!(", allowMultipleAllocations {shared}");
        }
        if let Some(attributes) = &self.device.attributes {
            device += &format!(", attributes {}", values(serde_json::to_string(attributes)));
        }
        if let Some(capacity) = &self.device.capacity {
            device += &format!(", capacity {}", values(serde_json::to_string(capacity)));
        }
        format!(
            "{}{gates}: {}\n{device}",
            self.env_type,
            shortened(&self.expression, 1500)
        )
    }
}

/// The name of a kind of error in recorded cases.
#[must_use]
pub fn kind_name(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Syntax => "syntax",
        ErrorKind::Type => "type",
        ErrorKind::Undeclared => "undeclared",
        ErrorKind::NoSuchKey => "noSuchKey",
        ErrorKind::Overflow => "overflow",
        ErrorKind::DivideByZero => "divideByZero",
        ErrorKind::InvalidArgument => "invalidArgument",
        ErrorKind::CostExceeded => "costExceeded",
        ErrorKind::NotBool => "notBool",
        ErrorKind::Other => "other",
    }
}
