//! Work keeps the credential that it took, until it ends or the grace is over.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use secrecy::ExposeSecret as _;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep};
use turquoise_runtime::NotReady;
use turquoise_runtime::core::{Consumers, Drained, PhaseKind, Step, StepKind};

use crate::common::{Sim, policy, rotate, secs, until};

#[tokio::test(start_paused = true)]
async fn revocation_waits_for_the_last_guard() {
    let mut sim = Sim::new();
    let identity = sim.ready(Consumers::Counted).await;
    let credentials = identity.credentials();
    let (one, other) = (credentials.acquire().expect("it serves"), credentials.acquire().expect("it serves"));
    let mut progress = identity.progress();
    identity.rotate().await.expect("a rotation may begin");
    until(&mut progress, StepKind::ShortenIntent).await;
    let new = credentials.acquire().expect("it serves");
    assert_ne!((new.mint(), new.secret().expose_secret()), (one.mint(), one.secret().expose_secret()));

    sleep(secs(2)).await;
    drop(one);
    sleep(secs(2)).await;
    let status = identity.status();
    assert_eq!((status.phase, status.current_held, status.second_held), (PhaseKind::Draining, 1, 1));
    assert_eq!(sim.asked("live 1 to 10s").len(), 1, "its life is cut to the grace");
    drop(other);
    let revoked = until(&mut progress, StepKind::RevokeIntent).await;
    assert!(matches!(revoked.record.step, Step::RevokeIntent { drained: Drained::Idle, .. }));
    until(&mut progress, StepKind::Cleared).await;
    drop(new);
    sim.assert_quiet(&identity, "after the drain");
}

#[tokio::test(flavor = "multi_thread")]
async fn work_on_many_threads_never_holds_a_dead_credential() {
    let mut sim = Sim::new();
    let identity = Arc::new(sim.ready(Consumers::Counted).await);
    let over = Arc::new(AtomicBool::new(false));
    let workers: Vec<_> = (0..3)
        .map(|_| {
            let (sim, identity, over) = (sim.clone(), Arc::clone(&identity), Arc::clone(&over));
            spawn_blocking(move || {
                while !over.load(Ordering::Relaxed) {
                    assert!(sim.serves(&identity));
                }
            })
        })
        .collect();
    rotate(&identity).await;
    rotate(&identity).await;
    over.store(true, Ordering::Relaxed);
    for worker in workers {
        worker.await.expect("no work was refused");
    }
    sim.assert_quiet(&identity, "after two rotations under load");
}

#[tokio::test(start_paused = true)]
async fn at_the_deadline_it_no_longer_waits() {
    let mut sim = Sim::new();
    let identity = sim.ready(Consumers::Counted).await;
    let guard = identity.credentials().acquire().expect("it serves");
    let began = Instant::now();
    let steps = rotate(&identity).await;
    assert!(steps.iter().any(|step| matches!(step, Step::RevokeIntent { drained: Drained::Deadline, .. })));
    assert!(began.elapsed() >= policy(Consumers::Counted).grace);
    sim.assert_quiet(&identity, "with a guard that nobody dropped");
    drop(guard);
}

#[tokio::test(start_paused = true)]
async fn consumers_that_nobody_counts_have_the_whole_grace() {
    let mut sim = Sim::new();
    let identity = sim.ready(Consumers::Uncounted).await;
    let began = Instant::now();
    rotate(&identity).await;
    assert!(began.elapsed() >= policy(Consumers::Uncounted).grace);
    sim.assert_quiet(&identity, "after the grace");
}

#[tokio::test(start_paused = true)]
async fn before_the_first_login_there_is_nothing_to_take() {
    let mut sim = Sim::new();
    let identity = sim.start(Consumers::Counted).await;
    let mut credentials = identity.credentials();
    assert_eq!(credentials.acquire().err(), Some(NotReady::Vacant));
    credentials.ready().await.expect("the login succeeds");
    assert_eq!(credentials.acquire().expect("it serves").mint().generation.number, 1);
    credentials.changed().await.expect("the first one counts as a switch");
    let (next, ()) = tokio::join!(credentials.changed(), async { drop(rotate(&identity).await) });
    next.expect("a switch");
    assert_eq!(credentials.acquire().expect("it serves").mint().generation.number, 2);
}
