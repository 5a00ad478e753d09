//! The pinned configurations that are not the largest come to what is pinned: each in a second, or in seconds, so that a
//! mutant of the core (`core/mutants`), for which this is made, is judged soon. `turquoise verify` does all of it and more.

use turquoise_model::{Config, Pins, STANDARD, explore, liveness};

/// So many states take a second.
const SMALL: usize = 120_000;
/// So many take seconds; larger configurations take longer than a mutant may.
const MIDDLING: usize = 450_000;

/// The pinned configurations of so many states, the smallest first.
fn sized(states: std::ops::RangeInclusive<usize>) -> Vec<(Config, Pins)> {
    let pinned = STANDARD.into_iter().filter_map(|config| config.pins.map(|pins| (config, pins)));
    let mut sized: Vec<_> = pinned.filter(|(_, pins)| states.contains(&pins.states)).collect();
    assert!(sized.len() >= 5, "there are only {}", sized.len());
    sized.sort_unstable_by_key(|(_, pins)| pins.states);
    sized
}

fn comes_to_what_is_pinned((config, pins): (Config, Pins)) {
    let name = config.name;
    let found = explore(&config, |states, _| assert!(states <= pins.states, "{name}: there are more states than are pinned"));
    let size = Pins { states: found.states, depth: found.depth, rows: found.rows.len() };
    assert_eq!(size, pins, "{name}");
    assert_eq!(found.broken.keys().next(), None, "{name}");
    assert_eq!(found.unrefined.keys().next(), None, "{name}");
    assert_eq!(liveness(&found.graph).failures().next(), None, "{name}");
}

#[test]
fn small_configurations_come_to_what_is_pinned() {
    sized(0..=SMALL).into_iter().for_each(comes_to_what_is_pinned);
}

#[test]
fn middling_configurations_come_to_what_is_pinned() {
    sized(SMALL + 1..=MIDDLING).into_iter().for_each(comes_to_what_is_pinned);
}
