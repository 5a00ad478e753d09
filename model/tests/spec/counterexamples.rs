//! For each property the smallest story that violates it: under a bug that no other property catches, in the smallest
//! budgets that show it. The stories are part of `docs/spec.md`.

use crate::kills;
use crate::page;

use turquoise_core::SeededBug;
use turquoise_model::spec::configuration_table;
use turquoise_model::{Config, Invariant, explore, liveness, tell};

/// Crashes, other faults and requests of an operator, the smallest first.
const BUDGETS: [(u8, u8, u8); 5] = [(0, 0, 0), (0, 1, 0), (1, 0, 0), (1, 1, 0), (0, 0, 2)];

fn worlds(bug: SeededBug) -> impl Iterator<Item = Config> {
    let config = kills::with(bug);
    BUDGETS.into_iter().map(move |(crashes, faults, operator)| Config { crashes, faults, operator, ..config })
}

/// The shortest story of it, which breaks nothing else.
fn story(bug: SeededBug, property: Invariant) -> String {
    let shown = worlds(bug).find_map(|config| Some((explore(&config, |_, _| {}).broken, config)).filter(|(b, _)| !b.is_empty()));
    let (broken, config) = shown.unwrap_or_else(|| panic!("{bug:?} is not caught in any of these worlds"));
    assert_eq!(broken.keys().collect::<Vec<_>>(), [&property], "{bug:?}");
    format!("Sown: `{bug:?}`.\n\n```text\n{}```\n", tell(&config, &broken[&property]))
}

fn endless(bug: SeededBug) -> String {
    let shown = worlds(bug).find_map(|config| {
        let found = explore(&config, |_, _| {});
        assert!(found.broken.is_empty(), "{bug:?} breaks {:?}", found.broken.keys());
        liveness(&found.graph).endless.map(|endless| endless.tell(&config))
    });
    format!("Sown: `{bug:?}`.\n\n```text\n{}```\n", shown.unwrap_or_else(|| panic!("{bug:?} is not caught")))
}

#[test]
fn each_property_has_a_smallest_story_that_violates_it() {
    for (property, bug) in [
        (Invariant::S1, SeededBug::RenewedTooLate),
        (Invariant::S2, SeededBug::RevokeBeforeDrain),
        (Invariant::S3, SeededBug::EffectBeforeIntent),
        (Invariant::S4, SeededBug::UnknownTakenAsRefused),
        (Invariant::S5, SeededBug::RecoveryServesCandidate),
        (Invariant::S7, SeededBug::BegunUncovered),
        (Invariant::S8, SeededBug::MandateIgnored),
        (Invariant::S9, SeededBug::NoCorrelation),
        (Invariant::S10, SeededBug::RenewalsUnmetered),
        (Invariant::R4, SeededBug::CanaryBeforeProbes),
        (Invariant::R6, SeededBug::RollbackToCompromised),
        (Invariant::L2, SeededBug::ClearedUnobserved),
    ] {
        page::holds("spec.md", &format!("story of {property}"), &story(bug, property));
    }
    page::holds("spec.md", "story of L1", &endless(SeededBug::DeadlineIgnored));
}

#[test]
fn the_page_lists_the_configurations_that_are_checked() {
    page::holds("spec.md", "configurations", &configuration_table());
}
