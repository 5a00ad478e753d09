//! A process that is asked to end: at once where nothing lives yet, and where the last credential is to go, as soon as no
//! work holds it.

#[path = "common/policy.rs"]
mod policy;

use policy::POLICY;
use turquoise_core::{
    Applied, AtStop, BootId, Consumers, Effect, Generation, Held, Illegal, Input, Instant, Outcome, Output, PhaseKind, Policy,
    Refusal, Rotation,
};

const NOW: Instant = Instant(1_000);
const FIRST: Generation = Generation { incarnation: 1, number: 1 };
const GIVEN: Outcome = Outcome::Applied(Applied::Alive { remaining: POLICY.full });

/// Does all that is asked for at this instant; a login ends so.
fn settle(machine: &mut Rotation, now: Instant, login: Outcome) {
    for _ in 0..100 {
        let answer = match machine.poll_output() {
            Some(Output::Append(record)) => Input::Durable(record.lsn),
            Some(Output::Perform { op, effect: Effect::Login { .. } }) => Input::Completed { op, outcome: login },
            Some(Output::Perform { op, effect: Effect::Renew { .. } }) => Input::Completed { op, outcome: GIVEN },
            Some(Output::Perform { op, .. }) => Input::Completed { op, outcome: Outcome::Applied(Applied::Done) },
            Some(_) => continue,
            None => return,
        };
        machine.handle(now, answer).expect("it was asked for");
    }
    panic!("the machine asks without end");
}

fn begun(consumers: Consumers, login: Outcome) -> Rotation {
    let policy = Policy { consumers, ..POLICY };
    let mut machine = Rotation::recover(policy, 1, BootId(1), NOW, [], Held::default()).expect("an empty journal is sound");
    settle(&mut machine, NOW, login);
    machine
}

fn tell(machine: &mut Rotation, now: Instant, input: Input) {
    machine.handle(now, input).expect("it is legal");
    settle(machine, now, GIVEN);
}

#[test]
fn before_the_first_credential_it_ends_at_once() {
    let mut machine = begun(Consumers::Uncounted, Outcome::NotApplied(Refusal::Unavailable));
    assert_eq!(machine.phase().kind(), PhaseKind::Vacant);
    tell(&mut machine, NOW, Input::Shutdown(AtStop::Keep));
    assert_eq!(machine.phase().kind(), PhaseKind::Stopped);
}

#[test]
fn the_last_credential_goes_when_no_counted_work_holds_it() {
    let mut machine = begun(Consumers::Counted, GIVEN);
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
    let mut machine = begun(Consumers::Uncounted, GIVEN);
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
    let mut machine = begun(Consumers::Uncounted, GIVEN);
    tell(&mut machine, NOW, Input::Shutdown(AtStop::Keep));
    assert_eq!((machine.serving(), machine.phase().kind()), (Some(FIRST), PhaseKind::Stopped));
    assert_eq!(machine.poll_timeout(), None, "there is nothing more to do");
}
