//! One contender's way through a course.

use std::collections::BTreeSet;
use std::sync::Arc;

use k8s_openapi::api::resource::v1::ResourceClaim;
use supercargo_host::allocator::Allocator;
use supercargo_host::placement::Placement;
use supercargo_host::scheduling::{Input, Options, Task, schedule};

use super::course::{Course, CourseError, Kind};
use crate::claims::{device_id, results, wants};
use crate::inventory::Inventory;
use crate::measures::{self, Devices, is_local};
use crate::policies::BUDGET;
use crate::render::topology::{Holder, Node};
use crate::topology::{Holders, locality};

/// What is counted at one moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// Minutes from the beginning.
    pub at: f64,
    /// The devices.
    pub devices: Devices,
    /// Workloads that wait.
    pub waiting: usize,
}

/// What became of a course.
#[derive(Debug)]
pub struct Ran {
    /// The contender.
    pub name: String,
    /// Workloads that came.
    pub arrived: usize,
    /// Workloads that got their devices, at once or later.
    pub placed: usize,
    /// Minutes that workloads waited, of all together.
    pub waited: f64,
    /// Claims for several devices that got them, and those that got them from one group.
    pub several: usize,
    /// See above.
    pub together: usize,
    /// After everything that happened.
    pub samples: Vec<Sample>,
    /// The attribute that makes groups.
    pub group_by: Option<String>,
    /// Who had what at the moment asked for.
    pub nodes: Vec<Node>,
    /// The kinds of workloads, which the drawing refers to.
    pub kinds: Vec<Kind>,
    /// How long it went on, in minutes.
    pub length: f64,
    /// Whether minutes are minutes; of a dump each stands for a workload.
    pub timed: bool,
}

impl Ran {
    /// The mean over time.
    pub fn mean(&self, of: impl Fn(&Sample) -> f64) -> f64 {
        let ends = self
            .samples
            .iter()
            .skip(1)
            .map(|sample| sample.at)
            .chain([self.length]);
        let mut sum = 0.0;
        for (sample, end) in self.samples.iter().zip(ends) {
            sum += of(sample) * (end - sample.at).max(0.0);
        }
        if self.length > 0.0 {
            sum / self.length
        } else {
            0.0
        }
    }

    /// When most workloads wait, or else most devices are stranded.
    pub fn worst(&self) -> f64 {
        let worst = self
            .samples
            .iter()
            .max_by_key(|sample| (sample.waiting, sample.devices.stranded));
        worst.map_or(self.length, |sample| sample.at)
    }
}

/// The claims of a task.
pub(super) fn claims_of(task: &Task) -> Vec<usize> {
    match task {
        Task::Pod(pod) => pod
            .claims
            .iter()
            .filter_map(|claim| claim.claim.as_ref().ok().copied())
            .collect(),
        Task::Claim(claim) => vec![*claim],
    }
}

/// Goes through a course. Who has what is kept as it is at `drawn` minutes.
///
/// # Errors
/// Never for a course that was read.
pub fn run(
    course: &Course,
    name: &str,
    placement: &Placement,
    group_by: Option<&str>,
    drawn: Option<f64>,
) -> Result<Ran, CourseError> {
    let slices = course.slices();
    let inventory = Inventory::new(&slices);
    let mut runner = Runner {
        placement,
        drawn,
        input: course.input()?,
        held: Vec::new(),
        waiting: Vec::new(),
        group_by: locality(&inventory, group_by),
        inventory,
        ran: Ran {
            name: name.to_owned(),
            arrived: 0,
            placed: 0,
            waited: 0.0,
            several: 0,
            together: 0,
            samples: Vec::new(),
            group_by: None,
            nodes: Vec::new(),
            kinds: course.kinds.clone(),
            length: course.length,
            timed: course.arrivals.is_some(),
        },
    };
    match &course.arrivals {
        Some((arrivals, specs)) => {
            runner.before();
            runner.sample(0.0);
            let comers = arrivals.iter().enumerate().map(|(number, arrival)| {
                let mut claim = ResourceClaim {
                    spec: specs.get(arrival.kind).cloned(),
                    ..ResourceClaim::default()
                };
                let kind = course
                    .kinds
                    .get(arrival.kind)
                    .map_or("workload", |kind| kind.name.as_str());
                claim.metadata.name = Some(format!("{kind}-{number}"));
                claim.metadata.namespace = Some("default".to_owned());
                (*arrival, claim)
            });
            runner.arrivals(comers.collect());
        }
        None => runner.dump(),
    }
    runner.ran.group_by = runner.group_by;
    Ok(runner.ran)
}

