//! An operator has what is due wait, and what waits tried at once.

#[path = "common/drive.rs"]
mod drive;
#[path = "common/policy.rs"]
mod policy;

use core::time::Duration;

use drive::{fresh, run};
use policy::POLICY;
use turquoise_core::{Effect, Illegal, Input, Instant, Outcome, PhaseKind, Policy, Refusal, Rotation};

const NOW: Instant = Instant(1_000);
const DAY: Duration = Duration::from_hours(24);

fn steady() -> (Policy, Rotation) {
    let policy = Policy { period: Some(DAY), full: DAY * 10, login_life: DAY * 10, ..POLICY };
    let mut machine = fresh(&policy, NOW);
    assert_eq!(run(&mut machine, NOW, |_| false), None);
    (policy, machine)
}

/// Whether a mint is asked for then.
fn begins(machine: &mut Rotation, at: Instant) -> bool {
    machine.handle(at, Input::Timeout).expect("time passes");
    run(machine, at, |effect| matches!(effect, Effect::Issue { .. })).is_some()
}

/// When the machine wants to be woken next, beside its renewals.
fn due(machine: &Rotation) -> bool {
    machine.poll_timeout().is_some_and(|at| at <= NOW + DAY)
}

#[test]
fn what_is_due_waits_for_the_end_of_a_pause() {
    let (_, mut machine) = steady();
    assert!(due(&machine));
    machine.handle(NOW, Input::Pause(NOW + DAY * 2)).expect("a pause is always legal");
    assert_eq!(machine.paused(), Some(NOW + DAY * 2));
    assert!(!due(&machine), "it would be woken for nothing");
    assert!(!begins(&mut machine, NOW + DAY + DAY / 2));
    assert!(begins(&mut machine, NOW + DAY * 2));
    assert_eq!(machine.paused(), None);
}

#[test]
fn a_past_instant_ends_a_pause() {
    let (_, mut machine) = steady();
    machine.handle(NOW, Input::Pause(Instant(u64::MAX))).expect("a pause is always legal");
    assert!(!begins(&mut machine, NOW + DAY));
    machine.handle(NOW + DAY, Input::Pause(NOW)).expect("it is always legal");
    assert_eq!(machine.paused(), None);
    assert!(begins(&mut machine, NOW + DAY));
}

#[test]
fn what_is_asked_for_and_what_is_urgent_does_not_wait() {
    let (_, steady) = steady();
    let current = steady.serving().expect("it serves");
    for urgent in [Input::Begin, Input::Compromise(current)] {
        let mut machine = steady;
        machine.handle(NOW, Input::Pause(Instant(u64::MAX))).expect("a pause is always legal");
        machine.handle(NOW, urgent).expect("it is steady");
        let minted = run(&mut machine, NOW, |effect| matches!(effect, Effect::Issue { .. } | Effect::Login { .. }));
        assert!(minted.is_some(), "{urgent:?} waits");
    }
}

#[test]
fn an_end_that_waits_is_tried_at_once_when_an_operator_says_so() {
    let (_, mut machine) = steady();
    assert!(matches!(machine.handle(NOW, Input::Retry), Err(Illegal::NotHere { .. })), "nothing is to be ended");
    machine.handle(NOW, Input::Begin).expect("it is steady");
    let published = |effect: &Effect| matches!(effect, Effect::Shorten { .. });
    let op = run(&mut machine, NOW, published).expect("the grace begins");
    let unavailable = Outcome::NotApplied(Refusal::Unavailable);
    machine.handle(NOW, Input::Completed { op, outcome: unavailable }).expect("it is under way");
    assert!(matches!(machine.handle(NOW, Input::Retry), Err(Illegal::NotHere { phase: PhaseKind::Draining, .. })));
    let over = NOW + Duration::from_hours(1);
    machine.handle(over, Input::Timeout).expect("time passes");
    let looks = |effect: &Effect| matches!(effect, Effect::Observe { .. });
    let op = run(&mut machine, over, looks).expect("the old one was revoked, and is looked for");
    assert!(matches!(machine.handle(over, Input::Retry), Err(Illegal::NotHere { .. })), "it is being tried");
    machine.handle(over, Input::Completed { op, outcome: unavailable }).expect("it is under way");
    assert_eq!(
        run(&mut machine, over, |effect| matches!(effect, Effect::Revoke { .. } | Effect::Observe { .. })),
        None,
        "it waits"
    );
    machine.handle(over, Input::Retry).expect("an end waits to be tried again");
    assert!(run(&mut machine, over, looks).is_some());
}
