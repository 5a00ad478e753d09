//! Every bug that is sown is caught, by the invariants that are expected to catch it, with a shortest story.

use std::fmt::Write as _;

use turquoise_core::{SeededBug, Sown};
use turquoise_model::{Config, SINK, explore, tell};

const BUGS: [SeededBug; 8] = [
    SeededBug::RevokeBeforeDrain,
    SeededBug::UnknownTakenAsRefused,
    SeededBug::UnknownTakenAsApplied,
    SeededBug::RecoveryServesCandidate,
    SeededBug::NoCorrelation,
    SeededBug::EffectBeforeIntent,
    SeededBug::ClearedUnobserved,
    SeededBug::AbandonRevokesCurrent,
];

fn with(bug: SeededBug) -> Config {
    let mut config = SINK;
    config.policy.sown = Sown::bug(bug);
    config
}

#[test]
fn every_sown_bug_is_caught() {
    let mut matrix = String::new();
    for bug in BUGS {
        let found = explore(&with(bug), |_, _| {});
        assert!(!found.broken.is_empty(), "{bug:?} lives");
        let killers: Vec<_> = found.broken.keys().map(|invariant| invariant.id()).collect();
        let _ = writeln!(matrix, "{:<24} {}", format!("{bug:?}"), killers.join(" "));
    }
    insta::assert_snapshot!(matrix);
}

#[test]
fn a_counterexample_is_a_short_readable_story() {
    let config = with(SeededBug::RevokeBeforeDrain);
    let found = explore(&config, |_, _| {});
    let way = found.broken.values().next().expect("it is caught");
    insta::assert_snapshot!(tell(&config, way));
}
