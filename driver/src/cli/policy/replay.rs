//! `supercargo policy replay`: recorded decisions made again.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};
use supercargo_host::journal::{Line, PolicyUsed, Recorded, Replayed, replay};
use supercargo_host::objects::write;
use supercargo_host::policy::{Digest, Engine, EngineOptions, Policy};

use super::Format;
use crate::cli::explain::report;
use crate::cli::{Exit, Failure};
use crate::journal::{self, JournalError, Place};
use crate::policies::{self, PolicyError};
use crate::render::decision::reply;
use crate::render::style::{BAD, FAINT, GOOD, STRONG, WAITING, paint};
use crate::render::table::printable;
use crate::render::{count, terminal};

/// How many differences are told.
const TOLD: usize = 20;
/// How many combinations of component and settings are kept loaded.
const LOADED: usize = 64;

const EXAMPLES: &str = "\
Examples:
  Are the decisions of this journal what the policy says?
    supercargo policy replay decisions.jsonl

  What would the new version have decided?
    supercargo policy replay decisions.jsonl --policy nvlink-groups-2.wasm

Exit status:
  0  every decision came out the same; or a new version was asked, whatever it said
  1  a component with the recorded digest answered something else
  2  the journal or a component cannot be read";

const LONG: &str = "\
Make recorded decisions again

A policy is a pure function, so the component that decided must decide the same again, bit for bit, on \
any machine: a difference means that the journal or the host is not what it says it is. The components \
lie beside the journal (FILE.policies), or are given with --policy.

A component with another digest is a new version: it is asked the same questions, and the report says \
which answers change. The allocator is not asked again; `supercargo compare` shows what becomes of \
changed proposals on a cluster.";

/// Make recorded decisions again, or put them to a new version
#[derive(Debug, Args)]
#[command(long_about = LONG, after_help = EXAMPLES)]
pub(super) struct Replay {
    /// The journal; full files beside it (FILE.1 and so on) are read too
    #[arg(value_name = "JOURNAL")]
    journal: PathBuf,

    /// The component that answers, instead of the recorded ones
    #[arg(long, value_name = "FILE.wasm")]
    policy: Option<PathBuf>,

    /// Only decisions of the policy with this name in the administrator's configuration
    #[arg(long, value_name = "NAME")]
    name: Option<String>,

    /// How to print
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: Format,
}

/// What came of all decisions of one policy.
#[derive(Debug, Default)]
struct Tally {
    same: usize,
    incomparable: BTreeMap<String, usize>,
    different: Vec<Difference>,
    /// Whether the component that answered is the recorded one.
    recorded: bool,
}

#[derive(Debug)]
struct Difference {
    /// The file's name.
    file: String,
    line: usize,
    claim: String,
    node: String,
    hook: &'static str,
    before: Vec<String>,
    now: Vec<String>,
}

impl Replay {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let mut components = Components::new(&self.journal, self.policy.as_deref())?;
        let mut tallies: BTreeMap<(String, String, Digest), Tally> = BTreeMap::new();
        let mut failure = None;
        let bad = journal::read(&self.journal, &mut |place, line| {
            let Line::Decision(decision) = line else {
                return;
            };
            let wanted = self
                .name
                .as_ref()
                .is_none_or(|name| *name == decision.policy.name);
            if failure.is_some() || !wanted {
                return;
            }
            let used = &decision.policy;
            let key = (used.name.clone(), used.version.clone(), used.digest);
            match components.replay(&decision) {
                Ok((outcome, recorded)) => {
                    let tally = tallies.entry(key).or_default();
                    tally.recorded = recorded;
                    tally.add(place, &decision, outcome);
                }
                Err(error) => failure = Some(error),
            }
        })?;
        report(&bad)?;
        if let Some(failure) = failure {
            return Err(failure);
        }
        if tallies.is_empty() {
            return Err(JournalError::Empty(self.journal).into());
        }
        terminal::print(&match self.output {
            Format::Table => table(&tallies),
            Format::Json => format!("{:#}\n", value(&tallies)),
            Format::Yaml => write::yaml_values(&[value(&tallies)]),
        })?;
        let broken = tallies
            .values()
            .any(|tally| tally.recorded && !tally.different.is_empty());
        Ok(if broken {
            Exit::Unsatisfied
        } else {
            Exit::Done
        })
    }
}

impl Tally {
    fn add(&mut self, place: Place<'_>, decision: &Recorded, outcome: Replayed) {
        let now = match outcome {
            Replayed::Same => {
                self.same += 1;
                return;
            }
            Replayed::Incomparable(why) => {
                *self.incomparable.entry(why).or_default() += 1;
                return;
            }
            Replayed::Different(now) => reply(&now, &decision.subject),
            Replayed::Altered(why) => vec![format!("the line was changed: {why}")],
        };
        let file = place.path.file_name().unwrap_or_default();
        self.different.push(Difference {
            file: file.to_string_lossy().into_owned(),
            line: place.line,
            claim: decision.subject.claim.clone(),
            node: decision.subject.node.clone(),
            hook: decision.question.hook().name(),
            before: reply(&decision.answer, &decision.subject),
            now,
        });
    }

    fn all(&self) -> usize {
        self.same + self.different.len() + self.incomparable.values().sum::<usize>()
    }
}

/// The components that answer, loaded as they are needed.
struct Components {
    engine: Engine,
    folder: PathBuf,
    /// The component that answers everything.
    given: Option<(PathBuf, Vec<u8>)>,
    loaded: Vec<(PolicyUsed, Policy)>,
}

