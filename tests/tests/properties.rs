//! Whatever an allocation is guided by, it breaks no rule.

use std::cell::Cell;
use std::error::Error;
use std::path::Path;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, RngSeed, TestRunner};
use serde_json::Value;
use supercargo_host::allocator::{
    AllocateError, Allocation, Allocator, Budget, Choice, Guidance, RequestIndex,
};
use supercargo_tests::allocation::Problem;
use supercargo_tests::case::{Case, CaseError};
use supercargo_tests::suite;
use supercargo_tests::world::{World, random_guidance};

/// Random worlds are small: what takes longer is not decided here.
const BUDGET: Budget = Budget {
    steps: 200_000,
    deadline: None,
};

/// Worlds that a property is tried in; `PROPTEST_CASES` asks for more.
const WORLDS: u32 = 400;

fn allocator(world: &World) -> Allocator {
    Allocator::new(world.features, &world.slices, &world.classes)
}

/// What the search says of a world, except that it gave up.
fn allocate(
    allocator: &Allocator,
    world: &World,
    guidance: &Guidance,
) -> Result<Option<Allocation>, AllocateError> {
    allocator.allocate(&world.state, &world.node, &world.claims(), guidance, BUDGET)
}

fn published(world: &World) -> u32 {
    let devices = world
        .slices
        .iter()
        .flat_map(|slice| slice.spec.devices.iter().flatten());
    u32::try_from(devices.count()).unwrap_or(u32::MAX)
}

/// Draws worlds and asks `property` about each. At least a fifth of them must have been telling: a
/// property that nothing ever tries says nothing.
fn in_random_worlds(property: impl Fn(&World, u64) -> Result<bool, TestCaseError>) {
    let cases = Config::default().cases;
    let config = Config {
        cases: if cases == 256 { WORLDS } else { cases },
        rng_algorithm: RngAlgorithm::ChaCha,
        rng_seed: RngSeed::Fixed(20_260_724),
        failure_persistence: None,
        ..Config::default()
    };
    let (tried, telling) = (Cell::new(0_u32), Cell::new(0_u32));
    let outcome = TestRunner::new(config).run(
        &(any::<u64>(), 1_usize..8, any::<u64>()),
        |(seed, size, more)| {
            let world = World::random(seed, size)
                .map_err(|error| TestCaseError::fail(error.to_string()))?;
            tried.set(tried.get() + 1);
            telling.set(telling.get() + u32::from(property(&world, more)?));
            Ok(())
        },
    );
    assert!(
        outcome.is_ok(),
        "{}",
        outcome
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default()
    );
    assert!(
        telling.get() * 5 >= tried.get(),
        "only {} of {} worlds tell anything",
        telling.get(),
        tried.get()
    );
}

fn without_shares(allocation: Option<&Allocation>) -> Value {
    let results = allocation.map(|allocation| &allocation.results);
    let mut results = serde_json::to_value(results).unwrap_or_default();
    for result in results.as_array_mut().into_iter().flatten() {
        let devices = result
            .pointer_mut("/devices/results")
            .and_then(Value::as_array_mut);
        for device in devices
            .into_iter()
            .flatten()
            .filter_map(Value::as_object_mut)
        {
            device.remove("shareID");
        }
    }
    results
}

