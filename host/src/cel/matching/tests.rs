//! What selectors answer, and that no selector and no device can do harm.

use k8s_openapi::api::resource::v1::Device;
use serde_json::json;

use super::answers::ANSWERS;
use crate::cel::evaluate::COST_LIMIT;
use crate::cel::{CelError, Environment, ErrorKind, Match, Options, Selector};

const DRIVER: &str = "gpu.example.com";

fn gpu() -> Device {
    serde_json::from_value(json!({
        "name": "gpu-0",
        "allowMultipleAllocations": true,
        "attributes": {
            "model": {"string": "A100"},
            "index": {"int": 2},
            "healthy": {"bool": true},
            "version": {"version": "1.2.3"},
            "tags": {"strings": ["fast", "big"]},
            "gpu.example.com/firmware": {"versions": ["2.0.0"]},
            "other.example.com/cores": {"int": 108},
        },
        "capacity": {"memory": {"value": "80Gi"}},
    }))
    .unwrap()
}

fn compile(expression: &str) -> Result<Selector, CelError> {
    let options = Options {
        consumable_capacity: true,
        list_type_attributes: true,
        environment: Environment::Stored,
    };
    Selector::compile(expression, options)
}

fn matches(expression: &str) -> Result<Match, CelError> {
    compile(expression)?.matches(DRIVER, &gpu())
}

fn kind(kind: ErrorKind) -> &'static str {
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

#[test]
fn selectors_answer_and_cost_what_upstream_says() {
    let device = gpu();
    let mut wrong = Vec::new();
    for (expression, wanted) in ANSWERS {
        let answer = match compile(expression) {
            Err(error) => format!("no selector: {}", kind(error.kind)),
            Ok(selector) => match selector.matches(DRIVER, &device) {
                Ok(found) => format!("{} for {}", found.matches, found.cost),
                Err(error) => format!("{} at {}", kind(error.kind), error.cost),
            },
        };
        if answer != *wanted {
            wrong.push(format!("{expression}: {answer}, not {wanted}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn an_attribute_without_a_value_fails_every_selector() {
    let mut device = gpu();
    device
        .attributes
        .get_or_insert_default()
        .insert("empty".to_owned(), serde_json::from_str("{}").unwrap());
    let error = compile("true")
        .unwrap()
        .matches(DRIVER, &device)
        .unwrap_err();
    assert_eq!(
        error.message,
        "attribute empty: unsupported attribute value"
    );
    assert_eq!(error.cost, 0);
}

#[test]
fn a_version_that_is_none_fails_every_selector() {
    let mut device = gpu();
    let attribute = serde_json::from_str(r#"{"versions": ["1.0.0", "1.0"]}"#).unwrap();
    device
        .attributes
        .get_or_insert_default()
        .insert("firmware".to_owned(), attribute);
    let error = compile("true")
        .unwrap()
        .matches(DRIVER, &device)
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::InvalidArgument);
    assert!(error.message.contains("No Major.Minor.Patch"), "{error}");
}

#[test]
fn a_missing_key_comes_with_a_hint() {
    let error = matches("device.attributes['gpu.example.com'].nope == 1").unwrap_err();
    assert!(error.message.starts_with("no such key: nope"), "{error}");
    assert!(error.message.contains("has()"), "{error}");
}

#[test]
fn a_constant_part_that_fails_is_no_selector_though_nothing_evaluates_it() {
    let error = compile("true || int(1e30) == 1").unwrap_err();
    assert_eq!(error.kind, ErrorKind::Overflow);
    assert!(
        error.message.starts_with("program instantiation failed"),
        "{error}"
    );
}

#[test]
fn names_with_and_without_the_drivers_domain_are_the_same() {
    let device = serde_json::from_value(json!({
        "name": "gpu-0",
        "attributes": {"a": {"int": 1}, "gpu.example.com/b": {"int": 2}, "x/y/z": {"int": 3}},
    }))
    .unwrap();
    for expression in [
        "device.attributes['gpu.example.com'].a == 1",
        "device.attributes['gpu.example.com'].b == 2",
        "device.attributes['gpu.example.com'].size() == 2",
        "device.attributes['x']['y/z'] == 3",
        "!('y/z' in device.attributes['gpu.example.com'])",
        "!has(device.attributes['x/y'].z)",
        "device.attributes.size() == 2",
        "!('a' in device.attributes['x'])",
    ] {
        let found = compile(expression).unwrap().matches(DRIVER, &device);
        assert!(found.unwrap().matches, "{expression}");
    }
}

#[test]
fn selectors_can_be_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Selector>();
}

#[test]
fn deep_trees_need_no_deep_stack() {
    let chain = vec!["device.driver != ''"; 500].join(" && ");
    assert!(matches(&chain).unwrap().matches);
    // As deep as the parser lets each of them be.
    for (before, middle, after) in [
        ("-1 + ", "1 > 0", ""),
        ("(", "true", ")"),
        ("!!", "true", ""),
        ("true ? true : ", "true", ""),
        ("[1].all(x, ", "true", ")"),
        ("cel.bind(x, 1, ", "true", ")"),
    ] {
        let depth = (1..1_000)
            .rev()
            .step_by(7)
            .map(|depth| before.repeat(depth) + middle + &after.repeat(depth))
            .filter(|expression| expression.len() <= 10_240)
            .find_map(|expression| Some((expression.len(), matches(&expression).ok()?)));
        let (_, found) = depth.unwrap_or_else(|| panic!("{before}{middle}{after} at no depth"));
        assert!(found.cost <= COST_LIMIT);
    }
}

/// Each would run for hours or fill the memory if only upstream's account bounded it.
#[test]
fn what_upstream_does_not_count_is_bounded_too() {
    let nest = |inner: &str, step: &dyn Fn(&str) -> String, levels: usize, last: &str| {
        let mut expression = String::new();
        let mut name = inner.to_owned();
        for level in 0..levels {
            expression.push_str(&format!("cel.bind(v{level}, {}, ", step(&name)));
            name = format!("v{level}");
        }
        expression + &last.replace('$', &name) + &")".repeat(levels)
    };
    let pair = |name: &str| format!("[{name}, {name}]");
    let double = |name: &str| format!("{name} + {name}");
    for expression in [
        nest("[1]", &pair, 60, "$ == $"),
        nest("[1]", &pair, 60, "'%s'.format([$]) == ''"),
        nest("[1]", &pair, 60, "[[$]].flatten(100).size() == 0"),
        nest("[[1]]", &pair, 60, "$.flatten(60).includes(3)"),
        nest("[1]", &double, 60, "$.exists_one(x, false)"),
        nest("[1]", &double, 60, "$ == $"),
        nest("[1]", &double, 60, "$.reverse().size() > 0"),
        nest("[1]", &double, 60, "$.sum() > 0"),
        nest("[1]", &double, 60, "3 in $"),
        nest("[1]", &double, 60, "$.distinct().size() > 0"),
        nest("[1]", &double, 60, "$.slice(0, 1000000000).size() > 0"),
        nest("['a']", &double, 60, "$.join().size() > 0"),
        nest("'a'", &double, 60, "$.size() > 0"),
        nest("b'a'", &double, 60, "$.size() > 0"),
        nest(
            "'aaaaaaaaaaaaaaaa'",
            &|name| format!("{name}.replace('', {name})"),
            12,
            "$.size() > 0",
        ),
        "lists.range(900).all(x, 'a'.matches('(a|b|' + string(x) + '){900}c'))".to_owned(),
        "lists.range(90000).all(x, 'a'.matches('[^' + string(x) + ']'))".to_owned(),
    ] {
        // Any answer will do, as long as it comes.
        let _ = matches(&expression);
    }
}

#[test]
fn what_costs_too_much_is_stopped_at_the_limit() {
    for expression in [
        "lists.range(1000).all(x, lists.range(1000).all(y, x + y >= 0))",
        "lists.range(1000000).sum() > 0",
        "lists.range(3000).map(x, x).distinct().size() > 0",
        "lists.range(1000).map(x, 'abcdefghij').join().matches('(a|b)*x') || \
         lists.range(900).all(y, lists.range(900).exists(z, z == y))",
    ] {
        let error = matches(expression).unwrap_err();
        assert_eq!(error.kind, ErrorKind::CostExceeded, "{expression}");
        assert!(error.cost > COST_LIMIT, "{expression}");
    }
}

/// A little generator, so that failures can be repeated.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }

    fn pick<'t>(&mut self, choices: &[&'t str]) -> &'t str {
        let index = self.below(choices.len() as u64);
        choices[usize::try_from(index).unwrap()]
    }
}

