//! A process that is asked to end: at once where nothing lives yet, and where the last credential is to go, as soon as no
//! work holds it.

#[path = "common/drive.rs"]
mod drive;
#[path = "common/policy.rs"]
mod policy;

use drive::{fresh, run};
use policy::POLICY;
use turquoise_core::{
    AtStop, Consumers, Effect, Generation, Illegal, Input, Instant, Outcome, PhaseKind, Policy, Refusal, Rotation,
};

const NOW: Instant = Instant(1_000);
const FIRST: Generation = Generation { incarnation: 1, number: 1 };

fn steady(consumers: Consumers) -> Rotation {
    let mut machine = fresh(&Policy { consumers, ..POLICY }, NOW);
    assert_eq!(run(&mut machine, NOW, |_| false), None);
    machine
}

fn tell(machine: &mut Rotation, now: Instant, input: Input) {
    machine.handle(now, input).expect("it is legal");
    assert_eq!(run(machine, now, |_| false), None);
}

#[test]
fn before_the_first_credential_it_ends_at_once() {
    let mut machine = fresh(&POLICY, NOW);
    let op = run(&mut machine, NOW, |effect| matches!(effect, Effect::Login { .. })).expect("it logs in");
    tell(&mut machine, NOW, Input::Completed { op, outcome: Outcome::NotApplied(Refusal::Unavailable) });
    assert_eq!(machine.phase().kind(), PhaseKind::Vacant);
    tell(&mut machine, NOW, Input::Shutdown(AtStop::Keep));
    assert_eq!(machine.phase().kind(), PhaseKind::Stopped);
}

#[test]
fn the_last_credential_goes_when_no_counted_work_holds_it() {
    let mut machine = steady(Consumers::Counted);
    assert_eq!(machine.serving(), Some(FIRST));
    assert_eq!(machine.handle(NOW, Input::Idle(FIRST)), Err(Illegal::NotIdle { going: None }), "new work is given it");
    tell(&mut machine, NOW, Input::Shutdown(AtStop::Revoke));
    assert_eq!((machine.serving(), machine.phase().kind()), (None, PhaseKind::Steady), "work may hold it");
    let other = Generation { number: 2, ..FIRST };
    assert_eq!(machine.handle(NOW, Input::Idle(other)), Err(Illegal::NotIdle { going: Some(FIRST) }));
    tell(&mut machine, NOW, Input::Idle(FIRST));
    assert_eq!(machine.phase().kind(), PhaseKind::Stopped);
}

#[test]
fn readers_that_are_not_counted_have_the_whole_grace() {
    let mut machine = steady(Consumers::Uncounted);
    tell(&mut machine, NOW, Input::Shutdown(AtStop::Revoke));
    tell(&mut machine, NOW, Input::Idle(FIRST));
    let end = NOW + POLICY.grace;
    tell(&mut machine, Instant(end.0 - 1), Input::Timeout);
    assert_eq!(machine.phase().kind(), PhaseKind::Steady);
    assert_eq!(machine.poll_timeout(), Some(end));
    tell(&mut machine, end, Input::Timeout);
    assert_eq!(machine.phase().kind(), PhaseKind::Stopped);
}

#[test]
fn who_stops_to_keep_waits_for_nobody() {
    let mut machine = steady(Consumers::Uncounted);
    tell(&mut machine, NOW, Input::Shutdown(AtStop::Keep));
    assert_eq!((machine.serving(), machine.phase().kind()), (Some(FIRST), PhaseKind::Stopped));
    assert_eq!(machine.poll_timeout(), None, "there is nothing more to do");
}
