//! What a policy is told: its group's requests and devices as tables of what it declared, and
//! nothing else.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use k8s_openapi::api::core::v1::Node;
use k8s_openapi::api::resource::v1::{
    CapacityRequirements, DeviceConstraint, OpaqueDeviceConfiguration, ResourceClaim,
};

use super::rules::{Asked, Group, asked, devices};
use crate::allocator::{AllocateError, AllocatedState, Allocator, DeviceIndex, DeviceView};
use crate::policy::input::{
    Amount, Constraint, ConstraintKind, Counter, DeviceTable, Pool, Request,
};
use crate::policy::lower::{exact, number, value};
use crate::policy::types::{Consumption, ParameterSource, Parameters};
use crate::policy::{Interests, Quantity, Situation, Texts, Value};
use crate::quantity;

/// What is asked, before it is put into tables.
pub(super) struct Question<'a> {
    pub(super) allocator: &'a Allocator,
    pub(super) state: &'a AllocatedState,
    pub(super) node: &'a Node,
    pub(super) claim: &'a ResourceClaim,
    pub(super) group: &'a Group,
    /// Devices that earlier groups have.
    pub(super) taken: &'a BTreeSet<DeviceIndex>,
}

/// The question as the policy sees it, and the device behind each position of its table.
///
/// # Errors
/// A slice's node selector is malformed.
pub(super) fn situation(
    question: &Question<'_>,
    interests: &Interests,
) -> Result<(Situation, Vec<DeviceIndex>), AllocateError> {
    let mut table = Table::new(question, interests);
    let requests: Vec<Request> = question
        .group
        .requests
        .iter()
        .map(|mapped| {
            let free = mapped
                .candidates
                .iter()
                .filter(|device| !question.taken.contains(device));
            let devices = free.map(|&device| table.position(device)).collect();
            let asked = asked(question.claim, mapped.index);
            Request {
                slot: number(mapped.index.request),
                amount: match asked {
                    Some(Asked {
                        all: false, count, ..
                    }) => Amount::Exactly(u32::try_from(count).unwrap_or(u32::MAX)),
                    _ => Amount::All,
                },
                admin_access: asked.is_some_and(|asked| asked.admin_access),
                capacities: asked_capacities(asked.and_then(|a| a.capacity), interests, &table),
                devices,
            }
        })
        .collect();
    let constraints = constraints(question, interests, &table);
    let parameters = parameters(question, &table);
    let in_use = if interests.in_use {
        table.add_in_use()?
    } else {
        Vec::new()
    };
    let (counters, consumption) = if interests.counters {
        table.counters()?
    } else {
        (Vec::new(), Vec::new())
    };
    let name = |declared: bool, name: &Option<String>| {
        name.as_deref().filter(|_| declared).map(Arc::<str>::from)
    };
    let metadata = &question.claim.metadata;
    let situation = Situation {
        strings: table.texts.into_strings(),
        pools: table.pools,
        devices: table.columns,
        in_use,
        counters,
        consumption,
        requests,
        constraints,
        parameters,
        node: name(interests.node_name, &question.node.metadata.name),
        claim: name(interests.claim_name, &metadata.name),
        namespace: name(interests.namespace, &metadata.namespace),
    };
    Ok((situation, table.devices))
}

/// The table of devices while it grows.
struct Table<'a> {
    question: &'a Question<'a>,
    interests: &'a Interests,
    texts: Texts,
    pools: Vec<Pool>,
    /// The allocator's pool behind each of `pools`.
    pool_indices: Vec<u32>,
    columns: DeviceTable,
    devices: Vec<DeviceIndex>,
    positions: HashMap<DeviceIndex, u32>,
}

impl<'a> Table<'a> {
    fn new(question: &'a Question<'a>, interests: &'a Interests) -> Self {
        Self {
            question,
            interests,
            texts: Texts::default(),
            pools: Vec::new(),
            pool_indices: Vec::new(),
            columns: DeviceTable::default(),
            devices: Vec::new(),
            positions: HashMap::new(),
        }
    }

