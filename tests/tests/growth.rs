//! Work grows as it should: with nodes linearly, and not at all for what was asked before.

use std::error::Error;

use k8s_openapi::api::resource::v1::ResourceClaim;
use supercargo_host::allocator::{Allocator, Guidance};
use supercargo_tests::allocation::{BUDGET, Problem};
use supercargo_tests::fleet::{Fleet, FleetClaim};

fn sweep(nodes: usize) -> Result<Problem, Box<dyn Error>> {
    let fleet = Fleet {
        name: format!("fleet-{nodes}"),
        nodes,
        per_node: 8,
        in_use: nodes * 4,
        claim: FleetClaim::One,
    };
    Ok(Problem::parse(&fleet.problem().to_string())?)
}

#[test]
fn the_steps_of_a_sweep_grow_linearly_with_its_nodes() -> Result<(), Box<dyn Error>> {
    let steps_a_node = |nodes: usize| -> Result<u64, Box<dyn Error>> {
        let problem = sweep(nodes)?;
        problem.check()?;
        let allocator = Allocator::new(problem.features()?, problem.slices(), problem.classes());
        let state = problem.state()?;
        let mut steps = 0;
        for node in problem.nodes() {
            let found = allocator.allocate(
                &state,
                node,
                &problem.claims(),
                &Guidance::default(),
                BUDGET,
            )?;
            steps += found.map_or(0, |allocation| allocation.steps);
        }
        Ok(steps * 100 / nodes as u64)
    };
    let (few, many) = (steps_a_node(50)?, steps_a_node(500)?);
    assert!(
        many * 10 <= few * 11,
        "{few} steps per 100 nodes of 50, {many} of 500"
    );
    Ok(())
}

#[test]
fn a_second_claim_on_unchanged_slices_evaluates_no_selector() -> Result<(), Box<dyn Error>> {
    let problem = sweep(20)?;
    let allocator = Allocator::new(problem.features()?, problem.slices(), problem.classes());
    let state = problem.state()?;
    let sweep = |claims: &[&ResourceClaim]| -> Result<(), Box<dyn Error>> {
        for node in problem.nodes() {
            allocator.allocate(&state, node, claims, &Guidance::default(), BUDGET)?;
        }
        Ok(())
    };
    let claims = problem.claims();
    sweep(&claims)?;
    let evaluated = allocator.selector_evaluations();
    assert!(evaluated > 0, "the first claim evaluates its selectors");
    let mut second: Vec<ResourceClaim> = claims.iter().map(|claim| (*claim).clone()).collect();
    for claim in &mut second {
        claim.metadata.name = Some("another".to_owned());
    }
    sweep(&second.iter().collect::<Vec<_>>())?;
    assert_eq!(allocator.selector_evaluations(), evaluated);
    Ok(())
}
