//! What is found depends neither on the number of threads nor on who looks.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;

use turquoise_core::{SeededBug, Sown};
use turquoise_model::{Config, Explored, SINK, explore_on, second_opinion};

fn on(threads: usize, config: &Config) -> Explored {
    explore_on(config, NonZeroUsize::new(threads).expect("some threads"), |_, _| {})
}

/// The two-slot sink with smaller budgets.
fn small(crashes: u8, faults: u8) -> Config {
    Config { crashes, faults, ..SINK }
}

fn with(bug: SeededBug) -> Config {
    let mut config = small(1, 1);
    config.policy.sown = Sown::bug(bug);
    config
}

#[test]
fn the_number_of_threads_makes_no_difference() {
    for config in [small(1, 0), with(SeededBug::UnknownTakenAsRefused)] {
        let alone = on(1, &config);
        for threads in [2, 5] {
            let together = on(threads, &config);
            assert_eq!(alone.graph, together.graph, "states, their order and their edges");
            assert_eq!((alone.states, alone.depth), (together.states, together.depth));
            assert_eq!(alone.broken, together.broken, "stories");
            assert_eq!(alone.unrefined, together.unrefined, "stories");
            assert_eq!((&alone.seen, &alone.rows, alone.moves), (&together.seen, &together.rows, together.moves));
        }
    }
}

#[test]
fn stateright_finds_the_same() {
    let bugs = [SeededBug::UnknownTakenAsRefused, SeededBug::NoCorrelation].map(with);
    for config in [small(0, 0), small(1, 0), small(0, 1)].into_iter().chain(bugs) {
        let own = on(2, &config);
        let second = second_opinion(&config, NonZeroUsize::MIN);
        assert_eq!((own.states, own.depth), (second.states, second.depth), "{config:?}");
        assert_eq!(own.broken.keys().copied().collect::<BTreeSet<_>>(), second.broken, "{config:?}");
        assert_eq!(own.seen, second.seen, "{config:?}");
    }
}
