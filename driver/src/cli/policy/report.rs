//! What is known of a component, for people and for programs.

use serde_json::{Value, json};
use supercargo_host::objects::write;
use supercargo_host::policy::{Hook, Inspection, Interests, Limits};

use super::Format;
use crate::render::style::{BAD, GOOD, STRONG, paint};
use crate::render::table::printable;

/// The report in a format.
pub(super) fn report(file: &str, inspection: &Inspection, format: Format) -> String {
    match format {
        Format::Table => table(file, inspection),
        Format::Json => format!("{:#}\n", value(file, inspection)),
        Format::Yaml => write::yaml_values(&[value(file, inspection)]),
    }
}

/// The problems, one a line; nothing where there are none.
pub(super) fn problems(inspection: &Inspection) -> String {
    inspection
        .problems
        .iter()
        .map(|problem| format!("{} {problem}\n", paint(BAD, "error:")))
        .collect()
}

fn table(file: &str, inspection: &Inspection) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: String| {
        let value = printable(&value);
        let mut lines = value.lines();
        let first = lines.next().unwrap_or_default();
        text.push_str(&format!(
            "{}{}{first}\n",
            paint(STRONG, name),
            " ".repeat(12_usize.saturating_sub(name.len()))
        ));
        lines.for_each(|more| text.push_str(&format!("{}{more}\n", " ".repeat(12))));
    };
    line("FILE", file.to_owned());
    line("DIGEST", inspection.digest.to_string());
    if let Some(description) = &inspection.description {
        line(
            "POLICY",
            format!("{} {}", description.name, description.version),
        );
        line("SUMMARY", description.summary.clone());
    }
    line("SIZE", size(inspection.bytes));
    line("MEMORY", memory(inspection));
    line("IMPORTS", imports(inspection));
    match &inspection.description {
        Some(description) => {
            line("HOOKS", hooks(&description.hooks));
            for (at, (what, value)) in interests(&description.interests).into_iter().enumerate() {
                line(
                    if at == 0 { "INTERESTS" } else { "" },
                    format!("{what}: {value}"),
                );
            }
            let schema = description.settings_schema.as_deref();
            line(
                "SETTINGS",
                schema.map_or_else(|| "takes none".to_owned(), pretty),
            );
        }
        None => line("EXPORTS", hooks(&inspection.exported)),
    }
    line("LIMITS", needed(inspection));
    let verdict = match inspection.problems.len() {
        0 => paint(GOOD, "can be loaded"),
        1 => paint(BAD, "cannot be loaded: 1 problem"),
        several => paint(BAD, &format!("cannot be loaded: {several} problems")),
    };
    text.push_str(&format!("{}     {verdict}\n", paint(STRONG, "VERDICT")));
    text
}

fn size(bytes: u64) -> String {
    format!("{} ({bytes} bytes)", human(bytes))
}

pub(super) fn human(bytes: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "one decimal is shown")]
    let bytes = bytes as f64;
    if bytes < 1024.0 * 1024.0 {
        format!("{:.1} KiB", bytes / 1024.0)
    } else {
        format!("{:.1} MiB", bytes / (1024.0 * 1024.0))
    }
}

/// The limits that an administrator must raise for it, as they stand in its entry of the configuration.
fn needed(inspection: &Inspection) -> String {
    let default = Limits::default();
    let parts = &inspection.parts;
    let memory = inspection.memory_bytes.unwrap_or_default();
    let needed: Vec<String> = [
        ("componentBytes", inspection.bytes, default.component_bytes),
        (
            "memoryBytes",
            memory.max(parts.initial_memory_bytes),
            default.memory_bytes,
        ),
        ("memories", parts.memories.into(), default.memories.into()),
        ("tables", parts.tables.into(), default.tables.into()),
        (
            "tableElements",
            parts.initial_table_elements,
            default.table_elements,
        ),
        (
            "coreInstances",
            parts.core_instances.into(),
            default.core_instances.into(),
        ),
    ]
    .into_iter()
    .filter(|(_, needs, default)| needs > default)
    .map(|(name, needs, default)| format!("{name}: {needs} (by default {default})"))
    .collect();
    if needed.is_empty() {
        "none need to be raised".to_owned()
    } else {
        format!("to be raised to at least\n{}", needed.join("\n"))
    }
}

