//! The pinned configurations that take seconds come to what is pinned: the smallest first, so that a mutant of the core
//! (`core/mutants`), for which this is made, is mostly caught within one. `turquoise verify` does all of this and more.

use turquoise_model::{Config, Pins, STANDARD, explore, liveness};

/// Larger ones take longer than a mutant may.
const LARGEST: usize = 450_000;

fn judge(config: &Config, pins: Pins) {
    let name = config.name;
    let more = |states, _| assert!(states <= pins.states, "{name}: there are more states than are pinned");
    let found = explore(config, more);
    let size = Pins { states: found.states, depth: found.depth, rows: found.rows.len() };
    assert_eq!(size, pins, "{name}");
    assert_eq!(found.broken.keys().next(), None, "{name}");
    assert_eq!(found.unrefined.keys().next(), None, "{name}");
    assert_eq!(liveness(&found.graph).failures().next(), None, "{name}");
}

#[test]
fn every_small_configuration_comes_to_what_is_pinned() {
    let pinned = STANDARD.into_iter().filter_map(|config| config.pins.map(|pins| (config, pins)));
    let mut small: Vec<_> = pinned.filter(|(_, pins)| pins.states <= LARGEST).collect();
    assert!(small.len() >= 15, "there are only {}", small.len());
    small.sort_unstable_by_key(|(_, pins)| pins.states);
    small.iter().for_each(|(config, pins)| judge(config, *pins));
}
