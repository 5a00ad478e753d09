//! A candidate whose secret a crash took is ended by its name where the policy has the power for it, and else outlived.

use turquoise_runtime::core::{Consumers, Privileges};

use crate::common::{Crash, Fault, Sim, secs};

/// How many seconds after the crash the lost candidate is dead; and what was done with its name.
async fn recovered(privileges: Privileges) -> (u64, Vec<String>) {
    let mut sim = Sim::new();
    sim.privileges = privileges;
    let identity = sim.ready(Consumers::Counted).await;
    let crashed = sim.crashed.clone();
    // After the intent comes the mint's own record; the secret is not in its slot by then.
    let mint = sim.world().entries.len() + 2;
    sim.crash_at(Crash::After(u64::try_from(mint).expect("a few")));
    identity.rotate().await.expect("a rotation may begin");
    crashed.notified().await;
    identity.stop().await;

    let (start, before) = (tokio::time::Instant::now(), sim.world().log.len());
    let identity = sim.start(Consumers::Counted).await;
    while sim.world().living() > 1 {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    let took = start.elapsed().as_secs();
    tokio::time::sleep(secs(30)).await;
    sim.assert_quiet(&identity, "the lost one is gone");
    let named = sim.log_from(before).into_iter().filter(|call| call.contains("accessor")).collect();
    (took, named)
}

#[tokio::test(start_paused = true)]
async fn with_the_accessor_privileges_it_is_ended_at_once_and_seen_dead() {
    let (took, named) = recovered(Privileges::Accessor).await;
    assert!(took < 3, "{took} s");
    assert_eq!(named, ["revoke accessor-2", "observe accessor-2"]);
}

#[tokio::test(start_paused = true)]
async fn a_mint_whose_answer_was_lost_is_looked_for_and_ended_by_its_name() {
    let mut sim = Sim::new();
    sim.privileges = Privileges::Accessor;
    let identity = sim.ready(Consumers::Counted).await;
    sim.fault("issue", 2, Fault::LoseReply);
    let (start, before) = (tokio::time::Instant::now(), sim.world().log.len());
    identity.rotate().await.expect("a rotation may begin");
    tokio::time::sleep(secs(1)).await;
    while sim.world().living() > 1 {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    assert!(start.elapsed() < secs(10), "{:?}", start.elapsed());
    tokio::time::sleep(secs(30)).await;
    let calls = sim.log_from(before);
    for expected in ["discover 2", "revoke accessor-2", "observe accessor-2"] {
        assert!(calls.iter().any(|call| call == expected), "no {expected} in {calls:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn without_them_its_probation_is_waited_for() {
    let (took, named) = recovered(Privileges::OnlySelf).await;
    assert!(took >= 15, "{took} s");
    assert_eq!(named, [] as [String; 0]);
}
