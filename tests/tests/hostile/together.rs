//! Guests beside each other, and after each other.

use std::sync::Arc;

use super::*;

#[test]
fn a_replacement_that_is_refused_leaves_the_last_good_version_serving() {
    let registry = Registry::new(ENGINE.clone());
    let good = Guest::good().component();
    registry.load("p", &good, "{}", limits()).unwrap();
    assert!(registry.load("p", b"garbage", "{}", limits()).is_err());
    let status = registry.status("p").unwrap();
    assert_eq!(status.refused.unwrap().error, LoadError::NotAComponent);
    assert!(status.serving.unwrap().select(&situation(), None).is_ok());
    let again = registry.load("p", &good, "{}", limits()).unwrap();
    assert!(registry.status("p").unwrap().refused.is_none());
    let counts = again.counts().snapshot();
    assert_eq!(
        counts.cache_hits + counts.calls,
        1,
        "counts outlive versions"
    );
}

#[test]
fn a_name_that_never_had_a_good_version_serves_nothing_and_says_why() {
    let registry = Registry::new(ENGINE.clone());
    assert!(registry.load("p", b"garbage", "{}", limits()).is_err());
    assert!(registry.get("p").is_none());
    assert!(registry.status("p").unwrap().refused.is_some());
    assert!(registry.status("q").is_none());
}

#[test]
fn equal_questions_run_the_policy_once() {
    let engine = Engine::new(EngineOptions::default()).unwrap();
    let policy = Policy::load(&engine, &Guest::good().component(), "{}", limits()).unwrap();
    let first = policy.select(&situation(), None).unwrap();
    let second = policy.select(&situation(), None).unwrap();
    assert!(Arc::ptr_eq(&first, &second));
    let counts = policy.counts().snapshot();
    assert_eq!(
        (counts.calls, counts.cache_hits, counts.cache_misses),
        (1, 1, 1)
    );
}

#[test]
fn hostile_and_good_policies_share_an_engine() {
    let hostile = [
        "(loop $forever (br $forever)) unreachable",
        "(loop $more (drop (memory.grow (i32.const 1))) (br $more)) unreachable",
        "unreachable",
    ]
    .map(|body| {
        load(&Guest {
            select: body.to_owned(),
            ..Guest::good()
        })
        .unwrap()
    });
    let good = load(&Guest::good()).unwrap();
    std::thread::scope(|scope| {
        for policy in &hostile {
            scope.spawn(|| {
                for _ in 0..5 {
                    assert!(policy.select(&situation(), None).is_err());
                }
            });
        }
        for device in 0..200 {
            // Other situations each time, so that the policy is run. A busy machine may let a call
            // wait beyond its time, but nothing else may happen to it.
            let situation = Situation {
                in_use: vec![device],
                ..situation()
            };
            match good.select(&situation, None) {
                Ok(proposals) => assert_eq!(proposals.len(), 1),
                Err(error) => assert!(matches!(error.kind(), "busy" | "timeout"), "{error}"),
            }
        }
    });
}
