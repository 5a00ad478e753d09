//! A candidate that the provider refuses never serves, and the old one never stops serving.

use tokio::time::timeout;
use turquoise_runtime::core::{AbandonReason, Consumers, Step, StepKind};
use turquoise_runtime::port::Reason;

use crate::common::{Fault, Sim, rotate, secs, until};

#[tokio::test(start_paused = true)]
async fn a_bad_green_is_ended_and_blue_serves_on() {
    let mut sim = Sim::new();
    let identity = sim.ready(Consumers::Counted).await;
    let (blue, mut credentials) = (identity.status().current, identity.credentials());
    sim.fault("probe", 2, Fault::Refuse);
    let mut progress = identity.progress();
    let steps = rotate(&identity).await;
    assert!(steps.iter().any(|step| matches!(step, Step::AbandonIntent { reason: AbandonReason::ProbeRefused, .. })));
    let abandoned = until(&mut progress, StepKind::AbandonIntent).await;
    assert_eq!(abandoned.reason, Some(Reason("permission denied".to_owned())), "the provider's own words");
    assert_eq!(abandoned.current, blue);
    assert_eq!(identity.status().current, blue);
    let switched = timeout(secs(1), credentials.changed()).await;
    assert!(switched.is_ok_and(|first| first.is_ok()), "the handle is older than the login");
    let switched = timeout(secs(1), credentials.changed()).await;
    assert!(switched.is_err(), "there was no switch");
    sim.assert_quiet(&identity, "after the bad candidate");
    assert_eq!(sim.asked("revoke 1"), []);

    rotate(&identity).await;
    assert_ne!(identity.status().current, blue, "the next candidate is fine");
    sim.assert_quiet(&identity, "after the good candidate");
}
