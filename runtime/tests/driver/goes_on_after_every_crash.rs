//! Whatever record a crash comes after or before, the next process serves what was committed, ends the round with one live
//! credential, and there is always one to be had.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use turquoise_runtime::Identity;
use turquoise_runtime::core::{AtStop, Consumers, Mint, PhaseKind, Relogin, Step, StepKind};
use turquoise_runtime::port::Entry;

use crate::common::{Crash, Fault, Sim, rotate, secs, until};

/// What is under way when the process dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Story {
    Rotation,
    BadCandidate,
    Rollback,
    Compromise,
    Shutdown(AtStop),
}

impl Story {
    async fn play(self, sim: &Sim, identity: &Identity) {
        identity.credentials().ready().await.expect("it runs");
        let guard = identity.credentials().acquire().expect("it serves");
        let mut progress = identity.progress();
        match self {
            Self::Rotation => identity.rotate().await.expect("a rotation may begin"),
            Self::BadCandidate => {
                sim.fault("probe", 2, Fault::Refuse);
                identity.rotate().await.expect("a rotation may begin");
            }
            Self::Rollback => {
                identity.rotate().await.expect("a rotation may begin");
                until(&mut progress, StepKind::ShortenIntent).await;
                identity.rollback().await.expect("it is the grace");
            }
            Self::Compromise => identity.compromise(guard.mint().generation).await.expect("it serves"),
            // How it ends is not waited for.
            Self::Shutdown(how) => drop(identity.shutdown(how, Duration::ZERO).await),
        }
        sleep(secs(1)).await;
        drop(guard);
        sleep(secs(300)).await;
    }

    fn sim(self) -> Sim {
        let mut sim = Sim::new();
        if self == Self::Compromise {
            sim.relogin = Relogin::Possible;
        }
        sim
    }

    /// How many records it leaves, the login included.
    async fn records(self) -> u64 {
        let mut sim = self.sim();
        let identity = sim.start(Consumers::Counted).await;
        self.play(&sim, &identity).await;
        let records = sim.world().entries.len();
        u64::try_from(records).expect("a few")
    }
}

/// What was made current last.
fn committed(entries: &[Entry]) -> Option<Mint> {
    let (mut coming, mut current, mut old) = (None, None, None);
    for entry in entries {
        match entry.record.step {
            Step::LoginIntent { mint } | Step::IssueIntent { mint, .. } => coming = Some(mint),
            Step::Ready | Step::Promoted { .. } => (old, current) = (current, coming),
            Step::RolledBack { .. } => (old, current) = (current, old),
            Step::CloseIntent { .. } => current = None,
            _ => {}
        }
    }
    current
}

/// Runs until the end of the round, with a look at what is served all the while; what is closed is begun anew.
async fn run_out(sim: &mut Sim, context: &str) -> Identity {
    let deadline = Instant::now() + secs(200);
    loop {
        let committed = committed(&sim.world().entries);
        let identity = sim.start(Consumers::Counted).await;
        if committed.is_some() {
            let recovered = until(&mut identity.progress(), StepKind::Recovered).await;
            assert_eq!(recovered.current, committed, "{context}");
        }
        loop {
            sleep(Duration::from_millis(50)).await;
            let status = identity.status();
            match status.phase {
                PhaseKind::Steady if status.debt.is_some() => assert!(sim.serves(&identity), "{context}: dark in {status:?}"),
                PhaseKind::Steady => {
                    sim.assert_quiet(&identity, context);
                    return identity;
                }
                PhaseKind::Stopped => break,
                _ => assert!(committed.is_none() || sim.serves(&identity), "{context}: dark in {status:?}"),
            }
            assert!(Instant::now() < deadline, "{context}: still in {status:?}");
        }
    }
}

/// How often the process dies before it is left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deaths {
    One,
    /// Once more as soon as the recovery has left its record.
    Two,
}

async fn crash_and_go_on(story: Story, crash: Crash, deaths: Deaths) {
    let context = format!("{story:?}, {crash:?}, {deaths:?}");
    let mut sim = story.sim();
    // Nothing becomes durable for who is dead.
    sim.ear.allow("stalled: a record may not be durable");
    let crashed = sim.crashed.clone();
    let identity = sim.start(Consumers::Counted).await;
    sim.crash_at(crash);
    tokio::select! {
        () = crashed.notified() => {}
        () = story.play(&sim, &identity) => panic!("{context}: no crash"),
    }
    identity.stop().await;
    if deaths == Deaths::Two {
        let identity = sim.start(Consumers::Counted).await;
        let next = sim.world().entries.len() + 1;
        sim.crash_at(Crash::After(u64::try_from(next).expect("a few")));
        crashed.notified().await;
        identity.stop().await;
    }
    let identity = run_out(&mut sim, &context).await;
    rotate(&identity).await;
    sim.assert_quiet(&identity, &format!("{context}, and one more rotation"));
}

async fn every_crash(story: Story, least: u64) {
    let records = story.records().await;
    assert!(records >= least, "{story:?} has records: {records}");
    for (lsn, deaths) in (1..=records).flat_map(|lsn| [(lsn, Deaths::One), (lsn, Deaths::Two)]) {
        crash_and_go_on(story, Crash::Before(lsn), deaths).await;
        crash_and_go_on(story, Crash::After(lsn), deaths).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_good_rotation_may_crash_anywhere() {
    every_crash(Story::Rotation, 12).await;
}

#[tokio::test(start_paused = true)]
async fn an_abandoned_rotation_may_crash_anywhere() {
    every_crash(Story::BadCandidate, 9).await;
}

#[tokio::test(start_paused = true)]
async fn a_rollback_may_crash_anywhere() {
    every_crash(Story::Rollback, 15).await;
}

#[tokio::test(start_paused = true)]
async fn the_end_of_what_others_know_may_crash_anywhere() {
    every_crash(Story::Compromise, 13).await;
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_that_revokes_may_crash_anywhere() {
    every_crash(Story::Shutdown(AtStop::Revoke), 6).await;
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_that_keeps_may_crash_anywhere() {
    every_crash(Story::Shutdown(AtStop::Keep), 4).await;
}
