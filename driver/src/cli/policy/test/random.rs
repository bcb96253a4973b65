//! `--random`: clusters that nobody thought of, and the smallest one that shows the fault.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};
use supercargo_host::objects::write;
use supercargo_host::policy::Hook;

use super::Measure;
use crate::cli::Failure;
use crate::fixtures::random::{By, Fault, Generator, judge, shrink};
use crate::fixtures::{self, Candidate, Case};

/// The hooks that a cluster with claims has a question for.
const ASKED: [Hook; 3] = [Hook::Select, Hook::Prepare, Hook::Unprepare];

/// Random clusters.
#[derive(Debug, Args)]
pub(super) struct RandomFlags {
    /// Try so many random clusters too, made of what the policy declares and the fixtures show
    ///
    /// The policy must not trap, run over a limit, propose devices that it may not, or propose nothing
    /// but what breaks a rule, nor trap or run over a limit when it plans for the claims that got
    /// devices. What fails is made as small as it can be and written as a fixture.
    #[arg(long, value_name = "N")]
    random: Option<u32>,

    /// Where the random clusters begin: the same number gives the same clusters
    #[arg(long, value_name = "SEED", default_value_t = 0, requires = "random")]
    seed: u64,

    /// Let it also be a fault to do worse than first fit by this measure
    #[arg(long, value_name = "MEASURE", requires = "random")]
    worse_by: Option<Measure>,

    /// The attribute whose values make groups, where its name does not tell
    #[arg(long, value_name = "ATTRIBUTE", requires = "worse_by")]
    group_by: Option<String>,
}

/// What came of the search.
pub(super) struct Search {
    tried: u32,
    seed: u64,
    found: Option<Found>,
}

struct Found {
    seed: u64,
    fault: Fault,
    text: String,
    file: PathBuf,
}

impl RandomFlags {
    /// Tries the clusters until one fails.
    pub(super) fn search(
        &self,
        cases: &[Case],
        candidate: &Candidate,
        folder: &Path,
    ) -> Result<Option<Search>, Failure> {
        let Some(wanted) = self.random else {
            return Ok(None);
        };
        let policy = super::loaded(cases, candidate)?;
        let hooks = &policy.description().hooks;
        if !hooks.iter().any(|hook| ASKED.contains(hook)) {
            return Ok(Some(Search {
                tried: 0,
                seed: self.seed,
                found: None,
            }));
        }
        let generator = Generator::new(&policy.description().interests, cases);
        let by = self.worse_by.map(|measure| By {
            measure: match measure {
                Measure::Placed => crate::fixtures::random::Measure::Placed,
                Measure::Locality => crate::fixtures::random::Measure::Locality,
                Measure::Stranded => crate::fixtures::random::Measure::Stranded,
            },
            group_by: self.group_by.clone(),
        });
        for tried in 0..wanted {
            let seed = self.seed.wrapping_add(u64::from(tried));
            let fixture = generator.fixture(seed);
            let Some(fault) = judge(&fixture, candidate, by.as_ref()) else {
                continue;
            };
            let (small, fault) = shrink(fixture, fault, candidate, by.as_ref());
            let mut into = fixtures::folder_of(folder);
            if into.is_file() {
                into.pop();
            }
            let file = into.join(format!("random-{seed}.yaml"));
            let value = serde_json::to_value(fault.expectation(small)).unwrap_or_default();
            let comment = format!(
                "# Found by --random with --seed {seed}: {}\n",
                fault.told.replace('\n', " ")
            );
            let text = format!("{comment}{}", write::yaml_values(&[value]));
            Failure::write(&file, &text)?;
            return Ok(Some(Search {
                tried: tried + 1,
                seed: self.seed,
                found: Some(Found {
                    seed,
                    fault,
                    text,
                    file,
                }),
            }));
        }
        Ok(Some(Search {
            tried: wanted,
            seed: self.seed,
            found: None,
        }))
    }
}

impl Search {
    pub(super) fn failed(&self) -> bool {
        self.found.is_some()
    }

    pub(super) fn told(&self) -> String {
        match &self.found {
            None if self.tried == 0 => {
                let asked = ASKED.map(Hook::name).join(", ");
                format!("no random cluster was tried: the policy has none of the hooks {asked}\n")
            }
            None => format!(
                "{} random clusters from seed {}: no fault found\n",
                self.tried, self.seed
            ),
            Some(found) => format!(
                "random cluster {} (--seed {}): {}\n\n{}\nwritten to {}\n",
                self.tried,
                found.seed,
                found.fault.told,
                found
                    .text
                    .lines()
                    .map(|line| format!("    {line}\n"))
                    .collect::<String>(),
                found.file.display()
            ),
        }
    }

    pub(super) fn value(&self) -> Value {
        json!({
            "tried": self.tried,
            "seed": self.seed,
            "fault": self.found.as_ref().map(|found| json!({
                "seed": found.seed,
                "kind": found.fault.kind,
                "told": found.fault.told,
                "fixture": found.file.display().to_string(),
            })),
        })
    }
}