fn any_device(dice: &mut Dice) -> Device {
    let names = [
        "model",
        "index",
        "healthy",
        "version",
        "tags",
        "",
        "/",
        "a/b/c",
        "gpu.example.com/model",
        "other.example.com/cores",
        "gpu.example.com/firmware",
        "é",
    ];
    let texts = [
        "",
        "A100",
        "1.2.3",
        "80Gi",
        "é",
        "1e9999999999",
        "-1",
        "[",
        "99999999999999999999",
        "1.0",
        "0.0.0-0",
        "12345678901234567890Ei",
    ];
    let mut attributes = serde_json::Map::new();
    let mut capacity = serde_json::Map::new();
    for _ in 0..dice.below(10) {
        let text = dice.pick(&texts);
        let value = match dice.below(12) {
            0 | 1 => json!({"string": text}),
            2 => json!({"version": text}),
            3 => json!({"versions": ["1.0.0", text]}),
            4 | 5 => json!({"strings": [text, "fast"]}),
            6 => json!({"int": i64::MIN}),
            7 => json!({"ints": [i64::MAX, 0]}),
            8 => json!({"bools": [true]}),
            9 => json!({"bool": false}),
            10 => json!({"ints": []}),
            _ => json!({"version": "10.20.30"}),
        };
        attributes.insert(dice.pick(&names).to_owned(), value);
        capacity.insert(
            dice.pick(&names).to_owned(),
            json!({"value": dice.pick(&texts)}),
        );
    }
    serde_json::from_value(json!({"name": "x", "attributes": attributes, "capacity": capacity}))
        .unwrap()
}

#[test]
fn no_device_makes_a_selector_panic_or_cost_more_than_the_limit_and_one_step() {
    let selectors: Vec<(&str, Selector)> = ANSWERS
        .iter()
        .filter_map(|(expression, _)| Some((*expression, compile(expression).ok()?)))
        .filter(|(expression, _)| expression.contains("device") && !expression.contains("range"))
        .collect();
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    for _ in 0..100 {
        let device = any_device(&mut dice);
        let driver = dice.pick(&[DRIVER, "other.example.com", ""]);
        for (expression, selector) in &selectors {
            let cost = match selector.matches(driver, &device) {
                Ok(found) => found.cost,
                Err(error) => error.cost,
            };
            assert!(cost <= COST_LIMIT, "{expression}: {cost} for {device:?}");
        }
    }
}
