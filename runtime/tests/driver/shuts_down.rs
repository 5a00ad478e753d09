//! A shutdown ends in order, and leaves what was asked for: the credential, or nothing.

use secrecy::ExposeSecret as _;
use tokio::time::{Instant, sleep};
use turquoise_runtime::core::{AtStop, Consumers, PhaseKind, StepKind};
use turquoise_runtime::{AskError, Credentials, Guard, Identity, NotReady, ShutdownError};

use crate::common::{Fault, Sim, policy, rotate, secs, until};

fn take(credentials: &Credentials) -> Guard {
    credentials.acquire().expect("it serves")
}

/// Nothing lives, nothing is in the slots, and a successor logs in anew.
async fn assert_nothing_is_left(sim: &mut Sim, identity: Identity) {
    assert_eq!(identity.status().phase, PhaseKind::Stopped);
    assert_eq!(identity.credentials().acquire().err(), Some(NotReady::Stopped));
    assert!(matches!(identity.rotate().await, Err(AskError::Stopped)));
    assert_eq!(sim.left(), (0, 0, 0));
    let identity = sim.start(Consumers::Counted).await;
    until(&mut identity.progress(), StepKind::Ready).await;
    sim.assert_quiet(&identity, "after the successor's login");
}

#[tokio::test(start_paused = true)]
async fn to_revoke_turns_new_work_away_waits_for_the_old_and_leaves_nothing() {
    let mut sim = Sim::new();
    let identity = sim.ready(Consumers::Counted).await;
    let mut credentials = identity.credentials();
    credentials.changed().await.expect("the handle is older than the login");
    let guard = take(&credentials);
    let work = async {
        assert_eq!(credentials.changed().await, Err(NotReady::Closing));
        assert_eq!((credentials.acquire().err(), credentials.ready().await), (Some(NotReady::Closing), Err(NotReady::Closing)));
        sleep(secs(2)).await;
        let status = identity.status();
        assert_eq!((status.phase, status.current_held), (PhaseKind::Steady, 1));
        assert_eq!(sim.asked("revoke 1"), []);
        drop(guard);
    };
    let (ended, ()) = tokio::join!(identity.shutdown(AtStop::Revoke, secs(5)), work);
    ended.expect("the work is done");
    assert_nothing_is_left(&mut sim, identity).await;
}

#[tokio::test(start_paused = true)]
async fn to_revoke_waits_no_longer_than_the_grace() {
    let mut sim = Sim::new();
    let identity = sim.ready(Consumers::Counted).await;
    let guard = take(&identity.credentials());
    let began = Instant::now();
    let late = identity.shutdown(AtStop::Revoke, secs(1)).await.expect_err("work holds it");
    assert!(matches!(late, ShutdownError::Late { phase: PhaseKind::Steady }), "{late}");
    let refused = identity.shutdown(AtStop::Revoke, secs(1)).await.expect_err("it is under way");
    assert!(matches!(refused, ShutdownError::Ask(AskError::Illegal(_))), "{refused}");
    until(&mut identity.progress(), StepKind::Cleared).await;
    assert!(began.elapsed() >= policy(Consumers::Counted).grace);
    drop(guard);
    assert_nothing_is_left(&mut sim, identity).await;
}

#[tokio::test(start_paused = true)]
async fn a_record_on_the_way_does_not_make_it_forget_the_work() {
    let mut sim = Sim::new();
    let identity = sim.ready(Consumers::Counted).await;
    let mut progress = identity.progress();
    let blue = take(&identity.credentials());
    identity.rotate().await.expect("a rotation may begin");
    until(&mut progress, StepKind::ShortenIntent).await;
    let green = take(&identity.credentials());
    let work = async {
        drop(blue);
        until(&mut progress, StepKind::Cleared).await;
        sleep(secs(2)).await;
        identity.compromise(green.mint().generation).await.expect("it is the last one");
        sleep(secs(2)).await;
        let status = identity.status();
        assert_eq!((status.phase, status.current_held), (PhaseKind::Steady, 1));
        drop(green);
    };
    let (ended, ()) = tokio::join!(identity.shutdown(AtStop::Revoke, secs(5)), work);
    ended.expect("the work is done");
    assert_nothing_is_left(&mut sim, identity).await;
}

#[tokio::test(start_paused = true)]
async fn to_keep_leaves_the_credential_and_a_successor_serves_it_at_once() {
    let mut sim = Sim::new();
    let identity = sim.ready(Consumers::Counted).await;
    let guard = take(&identity.credentials());
    identity.shutdown(AtStop::Keep, secs(1)).await.expect("nothing is to be waited for");
    assert_eq!(identity.credentials().acquire().err(), Some(NotReady::Stopped));
    assert_eq!(sim.left(), (1, 1, 0));

    let began = Instant::now();
    let identity = sim.start(Consumers::Counted).await;
    let mut progress = identity.progress();
    identity.credentials().ready().await.expect("it serves");
    assert!(began.elapsed().is_zero(), "at once");
    let successor = take(&identity.credentials());
    assert_eq!(successor.secret().expose_secret(), guard.secret().expose_secret());
    until(&mut progress, StepKind::Recovered).await;
    sim.assert_quiet(&identity, "after the recovery");
    drop(successor);
    rotate(&identity).await;
    sim.assert_quiet(&identity, "after the successor's rotation");
}

#[tokio::test(start_paused = true)]
async fn to_keep_amid_a_rotation_ends_the_candidate_first() {
    let mut sim = Sim::new();
    let identity = sim.ready(Consumers::Counted).await;
    let mut progress = identity.progress();
    identity.rotate().await.expect("a rotation may begin");
    until(&mut progress, StepKind::Persisted).await;
    identity.shutdown(AtStop::Keep, secs(5)).await.expect("the candidate is called off");
    assert_eq!(sim.left(), (1, 1, 0));
    assert_eq!((sim.asked("revoke 1"), sim.asked("revoke 2").len()), (vec![], 1));
}

#[tokio::test(start_paused = true)]
async fn what_never_had_a_credential_ends_at_once() {
    let mut sim = Sim::new();
    sim.fault("login", 1, Fault::Refuse);
    let identity = sim.start(Consumers::Counted).await;
    until(&mut identity.progress(), StepKind::LoginFailed).await;
    identity.shutdown(AtStop::Revoke, secs(1)).await.expect("there is nothing to end");
    assert_eq!((identity.status().phase, sim.left()), (PhaseKind::Stopped, (0, 0, 0)));
}
