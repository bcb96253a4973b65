//! `supercargo policy check`: everything that loading would refuse, all at once, and a first call of
//! each hook.

mod calls;
mod cure;

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};
use supercargo_host::objects::write;
use supercargo_host::policy::{DETERMINISM, Inspection, Limits, check};

use super::{Format, report};
use crate::cli::limits::LimitsFlag;
use crate::cli::{Exit, Failure};
use crate::input::read_bytes;
use crate::policies::{self, PolicyError};
use crate::render::style::{BAD, GOOD, STRONG, paint};
use crate::render::table::printable;
use crate::render::terminal;
use calls::Call;

const LONG: &str = "\
Say everything that would keep a policy from being loaded, and call each hook once

Imports come with what the policy's language usually needs, a difference from the contract as two lines \
and the place in wit/. Each hook it describes is asked one built-in question about eight devices, twice, \
for it must answer alike; time and memory are held against the policy's limits. A refusal is an answer.";

const EXAMPLES: &str = "\
Examples:
  supercargo policy check nvlink-groups.wasm
  supercargo policy check nvlink-groups.wasm --settings '{\"groupSize\": 4}'
  supercargo policy check python-policy.wasm --most
  supercargo policy check nvlink-groups.wasm -o json | jq .calls

Exit status: 0 all can be loaded and called, 1 at least one cannot, or not with these settings (why is on \
stderr), 2 no such file.";

/// Say everything that would keep a policy from being loaded, and call each hook once
#[derive(Debug, Args)]
#[command(long_about = LONG, after_help = EXAMPLES)]
pub(super) struct Check {
    /// The components
    #[arg(value_name = "FILE.wasm", required = true)]
    files: Vec<PathBuf>,

    /// Check these settings against the policy's schema too: a JSON object, or @FILE with one
    #[arg(long, value_name = "JSON|@FILE")]
    settings: Option<String>,

    #[command(flatten)]
    limits: LimitsFlag,

    /// How to print
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: Format,
}

impl Check {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let limits = self.limits.limits();
        let settings = self.settings()?;
        let engine = policies::engine().map_err(PolicyError::from)?;
        let mut exit = Exit::Done;
        let mut values = Vec::new();
        for file in &self.files {
            let bytes = policies::component(file).map_err(PolicyError::from)?;
            let inspection = check(&engine, &bytes, settings.as_deref(), limits);
            let calls = if inspection.problems.is_empty() {
                let settings = settings.as_deref().unwrap_or("{}");
                calls::all(file, bytes.clone(), settings, limits)?
            } else {
                Ok(Vec::new())
            };
            let checked = Checked {
                file: file.display().to_string(),
                cures: cure::of(&inspection, &bytes),
                inspection,
                calls,
                limits,
            };
            if !checked.is_good() {
                exit = Exit::Unsatisfied;
            }
            match self.output {
                Format::Table => terminal::print(&checked.table())?,
                Format::Json | Format::Yaml => values.push(checked.value()),
            }
            terminal::print_error(&checked.problems())?;
        }
        match self.output {
            Format::Table => {}
            Format::Json => {
                let value = match <[Value; 1]>::try_from(values) {
                    Ok([one]) => one,
                    Err(several) => Value::Array(several),
                };
                terminal::print(&format!("{value:#}\n"))?;
            }
            Format::Yaml => terminal::print(&write::yaml_values(&values))?,
        }
        Ok(exit)
    }

    fn settings(&self) -> Result<Option<String>, PolicyError> {
        let Some(settings) = self.settings.as_deref() else {
            return Ok(None);
        };
        Ok(Some(match settings.strip_prefix('@') {
            Some(file) => {
                let bytes = read_bytes(file.as_ref(), 1 << 20)?;
                String::from_utf8_lossy(&bytes).into_owned()
            }
            None => settings.to_owned(),
        }))
    }
}

