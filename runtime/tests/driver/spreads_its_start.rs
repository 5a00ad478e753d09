//! Identities that are started together without a credential log in one after the other, each at a moment of its own.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use turquoise_runtime::core::{AtStop, Consumers};
use turquoise_runtime::{Identity, jitter};

use crate::common::{Sim, secs};

async fn start(name: &str) -> (Sim, Identity) {
    let mut sim = Sim::new();
    sim.jitter = jitter(name, "host-1");
    let identity = sim.start(Consumers::Counted).await;
    (sim, identity)
}

async fn logins() -> Vec<Duration> {
    let mut fleet = Vec::new();
    for n in 0..50 {
        fleet.push(start(&format!("identity-{n}")).await);
    }
    sleep(secs(6)).await;
    fleet.iter().map(|(sim, _)| sim.asked("login 1")[0]).collect()
}

#[tokio::test(start_paused = true)]
async fn first_logins_are_spread_over_five_seconds_and_come_at_the_same_moment_again() {
    let first = logins().await;
    for second in 0..5 {
        let within = first.iter().filter(|at| at.as_secs() == second).count();
        assert!((4..=18).contains(&within), "{within} of 50 in second {second}");
    }
    assert_eq!(first, logins().await);
}

#[tokio::test(start_paused = true)]
async fn what_survived_serves_at_once() {
    let (mut sim, identity) = start("identity-1").await;
    identity.credentials().ready().await.expect("it logs in");
    identity.stop().await;
    let again = Instant::now();
    let identity = sim.start(Consumers::Counted).await;
    identity.credentials().ready().await.expect("it survived");
    assert_eq!(again.elapsed(), Duration::ZERO);
    identity.stop().await;
}

#[tokio::test(start_paused = true)]
async fn one_that_is_told_to_stop_does_not_wait_and_has_done_nothing() {
    let (sim, identity) = start("identity-1").await;
    let began = Instant::now();
    identity.stop().await;
    assert_eq!((began.elapsed(), sim.world().entries.len()), (Duration::ZERO, 0));
    let (sim, identity) = start("identity-1").await;
    identity.shutdown(AtStop::Keep, secs(30)).await.expect("nothing is in the way");
    assert_eq!(sim.left().2, 0, "the journal is closed");
}
