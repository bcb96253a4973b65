use super::*;
use crate::cel::parse::parse;
use crate::cel::types::Object;
use crate::cel::{Environment, Options};

fn stored() -> Declarations {
    Declarations::new(Options {
        consumable_capacity: true,
        list_type_attributes: true,
        environment: Environment::Stored,
    })
}

fn checked(source: &str) -> Checked {
    check(parse(source).unwrap(), stored()).unwrap()
}

fn type_of(source: &str) -> String {
    let checked = checked(source);
    checked.type_of(checked.ast.root()).to_string()
}

fn first_problem(source: &str) -> String {
    let mut problems = check(parse(source).unwrap(), stored()).unwrap_err();
    problems.remove(0).message
}

#[test]
fn types_are_inferred_through_variables() {
    for (source, ty) in [
        ("[]", "list(dyn)"),
        ("[[], [1]]", "list(list(int))"),
        ("[1, 'a']", "list(dyn)"),
        ("{'a': [1u]}", "map(string, list(uint))"),
        ("[1].map(x, x + 1)", "list(int)"),
        ("[1].map(x, {x: 'a'})[0]", "map(int, string)"),
        ("{'a': 1}.transformList(k, v, v)", "list(int)"),
        ("{'a': 1}.?b", "optional_type(int)"),
        ("{'a': 1}[?'b'].orValue(2)", "int"),
        ("cel.bind(d, device.attributes['a'], d.b)", "dyn"),
        ("device.capacity['a'].b", "kubernetes.Quantity"),
        ("true ? 1 : dyn('a')", "dyn"),
        ("type(1)", "type(int)"),
        ("optional.none()", "optional_type(dyn)"),
        ("[3, 1].sortBy(x, -x)", "list(int)"),
        ("has(device.attributes.a)", "bool"),
    ] {
        assert_eq!(type_of(source), ty, "{source}");
    }
}

#[test]
fn problems_name_what_does_not_fit() {
    for (source, message) in [
        (
            "1 + 'a'",
            "found no matching overload for '_+_' applied to '(int, string)'",
        ),
        (
            "'a'.contains(1)",
            "found no matching overload for 'contains' applied to 'string.(int)'",
        ),
        ("1 && true", "expected type 'bool' but found 'int'"),
        ("1.a", "type 'int' does not support field selection"),
        (
            "true.all(x, x)",
            "expression of type 'bool' cannot be range of a comprehension (must be list, map, or dynamic)",
        ),
        (
            "quantity('1').value",
            "unexpected failed resolution of 'kubernetes.Quantity'",
        ),
        (
            "Device.driver",
            "undeclared reference to 'Device' (in container ''): did you mean 'device'?",
        ),
        (
            "attributes['a'].b",
            "undeclared reference to 'attributes' (in container ''): did you mean 'device.attributes'?",
        ),
        (
            "device.driver.startWith('a')",
            "undeclared reference to 'startWith' (in container ''): did you mean 'startsWith'?",
        ),
        (
            "device.model",
            "undefined field 'model': attributes are found under a domain, as in device.attributes[\"driver.example.com\"].model",
        ),
    ] {
        assert_eq!(first_problem(source), message, "{source}");
    }
}

#[test]
fn namespaces_and_type_names_become_plain_names() {
    let checked = checked("optional.of(net.IP) == optional.none()");
    let calls: Vec<_> = checked
        .ast
        .iter()
        .filter_map(|(id, node)| match &node.kind {
            Kind::Call {
                function, target, ..
            } => Some((function.to_string(), *target, checked.overloads(id))),
            _ => None,
        })
        .collect();
    assert_eq!(
        calls,
        [
            ("optional.of".to_owned(), None, &["optional_of"][..]),
            ("optional.none".to_owned(), None, &["optional_none"][..]),
            ("_==_".to_owned(), None, &["equals"][..]),
        ]
    );
    assert!(checked.ast.iter().any(|(id, node)| {
        node.kind == Kind::Ident("net.IP".into())
            && checked.reference(id) == Some(&Reference::Type(Type::Object(Object::Ip)))
    }));
}

#[test]
fn a_local_variable_hides_the_device_but_a_leading_dot_finds_it() {
    let checked = checked("[1].exists(device, device == 1 && .device.driver == 'd')");
    let references: Vec<_> = checked
        .ast
        .iter()
        .filter_map(|(id, node)| match &node.kind {
            Kind::Ident(name) if name.ends_with("device") => {
                checked.reference(id).map(|found| (&**name, found))
            }
            _ => None,
        })
        .collect();
    assert_eq!(
        references,
        [
            ("device", &Reference::Local),
            (".device", &Reference::Device)
        ]
    );
}

#[test]
fn what_is_dynamic_keeps_every_overload_it_may_come_to() {
    let checked = checked("device.attributes['a'].b < 1");
    let overloads = checked.overloads(checked.ast.root());
    assert_eq!(
        overloads,
        ["less_int64", "less_uint64_int64", "less_double_int64"]
    );
}

#[test]
fn types_that_double_with_every_binding_are_refused_in_time() {
    let mut source = "true".to_owned();
    for i in (0..100).rev() {
        source = format!("cel.bind(v{}, {{v{i}: v{i}}}, {source})", i + 1);
    }
    let source = format!("cel.bind(v0, 1, {source})");
    assert!(first_problem(&source).contains("too large to be checked"));
}
