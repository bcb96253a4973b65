//! Guests that take too long.

use super::*;

const FOREVER: &str = "(loop $forever (br $forever)) unreachable";

#[test]
fn an_endless_loop_in_select_is_cut_off() {
    assert_eq!(
        error_of_select(FOREVER),
        CallError::Timeout { limit: DEADLINE }
    );
}

#[test]
fn an_endless_loop_in_the_allocator_is_cut_off_while_the_question_is_handed_over() {
    let guest = Guest {
        realloc: FOREVER.to_owned(),
        ..Guest::good()
    };
    assert_eq!(error_of(&guest), CallError::Timeout { limit: DEADLINE });
}

#[test]
fn an_endless_loop_after_the_answer_is_cut_off() {
    let fields = format!(
        "(func (export \"cabi_post_supercargo:policy/allocation@0.1.0#select\") (param i32) {FOREVER})"
    );
    let guest = Guest {
        fields,
        ..Guest::good()
    };
    assert_eq!(error_of(&guest), CallError::Timeout { limit: DEADLINE });
}

#[test]
fn filling_memory_over_and_over_is_cut_off() {
    let guest = Guest {
        pages: 256,
        select: "(loop $forever (memory.fill (i32.const 0) (i32.const 1) (i32.const 16777216)) (br $forever)) unreachable".to_owned(),
        ..Guest::good()
    };
    assert_eq!(error_of(&guest), CallError::Timeout { limit: DEADLINE });
}

#[test]
fn calls_without_end_are_cut_off() {
    let fields = "(func $a (param i32) (if (local.get 0) (then (call $a (i32.sub (local.get 0) (i32.const 1))) (call $a (i32.sub (local.get 0) (i32.const 1))))))";
    let guest = Guest {
        select: "(call $a (i32.const 60)) unreachable".to_owned(),
        fields: fields.to_owned(),
        ..Guest::good()
    };
    assert_eq!(error_of(&guest), CallError::Timeout { limit: DEADLINE });
}

#[test]
fn an_endless_start_function_is_cut_off_at_load() {
    let guest = Guest {
        fields: format!("(func $start {FOREVER}) (start $start)"),
        ..Guest::good()
    };
    assert_eq!(
        load_error_of(&guest),
        LoadError::Describe(CallError::Timeout {
            limit: DEADLINE * 10
        })
    );
}

#[test]
fn an_endless_describe_is_cut_off_at_load() {
    let guest = Guest {
        describe: FOREVER.to_owned(),
        ..Guest::good()
    };
    assert_eq!(
        load_error_of(&guest),
        LoadError::Describe(CallError::Timeout {
            limit: DEADLINE * 10
        })
    );
}

#[test]
fn a_deadline_of_the_caller_cuts_off_sooner_and_one_that_is_past_at_once() {
    let policy = load(&Guest {
        select: FOREVER.to_owned(),
        ..Guest::good()
    })
    .unwrap();
    let soon = Instant::now() + Duration::from_millis(5);
    assert_eq!(
        policy.select(&situation(), Some(soon)).unwrap_err().kind(),
        "timeout"
    );
    assert_eq!(
        policy
            .select(&situation(), Some(Instant::now()))
            .unwrap_err(),
        CallError::Timeout {
            limit: Duration::ZERO
        }
    );
}

#[test]
fn whoever_waits_for_a_hostile_guest_to_end_gives_up_at_the_deadline() {
    let engine = Engine::new(EngineOptions {
        concurrency: 1,
        ..EngineOptions::default()
    })
    .unwrap();
    let guest = Guest {
        select: FOREVER.to_owned(),
        ..Guest::good()
    };
    let long = Limits {
        deadline: Duration::from_secs(10),
        ..limits()
    };
    let policy = Policy::load(&engine, &guest.component(), "{}", long).unwrap();
    let second = Instant::now() + Duration::from_secs(1);
    std::thread::scope(|scope| {
        let hog = scope.spawn(|| policy.select(&situation(), Some(second)).unwrap_err());
        // The hog has the only permit once its call is counted on the way in: a call with no time
        // either waits for it in vain or comes first and is cut off.
        let mut kinds = Vec::new();
        while !hog.is_finished() {
            let soon = Instant::now() + Duration::from_millis(2);
            kinds.push(policy.select(&situation(), Some(soon)).unwrap_err().kind());
        }
        assert!(kinds.contains(&"busy"), "{kinds:?}");
        assert_eq!(hog.join().unwrap().kind(), "timeout");
    });
}
