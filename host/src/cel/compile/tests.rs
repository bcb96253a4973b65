use super::*;
use crate::cel::Environment;

const ANY_LITERAL: LiteralRules = LiteralRules {
    is_duration: |text| text.ends_with('s'),
    is_timestamp: |text| text.ends_with('Z'),
    is_unix_time: |seconds| seconds >= 0,
    is_regex: |pattern| !pattern.starts_with('*'),
};

fn compiled(expression: &str) -> Result<Compiled, CelError> {
    let options = Options {
        consumable_capacity: true,
        list_type_attributes: true,
        environment: Environment::Stored,
    };
    with_deep_stack(expression, || compile(expression, options, ANY_LITERAL))
}

fn failure(expression: &str) -> (ErrorKind, String) {
    let error = compiled(expression).unwrap_err();
    (error.kind, error.message)
}

#[test]
fn an_error_shows_where_it_is() {
    let (kind, message) = failure("true &&\n  device.driver == 1");
    assert_eq!(kind, ErrorKind::Type);
    assert_eq!(
        message,
        "compilation failed: ERROR: <input>:2:17: found no matching overload for '_==_' applied to '(string, int)'\n |   device.driver == 1\n | ................^"
    );
}

#[test]
fn the_first_problem_decides_the_kind() {
    for (expression, kind) in [
        ("a b", ErrorKind::Syntax),
        ("nope == 1 && 1 == 'a'", ErrorKind::Undeclared),
        ("1 == 'a' && nope == 1", ErrorKind::Type),
        ("1 + 1", ErrorKind::NotBool),
        (
            "duration('1x') == duration('1s')",
            ErrorKind::InvalidArgument,
        ),
        (
            "timestamp(-1) == timestamp('Z')",
            ErrorKind::InvalidArgument,
        ),
        ("'a'.matches('*')", ErrorKind::InvalidArgument),
        ("[1, 'a'] == []", ErrorKind::Type),
        ("{'a': 1, 2: 'b'} == {}", ErrorKind::Type),
        ("'%d'.format(['a']) == ''", ErrorKind::InvalidArgument),
        ("'%d %d'.format([1]) == ''", ErrorKind::InvalidArgument),
        ("'%s'.format([1, 2]) == ''", ErrorKind::InvalidArgument),
        ("timestamp == timestamp", ErrorKind::Other),
        ("cel.bind(t, type(1), t == int)", ErrorKind::Other),
    ] {
        assert_eq!(failure(expression).0, kind, "{expression}");
    }
}

#[test]
fn arguments_of_format_may_be_of_many_types() {
    assert!(compiled("'%s %d %%'.format([[1, 'a'], 2]) == ''").is_ok());
}

#[test]
fn attributes_may_decide_alone() {
    assert!(compiled("device.attributes['a'].healthy").is_ok());
}

/// 10 KiB of whatever nests, as far as the parser lets it and beyond.
#[test]
fn no_input_overflows_the_stack() {
    let size = 10 * 1024;
    let nested = |open: &str, inner: &str, close: &str| {
        let times = (size - inner.len()) / (open.len() + close.len());
        format!("{}{inner}{}", open.repeat(times), close.repeat(times))
    };
    let deep = [
        nested("(", "true", ")"),
        nested("[", "1", "]"),
        nested("{1:", "1", "}"),
        nested("!", "true", ""),
        nested("-", "1", ""),
        nested("!(", "true", ")"),
        nested("-(", "1", ")"),
        nested("true?true:", "true", ""),
        nested("", "1", "+1"),
        nested("", "device", ".a"),
        nested("", "device", "[0]"),
        nested("size(", "''", ")"),
        nested("[1].exists(x,", "true", ")"),
        nested("cel.bind(x,1,", "true", ")"),
        nested("", "[1]", ".map(x,x)"),
        nested("", "optional.of(1)", ".optMap(x,x)"),
        nested("(", "", ""),
        nested("\"", "", ""),
        nested("[", "", ""),
    ];
    for expression in &deep {
        let _ = compiled(expression);
    }
}

#[test]
fn the_deepest_expressions_that_are_accepted_compile() {
    let nested = |times: usize, open: &str, inner: &str, close: &str| {
        format!("{}{inner}{}", open.repeat(times), close.repeat(times))
    };
    for expression in [
        nested(249, "(", "true", ")"),
        nested(249, "[", "1", "]") + "== []",
        nested(249, "{1:", "1", "}") + "== {}",
        nested(249, "!(", "true", ")"),
        nested(249, "true?true:", "true", ""),
        nested(249, "", "1", "+1") + "== 1",
        nested(240, "[1].exists(x,", "true", ")"),
        nested(240, "cel.bind(x,1,", "true", ")"),
        nested(120, "", "[1]", ".map(x,x)") + "== [1]",
        vec!["true"; 2_500].join("||"),
        format!("[{}].size() > 1", vec!["1"; 5_000].join(",")),
    ] {
        let error = compiled(&expression).err();
        assert!(error.is_none(), "{expression}: {error:?}");
    }
}
