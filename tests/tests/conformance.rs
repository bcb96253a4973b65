//! Supercargo answers as upstream does: the same devices for the same problem, in the same order,
//! the same errors, and for selectors the same costs.

use std::env;
use std::error::Error;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use supercargo_tests::oracle::{Oracle, OracleError};
use supercargo_tests::suite::{self, Options};

/// Names files and folders of more cases, separated as in `PATH`.
const MORE: &str = "SUPERCARGO_CONFORMANCE";

/// How many fresh problems of each kind are drawn, and from what.
const FRESH: (usize, u64) = (2_000, 4_711);

type Tested = Result<(), Box<dyn Error>>;

fn assert_all_pass(paths: &[PathBuf]) -> Tested {
    let files = suite::files(paths)?;
    let mut report = Vec::new();
    let options = Options {
        filter: None,
        limit_failures: 20,
    };
    let tally = suite::check(&files, &options, &mut report)?;
    assert_eq!(tally.failed, 0, "{}", String::from_utf8_lossy(&report));
    assert_ne!(tally.passed, 0, "no cases in {files:?}");
    Ok(())
}

/// Says it past the test harness, which keeps what passing tests print.
fn skip(test: &str, why: &dyn std::fmt::Display) {
    let _ = writeln!(io::stderr(), "SKIPPED {test}: {why}");
}

fn recorded(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("conformance")
        .join(file)
}

#[test]
fn recorded_allocations_are_upstreams() -> Tested {
    assert_all_pass(&[recorded("allocator.jsonl")])
}

#[test]
fn recorded_selectors_are_upstreams() -> Tested {
    assert_all_pass(&[recorded("cel.jsonl")])
}

#[test]
fn recorded_performance_problems_have_upstreams_answers() -> Tested {
    assert_all_pass(&[
        recorded("performance.jsonl"),
        recorded("performance-selectors.jsonl"),
    ])
}

#[test]
fn cases_that_the_environment_names_are_upstreams() -> Tested {
    match env::var_os(MORE).filter(|paths| !paths.is_empty()) {
        Some(paths) => assert_all_pass(&env::split_paths(&paths).collect::<Vec<_>>()),
        None => {
            skip(
                "cases_that_the_environment_names_are_upstreams",
                &format!("{MORE} is not set"),
            );
            Ok(())
        }
    }
}

#[test]
fn fresh_problems_have_upstreams_answers() -> Tested {
    let oracle = match Oracle::from_environment(Path::new(env!("CARGO_TARGET_TMPDIR"))) {
        Ok(oracle) => oracle,
        Err(why @ (OracleError::NotAskedFor | OracleError::NoGo(_))) => {
            skip("fresh_problems_have_upstreams_answers", &why);
            return Ok(());
        }
        Err(error) => return Err(error.into()),
    };
    let (number, seed) = FRESH;
    assert_all_pass(&[
        oracle.problems(number, seed)?,
        oracle.selectors(number, seed)?,
    ])
}
