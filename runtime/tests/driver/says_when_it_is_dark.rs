//! What no machine can heal is said, with the provider's words, and nothing is destroyed.

use tokio::time::sleep;
use turquoise_runtime::Progress;
use turquoise_runtime::core::{Consumers, Event, PhaseKind, Step, StepKind, StuckReason};
use turquoise_runtime::port::Reason;

use crate::common::{Fault, Sim, next, secs, until};

#[tokio::test(start_paused = true)]
async fn a_renewal_that_nobody_answers_ends_in_the_dark() {
    let mut sim = Sim::new();
    sim.ear.expect("dark: the current credential may be dead");
    let identity = sim.ready(Consumers::Counted).await;
    sim.fault("live", 1, Fault::Hang);
    let reason = Some(Reason("no answer within 1s".to_owned()));
    assert_eq!(next(&mut identity.progress()).await, Progress::Noticed { event: Event::Dark, reason: reason.clone() });
    let status = identity.status();
    assert_eq!((status.phase, status.reason), (PhaseKind::Steady, reason));
    assert!(identity.credentials().acquire().is_ok(), "it may live yet: better than nothing");
}

#[tokio::test(start_paused = true)]
async fn a_current_credential_that_is_refused_needs_an_operator() {
    let mut sim = Sim::new();
    sim.ear.expect("stuck: an operator is needed");
    sim.ear.expect("dark: the current credential may be dead");
    let identity = sim.ready(Consumers::Counted).await;
    sim.fault("live", 1, Fault::Refuse);
    sim.fault("probe", 1, Fault::Refuse);
    let stuck = until(&mut identity.progress(), StepKind::Stuck).await;
    assert_eq!(stuck.record.step, Step::Stuck { reason: StuckReason::CurrentRefused });
    assert_eq!(stuck.reason, Some(Reason("permission denied".to_owned())));
    sleep(secs(60)).await;
    assert_eq!(identity.status().phase, PhaseKind::NeedsOperator);
    let changes = ["login", "issue", "revoke", "clear"].map(|verb| sim.log_from(6).iter().any(|call| call.starts_with(verb)));
    assert_eq!(changes, [false; 4]);
    assert!(identity.credentials().acquire().is_ok());
}
