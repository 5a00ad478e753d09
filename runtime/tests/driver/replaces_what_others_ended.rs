//! A current credential that others revoked is replaced by a login, or by an operator's word.

use turquoise_runtime::core::{Consumers, PhaseKind, Relogin, Resolution, Step, StepKind, StuckReason, Trigger, Via};
use turquoise_runtime::port::Reason;
use turquoise_runtime::{AskError, NotReady};

use crate::common::{Fault, Sim, rotate, until};

#[tokio::test(start_paused = true)]
async fn a_login_replaces_it_by_itself() {
    let mut sim = Sim::new();
    sim.relogin = Relogin::Possible;
    let identity = sim.ready(Consumers::Counted).await;
    sim.take_away(1);
    let mut progress = identity.progress();
    let intent = until(&mut progress, StepKind::IssueIntent).await;
    assert!(matches!(intent.record.step, Step::IssueIntent { trigger: Trigger::Lost, via: Via::Login, .. }));
    assert_eq!(intent.reason, Some(Reason("bad token".to_owned())), "the provider's own words");
    until(&mut progress, StepKind::Cleared).await;
    sim.assert_quiet(&identity, "after the login");
}

#[tokio::test(start_paused = true)]
async fn where_no_login_can_be_repeated_an_operator_says_what_is_next() {
    let mut sim = Sim::new();
    sim.ear.expect("stuck: an operator is needed");
    let identity = sim.ready(Consumers::Counted).await;
    let mut credentials = identity.credentials();
    credentials.changed().await.expect("the handle is older than the login");
    identity.resolve(Resolution::Forget).await.expect_err("nothing is wrong yet");
    sim.take_away(1);
    let mut progress = identity.progress();
    let stuck = until(&mut progress, StepKind::Stuck).await;
    assert_eq!(stuck.record.step, Step::Stuck { reason: StuckReason::CurrentRefused });
    let refused = identity.rotate().await.expect_err("an operator is needed");
    assert!(matches!(refused, AskError::Illegal(_)), "{refused}");

    identity.resolve(Resolution::Keep).await.expect("an operator may be wrong");
    until(&mut progress, StepKind::Stuck).await;
    assert!(credentials.acquire().is_ok(), "it was never given up");

    sim.fault("login", 2, Fault::Refuse);
    identity.resolve(Resolution::Forget).await.expect("an operator knows best");
    let failed = until(&mut progress, StepKind::LoginFailed).await;
    assert_eq!((failed.phase.kind(), failed.current), (PhaseKind::Vacant, None));
    assert_eq!((credentials.acquire().err(), sim.asked("clear 1").len()), (Some(NotReady::Vacant), 1));
    credentials.changed().await.expect("the next switch is the one to the new credential");
    assert_eq!(credentials.acquire().expect("it serves").mint().generation.number, 3);
    until(&mut progress, StepKind::Ready).await;
    sim.assert_quiet(&identity, "after the new login");
    rotate(&identity).await;
    sim.assert_quiet(&identity, "after the next rotation");
}
