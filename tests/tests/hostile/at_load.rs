//! Guests that are not loaded.

use super::*;

#[test]
fn garbage_is_no_component() {
    assert_eq!(load_bytes(b"").unwrap_err(), LoadError::NotAComponent);
    assert_eq!(
        load_bytes(b"#!/bin/sh\nrm -rf /").unwrap_err(),
        LoadError::NotAComponent
    );
    assert_eq!(
        load_bytes(&[0; 4096]).unwrap_err(),
        LoadError::NotAComponent
    );
}

#[test]
fn a_core_module_is_told_what_it_lacks() {
    let module = wat::parse_str("(module)").unwrap();
    let error = load_bytes(&module).unwrap_err();
    assert_eq!(error, LoadError::CoreModule);
    assert!(error.to_string().contains("supercargo policy build"));
}

#[test]
fn a_damaged_component_is_not_valid() {
    let good = Guest::good().component();
    let mut truncated = good.clone();
    truncated.truncate(good.len() / 2);
    assert!(matches!(
        load_bytes(&truncated),
        Err(LoadError::Invalid { .. })
    ));
    // Whatever single byte is damaged, there is an answer and no crash.
    for at in (8..good.len()).step_by(97) {
        let mut damaged = good.clone();
        damaged[at] ^= 0x55;
        let _ = load_bytes(&damaged);
    }
    assert_still_serves();
}

#[test]
fn a_component_without_describe_is_no_policy() {
    let component = wat::parse_str("(component)").unwrap();
    assert_eq!(
        load_bytes(&component).unwrap_err(),
        LoadError::MissingDescribe
    );
}

#[test]
fn every_import_is_named_and_wasi_has_a_cure() {
    let component = wat::parse_str(
        r#"(component
            (import "wasi:clocks/wall-clock@0.2.0" (instance (export "now" (func (result u64)))))
            (import "wasi:random/random@0.2.0" (instance (export "get" (func (result u64))))))"#,
    )
    .unwrap();
    let error = load_bytes(&component).unwrap_err();
    let LoadError::Imports(imports) = &error else {
        panic!("{error}")
    };
    assert_eq!(imports.len(), 2);
    let said = error.to_string();
    assert!(said.contains("wasi:clocks/wall-clock@0.2.0"), "{said}");
    assert!(said.contains("wasi:random/random@0.2.0"), "{said}");
    assert!(said.contains("without WASI"), "{said}");
}

#[test]
fn an_import_of_types_only_is_told_to_export_them() {
    let mut wit = contract();
    for (_, text) in &mut wit {
        *text = text.replace("export types;", "");
    }
    let component = Guest::good().component_of(&wit);
    let error = load_bytes(&component).unwrap_err();
    let LoadError::Imports(imports) = &error else {
        panic!("{error}")
    };
    assert!(imports.iter().all(|import| import.types_only));
    assert!(error.to_string().contains("`export types;`"), "{error}");
}

/// The mismatch of a guest built for a contract in which one piece of text is another.
fn mismatch(from: &str, to: &str) -> String {
    let mut wit = contract();
    assert!(wit.iter().any(|(_, text)| text.contains(from)), "{from}");
    for (_, text) in &mut wit {
        *text = text.replace(from, to);
    }
    match load_bytes(&Guest::good().component_of(&wit)).unwrap_err() {
        LoadError::Mismatch(mismatch) => mismatch.to_string(),
        other => panic!("{other}"),
    }
}

#[test]
fn a_mismatch_names_function_type_and_field() {
    assert_eq!(
        mismatch("    admin-access: bool,", "    admin-access: u8,"),
        "allocation.select, type `request`, `admin-access`: expected bool, found u8"
    );
    assert_eq!(
        mismatch("reaches-beyond: bool", "beyond: bool"),
        "allocation.select, type `constraint`, `reaches-beyond`: expected `reaches-beyond`, found `beyond`"
    );
    assert_eq!(
        mismatch("    versions(list<text>),\n", ""),
        "allocation.select, type `value`, `versions`: expected `versions`, found nothing"
    );
    assert_eq!(
        mismatch(
            "    distinct-attribute,\n",
            "    distinct-attribute,\n    similar-attribute,\n"
        ),
        "allocation.select, type `constraint-kind`, `similar-attribute`: expected no more cases, found `similar-attribute`"
    );
    assert_eq!(
        mismatch("consumed: list<quantity>,", "consumed: list<s64>,"),
        "allocation.select, type `device-table`, `consumed`: expected `quantity`, found s64"
    );
}

#[test]
fn a_policy_for_another_version_of_the_contract_is_told_which_is_served() {
    let component = wat::parse_str(
        r#"(component (instance $i) (export "supercargo:policy/about@0.2.0" (instance $i)))"#,
    )
    .unwrap();
    let error = load_bytes(&component).unwrap_err();
    assert!(matches!(&error, LoadError::UnknownVersion { export } if export.ends_with("@0.2.0")));
    assert!(
        error.to_string().contains("supercargo:policy@0.1.0"),
        "{error}"
    );
}

