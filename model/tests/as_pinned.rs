//! The pinned configurations that are not the largest come to what is pinned: the smallest first, so that a mutant of the
//! core (`core/mutants`), for which this is made, is mostly caught within a second. `turquoise verify` does all of it and more.

use turquoise_model::{Config, Pins, STANDARD, explore, liveness};

/// Larger configurations take longer than a mutant may.
const LARGEST: usize = 450_000;

fn comes_to_what_is_pinned(config: &Config, pins: Pins) {
    let name = config.name;
    let found = explore(config, |states, _| assert!(states <= pins.states, "{name}: there are more states than are pinned"));
    let size = Pins { states: found.states, depth: found.depth, rows: found.rows.len() };
    assert_eq!(size, pins, "{name}");
    assert_eq!(found.broken.keys().next(), None, "{name}");
    assert_eq!(found.unrefined.keys().next(), None, "{name}");
    assert_eq!(liveness(&found.graph).failures().next(), None, "{name}");
}

#[test]
fn all_but_the_largest_come_to_what_is_pinned() {
    let pinned = STANDARD.into_iter().filter_map(|config| config.pins.map(|pins| (config, pins)));
    let mut chosen: Vec<_> = pinned.filter(|(_, pins)| pins.states <= LARGEST).collect();
    assert!(chosen.len() >= 15, "there are only {}", chosen.len());
    chosen.sort_unstable_by_key(|(_, pins)| pins.states);
    chosen.iter().for_each(|(config, pins)| comes_to_what_is_pinned(config, *pins));
}
