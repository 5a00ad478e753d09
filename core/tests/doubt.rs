//! Whatever was certain before time was lost is asked anew, and at once: however little of it was lost.

#[path = "common/drive.rs"]
mod drive;
#[path = "common/policy.rs"]
mod policy;

use drive::{fresh, run};
use policy::POLICY;
use turquoise_core::{Applied, Effect, Input, Instant, Outcome, PhaseKind, Policy, Refusal, Relogin, Via};

#[test]
fn after_a_gap_nothing_is_served_before_the_provider_has_been_asked() {
    let now = Instant(1_000);
    let mut machine = fresh(&POLICY, now);
    assert_eq!(run(&mut machine, now, |_| false), None);
    let serving = machine.serving();
    assert!(serving.is_some());
    machine.handle(now, Input::Gap).expect("it is always legal");
    assert_eq!((machine.serving(), machine.is_waking()), (None, true));
    assert_eq!(machine.phase().current().map(|lease| (lease.life.lb, lease.accepted_until)), Some((now, now)));
    let asked = run(&mut machine, now, |effect| matches!(effect, Effect::Renew { .. }));
    assert!(asked.is_some(), "it waits, although nothing is certain");
}

#[test]
fn what_was_asked_before_the_gap_is_asked_once_more_as_soon_as_it_is_answered() {
    let now = Instant(1_000);
    let mut machine = fresh(&POLICY, now);
    assert_eq!(run(&mut machine, now, |_| false), None);
    let renews = |effect: &Effect| matches!(effect, Effect::Renew { .. });
    let due = now + POLICY.full / 2;
    machine.handle(due, Input::Timeout).expect("time passes");
    let before = run(&mut machine, due, renews).expect("half of its life is over");
    machine.handle(due, Input::Gap).expect("it is always legal");
    assert_eq!(run(&mut machine, due, renews), None, "one is under way");
    let alive = Outcome::Applied(Applied::Alive { remaining: POLICY.full });
    machine.handle(due, Input::Completed { op: before, outcome: alive }).expect("it is under way");
    assert_eq!((machine.serving(), machine.is_waking()), (None, true), "it may have been answered before the gap");
    let after = run(&mut machine, due, renews).expect("it does not wait for half a life");
    machine.handle(due, Input::Completed { op: after, outcome: alive }).expect("it is under way");
    assert!(machine.serving().is_some() && !machine.is_waking());
}

/// What serves was ended while the machine slept: its successor, which was accepted since, does not wait for a renewal of its own.
#[test]
fn what_was_made_and_accepted_after_the_gap_serves_at_once() {
    let now = Instant(1_000);
    let policy = Policy { relogin: Relogin::Possible, mint: Via::Login, login_life: POLICY.probation, ..POLICY };
    let mut machine = fresh(&policy, now);
    assert_eq!(run(&mut machine, now, |_| false), None);
    let old = machine.serving().expect("it has logged in");
    machine.handle(now, Input::Gap).expect("it is always legal");
    let refused = Outcome::NotApplied(Refusal::Refused);
    let renewal = run(&mut machine, now, |effect| matches!(effect, Effect::Renew { .. })).expect("it asks at once");
    machine.handle(now, Input::Completed { op: renewal, outcome: refused }).expect("it is under way");
    let probe = run(&mut machine, now, |effect| matches!(effect, Effect::Probe(_))).expect("it makes sure");
    machine.handle(now, Input::Completed { op: probe, outcome: refused }).expect("it is under way");
    run(&mut machine, now, |effect| matches!(effect, Effect::Publish(_))).expect("a login has replaced it");
    assert_eq!(machine.phase().kind(), PhaseKind::Draining);
    assert!(machine.serving().is_some_and(|serving| serving != old) && !machine.is_waking());
}