impl Components {
    fn new(journal: &Path, given: Option<&Path>) -> Result<Self, Failure> {
        let read = |file: &Path| -> Result<_, Failure> {
            Ok((
                file.to_owned(),
                policies::component(file).map_err(PolicyError::from)?,
            ))
        };
        let engine = Engine::new(EngineOptions {
            concurrency: 1,
            // A remembered answer would prove nothing.
            decisions: 0,
            ..EngineOptions::default()
        });
        Ok(Self {
            engine: engine.map_err(PolicyError::from)?,
            folder: journal::components(journal),
            given: given.map(read).transpose()?,
            loaded: Vec::new(),
        })
    }

    /// Makes a decision again; whether the recorded component answered.
    fn replay(&mut self, decision: &Recorded) -> Result<(Replayed, bool), Failure> {
        let used = &decision.policy;
        // What was changed so may not even load.
        if !used.has_its_settings() {
            let why = "the settings are not those whose digest stands there";
            return Ok((Replayed::Altered(why.to_owned()), self.given.is_none()));
        }
        let found = self.loaded.iter().position(|(known, _)| known == used);
        if found.is_none() {
            let policy = match self.load(used)? {
                Ok(policy) => policy,
                Err(why) => return Ok((Replayed::Incomparable(why), false)),
            };
            if self.loaded.len() >= LOADED {
                self.loaded.remove(0);
            }
            self.loaded.push((used.clone(), policy));
        }
        let at = found.unwrap_or(self.loaded.len().saturating_sub(1));
        let Some((_, policy)) = self.loaded.get(at) else {
            return Ok((
                Replayed::Incomparable("it was not loaded".to_owned()),
                false,
            ));
        };
        Ok((replay(decision, policy), *policy.digest() == used.digest))
    }

    /// The policy as it ran; or why the one given cannot run so.
    fn load(&self, used: &PolicyUsed) -> Result<Result<Policy, String>, Failure> {
        let (file, bytes) = match &self.given {
            Some((file, bytes)) => (file.clone(), bytes.clone()),
            None => {
                let file = self.folder.join(journal::file_name(&used.digest));
                let bytes = policies::component(&file).map_err(|error| Failure::NoComponent {
                    name: used.name.clone(),
                    digest: used.digest,
                    why: error.to_string(),
                })?;
                (file, bytes)
            }
        };
        if self.given.is_none() && Digest::of(&bytes) != used.digest {
            return Err(Failure::NoComponent {
                name: used.name.clone(),
                digest: used.digest,
                why: format!(
                    "{}: has another digest, {}",
                    file.display(),
                    Digest::of(&bytes)
                ),
            });
        }
        let settings = Value::Object(used.settings.clone()).to_string();
        let limits = used.limits.unwrap_or_default().capped();
        match Policy::load(&self.engine, &bytes, &settings, limits) {
            Ok(policy) => Ok(Ok(policy)),
            Err(error) if self.given.is_some() => Ok(Err(format!(
                "it cannot be loaded as the recorded one was: {error}"
            ))),
            Err(error) => Err(PolicyError::Refused { file, error }.into()),
        }
    }
}

fn table(tallies: &BTreeMap<(String, String, Digest), Tally>) -> String {
    let mut text = String::new();
    for ((name, version, digest), tally) in tallies {
        let hex = digest.hex();
        text.push_str(&format!(
            "{} {} (sha256:{}): {}, ",
            paint(STRONG, &printable(name)),
            printable(version),
            hex.get(..12).unwrap_or_default(),
            count(tally.all(), "decision")
        ));
        let style = match (tally.different.is_empty(), tally.recorded) {
            (true, _) => GOOD,
            (false, true) => BAD,
            (false, false) => WAITING,
        };
        let what = if tally.recorded {
            "differ"
        } else {
            "would change"
        };
        text.push_str(&format!(
            "{}, {}",
            paint(GOOD, &format!("{} same", tally.same)),
            paint(style, &format!("{} {what}", tally.different.len()))
        ));
        text.push('\n');
        for (why, number) in &tally.incomparable {
            text.push_str(&format!(
                "  {}\n",
                paint(
                    WAITING,
                    &printable(&format!("{number} not comparable: {why}"))
                )
            ));
        }
        for one in tally.different.iter().take(TOLD) {
            let mut place = format!("{}:{}: {}", one.file, one.line, one.hook);
            if !one.claim.is_empty() {
                place.push_str(&format!(" for {}", one.claim));
            }
            if !one.node.is_empty() {
                place.push_str(&format!(" on {}", one.node));
            }
            text.push_str(&format!("  {}\n", printable(&place)));
            for (sign, style, lines) in [("-", FAINT, &one.before), ("+", style, &one.now)] {
                for line in lines {
                    text.push_str(&format!(
                        "    {}\n",
                        paint(style, &printable(&format!("{sign} {line}")))
                    ));
                }
            }
        }
        if tally.different.len() > TOLD {
            text.push_str(&format!(
                "  and {} more; see all with -o json\n",
                tally.different.len() - TOLD
            ));
        }
    }
    text
}

fn value(tallies: &BTreeMap<(String, String, Digest), Tally>) -> Value {
    let policies = tallies.iter().map(|((name, version, digest), tally)| {
        let different = tally.different.iter().map(|one| {
            json!({"file": one.file, "line": one.line, "claim": one.claim, "node": one.node, "hook": one.hook, "before": one.before, "now": one.now})
        });
        json!({
            "name": name,
            "version": version,
            "digest": digest,
            "answeredByTheRecordedComponent": tally.recorded,
            "decisions": tally.all(),
            "same": tally.same,
            "different": different.collect::<Vec<_>>(),
            "incomparable": tally.incomparable,
        })
    });
    json!({"policies": policies.collect::<Vec<_>>()})
}
