//! A provider that never answers is given up after the policy's patience; a disk that hangs is waited for. Renewal goes on.

use tokio::task::yield_now;
use tokio::time::{advance, sleep};
use turquoise_runtime::core::{AbandonReason, Consumers, Step, StepKind};

use crate::common::{Fault, Hangs, Sim, rotate, secs, until};

#[tokio::test(start_paused = true)]
async fn a_call_that_hangs_is_unknown_and_renewal_goes_on() {
    let mut sim = Sim::new();
    let identity = sim.ready(Consumers::Counted).await;
    sim.fault("probe", 2, Fault::Hang);
    sleep(secs(28)).await;
    let steps = rotate(&identity).await;
    assert!(steps.iter().any(|step| matches!(step, Step::AbandonIntent { reason: AbandonReason::TimedOut, .. })));
    let (probed, renewed) = (sim.asked("probe 2"), sim.asked("live 1 to 60s"));
    assert!(probed.len() > 1, "it was tried again: {probed:?}");
    assert!(renewed[0] > probed[0] && renewed[0] < probed[probed.len() - 1], "{renewed:?} amid {probed:?}");
    sim.assert_quiet(&identity, "after the probe that hung");
}

#[tokio::test(start_paused = true)]
async fn a_mint_that_hangs_is_taken_as_possibly_made() {
    let mut sim = Sim::new();
    let identity = sim.ready(Consumers::Counted).await;
    sim.fault("issue", 2, Fault::Hang);
    let steps = rotate(&identity).await;
    assert!(steps.iter().any(|step| matches!(step, Step::AbandonIntent { reason: AbandonReason::MintLost, .. })));
    sim.assert_quiet(&identity, "after the mint that hung");
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_hangs_does_not_keep_renewal_waiting() {
    let mut sim = Sim::new();
    let identity = sim.ready(Consumers::Counted).await;
    sim.hang_disk(Hangs::Yes);
    identity.rotate().await.expect("a rotation may begin");
    // Time does not pass by itself while a thread is blocked.
    for _ in 0..100 {
        advance(secs(1)).await;
        yield_now().await;
        assert!(sim.serves(&identity));
    }
    assert_eq!(sim.asked("live 1 to 60s").len(), 3);
    assert_eq!(sim.asked("issue 2"), [], "nothing is minted before its record is durable");
    let mut progress = identity.progress();
    sim.hang_disk(Hangs::No);
    until(&mut progress, StepKind::Cleared).await;
    sim.assert_quiet(&identity, "after the disk went on");
}
