//! `make bench`: one table of what Supercargo's decisions cost, and the same as JSON.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use supercargo_tests::bench::{self, Row};
use supercargo_tests::oracle::{Oracle, OracleError};

#[derive(Debug, Parser)]
#[command(
    about = "Measure what decisions cost: selectors, allocations, policies",
    long_about = "Measure what decisions cost: selectors, allocations, policies.\n\nEvery time is the median of \
        ten stretches, after the answer was checked. `with new` is the time with everything built anew for each \
        operation. Where `go` is installed and SUPERCARGO_ORACLE names the folder of the upstream program's \
        source, upstream solves the same problems in the same run, and `ratio` says how many times faster this \
        host is.",
    after_help = "Exit status: 0 measured, 1 an answer was wrong, 2 bad arguments or the report was not written."
)]
struct Cli {
    /// How long to repeat each operation
    #[arg(long, value_name = "S", default_value_t = 1.0)]
    seconds: f64,
    /// Where to write the figures as JSON
    #[arg(long, value_name = "FILE", default_value = "target/bench.json")]
    json: PathBuf,
}

fn main() -> ExitCode {
    let arguments = Cli::parse();
    let Ok(time) = Duration::try_from_secs_f64(arguments.seconds) else {
        eprintln!(
            "bench: --seconds {}: want a positive number",
            arguments.seconds
        );
        return ExitCode::from(2);
    };
    let rows = match measure(time) {
        Ok(rows) => rows,
        Err(failure) => {
            eprintln!("bench: {failure}");
            return ExitCode::from(1);
        }
    };
    print!("{}", bench::table(&rows));
    match write(&arguments.json, &rows) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("bench: {failure}");
            ExitCode::from(2)
        }
    }
}

fn measure(time: Duration) -> Result<Vec<Row>, bench::Failure> {
    let oracle = match Oracle::from_environment(&env::temp_dir().join("supercargo-bench")) {
        Ok(oracle) => Some(oracle),
        Err(OracleError::NotAskedFor) => None,
        Err(error) => {
            eprintln!("bench: without upstream's figures: {error}");
            None
        }
    };
    let recorded = Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance");
    let mut rows = bench::selectors::rows(
        &recorded.join("performance-selectors.jsonl"),
        time,
        oracle.as_ref(),
    )?;
    rows.extend(bench::allocations::rows(
        &recorded.join("performance.jsonl"),
        time,
        oracle.as_ref(),
    )?);
    Ok(rows)
}

fn write(path: &Path, rows: &[Row]) -> Result<(), bench::Failure> {
    let place = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(|error| place(&error))?;
    }
    let text = serde_json::to_string_pretty(rows).map_err(|error| place(&error))?;
    fs::write(path, text + "\n").map_err(|error| place(&error))
}