    /// The row of a device, added when it is new.
    fn position(&mut self, device: DeviceIndex) -> u32 {
        if let Some(&position) = self.positions.get(&device) {
            return position;
        }
        let position = number(self.devices.len());
        self.positions.insert(device, position);
        self.devices.push(device);
        let Some(view) = self.question.allocator.view(device) else {
            return position;
        };
        let pool = self.pool(&view);
        self.columns.pools.push(pool);
        for name in &self.interests.attributes {
            let value = view
                .attribute(name)
                .map_or(Value::Absent, |a| value(a, &mut self.texts));
            self.columns.attributes.push(value);
        }
        let consumed = self.interests.consumed_capacity.then(|| {
            self.question
                .state
                .capacity
                .get(&self.question.allocator.device_id(device))
        });
        for name in &self.interests.capacities {
            let found = view.capacity(name);
            let total = found.and_then(|(_, capacity)| {
                quantity::Quantity::parse(&capacity.value.0)
                    .ok()
                    .map(|value| exact(&value))
            });
            self.columns.capacities.push(total);
            if let Some(consumed) = consumed {
                let taken = found.and_then(|(key, _)| consumed?.get(key));
                self.columns
                    .consumed
                    .push(taken.map(exact).unwrap_or_default());
            }
        }
        position
    }

    fn pool(&mut self, view: &DeviceView<'_>) -> u32 {
        let known = self
            .pool_indices
            .iter()
            .position(|&pool| pool == view.pool_index);
        let position = known.unwrap_or_else(|| {
            let driver = self.texts.position(&view.driver.into());
            self.pools.push(Pool { driver });
            self.pool_indices.push(view.pool_index);
            self.pools.len() - 1
        });
        number(position)
    }

    /// Adds the devices of the same drivers that are in use on the node; the positions of all
    /// that are in use.
    fn add_in_use(&mut self) -> Result<Vec<u32>, AllocateError> {
        let allocator = self.question.allocator;
        let drivers = self.drivers();
        let mut positions: Vec<u32> = allocator
            .in_use_on(self.question.state, self.question.node)?
            .into_iter()
            .filter(|&device| {
                allocator
                    .view(device)
                    .is_some_and(|view| drivers.contains(view.driver))
            })
            .map(|device| self.position(device))
            .collect();
        positions.sort_unstable();
        Ok(positions)
    }

    fn drivers(&self) -> BTreeSet<&'a str> {
        let allocator = self.question.allocator;
        self.devices
            .iter()
            .filter_map(|&d| allocator.view(d))
            .map(|view| view.driver)
            .collect()
    }

    /// The counters of the pools, and what each device of the table uses of them.
    fn counters(&mut self) -> Result<(Vec<Counter>, Vec<Consumption>), AllocateError> {
        let allocator = self.question.allocator;
        let published = allocator.counters_on(self.question.state, self.question.node)?;
        let mut counters = Vec::new();
        let mut positions: BTreeMap<(u32, &str, &str), u32> = BTreeMap::new();
        for counter in &published {
            let index = counter.pool_index;
            let Some(pool) = self.pool_indices.iter().position(|&pool| pool == index) else {
                continue;
            };
            positions.insert((index, &counter.set, &counter.name), number(counters.len()));
            counters.push(Counter {
                pool: number(pool),
                counter_set: self.texts.position(&counter.set.as_str().into()),
                name: self.texts.position(&counter.name.as_str().into()),
                total: Quantity::from_nanos(counter.total),
                left: Quantity::from_nanos(counter.left.max(0)),
            });
        }
        let mut consumption = Vec::new();
        for (row, &device) in self.devices.iter().enumerate() {
            let Some(view) = allocator.view(device) else {
                continue;
            };
            for consumed in view.device.consumes_counters.iter().flatten() {
                for (name, amount) in &consumed.counters {
                    let key = (
                        view.pool_index,
                        consumed.counter_set.as_str(),
                        name.as_str(),
                    );
                    let amount = quantity::Quantity::parse(&amount.value.0);
                    if let (Some(&counter), Ok(amount)) = (positions.get(&key), amount) {
                        let amount = exact(&amount);
                        consumption.push(Consumption {
                            device: number(row),
                            counter,
                            amount,
                        });
                    }
                }
            }
        }
        consumption.sort_unstable_by_key(|use_| (use_.device, use_.counter));
        Ok((counters, consumption))
    }
}

/// What a request asks of each declared capacity; empty when it asks for none at all.
fn asked_capacities(
    capacity: Option<&CapacityRequirements>,
    interests: &Interests,
    table: &Table<'_>,
) -> Vec<Option<Quantity>> {
    let Some(requests) = capacity.and_then(|capacity| capacity.requests.as_ref()) else {
        return Vec::new();
    };
    if requests.is_empty() {
        return Vec::new();
    }
    let drivers = table.drivers();
    let amount = |declared: &String| {
        let (_, amount) = requests
            .iter()
            .find(|(name, _)| same_name(declared, name, &drivers))?;
        quantity::Quantity::parse(&amount.0)
            .ok()
            .map(|amount| exact(&amount))
    };
    interests.capacities.iter().map(amount).collect()
}

