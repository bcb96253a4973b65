use super::*;

fn problems(source: &str) -> Vec<String> {
    let problems = parse(source).unwrap_err();
    problems
        .into_iter()
        .map(|problem| problem.message)
        .collect()
}

fn depth(source: &str) -> usize {
    parse(source).unwrap().depth()
}

#[test]
fn products_bind_tighter_than_sums_and_sums_than_relations() {
    let shape = |source| {
        let tree = parse(source).unwrap();
        let functions: Vec<String> = tree
            .iter()
            .filter_map(|(_, node)| match &node.kind {
                Kind::Call { function, .. } => Some(function.to_string()),
                _ => None,
            })
            .collect();
        functions.join(" ")
    };
    assert_eq!(
        shape("1 + 2 * 3 < 4 == a || b && !c"),
        "_*_ _+_ _<_ _==_ !_ _&&_ _||_"
    );
    assert_eq!(shape("a ? b : c ? d : e"), "_?_:_ _?_:_");
    assert_eq!(shape("1 - 2 - -3 - -x"), "_-_ _-_ -_ _-_");
    assert_eq!(
        shape("!!a && --1 == 1 && ---1 == 1"),
        "_==_ -_ _==_ _&&_ _&&_"
    );
}

#[test]
fn trailing_commas_are_fine_in_lists_and_maps_but_not_in_calls() {
    for fine in [
        "[1, 2,]",
        "[,]",
        "[]",
        "{1: 2,}",
        "{,}",
        "{}",
        "[?a, b]",
        "{?'a': b}",
    ] {
        assert!(parse(fine).is_ok(), "{fine}");
    }
    for wrong in [
        "f(1,)", "[1 2]", "[1,,]", "{1}", "{1: 2", "a b", "", "a.1", "a.?f(1)", "a.in",
    ] {
        assert!(parse(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn every_problem_is_told_in_the_order_of_the_source() {
    assert_eq!(
        problems("if || [1].all(1, x) || 99999999999999999999 == 1"),
        [
            "reserved identifier: if",
            "argument must be a simple name",
            "invalid int literal"
        ]
    );
}

#[test]
fn nesting_is_refused_where_upstream_refuses_it() {
    let nested = |n: usize, open: &str, inner: &str, close: &str| {
        parse(&format!("{}{inner}{}", open.repeat(n), close.repeat(n))).is_ok()
    };
    for (open, inner, close, most) in [
        ("(", "true", ")", 249),
        ("[", "1", "]", 249),
        ("!(", "true", ")", 249),
        ("true?true:", "true", "", 249),
        ("true==(", "true", ")", 124),
        ("1+(", "1", ")", 124),
        ("1+1*(", "1", ")", 83),
        ("", "device", ".a", 250),
        ("", "device", "[0]", 250),
        ("", "1", "+1", 250),
    ] {
        assert!(nested(most, open, inner, close), "{most} x {open}{close}");
        assert!(!nested(most + 1, open, inner, close), "{open}{close}");
    }
}

#[test]
fn chains_of_and_and_or_may_be_long_and_stay_shallow() {
    assert_eq!(depth(&vec!["a"; 2_500].join("||")), 13);
    assert_eq!(depth(&format!("{}a", "!".repeat(10_001))), 2);
}

#[test]
fn chains_that_double_with_every_link_are_cut_off() {
    let doubling = format!("a{}", ".optMap(x, x)".repeat(100));
    assert!(problems(&doubling)[0].contains("expands to more than"));
}
