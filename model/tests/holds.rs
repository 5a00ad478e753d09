//! Every invariant holds in every reachable state of the pinned configurations, and the check means something.

use turquoise_core::{SeededBug, Sown};
use turquoise_model::{Rule, SINK, check};

#[test]
fn every_invariant_holds_in_every_reachable_state() {
    let report = check(&SINK, |_| {});
    assert_eq!(report.failures, Vec::<String>::new());
}

#[test]
fn a_check_of_fewer_states_than_expected_fails() {
    let mut fewer = SINK;
    fewer.crashes = 0;
    let failures = check(&fewer, |_| {}).failures;
    assert!(failures.iter().any(|failure| failure.contains("the state space has changed")), "{failures:?}");
    let mut blind = SINK;
    blind.faults = 0;
    blind.policy.probes = 0;
    let failures = check(&blind, |_| {}).failures;
    assert!(failures.iter().any(|failure| failure.contains("never seen")), "{failures:?}");
}

#[test]
fn a_check_says_when_the_abstract_specification_is_broken() {
    let mut early = SINK;
    early.policy.sown = Sown::bug(SeededBug::RevokeBeforeDrain);
    let failures = check(&early, |_| {}).failures;
    let broken = format!("the abstract specification is broken: {}", Rule::NeverDark.sentence());
    assert!(failures.contains(&broken), "{failures:?}");
}