/// The constraints of the claim that touch the group.
fn constraints(
    question: &Question<'_>,
    interests: &Interests,
    table: &Table<'_>,
) -> Vec<Constraint> {
    let drivers = table.drivers();
    let Some(spec) = devices(question.claim) else {
        return Vec::new();
    };
    let lower = |constraint: &DeviceConstraint| {
        let named = |asked: Option<Asked<'_>>| {
            asked.is_some_and(|asked| asked.is_named_in(constraint.requests.as_ref()))
        };
        let requests: Vec<u32> = question
            .group
            .requests
            .iter()
            .enumerate()
            .filter(|(_, mapped)| named(asked(question.claim, mapped.index)))
            .map(|(position, _)| number(position))
            .collect();
        let kind_and_name = match (&constraint.match_attribute, &constraint.distinct_attribute) {
            (Some(name), _) => Some((ConstraintKind::MatchAttribute, name)),
            (None, Some(name)) => Some((ConstraintKind::DistinctAttribute, name)),
            (None, None) => None,
        };
        let (kind, name) = kind_and_name.filter(|_| !requests.is_empty())?;
        let attribute = interests
            .attributes
            .iter()
            .position(|declared| same_name(declared, name, &drivers));
        let covered = match constraint.requests.as_deref() {
            None | Some([]) => spec.requests.as_ref().map_or(0, Vec::len),
            Some(names) => names
                .iter()
                .map(|n| n.split('/').next())
                .collect::<BTreeSet<_>>()
                .len(),
        };
        let reaches_beyond = covered > requests.len();
        Some(Constraint {
            kind,
            attribute: attribute.map(number),
            requests,
            reaches_beyond,
        })
    };
    spec.constraints
        .iter()
        .flatten()
        .filter_map(lower)
        .collect()
}

/// The opaque parameters that the classes and the claim hold for drivers of these devices.
fn parameters(question: &Question<'_>, table: &Table<'_>) -> Vec<Parameters> {
    let drivers = table.drivers();
    let mut found = Vec::new();
    let mut add = |opaque: Option<&OpaqueDeviceConfiguration>, requests: Vec<u32>, source| {
        let opaque = opaque.filter(|opaque| drivers.contains(opaque.driver.as_str()));
        if let Some(opaque) = opaque.filter(|_| !requests.is_empty()) {
            found.push(Parameters {
                requests,
                driver: opaque.driver.as_str().into(),
                source,
                json: opaque.parameters.0.to_string().into(),
            });
        }
    };
    let requests: Vec<(u32, Asked<'_>)> = question
        .group
        .requests
        .iter()
        .enumerate()
        .filter_map(|(at, mapped)| Some((number(at), asked(question.claim, mapped.index)?)))
        .collect();
    let classes: BTreeSet<&str> = requests.iter().map(|(_, asked)| asked.class).collect();
    for name in classes {
        let configs = question
            .allocator
            .class(name)
            .and_then(|class| class.spec.as_ref()?.config.as_ref());
        for config in configs.into_iter().flatten() {
            let of_class = requests.iter().filter(|(_, asked)| asked.class == name);
            let positions = of_class.map(|(position, _)| *position).collect();
            add(
                config.opaque.as_ref(),
                positions,
                ParameterSource::DeviceClass,
            );
        }
    }
    let configs = devices(question.claim).and_then(|spec| spec.config.as_ref());
    for config in configs.into_iter().flatten() {
        let named = requests
            .iter()
            .filter(|(_, a)| a.is_named_in(config.requests.as_ref()));
        let positions = named.map(|(position, _)| *position).collect();
        add(config.opaque.as_ref(), positions, ParameterSource::Claim);
    }
    found
}

/// Whether two names of an attribute or capacity mean the same for devices of `drivers`: a name
/// without a domain is in its driver's own.
fn same_name(declared: &str, name: &str, drivers: &BTreeSet<&str>) -> bool {
    if declared == name {
        return true;
    }
    let own = |qualified: &str, bare: &str| {
        !bare.contains('/')
            && qualified.split_once('/').is_some_and(|(domain, name)| {
                name == bare && drivers.iter().all(|driver| *driver == domain)
            })
    };
    own(declared, name) || own(name, declared)
}
