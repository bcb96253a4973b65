//! Guests whose answers can be read but make no sense.

use super::*;

fn assigned(assignments: &[(u32, &[u32])]) -> CallError {
    error_of_proposal(Proposed {
        assignments,
        ..Proposed::default()
    })
}

#[test]
fn a_device_that_does_not_exist_is_refused() {
    assert_eq!(
        assigned(&[(0, &[4])]),
        CallError::InvalidDevice {
            proposal: 0,
            device: 4,
            count: 4
        }
    );
    assert_eq!(assigned(&[(0, &[u32::MAX])]).kind(), "invalid_device");
}

#[test]
fn a_device_given_twice_is_refused() {
    assert_eq!(
        assigned(&[(0, &[1, 1])]),
        CallError::DuplicateDevice {
            proposal: 0,
            device: 1
        }
    );
}

#[test]
fn a_device_of_another_request_is_refused() {
    let expected = CallError::DeviceOfAnotherRequest {
        proposal: 0,
        request: 0,
        device: 2,
    };
    assert_eq!(assigned(&[(0, &[2])]), expected);
}

#[test]
fn a_request_that_does_not_exist_or_comes_twice_is_refused() {
    assert_eq!(
        assigned(&[(2, &[0])]),
        CallError::InvalidRequest {
            proposal: 0,
            request: 2,
            count: 2
        }
    );
    assert_eq!(
        assigned(&[(0, &[0]), (0, &[1])]).kind(),
        "duplicate_request"
    );
}

#[test]
fn too_few_or_too_many_devices_are_refused() {
    let expected = CallError::WrongCount {
        proposal: 0,
        request: 0,
        count: 2,
        wanted: 1,
    };
    assert_eq!(assigned(&[(0, &[0, 1])]), expected);
    assert_eq!(assigned(&[(0, &[])]).kind(), "wrong_count");
}

#[test]
fn an_order_of_preference_is_held_to_the_same_positions() {
    let prefer = |assignments| {
        error_of_proposal(Proposed {
            prefer: true,
            assignments,
            ..Proposed::default()
        })
        .kind()
    };
    assert_eq!(prefer(&[(0, &[9])]), "invalid_device");
    assert_eq!(prefer(&[(0, &[0, 0])]), "duplicate_device");
    assert_eq!(prefer(&[(1, &[0])]), "device_of_another_request");
}

#[test]
fn the_second_proposal_is_checked_as_the_first_is() {
    let mut guest = Guest::good();
    guest.proposes(&[
        Proposed::default(),
        Proposed {
            assignments: &[(0, &[7])],
            ..Proposed::default()
        },
    ]);
    assert_eq!(
        error_of(&guest),
        CallError::InvalidDevice {
            proposal: 1,
            device: 7,
            count: 4
        }
    );
}

#[test]
fn scores_that_are_no_score_are_refused() {
    for (score, printed) in [
        (f64::NAN, "NaN"),
        (-1.0, "-1"),
        (f64::INFINITY, "inf"),
        (f64::NEG_INFINITY, "-inf"),
        (100.5, "100.5"),
    ] {
        let error = error_of_proposal(Proposed {
            score,
            ..Proposed::default()
        });
        assert_eq!(
            error,
            CallError::BadScore {
                proposal: 0,
                score: printed.to_owned()
            }
        );
    }
}