/// The allocator of a course.
pub fn allocator(course: &Course) -> Arc<Allocator> {
    let features = supercargo_host::allocator::Features::ALL;
    Arc::new(Allocator::new(
        features,
        &course.slices(),
        &course.classes(),
    ))
}

/// A workload that has its devices.
struct Held {
    claim: ResourceClaim,
    holder: Holder,
    until: f64,
}

/// A workload that has not.
struct Waiting {
    claim: ResourceClaim,
    kind: usize,
    since: f64,
    runs: f64,
}

struct Runner<'a> {
    placement: &'a Placement,
    drawn: Option<f64>,
    input: Input,
    held: Vec<Held>,
    waiting: Vec<Waiting>,
    group_by: Option<String>,
    inventory: Inventory<'a>,
    ran: Ran,
}

impl Runner<'_> {
    /// Claims of the manifests that have their devices keep them.
    fn before(&mut self) {
        let claims = std::mem::take(&mut self.input.claims);
        let allocated = claims
            .into_iter()
            .filter(|claim| results(claim).next().is_some());
        self.held.extend(allocated.map(|claim| Held {
            claim,
            holder: Holder::Before,
            until: f64::INFINITY,
        }));
    }

    fn arrivals(&mut self, arrivals: Vec<(super::scenario::Arrival, ResourceClaim)>) {
        let mut arrivals = arrivals.into_iter().peekable();
        loop {
            let leaves = self
                .held
                .iter()
                .map(|held| held.until)
                .fold(f64::INFINITY, f64::min);
            let comes = arrivals
                .peek()
                .map_or(f64::INFINITY, |(arrival, _)| arrival.at);
            let now = leaves.min(comes);
            if now >= self.ran.length {
                break;
            }
            if leaves <= comes {
                self.held.retain(|held| held.until > now);
                let mut still = Vec::new();
                for one in std::mem::take(&mut self.waiting) {
                    still.extend(self.try_to_place(one, now));
                }
                self.waiting = still;
            } else if let Some((arrival, claim)) = arrivals.next() {
                self.ran.arrived += 1;
                let one = Waiting {
                    claim,
                    kind: arrival.kind,
                    since: now,
                    runs: arrival.runs,
                };
                let still = self.try_to_place(one, now);
                self.waiting.extend(still);
            }
            self.sample(now);
        }
        let end = self.ran.length;
        self.ran.waited += self.waiting.iter().map(|one| end - one.since).sum::<f64>();
        self.draw_if_due(f64::INFINITY);
    }

    /// Gives a workload its devices, or gives it back.
    fn try_to_place(&mut self, one: Waiting, now: f64) -> Option<Waiting> {
        let mut claims: Vec<ResourceClaim> =
            self.held.iter().map(|held| held.claim.clone()).collect();
        let at = claims.len();
        claims.push(one.claim.clone());
        let input = Input {
            nodes: self.input.nodes.clone(),
            claims,
            tasks: vec![Task::Claim(at)],
            classes: self.input.classes.clone(),
            admin_namespaces: self.input.admin_namespaces.clone(),
        };
        let mut schedule = schedule(input, self.placement, OPTIONS, &mut |_| ());
        let claim = schedule.claims.pop().map(|outcome| outcome.claim);
        let Some(claim) = claim.filter(|claim| results(claim).next().is_some()) else {
            return Some(one);
        };
        self.ran.placed += 1;
        self.ran.waited += now - one.since;
        self.count(&claim);
        self.held.push(Held {
            claim,
            holder: Holder::Workload(one.kind),
            until: now + one.runs,
        });
        None
    }

    /// The tasks of a dump, one a minute.
    fn dump(&mut self) {
        let tasks = std::mem::take(&mut self.input.tasks);
        let mut claims = std::mem::take(&mut self.input.claims);
        let mut kinds: Vec<Kind> = Vec::new();
        let mut holder: Vec<Holder> = vec![Holder::Before; claims.len()];
        self.ran.length = f64::from(u32::try_from(tasks.len()).unwrap_or(u32::MAX));
        self.resume(&claims, &holder);
        self.sample(0.0);
        for (number, task) in tasks.into_iter().enumerate() {
            let now = f64::from(u32::try_from(number).unwrap_or(u32::MAX)) + 1.0;
            let own: BTreeSet<usize> = claims_of(&task).into_iter().collect();
            let asked: Vec<String> = own
                .iter()
                .filter_map(|&at| claims.get(at))
                .map(wants)
                .collect();
            let kind = Kind {
                name: asked.join(" + "),
                wants: String::new(),
            };
            let at = kinds
                .iter()
                .position(|known| *known == kind)
                .unwrap_or_else(|| {
                    kinds.push(kind);
                    kinds.len() - 1
                });
            for &claim in &own {
                if let (Some(holder), Some(claim)) = (holder.get_mut(claim), claims.get(claim))
                    && results(claim).next().is_none()
                {
                    *holder = Holder::Workload(at);
                }
            }
            let open: Vec<usize> = own
                .iter()
                .copied()
                .filter(|&at| {
                    claims
                        .get(at)
                        .is_some_and(|claim| results(claim).next().is_none())
                })
                .collect();
            let input = Input {
                nodes: self.input.nodes.clone(),
                claims,
                tasks: vec![task],
                classes: self.input.classes.clone(),
                admin_namespaces: self.input.admin_namespaces.clone(),
            };
            let schedule = schedule(input, self.placement, OPTIONS, &mut |_| ());
            claims = schedule
                .claims
                .into_iter()
                .map(|outcome| outcome.claim)
                .collect();
            self.ran.arrived += 1;
            let done = open.iter().all(|&at| {
                claims
                    .get(at)
                    .is_some_and(|claim| results(claim).next().is_some())
            });
            if done && !own.is_empty() {
                self.ran.placed += 1;
            }
            self.resume(&claims, &holder);
            for claim in open.iter().filter_map(|&at| claims.get(at)) {
                self.count(claim);
            }
            self.sample_waiting(now, self.ran.arrived - self.ran.placed);
        }
        self.ran.kinds = kinds;
        self.draw_if_due(f64::INFINITY);
    }

    fn resume(&mut self, claims: &[ResourceClaim], holders: &[Holder]) {
        let held = claims
            .iter()
            .zip(holders)
            .filter(|(claim, _)| results(claim).next().is_some());
        self.held = held
            .map(|(claim, holder)| Held {
                claim: claim.clone(),
                holder: *holder,
                until: f64::INFINITY,
            })
            .collect();
    }

    fn count(&mut self, claim: &ResourceClaim) {
        let topology =
            measures::grouped(&self.inventory, self.group_by.as_deref(), &Holders::new());
        if let Some(local) = is_local(claim, &topology) {
            self.ran.several += 1;
            self.ran.together += usize::from(local);
        }
    }

    fn holders(&self) -> Holders {
        let mut holders = Holders::new();
        for held in &self.held {
            let own = results(&held.claim).filter(|result| result.admin_access != Some(true));
            holders.extend(own.map(|result| (device_id(result), held.holder)));
        }
        holders
    }

    fn sample(&mut self, at: f64) {
        self.sample_waiting(at, self.waiting.len());
    }

    fn sample_waiting(&mut self, at: f64, waiting: usize) {
        let topology =
            measures::grouped(&self.inventory, self.group_by.as_deref(), &self.holders());
        let devices = measures::devices(&topology);
        self.ran.samples.push(Sample {
            at,
            devices,
            waiting,
        });
        self.draw_if_due(at);
    }

    /// Keeps who has what, once: at the first moment that is not before the one asked for.
    fn draw_if_due(&mut self, at: f64) {
        if self.ran.nodes.is_empty() && self.drawn.is_some_and(|drawn| at >= drawn) {
            self.ran.nodes =
                measures::grouped(&self.inventory, self.group_by.as_deref(), &self.holders()).nodes;
        }
    }
}

const OPTIONS: Options = Options {
    budget: BUDGET,
    explain_all: false,
};
