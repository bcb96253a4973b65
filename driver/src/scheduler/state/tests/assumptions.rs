//! What was decided and not yet seen: when it ends, and what must not end it.

use super::*;

/// A claim that had a device.
fn released(name: &str, version: u64) -> ResourceClaim {
    claim(name, version, 1)
}

fn is_taken(decider: &Decider, other: &str) -> bool {
    decider.take(&pod("other", other), "node-0").is_err()
}

/// One node with one device, and two pending claims.
fn two_for_one() -> (Arc<State>, Decider) {
    let state = cluster(1, 1);
    state.observe(claim("a", 1, 1));
    state.observe(claim("b", 1, 1));
    let decider = Decider::new(Arc::clone(&state));
    (state, decider)
}

#[test]
fn what_is_being_written_is_not_asked_about_and_what_was_left_is() {
    let (state, decider) = two_for_one();
    let taken = decider.take(&pod("p", "a"), "node-0").unwrap();
    assert_eq!(state.overdue(Duration::ZERO), []);
    drop(taken);
    let overdue = state.overdue(Duration::ZERO);
    assert_eq!(overdue.len(), 1);
    assert!(is_taken(&decider, "b"), "it may have been written");
    state.settle(&overdue[0], Some(claim("a", 2, 1)));
    assert!(!is_taken(&decider, "b"), "it was not");
}

#[test]
fn an_answer_about_an_assumption_that_ended_says_nothing_about_the_next_one() {
    let (state, decider) = two_for_one();
    drop(decider.take(&pod("p", "a"), "node-0").unwrap());
    let overdue = state.overdue(Duration::ZERO);
    state.forget("uid-a");
    let _taken = decider.take(&pod("p", "a"), "node-0").unwrap();
    state.settle(&overdue[0], Some(claim("a", 2, 1)));
    assert!(is_taken(&decider, "b"));
    state.settle(&overdue[0], None);
    assert!(is_taken(&decider, "b"));
}

#[test]
fn who_released_a_claim_does_not_free_what_it_is_given_next() {
    let (state, decider) = two_for_one();
    state.observe(holding("a", 5, "node-0", &["gpu-0"], Some("p")));
    // Released, and shown by the watch before the finalizer is removed.
    state.wrote(released("a", 6));
    state.observe(released("a", 6));
    let _taken = decider.take(&pod("q", "a"), "node-0").unwrap();
    state.wrote(released("a", 7));
    assert!(is_taken(&decider, "b"));
    state.observe(released("a", 7));
    assert!(is_taken(&decider, "b"));
    // The answer to a release comes after the watch has shown it.
    state.wrote(released("a", 6));
    assert!(is_taken(&decider, "b"));
}

#[test]
fn a_claim_that_is_being_released_is_waited_for_and_not_decided_about() {
    let (state, decider) = two_for_one();
    state.observe(holding("a", 5, "node-0", &["gpu-0"], Some("p")));
    state.wrote(released("a", 6));
    let result = filter(&decider, &pod("q", "a"), 1);
    let why = "ResourceClaim n/a is just being allocated or released";
    assert_eq!(result.error, why);
    let error = decider.take(&pod("q", "a"), "node-0").unwrap_err();
    assert_eq!(error, why);
    state.observe(released("a", 6));
    assert!(decider.take(&pod("q", "a"), "node-0").is_ok());
}

#[test]
fn an_allocation_that_the_watch_shows_ends_the_doubt_about_it() {
    let (state, decider) = two_for_one();
    drop(decider.take(&pod("p", "a"), "node-0").unwrap());
    state.observe(claim("a", 2, 1));
    assert_eq!(state.sizes().assumptions, 1, "the finalizer says nothing");
    state.observe(holding("a", 3, "node-0", &["gpu-0"], Some("p")));
    assert_eq!(state.sizes().assumptions, 0);
    assert!(is_taken(&decider, "b"));
}

#[test]
fn an_allocation_that_was_read_holds_though_the_attempt_that_read_it_failed() {
    let (state, decider) = two_for_one();
    let taken = decider.take(&pod("p", "a"), "node-0").unwrap();
    state.wrote(holding("a", 3, "node-0", &["gpu-0"], Some("stranger")));
    state.forget("uid-a");
    drop(taken);
    assert!(is_taken(&decider, "b"));
}

#[test]
fn a_claim_that_only_a_list_showed_is_asked_about_again_and_does_not_stay_for_ever() {
    let (state, decider) = two_for_one();
    // Deleted while the list was read: the watch will never speak of it.
    state.wrote(holding("gone", 9, "node-0", &["gpu-0"], Some("p")));
    assert!(is_taken(&decider, "b"));
    let overdue = state.overdue(Duration::ZERO);
    let still = holding("gone", 9, "node-0", &["gpu-0"], Some("p"));
    state.settle(&overdue[0], Some(still));
    let overdue = state.overdue(Duration::ZERO);
    assert_eq!(overdue.len(), 1, "until the watch knows it");
    assert!(is_taken(&decider, "b"));
    state.settle(&overdue[0], None);
    assert!(!is_taken(&decider, "b"));
}

#[test]
fn what_is_late_of_an_older_claim_of_the_name_is_no_news() {
    let (state, decider) = two_for_one();
    let mut anew = holding("a", 8, "node-0", &["gpu-0"], Some("p"));
    anew.metadata.uid = Some("uid-anew".to_owned());
    state.observe(anew);
    state.observe(claim("a", 3, 1));
    assert!(is_taken(&decider, "b"));
}

#[test]
fn allocated_claims_without_users_are_found_for_the_pod_that_waits_for_them() {
    let (state, _) = two_for_one();
    state.observe(holding("a", 5, "node-7", &["gpu-0"], None));
    assert!(state.unused("supercargo").is_empty(), "nobody waits for it");
    state.set_pod("uid-p", Some(pod("p", "a")));
    let unused = state.unused("supercargo");
    assert_eq!(unused.len(), 1);
    assert_eq!(unused[0].1.name, "p");
    assert!(state.unused("other").is_empty());
    state.observe(holding("a", 6, "node-7", &["gpu-0"], Some("p")));
    assert!(state.unused("supercargo").is_empty());
}
