//! A question for every hook, on a node with so many devices.

use std::sync::Arc;

use supercargo_guest::testkit::{
    Amount, CounterSet, Draw, Fixture, FixtureDevice, FixtureRequest, FixtureUnit, FixtureValue,
};
use supercargo_host::allocator::{Allocator, Features};
use supercargo_host::journal::Question;
use supercargo_host::placement::question;
use supercargo_host::plan;
use supercargo_host::policy::configuration::CandidateParameters;
use supercargo_host::policy::domain::{CandidateNode, Clique, Domain};
use supercargo_host::policy::inventory::{HealthEvent, Incident};
use supercargo_host::policy::types::ParameterSource;
use supercargo_host::policy::{Hook, Interests};

use crate::fixtures::{self, Candidate, Case, Scene};

/// Devices that belong together.
const GROUP: usize = 4;
/// The most devices that a claim may have.
const PER_CLAIM: usize = 32;

/// What the questions are made of.
pub(in crate::cli::policy) struct Questions<'c> {
    interests: Interests,
    cases: &'c [Case],
}

/// A question, and for `select` the cluster behind it.
pub(in crate::cli::policy) struct Asked {
    pub(in crate::cli::policy) question: Question,
    pub(in crate::cli::policy) scene: Option<Scene>,
}

impl<'c> Questions<'c> {
    pub(in crate::cli::policy) fn new(interests: &Interests, cases: &'c [Case]) -> Self {
        Self {
            interests: interests.clone(),
            cases,
        }
    }

    /// The question to a hook; none where it cannot be made.
    pub(in crate::cli::policy) fn of(
        &self,
        hook: Hook,
        devices: usize,
        candidate: &Candidate,
    ) -> Option<Asked> {
        let alone = |question| {
            Some(Asked {
                question,
                scene: None,
            })
        };
        match hook {
            Hook::Select => {
                let scene = fixtures::scene(&self.fixture(devices, GROUP)).ok()?;
                let allocator = Allocator::new(Features::ALL, &scene.slices, &scene.classes);
                let claim = scene.claims.first()?;
                let (situation, _) = question(
                    &allocator,
                    &scene.state,
                    &scene.node,
                    claim,
                    &self.interests,
                )
                .ok()?;
                Some(Asked {
                    question: Question::Select(situation),
                    scene: Some(scene),
                })
            }
            Hook::Place => alone(Question::Place(domain(devices))),
            Hook::Validate => alone(self.parameters()),
            Hook::Prepare | Hook::Unprepare => {
                let fixture = self.fixture(devices, devices.min(PER_CLAIM));
                let scene = fixtures::scene(&fixture).ok()?;
                let allocator =
                    Arc::new(Allocator::new(Features::ALL, &scene.slices, &scene.classes));
                let decided = fixtures::decide(&scene, &allocator, None, candidate.engine());
                let claim = fixtures::on_node(&fixture, decided.claims.first()?, &scene.slices);
                let asked = plan::question(&claim, &self.interests);
                alone(if hook == Hook::Prepare {
                    Question::Prepare(asked)
                } else {
                    Question::Unprepare(asked)
                })
            }
            Hook::Publish => alone(self.hardware(devices).ok()?),
            Hook::Assess => alone(Question::Assess(incident(devices))),
        }
    }

    /// The parameters of the first fixture that has some.
    fn parameters(&self) -> Question {
        let asked = self
            .cases
            .iter()
            .filter(|case| case.fixture.hook.as_deref() == Some("validate"));
        let asked = asked.map(|case| serde_json::json!({"validate": case.fixture.question}));
        let mut known = asked.filter_map(|asked| serde_json::from_value(asked).ok());
        known.next().unwrap_or_else(|| {
            Question::Validate(CandidateParameters {
                driver: self.driver().as_str().into(),
                source: ParameterSource::Claim,
                json: "{}".into(),
            })
        })
    }

    /// So many units, of each of which as much is known as of the first in the fixtures.
    fn hardware(&self, units: usize) -> Result<Question, String> {
        let known = self.cases.iter().flat_map(|case| &case.fixture.hardware);
        let mut known = known
            .map(|unit| &unit.facts)
            .filter(|facts| !facts.is_empty());
        let facts = known.next().cloned().unwrap_or_else(|| {
            let facts = [("pci.vendor", 0x10de), ("nvml.memory-bytes", 80 << 30)];
            let fact = |(name, value): (&str, i64)| (name.to_owned(), FixtureValue::Int(value));
            facts.into_iter().map(fact).collect()
        });
        let mut fixture = Fixture::new(self.driver());
        fixture.hardware = (0..units)
            .map(|at| FixtureUnit {
                id: format!("0000:{at:02x}:00.0"),
                facts: facts.clone(),
            })
            .collect();
        fixtures::publish_question(&fixture, &self.interests)
    }

