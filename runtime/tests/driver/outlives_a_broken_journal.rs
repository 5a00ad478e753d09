//! A journal that fails ends every change at the provider, but not renewal.

use tokio::time::sleep;
use turquoise_runtime::Progress;
use turquoise_runtime::core::{Consumers, Event, PhaseKind, StepKind};
use turquoise_runtime::port::Reason;

use crate::common::{Sim, next, rotate, secs, until};

#[tokio::test(start_paused = true)]
async fn nothing_is_changed_any_more_and_renewal_goes_on() {
    let mut sim = Sim::new();
    sim.ear.expect("stalled: a record may not be durable");
    let identity = sim.ready(Consumers::Counted).await;
    let before = sim.world().log.len();
    sim.world().disk_full = true;
    let mut progress = identity.progress();
    identity.rotate().await.expect("nobody knows yet that the disk is full");
    let reason = Some(Reason("no space left on device".to_owned()));
    let stalled = next(&mut progress).await;
    assert_eq!(stalled, Progress::Noticed { event: Event::Stalled, reason: reason.clone() });

    sleep(secs(200)).await;
    assert!(sim.serves(&identity));
    let since = sim.log_from(before);
    assert!(since.len() > 5 && since.iter().all(|call| call == "live 1 to 60s"), "{since:?}");
    let status = identity.status();
    assert!(status.stalled && status.phase == PhaseKind::Steady && status.reason == reason);
    identity.rotate().await.expect_err("a stalled machine begins nothing");

    sim.world().disk_full = false;
    identity.stop().await;
    let identity = sim.start(Consumers::Counted).await;
    until(&mut identity.progress(), StepKind::Recovered).await;
    rotate(&identity).await;
    sim.assert_quiet(&identity, "after a restart");
}
