//! New work tries a candidate only while there is time for it, and nothing that makes haste.

#[path = "common/drive.rs"]
mod drive;
#[path = "common/policy.rs"]
mod policy;

use core::time::Duration;

use drive::{fresh, run};
use policy::POLICY;
use turquoise_core::{Applied, Effect, Generation, Input, Instant, OpId, Outcome, PhaseKind, Policy, Rotation, Shortage, Trial};

const NOW: Instant = Instant(1_000);
const CURRENT: Generation = Generation { incarnation: 1, number: 1 };
const CANARY: Trial =
    Trial { share: 5_000, window: Duration::from_secs(2), samples: 1, forgiven: 0, slower: 0, shortage: Shortage::Abandon };

/// A candidate whose only probe is under way.
fn probing(window: Duration) -> (Rotation, OpId) {
    let mut machine = fresh(&Policy { canary: Some(Trial { window, ..CANARY }), ..POLICY }, NOW);
    assert_eq!(run(&mut machine, NOW, |_| false), None);
    machine.handle(NOW, Input::Begin).expect("it is steady");
    let op = run(&mut machine, NOW, |effect| matches!(effect, Effect::Probe(_))).expect("the candidate is probed");
    assert_eq!(machine.phase().kind(), PhaseKind::Validating);
    (machine, op)
}

/// The probe passes; what else is asked for then waits.
fn passes(machine: &mut Rotation, op: OpId) {
    let outcome = Outcome::Applied(Applied::Alive { remaining: POLICY.probation });
    machine.handle(NOW, Input::Completed { op, outcome }).expect("it is under way");
}

#[test]
fn a_candidate_that_has_passed_its_probes_is_tried_by_new_work() {
    let (mut machine, op) = probing(CANARY.window);
    assert_eq!(machine.canary(), None, "it has passed nothing yet");
    passes(&mut machine, op);
    assert_eq!(machine.canary().map(|canary| canary.share), Some(CANARY.share));
    assert_eq!(machine.poll_timeout().map(|at| at <= NOW + CANARY.window), Some(true));
}

#[test]
fn nobody_tries_it_with_a_current_one_that_others_know() {
    let (mut machine, op) = probing(CANARY.window);
    machine.handle(NOW, Input::Compromise(CURRENT)).expect("it serves");
    passes(&mut machine, op);
    assert_eq!(machine.canary(), None);
}

#[test]
fn nobody_tries_it_once_it_is_recorded_that_others_know_the_current_one() {
    let mut machine = fresh(&Policy { canary: Some(CANARY), ..POLICY }, NOW);
    assert_eq!(run(&mut machine, NOW, |_| false), None);
    assert!(!machine.is_compromised(CURRENT));
    machine.handle(NOW, Input::Compromise(CURRENT)).expect("it serves");
    let op = run(&mut machine, NOW, |effect| matches!(effect, Effect::Probe(_))).expect("a rotation begins at once");
    assert!(machine.is_compromised(CURRENT) && !machine.asked());
    passes(&mut machine, op);
    assert_eq!(machine.canary(), None);
}

#[test]
fn nobody_tries_what_was_called_off() {
    let (mut machine, op) = probing(CANARY.window);
    machine.handle(NOW, Input::Abort).expect("it is not yet committed");
    passes(&mut machine, op);
    assert_eq!(machine.canary(), None);
    assert_eq!(run(&mut machine, NOW, |_| false), None);
    assert_eq!(machine.phase().kind(), PhaseKind::Steady, "nobody held it: it goes at once");
}

#[test]
fn nobody_tries_it_when_what_serves_does_not_live_long_enough() {
    // The window, two requests and the grace of whoever tried it.
    let longest = POLICY.full.saturating_sub(2 * POLICY.patience + POLICY.grace);
    for (window, tried) in [(longest, true), (longest + Duration::from_millis(1), false)] {
        let (mut machine, op) = probing(window);
        passes(&mut machine, op);
        assert_eq!(machine.canary().is_some(), tried, "{window:?}");
    }
}

#[test]
fn one_probe_is_enough_when_others_know_the_current_one() {
    for (probes, compromised, further) in [(3, true, false), (3, false, true), (1, false, false)] {
        let mut machine = fresh(&Policy { probes, ..POLICY }, NOW);
        assert_eq!(run(&mut machine, NOW, |_| false), None);
        let demand = if compromised { Input::Compromise(CURRENT) } else { Input::Begin };
        machine.handle(NOW, demand).expect("it is steady");
        let op = run(&mut machine, NOW, |effect| matches!(effect, Effect::Probe(_))).expect("the candidate is probed");
        passes(&mut machine, op);
        let probed = run(&mut machine, NOW, |effect| matches!(effect, Effect::Probe(_))).is_some();
        assert_eq!((probed, machine.phase().kind() == PhaseKind::Validating), (further, further), "{probes} {compromised}");
    }
}

#[test]
fn a_trial_is_not_waited_for_once_others_know_the_current_one() {
    let (mut machine, op) = probing(CANARY.window);
    passes(&mut machine, op);
    assert_eq!(run(&mut machine, NOW, |_| false), None);
    assert_eq!((machine.canary().is_some(), machine.phase().kind()), (true, PhaseKind::Validating));
    machine.handle(NOW, Input::Compromise(CURRENT)).expect("it serves");
    assert_eq!(run(&mut machine, NOW, |_| false), None);
    assert_eq!(machine.phase().current().map(|lease| lease.mint.generation.number), Some(2), "nobody reported anything");
}
