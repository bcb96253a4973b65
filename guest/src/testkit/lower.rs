//! From a fixture to the question that the host would ask of it.

use std::collections::BTreeMap;

use super::Unusable;
use super::fixture::{Amount, Fixture, FixtureDevice, FixtureRequest, FixtureValue};
use crate::attribute::Name;
use crate::bindings::exports::supercargo::policy::about::Context;
use crate::bindings::exports::supercargo::policy::allocation::{
    Amount as Count, Constraint, ConstraintKind, Counter, DeviceTable, Pool, Request, Situation,
};
use crate::bindings::exports::supercargo::policy::types::{
    Consumption, ParameterSource, Parameters, Value,
};
use crate::policy::Policy;
use crate::quantity::Quantity;

/// A question, and what its positions stand for.
pub(super) struct Question<'f> {
    pub(super) raw: Situation,
    pub(super) devices: Vec<&'f FixtureDevice>,
    pub(super) requests: Vec<String>,
    /// What is left of each counter, by set and name, whether or not the policy sees it.
    pub(super) left: BTreeMap<(&'f str, &'f str), Quantity>,
}

pub(super) fn lower<P: Policy>(fixture: &Fixture) -> Result<Question<'_>, Unusable> {
    let left = counters_left(fixture)?;
    let requests = flatten(fixture);
    let mut eligible = Vec::new();
    for (.., request) in &requests {
        eligible.push(candidates(fixture, request, &left)?);
    }
    let wants = |context| P::CONTEXT.contains(context);
    let offered = |device: &&FixtureDevice| {
        eligible
            .iter()
            .flatten()
            .any(|other| other.name == device.name)
    };
    // Without requests the fixture is there to be looked at, so all devices are.
    let shown = |device: &&FixtureDevice| requests.is_empty() || offered(device);
    let mut devices: Vec<&FixtureDevice> = fixture.devices.iter().filter(shown).collect();
    if wants(Context::IN_USE) {
        devices.extend(fixture.devices.iter().filter(|d| d.in_use && !shown(d)));
    }

    let mut strings = Strings::default();
    let mut drivers: Vec<&str> = devices
        .iter()
        .map(|device| driver(fixture, device))
        .collect();
    drivers.sort_unstable();
    drivers.dedup();
    let pools = drivers
        .iter()
        .map(|driver| Pool {
            driver: strings.position(driver),
        })
        .collect();
    let pool = |device: &FixtureDevice| {
        let own = driver(fixture, device);
        position(drivers.iter().position(|driver| *driver == own))
    };
    let table = DeviceTable {
        pools: devices.iter().map(|device| pool(device)).collect(),
        attributes: devices
            .iter()
            .flat_map(|device| P::ATTRIBUTES.iter().map(move |name| (device, name)))
            .map(|(device, name)| {
                let value = named(fixture, device, &device.attributes, *name);
                value.map_or(Value::Absent, |value| strings.value(value))
            })
            .collect(),
        capacities: amounts::<P>(fixture, &devices, |device| &device.capacity)?
            .into_iter()
            .map(|quantity| quantity.map(Into::into))
            .collect(),
        consumed: if wants(Context::CONSUMED_CAPACITY) {
            amounts::<P>(fixture, &devices, |device| &device.consumed)?
                .into_iter()
                .map(|quantity| quantity.unwrap_or_default().into())
                .collect()
        } else {
            Vec::new()
        },
    };
    let (counters, consumption) = if wants(Context::COUNTERS) {
        counters(fixture, &devices, &left, &mut strings)?
    } else {
        (Vec::new(), Vec::new())
    };
    let at = |device: &FixtureDevice| {
        position(devices.iter().position(|other| other.name == device.name))
    };
    let mut raw_requests = Vec::new();
    for ((slot, _, request), eligible) in requests.iter().zip(&eligible) {
        raw_requests.push(Request {
            slot: *slot,
            amount: if request.count == 0 {
                Count::All
            } else {
                Count::Exactly(request.count)
            },
            admin_access: request.admin_access,
            capacities: asked::<P>(fixture, request)?,
            devices: eligible.iter().map(|device| at(device)).collect(),
        });
    }
    let names: Vec<String> = requests.iter().map(|(_, name, _)| name.clone()).collect();
    let raw = Situation {
        pools,
        devices: table,
        in_use: if wants(Context::IN_USE) {
            devices
                .iter()
                .filter(|device| device.in_use)
                .map(|device| at(device))
                .collect()
        } else {
            Vec::new()
        },
        counters,
        consumption,
        requests: raw_requests,
        constraints: constraints::<P>(fixture, &names)?,
        parameters: parameters(fixture, &names)?,
        node: wants(Context::NODE_NAME).then(|| fixture.node.clone()),
        claim: wants(Context::CLAIM_NAME).then(|| fixture.claim.clone()),
        namespace: wants(Context::NAMESPACE).then(|| fixture.namespace.clone()),
        strings: strings.list,
    };
    Ok(Question {
        raw,
        devices,
        requests: names,
        left,
    })
}

