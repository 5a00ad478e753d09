//! A window that closes wakes the machine, whatever else it waits for.

#[path = "common/drive.rs"]
mod drive;
#[path = "common/policy.rs"]
mod policy;

use core::time::Duration;

use drive::{fresh, run};
use policy::POLICY;
use turquoise_core::{AbandonReason, Effect, Input, Instant, Outcome, PhaseKind, Policy, Refusal, Rotation, Step};

const NOW: Instant = Instant(1_000);

/// A rotation in which this effect cannot be tried, and not again for an hour.
fn hampered(wish: Option<Input>, held: fn(&Effect) -> bool) -> Rotation {
    let mut machine = fresh(&Policy { grace: Duration::from_secs(20), ..POLICY }, NOW);
    assert_eq!(run(&mut machine, NOW, |_| false), None);
    for wish in [Some(Input::Begin), wish].into_iter().flatten() {
        machine.handle(NOW, wish).expect("it is legal");
        if let Some(op) = run(&mut machine, NOW, held) {
            let outcome = Outcome::NotApplied(Refusal::Unavailable);
            machine.handle(NOW, Input::Completed { op, outcome }).expect("it is under way");
            assert_eq!(run(&mut machine, NOW, |_| false), None);
            return machine;
        }
    }
    panic!("it was not asked for");
}

/// What it decides on when it wakes at the end of the window.
fn wakes(machine: &mut Rotation) -> Option<Step> {
    let end = NOW + POLICY.validate_for;
    assert_eq!(machine.poll_timeout(), Some(end));
    machine.handle(end, Input::Timeout).expect("time passes");
    machine.awaited().map(|record| record.step)
}

#[test]
fn a_candidate_that_cannot_be_probed_in_time_is_abandoned() {
    let mut machine = hampered(None, |effect| matches!(effect, Effect::Probe(_)));
    assert_eq!(machine.phase().kind(), PhaseKind::Validating);
    let step = wakes(&mut machine);
    assert!(matches!(step, Some(Step::AbandonIntent { reason: AbandonReason::TimedOut, held_until: None, .. })), "{step:?}");
}

#[test]
fn an_old_one_that_cannot_be_extended_in_time_does_not_come_back() {
    let mut machine =
        hampered(Some(Input::Rollback), |effect| matches!(effect, Effect::Extend { generation, .. } if generation.number == 1));
    assert_eq!(machine.phase().kind(), PhaseKind::Draining);
    assert_eq!(wakes(&mut machine), Some(Step::RollbackFailed));
}