#[test]
fn what_is_too_large_is_not_even_read() {
    let bytes = vec![0; (4 << 20) + 1];
    assert!(matches!(
        load_bytes(&bytes),
        Err(LoadError::TooLarge { .. })
    ));
}

#[test]
fn too_many_parts_are_each_told_apart() {
    let part = |fields: &str, pages| {
        let guest = Guest {
            fields: fields.to_owned(),
            pages,
            ..Guest::good()
        };
        match load_error_of(&guest) {
            LoadError::TooMany { part, .. } => part,
            other => panic!("{other}"),
        }
    };
    assert_eq!(part("(memory 1)", 1), Part::Memories);
    assert_eq!(part("", 257), Part::MemoryBytes);
    assert_eq!(part("(table 1 funcref) (table 1 funcref)", 1), Part::Tables);
    assert_eq!(part("(table 1001 funcref)", 1), Part::TableElements);
}

#[test]
fn too_many_core_instances_are_refused() {
    let instances = "(core instance (instantiate $m))".repeat(5);
    let component = wat::parse_str(format!("(component (core module $m) {instances})")).unwrap();
    let inspection = check(&ENGINE, &component, None, limits());
    let too_many = LoadError::TooMany {
        part: Part::CoreInstances,
        count: 5,
        limit: 4,
    };
    assert!(
        inspection.problems.contains(&too_many),
        "{:?}",
        inspection.problems
    );
    assert!(
        inspection.problems.contains(&LoadError::MissingDescribe),
        "all at once"
    );
}

#[test]
fn core_instances_that_only_multiply_when_run_are_counted_too() {
    // Ten instances of a component of ten core instances.
    let inner = "(core instance (instantiate $m))".repeat(4);
    let outer = "(instance (instantiate $c))".repeat(20);
    let component = wat::parse_str(format!(
        "(component (component $c (core module $m) {inner}) {outer})"
    ))
    .unwrap();
    assert!(load_bytes(&component).is_err());
    assert_still_serves();
}

#[test]
fn a_description_that_makes_no_sense_is_told_field_by_field() {
    let mut guest = Guest::good();
    guest.describes(&Describe {
        name: b"Not A Name",
        version: "one",
        attributes: &["a/b/c", "x", "x"],
        ..Describe::default()
    });
    let problems = check(&ENGINE, &guest.component(), None, limits()).problems;
    let said: Vec<_> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(said.len(), 4, "{said:#?}");
    assert!(said[0].contains("`name`") && said[0].contains("Not A Name"));
    assert!(said[1].contains("`version`"));
    assert!(said[2].contains("\"a/b/c\""));
    assert!(said[3].contains("twice"));
}

#[test]
fn a_name_that_is_not_utf_8_is_refused() {
    let mut guest = Guest::good();
    guest.describes(&Describe {
        name: b"\xc3\x28",
        ..Describe::default()
    });
    assert_eq!(
        load_error_of(&guest),
        LoadError::Describe(CallError::InvalidUtf8)
    );
}

#[test]
fn a_hook_that_is_described_must_be_exported() {
    let mut guest = Guest::good();
    guest.describes(&Describe {
        hooks: 0b1001,
        ..Describe::default()
    });
    assert_eq!(load_error_of(&guest), LoadError::MissingHook(Hook::Prepare));
}

#[test]
fn a_hook_that_is_not_described_is_never_called() {
    let mut guest = Guest::good();
    guest.describes(&Describe {
        hooks: 0,
        ..Describe::default()
    });
    assert_eq!(error_of(&guest), CallError::NotImplemented(Hook::Select));
}

const SCHEMA: &str =
    r#"{"type": "object", "properties": {"size": {"type": "integer"}}, "required": ["size"]}"#;

#[test]
fn settings_that_break_the_policys_schema_are_refused_with_their_place() {
    let mut guest = Guest::good();
    guest.describes(&Describe {
        schema: Some(SCHEMA),
        ..Describe::default()
    });
    let load = |settings| Policy::load(&ENGINE, &guest.component(), settings, limits());
    assert!(load(r#"{"size": 4}"#).is_ok());
    let said = load(r#"{"size": "four"}"#).unwrap_err().to_string();
    assert!(
        said.contains("/size: \"four\" is not of type \"integer\""),
        "{said}"
    );
    assert!(matches!(load("{}"), Err(LoadError::Settings(_))));
    assert!(matches!(load("size: 4"), Err(LoadError::Settings(_))));
    assert!(
        check(&ENGINE, &guest.component(), None, limits())
            .problems
            .is_empty()
    );
}

#[test]
fn a_schema_that_is_a_trap_is_refused() {
    let mut guest = Guest::good();
    guest.describes(&Describe {
        schema: Some(r##"{"$ref": "#/a", "a": {"$ref": "#/a"}}"##),
        ..Describe::default()
    });
    assert!(matches!(load_error_of(&guest), LoadError::Schema { .. }));
}
