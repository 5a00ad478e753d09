//! Normalising commutes with stepping: a state and its normal form have the same future, up to names and the clock.
//!
//! Without this the explorers would walk the futures of normal forms and say nothing of the machine that ships, whose
//! names and clock go on.

use std::collections::{HashSet, VecDeque};

use proptest::prelude::*;
use turquoise_core::{OpId, PhaseKind};
use turquoise_model::{Config, SINK, World};

/// Takes every action of a world as it is and of its normal form, and compares; gives what the world leads to.
fn futures(world: &World, config: &Config) -> Vec<(World, World)> {
    let form = world.normal(config);
    let actions = world.actions(config);
    let mut expected: Vec<_> = actions.iter().map(|action| format!("{:?}", world.renamed(*action))).collect();
    let mut found: Vec<_> = form.actions(config).iter().map(|action| format!("{action:?}")).collect();
    expected.sort_unstable();
    found.sort_unstable();
    assert_eq!(expected, found, "what can happen in\n{world:?}\nand in its normal form\n{form:?}");
    let mut futures = Vec::new();
    for action in actions {
        let raw = world.step_raw(config, action);
        let stepped = form.step(config, world.renamed(action));
        let normalised = raw.as_ref().map(|raw| raw.normal(config));
        assert_eq!(normalised, stepped, "{action:?} in\n{world:?}");
        futures.extend(raw.zip(stepped));
    }
    futures
}

#[test]
fn in_every_state_of_a_small_configuration() {
    let mut scheduled = Config { crashes: 0, faults: 0, ..SINK };
    scheduled.policy.period = Some(2 * scheduled.policy.worst_rotation());
    let small = [Config { crashes: 1, faults: 0, ..SINK }, Config { crashes: 0, faults: 1, ..SINK }, scheduled];
    let others =
        ["a canary", "a budget of requests", "lives that end", "a gap, or refused for a while", "two daemons", "a reboot"];
    let others = others
        .into_iter()
        .filter_map(Config::named)
        .map(|config| Config { faults: config.faults * (1 - config.crashes), ..config });
    let canary = Config::named("a canary").map(|config| Config { faults: 0, ..config });
    for config in small.into_iter().chain(others.skip(1)).chain(canary) {
        // Each state is reached under the names and at the instant of a real history.
        let first = World::initial(&config);
        let mut met = HashSet::from([first.clone()]);
        let mut queue = VecDeque::from([first]);
        while let Some(world) = queue.pop_front() {
            for (raw, form) in futures(&world, &config) {
                if met.insert(form) {
                    queue.push_back(raw);
                }
            }
        }
        assert!(met.iter().any(|world| world.phase().kind() == PhaseKind::Revoking), "{} states without a rotation", met.len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 50, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn on_long_ways_with_names_and_a_clock_that_go_on(choices in prop::collection::vec(any::<u8>(), 0..600)) {
        let mut world = World::initial(&SINK);
        for choice in choices {
            let mut futures = futures(&world, &SINK);
            if futures.is_empty() {
                break;
            }
            world = futures.swap_remove(usize::from(choice) % futures.len()).0;
            if world.flight.is_empty() {
                (world.crashes, world.faults) = (SINK.crashes, SINK.faults);
            }
        }
    }

    #[test]
    fn a_normal_form_is_its_own(choices in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut world = World::initial(&SINK);
        for choice in choices {
            prop_assert_eq!(&world.normal(&SINK), &world);
            prop_assert!(world.flight.iter().all(|request| request.op != Some(OpId(0))), "0 is nobody's operation");
            let actions = world.actions(&SINK);
            let Some(next) = actions.get(usize::from(choice) % actions.len().max(1)) else { break };
            world = world.step(&SINK, *next).unwrap_or(world);
        }
    }
}
