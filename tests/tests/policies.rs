//! Whatever a policy answers, what is allocated breaks no rule.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use supercargo_guest_build::Builder;
use supercargo_host::allocator::{Allocator, Budget};
use supercargo_host::configuration::Configuration;
use supercargo_host::placement::{Answer, Outcome, Placement};
use supercargo_host::policy::{Engine, EngineOptions, Limits, Registry};
use supercargo_tests::world::World;

/// Worlds a throw of the dice is tried in, and throws.
const WORLDS: u64 = 150;
const THROWS: u64 = 4;

#[test]
fn a_policy_that_answers_at_random_breaks_no_rule() -> Result<(), Box<dyn Error>> {
    let dice = Builder::new(env!("CARGO_MANIFEST_DIR"))?
        .build("dice")?
        .wasm;
    let compiled = Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled-policies");
    let engine = Engine::new(EngineOptions {
        compiled_code: Some(compiled),
        ..EngineOptions::default()
    })?;
    let budget = Budget {
        steps: 200_000,
        deadline: None,
    };
    let (mut fits, mut used, mut failed) = (0, 0, 0);
    for throw in 0..THROWS {
        let registry = Arc::new(Registry::new(engine.clone()));
        registry.load(
            "dice",
            &dice,
            &format!("{{\"seed\":{throw}}}"),
            Limits::default(),
        )?;
        let configuration = Configuration::single("dice", "dice.wasm");
        for seed in 0..WORLDS {
            let world = World::random(seed * THROWS + throw, 2 + usize::try_from(seed)? % 6)?;
            let allocator = Arc::new(Allocator::new(
                world.features,
                &world.slices,
                &world.classes,
            ));
            let placement = Placement::new(allocator, &configuration, Arc::clone(&registry));
            let decision = placement.place(&world.state, &world.node, &world.claims(), budget);
            for consultation in &decision.consultations {
                used += u32::from(matches!(consultation.outcome, Outcome::Proposal(_)));
                failed += u32::from(matches!(consultation.answer, Answer::Failed(_)));
            }
            let Some(allocation) = decision.allocation else {
                continue;
            };
            fits += 1;
            let wrong = world.violations(&allocation.results);
            assert!(
                wrong.is_empty(),
                "throw {throw}, world {seed}: {}",
                wrong.join("\n")
            );
        }
    }
    // The property was tried: proposals were followed, and nonsense was met.
    assert!(
        fits > 150 && used > 100 && failed > 20,
        "{fits} fit, {used} proposals used, {failed} failures"
    );
    Ok(())
}
