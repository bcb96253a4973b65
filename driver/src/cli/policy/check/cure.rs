//! What to do about a refusal, beyond what the refusal itself says.

use supercargo_host::policy::{Inspection, LoadError, Mismatch};

/// How components of a language are built without WASI, and by what in its bytes the language is
/// known. An interpreter is written in another language, so it comes first.
const WITHOUT_WASI: [(&str, &[&str], &str); 5] = [
    (
        "Python",
        &["componentize-py", "libpython", "CPython"],
        "componentize-py ... componentize --stub-wasi ...",
    ),
    (
        "JavaScript",
        &["componentize-qjs", "QuickJS", "quickjs", "StarlingMonkey"],
        "componentize-qjs --stub-wasi --sync ..., or componentize-js with every feature in disableFeatures",
    ),
    (
        "Go",
        &["TinyGo", "runtime.gopanic", "go.buildid"],
        "an adapter for wasi_snapshot_preview1 that answers inside the component; see guest/README.md",
    ),
    (
        "Rust",
        &["rustc", "/rust/library", "core::panicking"],
        "supercargo policy build, or --target wasm32-unknown-unknown instead of wasm32-wasip1 or -wasip2",
    ),
    (
        "C",
        &["clang", "wasi-libc"],
        "supercargo policy build, or clang --target=wasm32-unknown-unknown -nostdlib",
    ),
];

/// What to do, problem by problem.
pub(super) fn of(inspection: &Inspection, bytes: &[u8]) -> Vec<String> {
    let mut cures = Vec::new();
    for problem in &inspection.problems {
        match problem {
            LoadError::Imports(imports)
                if imports
                    .iter()
                    .any(|import| import.name.starts_with("wasi:")) =>
            {
                cures.push(without_wasi(bytes));
            }
            LoadError::Mismatch(mismatch) => cures.extend(difference(mismatch)),
            _ => {}
        }
    }
    cures
}

fn without_wasi(bytes: &[u8]) -> String {
    let holds = |mark: &&str| {
        let mark = mark.as_bytes();
        bytes.windows(mark.len()).any(|window| window == mark)
    };
    let known = WITHOUT_WASI
        .iter()
        .find(|(_, marks, _)| marks.iter().any(holds));
    match known {
        Some((language, _, cure)) => format!("  in {language}: {cure}"),
        None => {
            let lines = WITHOUT_WASI.map(|(language, _, cure)| format!("  in {language}: {cure}"));
            lines.join("\n")
        }
    }
}

/// The two signatures where they part, and the line of the contract.
fn difference(mismatch: &Mismatch) -> Option<String> {
    let line = mismatch.line()?;
    let name = mismatch.field.as_deref().unwrap_or(&mismatch.function);
    let has = match mismatch.found.as_str() {
        "nothing" => None,
        // A name, and not a type: it stands where another was expected.
        found if found.starts_with('`') => Some(found.trim_matches('`').to_owned()),
        found => Some(format!("{name}: {found}")),
    };
    let mut text = format!("  wit/{}:{}\n", line.file, line.number);
    if let Some(has) = has {
        text.push_str(&format!("  - {has}    (the component)\n"));
    }
    text.push_str(&format!("  + {}    (the contract)", line.text));
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_component_was_written_in_decides_the_cure() {
        assert!(without_wasi(b"... componentize-py and clang ...").starts_with("  in Python:"));
        assert!(without_wasi(b"... rustc 1.95 ...").contains("wasm32-unknown-unknown"));
        assert_eq!(without_wasi(b"nothing known").lines().count(), 5);
    }

    #[test]
    fn a_difference_is_told_as_two_lines_and_a_place() {
        let mismatch = Mismatch {
            interface: "allocation".to_owned(),
            function: "select".to_owned(),
            type_name: Some("request".to_owned()),
            field: Some("devices".to_owned()),
            expected: "list<u32>".to_owned(),
            found: "list<u64>".to_owned(),
        };
        let told = difference(&mismatch).unwrap();
        assert!(told.starts_with("  wit/allocation.wit:"), "{told}");
        assert!(
            told.contains("- devices: list<u64>    (the component)"),
            "{told}"
        );
        assert!(
            told.ends_with("+ devices: list<u32>,    (the contract)"),
            "{told}"
        );
    }
}
