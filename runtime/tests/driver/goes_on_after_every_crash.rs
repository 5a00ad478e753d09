//! Whatever record a crash comes after or before, the next process ends the round with one live credential, and there is
//! always one to be had.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use turquoise_runtime::Identity;
use turquoise_runtime::core::{Consumers, PhaseKind, StepKind};

use crate::common::{Crash, Fault, Sim, rotate, secs, until};

/// Records of a login and one whole rotation.
async fn records_of_a_round(fault: Option<Fault>) -> u64 {
    let mut sim = Sim::new();
    let identity = sim.ready(Consumers::Counted).await;
    if let Some(fault) = fault {
        sim.fault("probe", 2, fault);
    }
    rotate(&identity).await;
    let records = sim.world().entries.len();
    u64::try_from(records).expect("a few")
}

/// Runs until the end of the round, with a look at what is served all the while.
async fn run_out(sim: &Sim, identity: &Identity, context: &str) {
    let deadline = Instant::now() + secs(200);
    until(&mut identity.progress(), StepKind::Recovered).await;
    let served = identity.credentials().acquire().is_ok();
    while identity.status().phase != PhaseKind::Steady {
        assert!(!served || sim.serves(identity), "{context}: dark in {:?}", identity.status());
        assert!(Instant::now() < deadline, "{context}: still in {:?}", identity.status());
        sleep(Duration::from_millis(50)).await;
    }
    sim.assert_quiet(identity, context);
}

/// How often the process dies before it is left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deaths {
    One,
    /// Once more as soon as the recovery has left its record.
    Two,
}

async fn crash_and_go_on(crash: Crash, deaths: Deaths, fault: Option<Fault>) {
    let context = format!("{crash:?}, {deaths:?}");
    let mut sim = Sim::new();
    let crashed = sim.crashed.clone();
    let identity = sim.start(Consumers::Counted).await;
    sim.crash_at(crash);
    if let Some(fault) = fault {
        sim.fault("probe", 2, fault);
    }
    let go = async {
        identity.credentials().ready().await.expect("it runs");
        let guard = identity.credentials().acquire().expect("it serves");
        identity.rotate().await.expect("a rotation may begin");
        sleep(secs(1)).await;
        drop(guard);
        sleep(secs(300)).await;
        panic!("{context}: no crash");
    };
    tokio::select! {
        () = crashed.notified() => {}
        () = go => {}
    }
    identity.stop().await;
    if deaths == Deaths::Two {
        let identity = sim.start(Consumers::Counted).await;
        let next = sim.world().entries.len() + 1;
        sim.crash_at(Crash::After(u64::try_from(next).expect("a few")));
        crashed.notified().await;
        identity.stop().await;
    }
    let empty = sim.world().entries.is_empty();
    let identity = sim.start(Consumers::Counted).await;
    if empty {
        until(&mut identity.progress(), StepKind::Ready).await;
    } else {
        run_out(&sim, &identity, &context).await;
    }
    rotate(&identity).await;
    sim.assert_quiet(&identity, &format!("{context}, and one more rotation"));
}

async fn every_crash(fault: Option<Fault>) {
    let records = records_of_a_round(fault).await;
    assert!(records >= 9, "a round has records: {records}");
    for (lsn, deaths) in (1..=records).flat_map(|lsn| [(lsn, Deaths::One), (lsn, Deaths::Two)]) {
        crash_and_go_on(Crash::Before(lsn), deaths, fault).await;
        crash_and_go_on(Crash::After(lsn), deaths, fault).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_good_rotation_may_crash_anywhere() {
    every_crash(None).await;
}

#[tokio::test(start_paused = true)]
async fn an_abandoned_rotation_may_crash_anywhere() {
    every_crash(Some(Fault::Refuse)).await;
}
