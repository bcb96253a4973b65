use super::validate::LiteralRules;
use super::*;

fn rules() -> LiteralRules {
    LiteralRules {
        is_duration: |_| true,
        is_timestamp: |_| true,
        is_unix_time: |_| true,
        is_regex: |_| true,
    }
}

#[test]
#[ignore]
fn measure() {
    let mut total = 0;
    let mut bad = 0;
    let path = std::env::var("CASES").unwrap();
    for line in std::fs::read_to_string(path).unwrap().lines() {
        let case: serde_json::Value = serde_json::from_str(line).unwrap();
        let expression = case["expression"].as_str().unwrap();
        let options = Options {
            consumable_capacity: case["consumableCapacity"].as_bool().unwrap(),
            list_type_attributes: case["listTypeAttributes"].as_bool().unwrap(),
            environment: if case["envType"] == "NewExpressions" {
                Environment::New
            } else {
                Environment::Stored
            },
        };
        let result = compile::with_deep_stack(expression, || {
            compile::compile(expression, options, rules())
        });
        let want = &case["result"];
        total += 1;
        let want_text = match want["compileError"].as_str() {
            Some(e) => format!(
                "error {}",
                want["errorKind"]
                    .as_str()
                    .unwrap_or(if e.starts_with("must") {
                        "notBool"
                    } else {
                        "?"
                    })
            ),
            None => format!("cost {}", want["estimatedMaxCost"]),
        };
        let got_text = match &result {
            Err(e) => format!("error {}", serde_kind(e.kind)),
            Ok(c) => format!("cost {}", c.max_cost),
        };
        if want_text != got_text {
            bad += 1;
            println!(
                "{} want {want_text} got {got_text}\n   {expression}\n   want: {}\n   got: {}",
                case["name"],
                want["compileError"]
                    .as_str()
                    .unwrap_or("")
                    .lines()
                    .next()
                    .unwrap_or(""),
                result
                    .err()
                    .map(|e| e.message)
                    .unwrap_or_default()
                    .lines()
                    .next()
                    .unwrap_or("")
            );
        }
    }
    println!("{total} cases, {bad} differ");
}

fn serde_kind(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Syntax => "syntax",
        ErrorKind::Type => "type",
        ErrorKind::Undeclared => "undeclared",
        ErrorKind::NotBool => "notBool",
        ErrorKind::InvalidArgument => "invalidArgument",
        ErrorKind::Overflow => "overflow",
        _ => "other",
    }
}