fn breaks_no_rule(world: &World, allocation: &Allocation) -> Result<(), TestCaseError> {
    let wrong = world.violations(&allocation.results);
    prop_assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

/// The devices by request and the results are two views of one thing.
fn views_agree(
    allocator: &Allocator,
    world: &World,
    allocation: &Allocation,
) -> Result<(), TestCaseError> {
    let mut by_request = Vec::new();
    for (request, devices) in &allocation.devices {
        for device in devices {
            let id = allocator.device_id(*device);
            by_request.push((
                request.claim,
                name(world, request),
                id.driver,
                id.pool,
                id.device,
            ));
        }
    }
    let mut by_result = Vec::new();
    for (claim, result) in allocation.results.iter().enumerate() {
        for device in result
            .devices
            .iter()
            .flat_map(|devices| devices.results.iter().flatten())
        {
            by_result.push((
                claim,
                device.request.clone(),
                device.driver.as_str().into(),
                device.pool.as_str().into(),
                device.device.as_str().into(),
            ));
        }
    }
    prop_assert_eq!(by_request, by_result);
    Ok(())
}

fn name(world: &World, index: &RequestIndex) -> String {
    let spec = world
        .claims
        .get(index.claim)
        .and_then(|claim| claim.spec.as_ref()?.devices.as_ref());
    let request = spec.and_then(|spec| spec.requests.as_ref()?.get(index.request));
    let alternative = request
        .zip(index.alternative)
        .and_then(|(r, i)| r.first_available.as_ref()?.get(i));
    let name = request
        .map(|request| request.name.clone())
        .unwrap_or_default();
    alternative.map_or(name.clone(), |alternative| {
        format!("{name}/{}", alternative.name)
    })
}

#[test]
fn first_fit_breaks_no_rule() {
    in_random_worlds(|world, _| {
        let allocator = allocator(world);
        let Ok(Some(allocation)) = allocate(&allocator, world, &Guidance::default()) else {
            return Ok(false);
        };
        breaks_no_rule(world, &allocation)?;
        views_agree(&allocator, world, &allocation)?;
        Ok(true)
    });
}

#[test]
fn any_guidance_breaks_no_rule() {
    in_random_worlds(|world, seed| {
        let allocator = allocator(world);
        let mut fits = false;
        for seed in seed..seed.saturating_add(8) {
            let guidance = random_guidance(seed, published(world), true);
            let Ok(Some(allocation)) = allocate(&allocator, world, &guidance) else {
                continue;
            };
            fits = true;
            breaks_no_rule(world, &allocation)?;
            views_agree(&allocator, world, &allocation)?;
            for (request, choice) in &guidance.choices {
                let (Some(given), Choice::Exact(exact)) = (allocation.devices.get(request), choice)
                else {
                    continue;
                };
                let mut given = given.clone();
                let mut exact = exact.clone();
                given.sort();
                exact.sort();
                prop_assert_eq!(
                    given,
                    exact,
                    "request {:?} got other devices than exactly those",
                    request
                );
            }
            for ((claim, request), alternative) in &guidance.alternatives {
                let used = allocation
                    .devices
                    .keys()
                    .find(|used| used.claim == *claim && used.request == *request);
                let used = used.and_then(|used| used.alternative);
                prop_assert!(
                    used.is_none_or(|used| used == *alternative),
                    "another alternative was used"
                );
            }
        }
        Ok(fits)
    });
}

#[test]
fn preferences_forbid_nothing() {
    in_random_worlds(|world, seed| {
        let allocator = allocator(world);
        let first_fit = allocate(&allocator, world, &Guidance::default());
        let guided = allocate(
            &allocator,
            world,
            &random_guidance(seed, published(world), false),
        );
        let (Ok(first_fit), Ok(guided)) = (first_fit, guided) else {
            return Ok(false);
        };
        prop_assert_eq!(
            first_fit.is_some(),
            guided.is_some(),
            "first fit and preferences disagree"
        );
        Ok(true)
    });
}

#[test]
fn an_answer_depends_on_nothing_but_the_question() {
    in_random_worlds(|world, seed| {
        let allocator_once = allocator(world);
        let once = allocate(&allocator_once, world, &Guidance::default());
        // In between, the same allocator answers something else.
        let _ = allocate(
            &allocator_once,
            world,
            &random_guidance(seed, published(world), true),
        );
        let again = allocate(&allocator_once, world, &Guidance::default());
        let mut reversed = world.clone();
        reversed.slices.reverse();
        let elsewhere = allocate(&allocator(&reversed), &reversed, &Guidance::default());
        for other in [again, elsewhere] {
            match (&once, other) {
                (Ok(once), Ok(other)) => {
                    prop_assert_eq!(
                        without_shares(once.as_ref()),
                        without_shares(other.as_ref())
                    );
                }
                (Err(once), Err(other)) => prop_assert_eq!(once.to_string(), other.to_string()),
                (once, other) => prop_assert!(false, "once {once:?}, then {other:?}"),
            }
        }
        Ok(once.is_ok_and(|once| once.is_some()))
    });
}

#[test]
fn what_is_given_was_a_candidate() {
    in_random_worlds(|world, _| {
        let allocator = allocator(world);
        let Ok(Some(allocation)) = allocate(&allocator, world, &Guidance::default()) else {
            return Ok(false);
        };
        for (request, given) in &allocation.devices {
            let candidates =
                allocator.candidates(&world.state, &world.node, &world.claims(), *request);
            let candidates = candidates.map_err(|error| TestCaseError::fail(error.to_string()))?;
            for device in given {
                let id = allocator.device_id(*device);
                prop_assert!(
                    candidates.contains(device),
                    "{request:?} got {id:?}, no candidate of it"
                );
            }
        }
        Ok(true)
    });
}

/// The recorded problems that fit, with what breaks rules in the answer that `answer` gives.
fn in_recorded_problems(
    answer: impl Fn(&Problem) -> Result<Vec<String>, CaseError>,
) -> Result<(), Box<dyn Error>> {
    let recorded = Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance/allocator.jsonl");
    let mut fits = 0;
    for case in suite::read(&recorded)? {
        let Case::Allocation(problem) = case else {
            continue;
        };
        let wrong = answer(&problem)?;
        assert!(
            wrong.is_empty(),
            "{}:\n{}\n{}",
            problem.name,
            problem.inputs(),
            wrong.join("\n")
        );
        fits += usize::from(problem.fits());
    }
    assert!(fits > 150, "only {fits} recorded problems fit");
    Ok(())
}

#[test]
fn upstreams_recorded_answers_break_no_rule() -> Result<(), Box<dyn Error>> {
    in_recorded_problems(Problem::violations_of_recorded)
}

#[test]
fn answers_to_recorded_problems_break_no_rule() -> Result<(), Box<dyn Error>> {
    in_recorded_problems(|problem| match problem.solve()? {
        Some(allocation) => problem.violations(&allocation.results),
        None => Ok(Vec::new()),
    })
}
