//! A candidate whose secret cannot be written down is given up soon: after three tries, or at once where there is none to
//! write down.

#[path = "common/drive.rs"]
mod drive;
#[path = "common/policy.rs"]
mod policy;

use core::time::Duration;

use drive::{fresh, run};
use policy::POLICY;
use turquoise_core::{AbandonReason, Abandoning, Effect, Input, Instant, OpId, Outcome, Phase, Policy, Refusal, Rotation, Step};

const NOW: Instant = Instant(1_000);

const fn persists(effect: &Effect) -> bool {
    matches!(effect, Effect::Persist(_))
}

/// A candidate that is to be written down.
fn issued() -> (Rotation, OpId) {
    let mut machine = fresh(&Policy { backoff: Duration::from_secs(1), ..POLICY }, NOW);
    assert_eq!(run(&mut machine, NOW, |_| false), None);
    machine.handle(NOW, Input::Begin).expect("it is steady");
    let op = run(&mut machine, NOW, persists).expect("the candidate is to be written down");
    (machine, op)
}

fn refuse(machine: &mut Rotation, now: Instant, op: OpId, refusal: Refusal) {
    machine.handle(now, Input::Completed { op, outcome: Outcome::NotApplied(refusal) }).expect("it is under way");
}

fn given_up(machine: &Rotation) -> Option<AbandonReason> {
    match machine.awaited().map(|record| record.step) {
        Some(Step::AbandonIntent { reason, .. }) => Some(reason),
        _ => None,
    }
}

#[test]
fn it_is_tried_three_times() {
    let (mut machine, mut op) = issued();
    let mut now = NOW;
    for _ in 0..2 {
        refuse(&mut machine, now, op, Refusal::Unavailable);
        assert_eq!(given_up(&machine), None);
        assert_eq!(run(&mut machine, now, persists), None, "it waits before it tries again");
        now = machine.poll_timeout().expect("it tries again");
        machine.handle(now, Input::Timeout).expect("time passes");
        op = run(&mut machine, now, persists).expect("it tries again");
    }
    refuse(&mut machine, now, op, Refusal::Unavailable);
    assert_eq!(given_up(&machine), Some(AbandonReason::NotPersisted));
    assert!(run(&mut machine, now, |effect| matches!(effect, Effect::Probe(_) | Effect::Revoke { .. })).is_some());
    assert!(matches!(machine.phase(), Phase::Abandoning(Abandoning { reason: AbandonReason::NotPersisted, .. })));
}

#[test]
fn without_a_secret_it_is_given_up_at_once() {
    let (mut machine, op) = issued();
    refuse(&mut machine, NOW, op, Refusal::NoSecret);
    assert_eq!(given_up(&machine), Some(AbandonReason::NotPersisted));
}
