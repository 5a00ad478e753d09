//! Without fresh evidence that the new one is accepted the old one is not touched: the machine asks, and asks again.

#[path = "common/drive.rs"]
mod drive;
#[path = "common/policy.rs"]
mod policy;

use core::time::Duration;

use drive::{fresh, run};
use policy::POLICY;
use turquoise_core::{Applied, Effect, Input, Instant, Outcome, PhaseKind, Policy, Refusal};

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
