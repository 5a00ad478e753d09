//! A way through the world, written as a scenario and played again, ends where it ended.

use proptest::prelude::*;
use turquoise_core::{SeededBug, Sown};
use turquoise_model::{
    Action, Assumption, Config, Event, Invariant, SINK, STANDARD, Unsayable, World, explore, hear, liveness, play, replay, say,
    write,
};

/// Goes the way that these choices lead; the world at the end is in normal form.
fn walk(config: &Config, choices: &[u8], mut visit: impl FnMut(&World)) -> (Vec<Action>, World) {
    let mut world = World::initial(config);
    let mut way = Vec::new();
    for &choice in choices {
        visit(&world);
        let actions = world.actions(config);
        let Some(&action) = actions.get(usize::from(choice) % actions.len().max(1)) else { break };
        if let Some(next) = world.step(config, action) {
            way.push(action);
            world = next;
        }
    }
    (way, world)
}

/// Every pinned configuration, as it is or in a world that breaks an assumption.
fn configs() -> impl Strategy<Value = Config> {
    let broken = prop::option::of(prop::sample::select(Assumption::ALL.to_vec()));
    (prop::sample::select(STANDARD.to_vec()), broken, 0..4_u8).prop_map(|(config, broken, more)| Config {
        broken,
        crashes: config.crashes + more % 2,
        faults: config.faults + more / 2,
        ..config
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_played_to_the_same_end(config in configs(), choices in prop::collection::vec(any::<u8>(), 0..150)) {
        let (way, end) = walk(&config, &choices, |_| {});
        let text = write(&config, "a way", &way).expect("it can be said");
        let played = replay(&text);
        prop_assert_eq!(&played.transcript, &text);
        prop_assert_eq!(text.matches("\n> ").count(), way.len());
        let mut replayed = played.world;
        replayed.normalise(&config);
        prop_assert_eq!(replayed, end);
    }

    #[test]
    fn all_that_can_happen_is_said_in_words_of_its_own(config in configs(), choices in prop::collection::vec(any::<u8>(), 0..60)) {
        walk(&config, &choices, |world| {
            for action in world.actions(&config) {
                let command = say(world, action).unwrap_or_else(|| panic!("there are no words for {action:?}"));
                assert_eq!(hear(world, &command), Some(action), "{command}");
            }
        });
    }
}

#[test]
fn a_story_of_a_broken_invariant_breaks_it_again() {
    let mut config = Config { crashes: 0, ..SINK };
    config.policy.sown = Sown::bug(SeededBug::UnknownTakenAsRefused);
    let way = &explore(&config, |_, _| {}).broken[&Invariant::S4];
    let text = write(&config, "S4 is broken", way).expect("it can be said");
    assert_eq!(replay(&text).world.violated, Some(Invariant::S4), "{text}");
    insta::assert_snapshot!(text);
}

#[test]
fn a_story_without_end_is_written_too() {
    let mut config = Config { crashes: 0, faults: 0, ..SINK };
    config.policy.sown = Sown::bug(SeededBug::DeadlineIgnored);
    let endless = liveness(&explore(&config, |_, _| {}).graph).endless.expect("it never ends");
    let text = endless.scenario(&config, "L1 is broken").expect("it can be said");
    assert_eq!(play(&text), text);
    insta::assert_snapshot!(text.lines().filter(|line| !line.starts_with("  ")).collect::<Vec<_>>().join("\n"));
}

#[test]
fn what_the_tables_do_not_know_is_refused_and_said() {
    let strange = Config { downtime: 7, ..SINK };
    assert_eq!(write(&strange, "a way", &[]), Err(Unsayable::Config(SINK.name)));
    let elsewhere = Config { crashes: 0, ..SINK };
    let death = Action { event: Event::Die, dies_after: None };
    assert_eq!(write(&elsewhere, "a way", &[death]), Err(Unsayable::Impossible(death)));
    for head in ["configuration: Heaven", "broken: Promises", "bug: NoSuchBug", "crashes: many"] {
        assert!(play(&format!("# A scenario\n{head}")).contains("no such thing"), "{head}");
    }
}