fn memory(inspection: &Inspection) -> String {
    let parts = &inspection.parts;
    let begins = human(parts.initial_memory_bytes);
    let after = inspection
        .memory_bytes
        .map(|bytes| format!(", {} after describe", human(bytes)));
    format!(
        "{begins} to begin with{}; {} core instances, {} memories, {} tables",
        after.unwrap_or_default(),
        parts.core_instances,
        parts.memories,
        parts.tables
    )
}

fn imports(inspection: &Inspection) -> String {
    let names: Vec<&str> = inspection
        .imports
        .iter()
        .map(|import| import.name.as_str())
        .collect();
    if names.is_empty() {
        "none: it can touch nothing".to_owned()
    } else {
        names.join("\n")
    }
}

pub(super) fn hooks(hooks: &[Hook]) -> String {
    let names: Vec<&str> = hooks.iter().map(|hook| hook.name()).collect();
    if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(", ")
    }
}

fn context(interests: &Interests) -> Vec<&'static str> {
    [
        (interests.counters, "counters"),
        (interests.consumed_capacity, "consumed-capacity"),
        (interests.in_use, "in-use"),
        (interests.node_name, "node-name"),
        (interests.claim_name, "claim-name"),
        (interests.namespace, "namespace"),
    ]
    .into_iter()
    .filter_map(|(wanted, name)| wanted.then_some(name))
    .collect()
}

fn interests(interests: &Interests) -> Vec<(&'static str, String)> {
    let lists = [
        ("attributes", interests.attributes.join(", ")),
        ("capacities", interests.capacities.join(", ")),
        ("node labels", interests.node_labels.join(", ")),
        ("context", context(interests).join(", ")),
    ];
    let mut told: Vec<_> = lists
        .into_iter()
        .filter(|(_, names)| !names.is_empty())
        .collect();
    if told.is_empty() {
        told.push((
            "devices",
            "how many there are, and nothing about them".to_owned(),
        ));
    }
    told
}

fn pretty(schema: &str) -> String {
    match serde_json::from_str::<Value>(schema) {
        Ok(value) => format!("{value:#}"),
        Err(_) => schema.to_owned(),
    }
}

pub(super) fn value(file: &str, inspection: &Inspection) -> Value {
    let names = |hooks: &[Hook]| hooks.iter().map(|hook| hook.name()).collect::<Vec<_>>();
    let parts = &inspection.parts;
    let mut value = json!({
        "file": file,
        "digest": inspection.digest.to_string(),
        "bytes": inspection.bytes,
        "imports": inspection.imports.iter().map(|import| &import.name).collect::<Vec<_>>(),
        "exportedHooks": names(&inspection.exported),
        "parts": {
            "coreInstances": parts.core_instances,
            "memories": parts.memories,
            "initialMemoryBytes": parts.initial_memory_bytes,
            "tables": parts.tables,
            "initialTableElements": parts.initial_table_elements,
        },
        "memoryBytesAfterDescribe": inspection.memory_bytes,
        "problems": inspection.problems.iter().map(ToString::to_string).collect::<Vec<_>>(),
    });
    if let (Some(description), Value::Object(map)) = (&inspection.description, &mut value) {
        let interests = &description.interests;
        map.insert("name".to_owned(), json!(description.name));
        map.insert("version".to_owned(), json!(description.version.to_string()));
        map.insert("summary".to_owned(), json!(description.summary));
        map.insert("hooks".to_owned(), json!(names(&description.hooks)));
        map.insert(
            "interests".to_owned(),
            json!({
                "attributes": interests.attributes,
                "capacities": interests.capacities,
                "nodeLabels": interests.node_labels,
                "context": context(interests),
            }),
        );
        let schema = description.settings_schema.as_deref();
        let schema = schema
            .and_then(|schema| serde_json::from_str(schema).ok())
            .unwrap_or(Value::Null);
        map.insert("settingsSchema".to_owned(), schema);
    }
    value
}