/// What there is to say of one component.
struct Checked {
    file: String,
    inspection: Inspection,
    /// What to do about the problems, where there is more to say than the problem does.
    cures: Vec<String>,
    /// The calls, or why there are none though the component is fit.
    calls: Result<Vec<Call>, String>,
    limits: Limits,
}

impl Checked {
    fn is_good(&self) -> bool {
        let faultless = |calls: &Vec<Call>| calls.iter().all(|call| call.fault.is_none());
        self.inspection.problems.is_empty() && self.calls.as_ref().is_ok_and(faultless)
    }

    fn problems(&self) -> String {
        let mut text = report::problems(&self.inspection);
        for cure in &self.cures {
            text.push_str(&format!("{}\n", printable(cure)));
        }
        if let Err(why) = &self.calls {
            let told = printable(&format!("no hook was called: {why}"));
            text.push_str(&format!("{} {told}\n", paint(BAD, "error:")));
        }
        for call in self.calls.as_deref().unwrap_or_default() {
            if let Some(fault) = &call.fault {
                let told = printable(&format!("`{}`: {fault}", call.hook.name()));
                text.push_str(&format!("{} {told}\n", paint(BAD, "error:")));
            }
        }
        text
    }

    fn table(&self) -> String {
        let found = &self.inspection;
        let parts = &found.parts;
        let limits = &self.limits;
        let human = report::human;
        let mut text = String::new();
        let mut line = |name: &str, value: &str| {
            let gap = " ".repeat(13_usize.saturating_sub(name.len()));
            text.push_str(&format!(
                "{}{gap}{}\n",
                paint(STRONG, name),
                printable(value)
            ));
        };
        line("FILE", &self.file);
        let most = human(limits.component_bytes);
        line("SIZE", &format!("{} of {most}", human(found.bytes)));
        let imports = match found.imports.len() {
            0 => "none".to_owned(),
            several => format!("{several}, and a policy may have none"),
        };
        line("IMPORTS", &imports);
        line("EXPORTS", &report::hooks(&found.exported));
        let parts = format!(
            "{} of {} core instances, {} of {} memories, {} of {} tables",
            parts.core_instances,
            limits.core_instances,
            parts.memories,
            limits.memories,
            parts.tables,
            limits.tables
        );
        line("PARTS", &parts);
        if let Some(description) = &found.description {
            let named = format!("{} {}", description.name, description.version);
            line("POLICY", &named);
            line("SETTINGS", settings(description.settings_schema.as_deref()));
        }
        line("DETERMINISM", &DETERMINISM.join(", "));
        match &self.calls {
            Ok(calls) if calls.is_empty() => {}
            Ok(calls) => text.push_str(&format!("\n{}", calls::table(calls, limits))),
            Err(_) => line("CALLS", "none"),
        }
        text.push_str(&if self.is_good() {
            format!("\n{}\n", paint(GOOD, "can be loaded"))
        } else if found.problems.is_empty() {
            let but = match &self.calls {
                Ok(_) => "can be loaded, but fails",
                Err(_) => "can be loaded, but not with these settings",
            };
            format!("\n{}\n", paint(BAD, but))
        } else {
            format!("\n{}\n", paint(BAD, "refused"))
        });
        text
    }

    fn value(&self) -> Value {
        let mut value = report::value(&self.file, &self.inspection);
        let calls = self.calls.as_deref().unwrap_or_default();
        if let Value::Object(map) = &mut value {
            let calls: Vec<Value> = calls.iter().map(Call::value).collect();
            map.insert("good".to_owned(), json!(self.is_good()));
            map.insert("determinism".to_owned(), json!(DETERMINISM));
            map.insert("cures".to_owned(), json!(self.cures));
            map.insert("calls".to_owned(), json!(calls));
            map.insert("noCalls".to_owned(), json!(self.calls.as_ref().err()));
            map.insert("limits".to_owned(), json!(self.limits));
        }
        value
    }
}

fn settings(schema: Option<&str>) -> &'static str {
    match schema {
        Some(_) => "by a schema, which is sound; `policy inspect` prints it",
        None => "takes none",
    }
}