    fn driver(&self) -> String {
        let known = self.cases.iter().map(|case| case.fixture.driver.clone());
        known
            .into_iter()
            .find(|driver| !driver.is_empty())
            .unwrap_or_else(|| "gpu.example.com".to_owned())
    }

    /// Devices in groups of [`GROUP`], every eighth in use, and a claim for `count` of them.
    fn fixture(&self, devices: usize, count: usize) -> Fixture {
        let known = self.cases.iter().map(|case| &case.fixture);
        let counters: Vec<String> = known
            .clone()
            .flat_map(|fixture| &fixture.shared_counters)
            .flat_map(|set| set.counters.keys().cloned())
            .collect::<std::collections::BTreeSet<_>>()
            .into_iter()
            .collect();
        let kind = |name: &str| {
            let bare = name.rsplit('/').next().unwrap_or(name);
            known
                .clone()
                .flat_map(|fixture| &fixture.devices)
                .find_map(|device| {
                    device
                        .attributes
                        .get(name)
                        .or_else(|| device.attributes.get(bare))
                })
        };
        let mut fixture = Fixture::new(self.driver());
        for at in 0..devices {
            let mut device = FixtureDevice::new(format!("dev-{at}"));
            device.in_use = at % 8 == 7 && count <= GROUP && counters.is_empty();
            for name in &self.interests.attributes {
                let group = at / GROUP;
                let value = match kind(name) {
                    Some(FixtureValue::Int(_) | FixtureValue::Ints(_)) => {
                        FixtureValue::Int(i64::try_from(group).unwrap_or_default())
                    }
                    Some(FixtureValue::Bool(_) | FixtureValue::Bools(_)) => {
                        FixtureValue::Bool(group.is_multiple_of(2))
                    }
                    Some(FixtureValue::Version(_) | FixtureValue::Versions(_)) => {
                        FixtureValue::Version(format!("{group}.0.0"))
                    }
                    Some(FixtureValue::String(_) | FixtureValue::Strings(_)) | None => {
                        FixtureValue::String(format!("group-{group}"))
                    }
                };
                device.attributes.insert(name.clone(), value);
            }
            for name in &self.interests.capacities {
                device.capacity.insert(
                    name.clone(),
                    Amount {
                        value: "80Gi".to_owned(),
                    },
                );
            }
            if let (true, Some(counter)) = (
                self.interests.counters,
                counters.get(at % counters.len().max(1)),
            ) {
                device.consumes_counters.push(Draw {
                    counter_set: format!("card-{}", at / counters.len()),
                    counters: [(
                        counter.clone(),
                        Amount {
                            value: "1".to_owned(),
                        },
                    )]
                    .into(),
                });
            }
            fixture.devices.push(device);
        }
        if self.interests.counters && !counters.is_empty() {
            for set in 0..devices.div_ceil(counters.len()) {
                fixture.shared_counters.push(CounterSet {
                    name: format!("card-{set}"),
                    counters: counters
                        .iter()
                        .map(|name| {
                            (
                                name.clone(),
                                Amount {
                                    value: "1".to_owned(),
                                },
                            )
                        })
                        .collect(),
                });
            }
        }
        fixture.requests.push(FixtureRequest::new(
            "devices",
            u32::try_from(count.min(devices)).unwrap_or(1),
        ));
        fixture
    }
}

fn number(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

/// A domain over a fifth of the nodes, in cliques of 18.
fn domain(nodes: usize) -> Domain {
    let cliques = nodes.div_ceil(18);
    Domain {
        nodes_needed: number(nodes.div_ceil(5)),
        cliques: vec![
            Clique {
                nodes: 18,
                taken: 2
            };
            cliques
        ],
        nodes: (0..nodes)
            .map(|at| CandidateNode {
                clique: Some(number(at / 18)),
                free_devices: 4,
                total_devices: 4,
            })
            .collect(),
        ..Domain::default()
    }
}

fn incident(devices: usize) -> Incident {
    Incident {
        devices: (0..devices)
            .map(|at| format!("dev-{at}").as_str().into())
            .collect(),
        taints: Vec::new(),
        event: HealthEvent {
            device: Some(0),
            source: "xid".into(),
            code: 79,
            message: "GPU has fallen off the bus".into(),
            occurrences: 1,
            seconds_since_first: 0,
        },
    }
}
