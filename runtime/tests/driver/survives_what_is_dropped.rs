//! A future that is dropped before it ends does what its documentation says, and no more.

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Waker};

use tokio::time::sleep;
use turquoise_runtime::core::{AtStop, Certainty, Consumers, Generation, PhaseKind, Resolution, StepKind};
use turquoise_runtime::{Identity, NotReady};

use crate::common::{Hangs, Sim, secs, until};

/// Polls once, and drops.
fn begin_and_drop<F: Future>(mut future: Pin<&mut F>) {
    assert!(future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending(), "it has already ended");
}

#[tokio::test(start_paused = true)]
async fn a_start_has_changed_nothing_and_the_journal_is_closed() {
    let mut sim = Sim::new();
    sim.hang_disk(Hangs::Yes);
    begin_and_drop(Box::pin(sim.try_start(Consumers::Counted)).as_mut());
    assert_eq!((sim.left(), sim.world().log.len()), ((0, 0, 0), 0));
    sim.hang_disk(Hangs::No);
    let identity = sim.ready(Consumers::Counted).await;
    sim.assert_quiet(&identity, "whoever starts next begins anew");
}

#[tokio::test(start_paused = true)]
async fn what_was_asked_for_is_done_all_the_same() {
    let mut sim = Sim::new();
    let identity = sim.ready(Consumers::Counted).await;
    let mut progress = identity.progress();
    begin_and_drop(pin!(identity.rotate()));
    until(&mut progress, StepKind::Persisted).await;
    begin_and_drop(pin!(identity.abort()));
    until(&mut progress, StepKind::AbandonIntent).await;
    until(&mut progress, StepKind::Cleared).await;
    sim.assert_quiet(&identity, "after a rotation that nobody waited for, and its end");
}

#[tokio::test(start_paused = true)]
async fn also_where_a_secret_is_known_and_where_the_glass_is_broken() {
    let mut sim = Sim::new();
    let identity = sim.ready(Consumers::Counted).await;
    let mut progress = identity.progress();
    begin_and_drop(pin!(identity.compromise(current(&identity))));
    until(&mut progress, StepKind::Compromised).await;
    sim.ear.expect("the glass is broken: nothing serves");
    begin_and_drop(pin!(identity.break_glass(Certainty::Confirmed)));
    until(&mut progress, StepKind::Waived).await;
}

fn current(identity: &Identity) -> Generation {
    identity.status().current.expect("it serves").generation
}

#[tokio::test(start_paused = true)]
async fn what_was_never_polled_was_never_asked_for() {
    let mut sim = Sim::new();
    let identity = sim.ready(Consumers::Counted).await;
    let before = sim.world().entries.len();
    drop(identity.rotate());
    drop(identity.abort());
    drop(identity.rollback());
    drop(identity.compromise(current(&identity)));
    drop(identity.break_glass(Certainty::Confirmed));
    drop(identity.resolve(Resolution::Keep));
    drop(identity.shutdown(AtStop::Revoke, secs(1)));
    sleep(secs(2)).await;
    assert_eq!((identity.status().phase, sim.world().entries.len()), (PhaseKind::Steady, before));
    sim.assert_quiet(&identity, "nothing was asked");
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_goes_on() {
    let mut sim = Sim::new();
    let identity = sim.ready(Consumers::Counted).await;
    begin_and_drop(pin!(identity.shutdown(AtStop::Revoke, secs(60))));
    until(&mut identity.progress(), StepKind::Cleared).await;
    assert_eq!((identity.status().phase, sim.left()), (PhaseKind::Stopped, (0, 0, 0)));
}

#[tokio::test(start_paused = true)]
async fn a_stop_ends_the_task_in_the_background() {
    let mut sim = Sim::new();
    let identity = sim.ready(Consumers::Counted).await;
    let credentials = identity.credentials();
    sim.hang_disk(Hangs::Yes);
    identity.rotate().await.expect("a rotation may begin");
    sim.disk_met.notified().await;
    begin_and_drop(pin!(identity.stop()));
    assert_eq!(sim.world().journals_open, 1);
    sim.hang_disk(Hangs::No);
    assert_eq!(credentials.clone().changed().await, Ok(()), "the handle is older than the login");
    while credentials.acquire().err() != Some(NotReady::Stopped) {
        sleep(secs(1)).await;
    }
    assert_eq!(sim.world().journals_open, 0);
}

#[tokio::test(start_paused = true)]
async fn to_wait_for_a_credential_or_for_another_one_loses_nothing() {
    let mut sim = Sim::new();
    let identity = sim.start(Consumers::Counted).await;
    let mut credentials = identity.credentials();
    begin_and_drop(pin!(credentials.ready()));
    begin_and_drop(pin!(credentials.changed()));
    until(&mut identity.progress(), StepKind::Ready).await;
    assert_eq!((credentials.ready().await, credentials.changed().await), (Ok(()), Ok(())));
    begin_and_drop(pin!(credentials.changed()));
    let mut progress = identity.progress();
    identity.rotate().await.expect("a rotation may begin");
    until(&mut progress, StepKind::Cleared).await;
    begin_and_drop(pin!(async {
        credentials.changed().await.expect("the switch came while nobody waited");
        credentials.changed().await
    }));
}
