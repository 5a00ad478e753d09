//! Without fresh evidence that the new one is accepted the old one is not touched: the machine asks, and asks again.

#[path = "common/drive.rs"]
mod drive;
#[path = "common/policy.rs"]
mod policy;

use core::time::Duration;

use drive::{fresh, run};
use policy::POLICY;
use turquoise_core::{
    Applied, Consumers, Draining, Effect, Input, Instant, Outcome, Output, Phase, PhaseKind, Policy, Record, Refusal, Relogin,
    Rotation, Step, StuckReason,
};

const NOW: Instant = Instant(1_000);

#[test]
fn a_refusal_of_the_new_one_during_the_grace_is_asked_about_again_and_ends_nothing() {
    let policy = Policy { grace: Duration::from_secs(20), backoff: Duration::from_secs(1), ..POLICY };
    let mut machine = fresh(&policy, NOW);
    assert_eq!(run(&mut machine, NOW, |_| false), None);
    machine.handle(NOW, Input::Begin).expect("it is steady");
    let published = |effect: &Effect| matches!(effect, Effect::Publish(_));
    let op = run(&mut machine, NOW, published).expect("the new one is published");
    // Only now is it answered: what was seen of the new one is too long ago to count.
    let late = NOW + policy.evidence;
    machine.handle(late, Input::Completed { op, outcome: Outcome::Applied(Applied::Done) }).expect("it is under way");
    let probes = |effect: &Effect| matches!(effect, Effect::Probe(_) | Effect::Shorten { .. } | Effect::Revoke { .. });
    let op = run(&mut machine, late, probes).expect("it asks first");
    let refused = Outcome::NotApplied(Refusal::Refused);
    machine.handle(late, Input::Completed { op, outcome: refused }).expect("it is under way");
    assert_eq!((machine.phase().kind(), machine.awaited()), (PhaseKind::Draining, None));
    let again = machine.poll_timeout().expect("it does not give up").max(late);
    machine.handle(again, Input::Timeout).expect("time passes");
    assert!(run(&mut machine, again, |effect| matches!(effect, Effect::Probe(_))).is_some(), "it asks again");
}

/// Nothing but an answer ends the wait of this one.
const COUNTED: Policy = Policy {
    consumers: Consumers::Counted,
    backoff: Duration::from_millis(10),
    backoff_cap: Duration::from_millis(10),
    ..POLICY
};

/// A machine whose old one is revoked and looked for, when the look is refused; then also the new one's probe.
fn refused_a_look(policy: &Policy) -> (Rotation, Effect) {
    let refused = Outcome::NotApplied(Refusal::Refused);
    let mut machine = fresh(policy, NOW);
    assert_eq!(run(&mut machine, NOW, |_| false), None);
    machine.handle(NOW, Input::Begin).expect("it is steady");
    assert_eq!(run(&mut machine, NOW, |effect| matches!(effect, Effect::Observe { .. })), None, "the grace is not over");
    let Phase::Draining(Draining { retiring, .. }) = *machine.phase() else { panic!("the old one has its grace") };
    machine.handle(NOW, Input::Idle(retiring.mint.generation)).expect("new work gets the new one");
    let op = run(&mut machine, NOW, |effect| matches!(effect, Effect::Observe { .. })).expect("the old one is looked for");
    machine.handle(NOW, Input::Completed { op, outcome: refused }).expect("it is under way");
    let again = machine.poll_timeout().expect("it is tried again");
    machine.handle(again, Input::Timeout).expect("time passes");
    let asks = |effect: &Effect| matches!(effect, Effect::Observe { .. } | Effect::Revoke { .. } | Effect::Probe(_));
    let asked = core::iter::from_fn(|| machine.poll_output()).find_map(|output| match output {
        Output::Perform { op, effect } if asks(&effect) => Some((op, effect)),
        _ => None,
    });
    let (op, effect) = asked.expect("something is asked");
    machine.handle(again, Input::Completed { op, outcome: refused }).expect("it is under way");
    (machine, effect)
}

#[test]
fn who_is_refused_a_look_is_asked_about_itself() {
    let (machine, asked) = refused_a_look(&COUNTED);
    assert_eq!(Some(asked), machine.serving().map(Effect::Probe), "what it was a moment ago counts no more");
    assert!(matches!(machine.awaited(), Some(Record { step: Step::Stuck { reason: StuckReason::CurrentRefused }, .. })));
}

#[test]
fn where_a_login_helps_the_old_one_is_owed_and_the_login_begins() {
    let policy = Policy { relogin: Relogin::Possible, ..COUNTED };
    let (mut machine, _) = refused_a_look(&policy);
    assert!(matches!(machine.awaited(), Some(Record { step: Step::Owed { .. }, .. })));
    let login = |effect: &Effect| matches!(effect, Effect::Login { .. });
    let now = machine.awaited().expect("it waits").at;
    assert_eq!(run(&mut machine, now, login), None, "its slot is needed, and still holds the old one's secret");
    let dead = machine.debt().expect("it is owed").ub;
    machine.handle(dead, Input::Timeout).expect("time passes");
    assert!(run(&mut machine, dead, login).is_some());
}