/// Each text once, in the order of first use.
#[derive(Default)]
struct Strings {
    list: Vec<String>,
}

impl Strings {
    fn position(&mut self, text: &str) -> u32 {
        let known = self.list.iter().position(|known| known == text);
        position(known.or_else(|| {
            self.list.push(text.to_owned());
            self.list.len().checked_sub(1)
        }))
    }

    fn value(&mut self, value: &FixtureValue) -> Value {
        let mut all = |texts: &[String]| texts.iter().map(|text| self.position(text)).collect();
        match value {
            FixtureValue::Int(int) => Value::Int(*int),
            FixtureValue::Bool(truth) => Value::Bool(*truth),
            FixtureValue::Ints(ints) => Value::Ints(ints.clone()),
            FixtureValue::Bools(truths) => Value::Bools(truths.clone()),
            FixtureValue::Strings(texts) => Value::Strings(all(texts)),
            FixtureValue::Versions(texts) => Value::Versions(all(texts)),
            FixtureValue::String(text) => Value::String(self.position(text)),
            FixtureValue::Version(text) => Value::Version(self.position(text)),
        }
    }
}

fn position(index: Option<usize>) -> u32 {
    index
        .and_then(|index| u32::try_from(index).ok())
        .unwrap_or(u32::MAX)
}

fn driver<'f>(fixture: &'f Fixture, device: &'f FixtureDevice) -> &'f str {
    device.driver.as_deref().unwrap_or(&fixture.driver)
}

/// What a device has under a name, which it may have written with or without its driver's domain.
fn named<'f, T>(
    fixture: &Fixture,
    device: &FixtureDevice,
    map: &'f BTreeMap<String, T>,
    name: Name,
) -> Option<&'f T> {
    let full = name.to_string();
    let own = driver(fixture, device);
    map.get(&full)
        .or_else(|| map.get(full.strip_prefix(own)?.strip_prefix('/')?))
        .or_else(|| map.get(&format!("{own}/{full}")))
}

fn quantity(text: &str) -> Result<Quantity, Unusable> {
    text.parse()
        .map_err(|error: crate::ParseQuantityError| Unusable::Fixture(error.to_string()))
}

fn amounts<P: Policy>(
    fixture: &Fixture,
    devices: &[&FixtureDevice],
    of: impl Fn(&FixtureDevice) -> &BTreeMap<String, Amount>,
) -> Result<Vec<Option<Quantity>>, Unusable> {
    let mut cells = Vec::new();
    for device in devices {
        for name in P::CAPACITIES {
            let amount = named(fixture, device, of(device), *name);
            cells.push(amount.map(|amount| quantity(&amount.value)).transpose()?);
        }
    }
    Ok(cells)
}

/// Requests and alternatives in order, each with its slot and its name.
fn flatten(fixture: &Fixture) -> Vec<(u32, String, &FixtureRequest)> {
    let mut flat = Vec::new();
    for (slot, request) in (0..).zip(&fixture.requests) {
        if request.first_available.is_empty() {
            flat.push((slot, request.name.clone(), request));
        }
        for alternative in &request.first_available {
            flat.push((
                slot,
                format!("{}/{}", request.name, alternative.name),
                alternative,
            ));
        }
    }
    flat
}

/// The devices that could serve a request taken alone.
fn candidates<'f>(
    fixture: &'f Fixture,
    request: &FixtureRequest,
    left: &BTreeMap<(&str, &str), Quantity>,
) -> Result<Vec<&'f FixtureDevice>, Unusable> {
    if let Some(names) = &request.devices {
        return names.iter().map(|name| device(fixture, name)).collect();
    }
    let mut found = Vec::new();
    for device in &fixture.devices {
        let free = request.admin_access || !device.in_use && affordable(device, left)?;
        if free {
            found.push(device);
        }
    }
    Ok(found)
}

fn device<'f>(fixture: &'f Fixture, name: &str) -> Result<&'f FixtureDevice, Unusable> {
    let found = fixture.devices.iter().find(|device| device.name == name);
    found.ok_or_else(|| Unusable::Fixture(format!("no device is called `{name}`")))
}

