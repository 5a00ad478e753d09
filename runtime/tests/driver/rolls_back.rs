//! Within the grace there is a way back, but not to what others know.

use tokio::time::sleep;
use turquoise_runtime::core::{Consumers, Drained, PhaseKind, Step, StepKind};
use turquoise_runtime::port::Reason;

use crate::common::{Fault, Sim, rotate, secs, until};

#[tokio::test(start_paused = true)]
async fn the_old_one_serves_again_and_the_new_one_ends() {
    let mut sim = Sim::new();
    let identity = sim.ready(Consumers::Counted).await;
    let credentials = identity.credentials();
    let blue = credentials.acquire().expect("it serves");
    let mut progress = identity.progress();
    identity.rotate().await.expect("a rotation may begin");
    until(&mut progress, StepKind::ShortenIntent).await;
    let green = credentials.acquire().expect("it serves");
    assert_ne!(green.mint(), blue.mint());

    identity.rollback().await.expect("it is the grace");
    until(&mut progress, StepKind::RolledBack).await;
    assert_eq!(credentials.acquire().expect("it serves").mint(), blue.mint());
    until(&mut progress, StepKind::ShortenIntent).await;
    sleep(secs(2)).await;
    let status = identity.status();
    assert_eq!((status.current, status.second), (Some(blue.mint()), Some(green.mint())));
    assert_eq!((status.phase, status.current_held, status.second_held), (PhaseKind::Draining, 1, 1));
    drop(green);
    let revoked = until(&mut progress, StepKind::RevokeIntent).await;
    assert!(matches!(revoked.record.step, Step::RevokeIntent { drained: Drained::Idle, .. }));
    until(&mut progress, StepKind::Cleared).await;
    assert_eq!((sim.asked("revoke 1"), sim.asked("revoke 2").len()), (vec![], 1));

    identity.rotate().await.expect("a rotation may begin");
    until(&mut progress, StepKind::ShortenIntent).await;
    sleep(secs(2)).await;
    assert_eq!(identity.status().second_held, 1, "work that took it before it was retired for the first time");
    drop(blue);
    until(&mut progress, StepKind::Cleared).await;
    sim.assert_quiet(&identity, "after the next rotation");
}

#[tokio::test(start_paused = true)]
async fn if_the_old_one_cannot_be_extended_the_new_one_stays() {
    let mut sim = Sim::new();
    let identity = sim.ready(Consumers::Counted).await;
    let blue = identity.credentials().acquire().expect("it serves");
    let mut progress = identity.progress();
    identity.rotate().await.expect("a rotation may begin");
    until(&mut progress, StepKind::ShortenIntent).await;
    sim.fault("live", 1, Fault::Refuse);
    identity.rollback().await.expect("it is the grace");
    let failed = until(&mut progress, StepKind::RollbackFailed).await;
    assert_eq!(failed.reason, Some(Reason("permission denied".to_owned())), "the provider's own words");
    drop(blue);
    until(&mut progress, StepKind::Cleared).await;
    assert_eq!(identity.status().current.map(|mint| mint.generation.number), Some(2));
    sim.assert_quiet(&identity, "after the grace");
}

#[tokio::test(start_paused = true)]
async fn there_is_no_way_back_to_what_others_know() {
    let mut sim = Sim::new();
    let identity = sim.ready(Consumers::Counted).await;
    let blue = identity.credentials().acquire().expect("it serves");
    let mut progress = identity.progress();
    identity.rotate().await.expect("a rotation may begin");
    until(&mut progress, StepKind::ShortenIntent).await;
    identity.compromise(blue.mint().generation).await.expect("it is a credential of this rotation");
    let refused = identity.rollback().await.expect_err("others know it").to_string();
    assert!(refused.contains("what is not compromised"), "{refused}");
    let revoked = until(&mut progress, StepKind::RevokeIntent).await;
    assert!(matches!(revoked.record.step, Step::RevokeIntent { drained: Drained::Compromised, .. }));
    identity.rollback().await.expect_err("it is being ended");
    until(&mut progress, StepKind::Cleared).await;
    sim.assert_quiet(&identity, "with the guard that has no grace");
    rotate(&identity).await;
    sim.assert_quiet(&identity, "after the next rotation");
}

#[tokio::test(start_paused = true)]
async fn a_way_back_that_is_begun_ends_when_others_know_the_old_one() {
    let mut sim = Sim::new();
    let identity = sim.ready(Consumers::Counted).await;
    let blue = identity.credentials().acquire().expect("it serves");
    let mut progress = identity.progress();
    identity.rotate().await.expect("a rotation may begin");
    until(&mut progress, StepKind::ShortenIntent).await;
    sim.fault("live", 1, Fault::Hang);
    identity.rollback().await.expect("it is the grace");
    until(&mut progress, StepKind::RollbackIntent).await;
    identity.compromise(blue.mint().generation).await.expect("it is a credential of this rotation");
    until(&mut progress, StepKind::RollbackFailed).await;
    let revoked = until(&mut progress, StepKind::RevokeIntent).await;
    assert!(matches!(revoked.record.step, Step::RevokeIntent { drained: Drained::Compromised, .. }));
    until(&mut progress, StepKind::Cleared).await;
    sim.assert_quiet(&identity, "after the rollback that came to nothing");
}
