//! Checks and times recorded cases: does this host answer as upstream did, and how fast?

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use supercargo_tests::suite::{self, SuiteError};
use supercargo_tests::timing;

#[derive(Debug, Parser)]
#[command(
    about = "Compare Supercargo's answers with recorded ones of the upstream allocator and CEL environment",
    long_about = "Compare Supercargo's answers with recorded ones of the upstream allocator and CEL \
        environment, and time them.\n\nA case is one line of JSON: an allocation problem (`claims`, `slices`, \
        `classes`, `node` or a sweep's `nodes`, what is in use) or a device selector (`expression`, `device`), \
        and the answer that upstream gave.",
    after_help = "Exit status: 0 every answer is upstream's, 1 some differ, 2 bad arguments or input."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Answer every case and print those whose answer differs
    #[command(
        after_long_help = "Examples:\n  conformance check tests/conformance\n  \
            conformance check fuzz.jsonl --filter counters --limit-failures 3\n\nDevice results are compared in \
            order only where the case says that it matters; share ids are all alike; quantities are compared by \
            value; errors by the part of the text, or the kind, that the case names."
    )]
    Check(Check),
    /// Time every case of a file, after checking its answer
    #[command(
        after_long_help = "Prints one line of JSON a case: name, ns_per_op, ns_per_op_with_new, iterations. \
            An operation is one allocation (of a sweep: all its nodes), with_new includes building the allocator \
            from the slices. For a selector it is one match on a device never seen before, with_new includes \
            compiling it.\n\nExample:\n  conformance time tests/conformance/performance.jsonl --seconds 2"
    )]
    Time(Time),
}

#[derive(Debug, Args)]
struct Check {
    /// Files of cases; a folder stands for its *.jsonl
    #[arg(required = true, value_name = "DIR_OR_FILE")]
    paths: Vec<PathBuf>,
    /// Only cases whose name contains TEXT
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// Print only the first N failing cases; the others are counted
    #[arg(long, value_name = "N", default_value_t = usize::MAX, hide_default_value = true)]
    limit_failures: usize,
}

#[derive(Debug, Args)]
struct Time {
    /// File of cases
    file: PathBuf,
    /// How long to repeat each case
    #[arg(long, value_name = "S", default_value_t = 2.0)]
    seconds: f64,
    /// Only cases whose name contains TEXT
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Check(arguments) => check(arguments),
        Command::Time(arguments) => time(&arguments),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("conformance: {error}");
            ExitCode::from(2)
        }
    }
}

fn check(arguments: Check) -> Result<bool, SuiteError> {
    let options = suite::Options {
        filter: arguments.filter,
        limit_failures: arguments.limit_failures,
    };
    let files = suite::files(&arguments.paths)?;
    let mut out = io::stdout().lock();
    let tally = suite::check(&files, &options, &mut out)?;
    Ok(tally.failed == 0)
}

fn time(arguments: &Time) -> Result<bool, SuiteError> {
    let seconds = Duration::try_from_secs_f64(arguments.seconds).unwrap_or(Duration::from_secs(2));
    let mut all_right = true;
    for case in suite::read(&arguments.file)? {
        if arguments
            .filter
            .as_ref()
            .is_some_and(|filter| !case.name().contains(filter.as_str()))
        {
            continue;
        }
        let timing = suite::contained(std::panic::AssertUnwindSafe(|| {
            case.check()?;
            timing::time(&case, seconds)
        }));
        match timing
            .map_err(|panic| format!("panicked: {panic}"))
            .flatten()
        {
            Ok(timing) => {
                let line = serde_json::to_string(&timing)
                    .map_err(|error| SuiteError::Report(error.into()))?;
                writeln!(io::stdout(), "{line}").map_err(SuiteError::Report)?;
            }
            Err(difference) => {
                all_right = false;
                eprintln!(
                    "{}: not timed, its answer is wrong\n  {difference}",
                    case.name()
                );
            }
        }
    }
    Ok(all_right)
}
