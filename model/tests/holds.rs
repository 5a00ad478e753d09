//! Every invariant holds in every reachable state of the pinned configurations, and the check means something.

use turquoise_model::{SINK, check};

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
    assert!(failures.iter().any(|failure| failure.contains("never seen: DeadIn(Steady)")), "{failures:?}");
    assert!(failures.iter().any(|failure| failure.contains("was never taken")), "{failures:?}");
}
