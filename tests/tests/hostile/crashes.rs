//! Guests that crash.

use super::*;

#[test]
fn a_panic_is_a_crash() {
    assert!(
        matches!(error_of_select("unreachable"), CallError::Crashed { cause } if cause.contains("unreachable"))
    );
}

#[test]
fn dividing_by_zero_is_a_crash() {
    let error = error_of_select("(i32.div_u (i32.const 1) (i32.const 0))");
    assert!(matches!(error, CallError::Crashed { cause } if cause.contains("divide by zero")));
}

#[test]
fn reading_beyond_the_end_of_memory_is_a_crash() {
    let error = error_of_select("(i32.load (i32.const -4))");
    assert!(matches!(error, CallError::Crashed { cause } if cause.contains("out of bounds")));
}

#[test]
fn a_crash_after_the_answer_voids_the_answer() {
    let fields = "(func (export \"cabi_post_supercargo:policy/allocation@0.1.0#select\") (param i32) unreachable)";
    let guest = Guest {
        fields: fields.to_owned(),
        ..Guest::good()
    };
    assert_eq!(error_of(&guest).kind(), "crashed");
}

#[test]
fn a_start_function_that_crashes_is_found_at_load() {
    let guest = Guest {
        fields: "(func $start unreachable) (start $start)".to_owned(),
        ..Guest::good()
    };
    assert!(matches!(
        load_error_of(&guest),
        LoadError::Describe(CallError::Crashed { .. })
    ));
}

#[test]
fn no_state_survives_a_call() {
    let guest = Guest {
        fields: "(global $calls (mut i32) (i32.const 0))".to_owned(),
        select: format!(
            "(if (global.get $calls) (then unreachable)) (global.set $calls (i32.const 1))
             (if (i32.load (i32.const 8)) (then unreachable)) (i32.store (i32.const 8) (i32.const 1)) {}",
            Guest::good().select
        ),
        ..Guest::good()
    };
    let policy = load(&guest).unwrap();
    for device in 0..20 {
        let situation = Situation {
            in_use: vec![device],
            ..situation()
        };
        assert!(policy.select(&situation, None).is_ok());
    }
}
