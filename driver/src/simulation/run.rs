//! One contender's way through a course.

use std::collections::BTreeSet;
use std::sync::Arc;

use k8s_openapi::api::resource::v1::ResourceClaim;
use supercargo_host::allocator::Allocator;
use supercargo_host::placement::Placement;
use supercargo_host::scheduling::{Input, Options, PodOutcome, Task, schedule};

use super::course::{Course, CourseError, Kind};
use crate::claims::{device_id, results, wants};
use crate::inventory::Inventory;
use crate::measures::{self, Devices, is_local};
use crate::policies::BUDGET;
use crate::render::topology::{Holder, Node};
use crate::topology::{Holders, Topology, locality};

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
    /// The mean over time; where no time passes, how it is.
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
            self.samples.last().map_or(0.0, of)
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
    let group_by = locality(&inventory, group_by);
    let mut runner = Runner {
        placement,
        drawn,
        input: course.input()?,
        held: Vec::new(),
        waiting: Vec::new(),
        groups: measures::grouped(&inventory, group_by.as_deref(), &Holders::new()),
        group_by,
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

/// Who a claim is held by.
struct Held {
    holder: Holder,
    until: f64,
}

impl Held {
    /// By somebody who was there before, and stays.
    const BEFORE: Self = Self {
        holder: Holder::Before,
        until: f64::INFINITY,
    };
}

/// A workload that has no devices yet.
struct Waiting {
    claim: ResourceClaim,
    kind: usize,
    since: f64,
    runs: f64,
}

struct Runner<'a> {
    placement: &'a Placement,
    drawn: Option<f64>,
    /// The cluster; its claims are those that have devices, and in a dump those that may yet get some.
    input: Input,
    /// Who holds each claim.
    held: Vec<Held>,
    waiting: Vec<Waiting>,
    group_by: Option<String>,
    inventory: Inventory<'a>,
    /// The groups, whoever has what.
    groups: Topology,
    ran: Ran,
}

impl Runner<'_> {
    /// Claims of the manifests that have their devices keep them.
    fn before(&mut self) {
        self.input
            .claims
            .retain(|claim| results(claim).next().is_some());
        self.hold_all();
    }

    fn hold_all(&mut self) {
        self.held = self.input.claims.iter().map(|_| Held::BEFORE).collect();
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
                let claims = std::mem::take(&mut self.input.claims).into_iter();
                let held = claims.zip(std::mem::take(&mut self.held));
                (self.input.claims, self.held) = held.filter(|(_, held)| held.until > now).unzip();
                self.retry(now);
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

    /// Tries what waits again, in order. Workloads of a kind ask for the same, so where one finds nothing
    /// the next finds nothing either, until something is placed.
    fn retry(&mut self, now: f64) {
        let mut still = Vec::new();
        let mut in_vain = BTreeSet::new();
        for one in std::mem::take(&mut self.waiting) {
            if in_vain.contains(&one.kind) {
                still.push(one);
                continue;
            }
            match self.try_to_place(one, now) {
                Some(one) => {
                    in_vain.insert(one.kind);
                    still.push(one);
                }
                None => in_vain.clear(),
            }
        }
        self.waiting = still;
    }

    /// Gives a workload its devices, or gives it back.
    fn try_to_place(&mut self, one: Waiting, now: f64) -> Option<Waiting> {
        self.input.claims.push(one.claim);
        self.schedule(Task::Claim(self.input.claims.len() - 1));
        let placed = |claim: &ResourceClaim| results(claim).next().is_some();
        if let Some(claim) = self.input.claims.pop_if(|claim| !placed(claim)) {
            return Some(Waiting { claim, ..one });
        }
        self.ran.placed += 1;
        self.ran.waited += now - one.since;
        self.count(self.input.claims.len() - 1);
        self.held.push(Held {
            holder: Holder::Workload(one.kind),
            until: now + one.runs,
        });
        None
    }

    /// Schedules one task with the cluster as it is. What became of a pod is told, of claims it shows.
    fn schedule(&mut self, task: Task) -> Option<PodOutcome> {
        let input = Input {
            nodes: std::mem::take(&mut self.input.nodes),
            claims: std::mem::take(&mut self.input.claims),
            tasks: vec![task],
            classes: self.input.classes.clone(),
            admin_namespaces: self.input.admin_namespaces.clone(),
        };
        let schedule = schedule(input, self.placement, OPTIONS, &mut |_| ());
        self.input.nodes = schedule.nodes;
        let claims = schedule.claims.into_iter();
        self.input.claims = claims.map(|outcome| outcome.claim).collect();
        schedule.pods.into_iter().next()
    }

    fn is_open(&self, claim: usize) -> bool {
        let claim = self.input.claims.get(claim);
        claim.is_some_and(|claim| results(claim).next().is_none())
    }

    /// The tasks of a dump. Each stands for a moment: how things are from it to the next.
    fn dump(&mut self) {
        let tasks = std::mem::take(&mut self.input.tasks);
        let mut kinds: Vec<Kind> = Vec::new();
        self.hold_all();
        self.ran.length = f64::from(u32::try_from(tasks.len()).unwrap_or(u32::MAX));
        if tasks.is_empty() {
            self.sample(0.0);
        }
        for (number, task) in tasks.into_iter().enumerate() {
            let now = f64::from(u32::try_from(number).unwrap_or(u32::MAX));
            let own: BTreeSet<usize> = claims_of(&task).into_iter().collect();
            let asked: Vec<String> = own
                .iter()
                .filter_map(|&at| self.input.claims.get(at))
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
            let open: Vec<usize> = own
                .into_iter()
                .filter(|&claim| self.is_open(claim))
                .collect();
            for &claim in &open {
                if let Some(held) = self.held.get_mut(claim) {
                    held.holder = Holder::Workload(at);
                }
            }
            // A pod needs a node besides its claims, which may have their devices already.
            let is_placed = match self.schedule(task) {
                Some(pod) => pod.result.is_ok(),
                None => !open.iter().any(|&claim| self.is_open(claim)),
            };
            self.ran.arrived += 1;
            self.ran.placed += usize::from(is_placed);
            for &claim in &open {
                self.count(claim);
            }
            self.sample_waiting(now, self.ran.arrived - self.ran.placed);
        }
        self.ran.kinds = kinds;
        self.draw_if_due(f64::INFINITY);
    }

    fn count(&mut self, claim: usize) {
        let claim = self.input.claims.get(claim);
        if let Some(local) = claim.and_then(|claim| is_local(claim, &self.groups)) {
            self.ran.several += 1;
            self.ran.together += usize::from(local);
        }
    }

    fn holders(&self) -> Holders {
        let mut holders = Holders::new();
        for (claim, held) in self.input.claims.iter().zip(&self.held) {
            let own = results(claim).filter(|result| result.admin_access != Some(true));
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
