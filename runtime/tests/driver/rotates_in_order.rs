//! A rotation, seen from outside: who is asked for what, after which record.

use turquoise_runtime::core::{Color, Consumers};

use crate::common::{Sim, rotate};

const LOGIN: &[&str] = &["record LoginIntent", "login 1", "record LoggedIn accessor-1", "persist 1", "publish 1", "record Ready"];

const ROTATION: &[&str] = &[
    "record IssueIntent",
    "issue 2",
    "record Issued accessor-2",
    "persist 2",
    "record Persisted",
    "probe 2",
    "probe 2",
    "record ExtendIntent",
    "live 2 to 60s",
    "record Promoted",
    "publish 2",
    "record ShortenIntent",
    "record RevokeIntent",
    "revoke 1",
    "observe 1",
    "record Died",
    "clear 1",
    "record Cleared",
];

#[tokio::test(start_paused = true)]
async fn every_effect_comes_after_its_record() {
    let mut sim = Sim::new();
    let identity = sim.ready(Consumers::Counted).await;
    assert_eq!(sim.log_from(0), LOGIN);
    rotate(&identity).await;
    assert_eq!(sim.log_from(LOGIN.len()), ROTATION);
    sim.assert_quiet(&identity, "after a rotation");
}

#[tokio::test(start_paused = true)]
async fn the_colours_take_turns() {
    let mut sim = Sim::new();
    let identity = sim.ready(Consumers::Counted).await;
    for expected in [(2, Color::Green), (3, Color::Blue), (4, Color::Green)] {
        rotate(&identity).await;
        let current = identity.status().current.expect("it serves");
        assert_eq!((current.generation.number, current.slot), expected);
        sim.assert_quiet(&identity, "after each rotation");
    }
}

#[tokio::test(start_paused = true)]
async fn a_second_rotation_is_refused_until_the_first_is_over() {
    let mut sim = Sim::new();
    let identity = sim.ready(Consumers::Counted).await;
    identity.rotate().await.expect("the first may begin");
    let refused = identity.rotate().await.expect_err("the second may not").to_string();
    assert!(refused.contains("only in Steady"), "{refused}");
}
