//! Long random ways through the world: nothing illegal changes anything, and the invariants
//! hold far beyond the budgets of the exhaustive exploration.

use proptest::prelude::*;
use turquoise_core::{Applied, Color, Generation, Input, Lsn, OpId, Outcome, PhaseKind};
use turquoise_model::{Process, SINK, World};

/// Walks by choosing, at each step, the action at this place of those that are possible. Whenever a rotation is over and
/// its credential freshly renewed, one more crash and one more fault may come: so there is no end to them.
fn walk(choices: &[u8], mut visit: impl FnMut(&World)) {
    let config = SINK;
    let mut world = World::initial(&config);
    for &choice in choices {
        let actions = world.actions(&config);
        if actions.is_empty() {
            break;
        }
        let action = actions[usize::from(choice) % actions.len()];
        if let Some(next) = world.step(&config, action) {
            world = next;
        }
        visit(&world);
        let fresh = world.live.iter().all(|credential| credential.expires >= world.now + 3 * config.policy.full / 4);
        if world.phase().kind() == PhaseKind::Steady && world.flight.is_empty() && fresh {
            (world.crashes, world.faults) = (config.crashes, config.faults);
        }
    }
}

fn inputs(world: &World) -> Vec<Input> {
    let nobody = Generation { incarnation: 9, number: 9 };
    let mut inputs = vec![Input::Durable(Lsn(77)), Input::NotDurable(Lsn(77)), Input::Idle(nobody)];
    for outcome in [Outcome::Applied(Applied::Done), Outcome::Applied(Applied::Dead), Outcome::Unknown] {
        inputs.push(Input::Completed { op: OpId(77), outcome });
    }
    if let Process::Up(machine) = &world.process
        && (machine.asked() || machine.awaited().is_some() || !matches!(machine.phase(), turquoise_core::Phase::Steady(_)))
    {
        inputs.push(Input::Begin);
    }
    inputs
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn the_invariants_hold_on_long_random_ways(choices in prop::collection::vec(any::<u8>(), 0..2_000)) {
        let mut broken = None;
        walk(&choices, |world| broken = broken.or(world.violated));
        prop_assert_eq!(broken, None);
    }

    #[test]
    fn an_illegal_input_changes_nothing(choices in prop::collection::vec(any::<u8>(), 0..400)) {
        walk(&choices, |world| {
            let Process::Up(machine) = &world.process else { return };
            for input in inputs(world) {
                let mut after = *machine;
                assert!(after.handle(world.now, input).is_err(), "{input:?} was taken in {:?}", machine.phase());
                assert_eq!(&after, machine, "{input:?} was refused and changed something");
            }
            let mut after = *machine;
            if world.now > turquoise_core::Instant(0) {
                let _ = after.handle(turquoise_core::Instant(0), Input::Timeout);
                assert_eq!(&after, machine, "time ran backwards and something changed");
            }
        });
    }

    #[test]
    fn the_slot_of_a_candidate_is_never_the_current_one_s(choices in prop::collection::vec(any::<u8>(), 0..400)) {
        walk(&choices, |world| {
            let slots = [world.slots.slot(Color::Blue), world.slots.slot(Color::Green)];
            assert!(slots[0].is_none() || slots[0] != slots[1]);
        });
    }
}
