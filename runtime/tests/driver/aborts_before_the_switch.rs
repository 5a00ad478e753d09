//! A rotation that is called off before the switch leaves the one that serves as it was.

use turquoise_runtime::core::{AbandonReason, Consumers, Step, StepKind};

use crate::common::{Sim, rotate, until};

#[tokio::test(start_paused = true)]
async fn green_is_ended_and_blue_never_notices() {
    let mut sim = Sim::new();
    let identity = sim.ready(Consumers::Counted).await;
    let guard = identity.credentials().acquire().expect("it serves");
    let before = sim.world().log.len();
    let mut progress = identity.progress();
    identity.rotate().await.expect("a rotation may begin");
    until(&mut progress, StepKind::Persisted).await;
    identity.abort().await.expect("nothing is committed yet");
    let abandoned = until(&mut progress, StepKind::AbandonIntent).await;
    assert!(matches!(abandoned.record.step, Step::AbandonIntent { reason: AbandonReason::Aborted, .. }));
    until(&mut progress, StepKind::Cleared).await;
    assert_eq!(identity.status().current, Some(guard.mint()));
    let calls = sim.log_from(before);
    assert!(calls.contains(&"revoke 2".to_owned()), "{calls:?}");
    let of_blue: Vec<_> = calls.iter().filter(|call| call.contains(" 1")).collect();
    assert_eq!(of_blue, ["probe 1"], "it is the witness, no more");
    sim.assert_quiet(&identity, "after the abort");

    rotate(&identity).await;
    assert_ne!(identity.status().current, Some(guard.mint()), "the next rotation is not called off");
    sim.assert_quiet(&identity, "after the next rotation");
}

#[tokio::test(start_paused = true)]
async fn after_the_switch_it_is_refused_and_says_what_to_do_instead() {
    let mut sim = Sim::new();
    let identity = sim.ready(Consumers::Counted).await;
    identity.abort().await.expect_err("there is nothing to call off");
    let guard = identity.credentials().acquire().expect("it serves");
    let mut progress = identity.progress();
    identity.rotate().await.expect("a rotation may begin");
    until(&mut progress, StepKind::ShortenIntent).await;
    let refused = identity.abort().await.expect_err("it is committed").to_string();
    assert!(refused.contains("roll back"), "{refused}");
    drop(guard);
    until(&mut progress, StepKind::Cleared).await;
    sim.assert_quiet(&identity, "after the rotation");
}
