//! To stop, or to drop, keeps the credential for the successor.

use secrecy::ExposeSecret as _;
use tokio::task::yield_now;
use tokio::time::sleep;
use turquoise_runtime::core::{Consumers, StepKind};
use turquoise_runtime::{AskError, NotReady};

use crate::common::{Hangs, Sim, rotate, secs, until};

#[tokio::test(start_paused = true)]
async fn the_successor_serves_the_same_credential() {
    let mut sim = Sim::new();
    let identity = sim.ready(Consumers::Counted).await;
    let credentials = identity.credentials();
    let guard = credentials.acquire().expect("it serves");
    let before = sim.world().log.len();
    identity.stop().await;
    assert_eq!(sim.world().journals_open, 0, "the journal is closed when stop() returns");
    assert_eq!(sim.log_from(before), [] as [String; 0], "nothing is asked of anybody");
    assert_eq!(credentials.acquire().err(), Some(NotReady::Stopped));
    assert_eq!(credentials.ready().await, Err(NotReady::Stopped));

    let identity = sim.start(Consumers::Counted).await;
    until(&mut identity.progress(), StepKind::Recovered).await;
    let successor = identity.credentials().acquire().expect("it serves");
    assert_eq!(successor.secret().expose_secret(), guard.secret().expose_secret());
    rotate(&identity).await;
    drop(successor);
    sim.assert_quiet(&identity, "after the successor's rotation");
}

#[tokio::test(start_paused = true)]
async fn a_dropped_identity_ends_by_itself() {
    let mut sim = Sim::new();
    let identity = sim.ready(Consumers::Counted).await;
    let mut credentials = identity.credentials();
    credentials.changed().await.expect("the handle is older than the login");
    drop(identity);
    assert_eq!(credentials.changed().await, Err(NotReady::Stopped));
    sleep(secs(1)).await;
    let world = sim.world();
    assert_eq!((world.journals_open, world.living()), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_stop_amid_a_rotation_is_like_a_crash() {
    let mut sim = Sim::new();
    let identity = sim.ready(Consumers::Counted).await;
    let mut progress = identity.progress();
    identity.rotate().await.expect("a rotation may begin");
    until(&mut progress, StepKind::Persisted).await;
    identity.stop().await;
    assert_eq!(sim.world().journals_open, 0);
    let identity = sim.start(Consumers::Counted).await;
    until(&mut identity.progress(), StepKind::Cleared).await;
    sim.assert_quiet(&identity, "after the successor ended the candidate");
    assert!(!matches!(identity.rotate().await, Err(AskError::Stopped)));
}

#[tokio::test(start_paused = true)]
async fn a_write_under_way_is_waited_for() {
    let mut sim = Sim::new();
    let identity = sim.ready(Consumers::Counted).await;
    sim.hang_disk(Hangs::Yes);
    identity.rotate().await.expect("a rotation may begin");
    sim.disk_met.notified().await;
    let stop = tokio::spawn(identity.stop());
    for _ in 0..100 {
        yield_now().await;
    }
    assert!(!stop.is_finished());
    assert_eq!(sim.world().journals_open, 1);
    sim.hang_disk(Hangs::No);
    stop.await.expect("it ends");
    assert_eq!(sim.world().journals_open, 0);
}
