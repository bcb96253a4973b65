//! Guests whose answers are too large or cannot be read.

use super::*;

#[test]
fn a_huge_list_is_refused_before_it_is_read() {
    let mut guest = Guest {
        pages: 200,
        ..Guest::good()
    };
    guest.answers(Slice {
        pointer: 4096,
        length: 300_000,
    });
    assert_eq!(
        error_of(&guest),
        CallError::AnswerTooLarge {
            what: None,
            limit: 512 << 10
        }
    );
}

#[test]
fn a_huge_text_is_refused_before_it_is_read() {
    let mut guest = Guest {
        pages: 200,
        ..Guest::good()
    };
    let answer = guest.bytes(&[1, 0, 0, 0, 0, 16, 0, 0, 0, 0, 0x90, 0]);
    guest.select = format!("(i32.const {})", answer.pointer);
    assert_eq!(
        error_of(&guest),
        CallError::AnswerTooLarge {
            what: None,
            limit: 512 << 10
        }
    );
}

#[test]
fn lists_that_share_their_memory_do_not_multiply() {
    // 16 proposals whose 20,000 assignments each are the same bytes.
    let mut guest = Guest {
        pages: 200,
        ..Guest::good()
    };
    let proposal = [0_u32, 65536, 20_000, 0, 0, 0, 0, 0];
    let bytes: Vec<u8> = proposal
        .iter()
        .flat_map(|word| word.to_le_bytes())
        .collect::<Vec<_>>()
        .repeat(16);
    let list = guest.bytes(&bytes);
    guest.answers(Slice { length: 16, ..list });
    assert_eq!(
        error_of(&guest),
        CallError::AnswerTooLarge {
            what: None,
            limit: 512 << 10
        }
    );
}

#[test]
fn a_long_reason_is_refused() {
    let error = error_of_proposal(Proposed {
        reason: &[b'x'; 1025],
        ..Proposed::default()
    });
    assert_eq!(
        error,
        CallError::AnswerTooLarge {
            what: Some("reason"),
            limit: 1024
        }
    );
    let mut guest = Guest::good();
    guest.refuses(&[b'x'; 1025]);
    assert_eq!(error_of(&guest).kind(), "answer_too_large");
}

#[test]
fn text_that_is_not_utf_8_is_refused() {
    let error = error_of_proposal(Proposed {
        reason: b"\xff\xfe",
        ..Proposed::default()
    });
    assert_eq!(error, CallError::InvalidUtf8);
}

#[test]
fn an_answer_beyond_the_end_of_memory_cannot_be_read() {
    assert_eq!(error_of_select("(i32.const 65532)").kind(), "malformed");
    assert_eq!(error_of_select("(i32.const -8)").kind(), "malformed");
}

#[test]
fn an_answer_that_is_not_aligned_cannot_be_read() {
    assert_eq!(error_of_select("(i32.const 1025)").kind(), "malformed");
}

#[test]
fn a_list_that_lies_about_its_length_cannot_be_read() {
    let mut guest = Guest::good();
    guest.answers(Slice {
        pointer: 65504,
        length: 2,
    });
    assert_eq!(error_of(&guest).kind(), "malformed");
    guest.answers(Slice {
        pointer: 0,
        length: u32::MAX,
    });
    assert_eq!(error_of(&guest).kind(), "malformed");
}

#[test]
fn a_case_that_does_not_exist_cannot_be_read() {
    let mut guest = Guest::good();
    let answer = guest.bytes(&[7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    guest.select = format!("(i32.const {})", answer.pointer);
    assert_eq!(error_of(&guest).kind(), "malformed");
}

#[test]
fn an_allocator_that_answers_nonsense_cannot_be_given_a_question() {
    for nonsense in ["(i32.const -16)", "(i32.const 3)", "(i32.const 65535)"] {
        let guest = Guest {
            realloc: nonsense.to_owned(),
            ..Guest::good()
        };
        assert_eq!(error_of(&guest).kind(), "malformed", "{nonsense}");
    }
}

#[test]
fn an_allocator_that_hands_out_the_answers_memory_harms_only_itself() {
    // Every allocation is at the description: the question overwrites whatever the guest has.
    let guest = Guest {
        realloc: "(i32.const 1024)".to_owned(),
        ..Guest::good()
    };
    let policy = load(&guest).unwrap();
    let _ = policy.select(&situation(), None);
    assert_still_serves();
}

#[test]
fn too_many_proposals_are_refused() {
    let mut guest = Guest::good();
    let proposals: Vec<_> = (0..17).map(|_| Proposed::default()).collect();
    guest.proposes(&proposals);
    assert_eq!(
        error_of(&guest),
        CallError::TooManyProposals {
            count: 17,
            limit: 16
        }
    );
}

#[test]
fn no_proposals_are_a_refusal_without_a_reason() {
    let mut guest = Guest::good();
    guest.proposes(&[]);
    assert!(matches!(error_of(&guest), CallError::Refused(refusal) if refusal.reason.is_empty()));
}

#[test]
fn a_refusal_is_an_answer_with_its_reason() {
    let mut guest = Guest::good();
    guest.refuses(b"no group of four is free");
    assert_eq!(
        error_of(&guest).to_string(),
        "the policy declined: no group of four is free"
    );
}
