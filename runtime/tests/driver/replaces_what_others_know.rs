//! A compromised credential is replaced at once and ends without a grace, whoever holds it.

use tokio::time::Instant;
use turquoise_runtime::Identity;
use turquoise_runtime::core::{AbandonReason, Consumers, Drained, Mint, PhaseKind, Relogin, Step, StepKind, Trigger, Via};

use crate::common::{Sim, policy, secs, until};

/// Says that others know it, and waits for the end of its round: what minted the next one?
async fn compromise(identity: &Identity, mint: Mint) -> Via {
    let began = Instant::now();
    let mut progress = identity.progress();
    identity.compromise(mint.generation).await.expect("it serves");
    let Step::IssueIntent { trigger, via, .. } = until(&mut progress, StepKind::IssueIntent).await.record.step else {
        panic!("that is no mint");
    };
    assert_eq!(trigger, Trigger::Compromise);
    let revoked = until(&mut progress, StepKind::RevokeIntent).await;
    assert!(matches!(revoked.record.step, Step::RevokeIntent { drained: Drained::Compromised, .. }));
    until(&mut progress, StepKind::Cleared).await;
    assert!(began.elapsed() < secs(1), "there is no grace, and one probe does: {:?}", began.elapsed());
    via
}

#[tokio::test(start_paused = true)]
async fn it_mints_its_successor_where_no_login_can() {
    let mut sim = Sim::new();
    let identity = sim.ready(Consumers::Counted).await;
    let guard = identity.credentials().acquire().expect("it serves");
    assert_eq!(compromise(&identity, guard.mint()).await, Via::Current);
    sim.assert_quiet(&identity, "with the guard that has no grace");
    identity.compromise(guard.mint().generation).await.expect_err("it is gone");
}

#[tokio::test(start_paused = true)]
async fn a_login_mints_where_it_can_be_repeated() {
    let mut sim = Sim::new();
    sim.relogin = Relogin::Possible;
    let identity = sim.ready(Consumers::Counted).await;
    let guard = identity.credentials().acquire().expect("it serves");
    assert_eq!(compromise(&identity, guard.mint()).await, Via::Login);
    assert_eq!((sim.asked("login 2").len(), sim.asked("issue 2")), (1, vec![]));
    sim.assert_quiet(&identity, "with the guard that has no grace");
}

#[tokio::test(start_paused = true)]
async fn a_candidate_that_others_know_never_serves() {
    let mut sim = Sim::new();
    let identity = sim.ready(Consumers::Counted).await;
    let (blue, mut progress) = (identity.status().current, identity.progress());
    identity.rotate().await.expect("a rotation may begin");
    let green = until(&mut progress, StepKind::Persisted).await.second.expect("there is a candidate");
    identity.compromise(green.generation).await.expect("it is a credential of this rotation");
    let abandoned = until(&mut progress, StepKind::AbandonIntent).await;
    assert!(matches!(abandoned.record.step, Step::AbandonIntent { reason: AbandonReason::Compromised, .. }));
    until(&mut progress, StepKind::Cleared).await;
    assert_eq!(identity.status().current, blue);
    sim.assert_quiet(&identity, "after the candidate");
}

#[tokio::test(start_paused = true)]
async fn one_that_nobody_reads_through_the_handle_has_no_grace_either() {
    let mut sim = Sim::new();
    let identity = sim.ready(Consumers::Uncounted).await;
    let blue = identity.status().current.expect("it serves");
    compromise(&identity, blue).await;
    assert_eq!(identity.status().phase, PhaseKind::Steady);
    assert!(policy(Consumers::Uncounted).grace > secs(1));
    sim.assert_quiet(&identity, "without a grace");
}