fn affordable(
    device: &FixtureDevice,
    left: &BTreeMap<(&str, &str), Quantity>,
) -> Result<bool, Unusable> {
    for (set, counter, amount) in draws(device) {
        let left = left.get(&(set, counter)).copied().unwrap_or_default();
        if quantity(amount)? > left {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Set, counter and amount of all that a device draws.
pub(super) fn draws(device: &FixtureDevice) -> impl Iterator<Item = (&str, &str, &str)> {
    device.consumes_counters.iter().flat_map(|draw| {
        draw.counters.iter().map(|(counter, amount)| {
            (
                draw.counter_set.as_str(),
                counter.as_str(),
                amount.value.as_str(),
            )
        })
    })
}

fn counters_left(fixture: &Fixture) -> Result<BTreeMap<(&str, &str), Quantity>, Unusable> {
    let mut left = BTreeMap::new();
    for set in &fixture.shared_counters {
        for (name, amount) in &set.counters {
            left.insert((set.name.as_str(), name.as_str()), quantity(&amount.value)?);
        }
    }
    for device in &fixture.devices {
        for (set, counter, amount) in draws(device) {
            let unknown = || {
                Unusable::Fixture(format!(
                    "`{}` draws from `{counter}` of `{set}`, which sharedCounters does not have",
                    device.name
                ))
            };
            let left = left.get_mut(&(set, counter)).ok_or_else(unknown)?;
            if device.in_use {
                *left = left
                    .checked_sub(quantity(amount)?)
                    .filter(|left| *left >= Quantity::ZERO)
                    .ok_or_else(|| {
                        Unusable::Fixture(format!("`{counter}` of `{set}` is overdrawn"))
                    })?;
            }
        }
    }
    Ok(left)
}

fn counters(
    fixture: &Fixture,
    devices: &[&FixtureDevice],
    left: &BTreeMap<(&str, &str), Quantity>,
    strings: &mut Strings,
) -> Result<(Vec<Counter>, Vec<Consumption>), Unusable> {
    let mut known = Vec::new();
    let mut counters = Vec::new();
    for set in &fixture.shared_counters {
        for (name, amount) in &set.counters {
            let key = (set.name.as_str(), name.as_str());
            known.push(key);
            counters.push(Counter {
                pool: 0,
                counter_set: strings.position(&set.name),
                name: strings.position(name),
                total: quantity(&amount.value)?.into(),
                left: left.get(&key).copied().unwrap_or_default().into(),
            });
        }
    }
    let mut consumption = Vec::new();
    for (device, number) in devices.iter().zip(0..) {
        for (set, counter, amount) in draws(device) {
            consumption.push(Consumption {
                device: number,
                counter: position(known.iter().position(|key| *key == (set, counter))),
                amount: quantity(amount)?.into(),
            });
        }
    }
    consumption.sort_by_key(|entry| (entry.device, entry.counter));
    Ok((counters, consumption))
}

type RawQuantity = crate::bindings::exports::supercargo::policy::types::Quantity;

fn asked<P: Policy>(
    fixture: &Fixture,
    request: &FixtureRequest,
) -> Result<Vec<Option<RawQuantity>>, Unusable> {
    if request.capacity.is_empty() {
        return Ok(Vec::new());
    }
    let nobody = FixtureDevice::default();
    let ask = |name: &Name| {
        let text = named(fixture, &nobody, &request.capacity, *name);
        Ok(text.map(|text| quantity(text)).transpose()?.map(Into::into))
    };
    P::CAPACITIES.iter().map(ask).collect()
}

/// The positions of requests by name; a request with alternatives is all of them, and no names are
/// all requests.
fn covered(wanted: &[String], names: &[String]) -> Result<Vec<u32>, Unusable> {
    let unknown = wanted
        .iter()
        .find(|wanted| !names.iter().any(|name| is_of(name, wanted)));
    if let Some(unknown) = unknown {
        return Err(Unusable::Fixture(format!(
            "no request is called `{unknown}`"
        )));
    }
    let covers = |name: &str| wanted.is_empty() || wanted.iter().any(|wanted| is_of(name, wanted));
    Ok((0..)
        .zip(names)
        .filter(|(_, name)| covers(name))
        .map(|(position, _)| position)
        .collect())
}

fn is_of(name: &str, wanted: &str) -> bool {
    name.strip_prefix(wanted)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn constraints<P: Policy>(
    fixture: &Fixture,
    names: &[String],
) -> Result<Vec<Constraint>, Unusable> {
    let lower = |constraint: &super::FixtureConstraint| {
        let (kind, attribute) = match (&constraint.match_attribute, &constraint.distinct_attribute)
        {
            (Some(attribute), None) => (ConstraintKind::MatchAttribute, attribute),
            (None, Some(attribute)) => (ConstraintKind::DistinctAttribute, attribute),
            _ => {
                return Err(Unusable::Fixture(
                    "a constraint has either matchAttribute or distinctAttribute".to_owned(),
                ));
            }
        };
        let declared = P::ATTRIBUTES
            .iter()
            .position(|name| name.to_string() == *attribute);
        Ok(Constraint {
            kind,
            attribute: declared.map(|column| position(Some(column))),
            requests: covered(&constraint.requests, names)?,
            reaches_beyond: constraint.reaches_beyond,
        })
    };
    fixture.constraints.iter().map(lower).collect()
}

fn parameters(fixture: &Fixture, names: &[String]) -> Result<Vec<Parameters>, Unusable> {
    let lower = |parameters: &super::FixtureParameters| {
        Ok(Parameters {
            requests: covered(&parameters.requests, names)?,
            driver: parameters.driver.clone(),
            source: if parameters.from_class {
                ParameterSource::DeviceClass
            } else {
                ParameterSource::Claim
            },
            json: parameters.json.to_string(),
        })
    };
    let mut all: Vec<Parameters> = fixture
        .parameters
        .iter()
        .map(lower)
        .collect::<Result<_, Unusable>>()?;
    all.sort_by_key(|parameters| parameters.source == ParameterSource::Claim);
    Ok(all)
}
