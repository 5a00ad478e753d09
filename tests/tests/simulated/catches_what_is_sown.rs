//! The judge can fail: for each property that it judges, a bug that is sown into the machine is caught by that property.

use turquoise_core::{SeededBug, Sown};

use crate::RUNS;
use crate::plan::Plan;
use crate::run::run;

/// S8 is not among them: no driver keeps a coordinator's lease yet, and on one host the journal's lock does.
const CAUGHT: [(SeededBug, &str); 12] = [
    (SeededBug::RenewedTooLate, "S1"),
    (SeededBug::RevokeBeforeDrain, "S2"),
    (SeededBug::EffectBeforeIntent, "S3"),
    (SeededBug::UnknownTakenAsRefused, "S4"),
    (SeededBug::RecoveryKeepsBounds, "S5"),
    (SeededBug::BegunUncovered, "S7"),
    (SeededBug::UnknownTakenAsApplied, "S9"),
    (SeededBug::RenewalsUnmetered, "S10"),
    (SeededBug::DeathNotBelieved, "L1"),
    (SeededBug::ClearedUnobserved, "L2"),
    (SeededBug::CanaryBeforeProbes, "R4"),
    (SeededBug::RollbackToCompromised, "R6"),
];

fn catches(bug: SeededBug, property: &str, seed: u64) -> bool {
    let mut plan = Plan::of(seed);
    plan.policy.sown = Sown::bug(bug);
    run(&plan).wrong.is_some_and(|wrong| wrong.property == Some(property))
}

#[test]
fn each_property_catches_a_bug_within_the_runs() {
    for (bug, property) in CAUGHT {
        let caught = (0..RUNS).find(|seed| catches(bug, property, *seed));
        assert!(caught.is_some(), "{property} does not catch {bug:?} in {RUNS} runs");
    }
}
