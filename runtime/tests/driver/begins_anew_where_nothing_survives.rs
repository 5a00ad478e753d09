//! Where nothing survives a crash a successor logs in at once, and owes what the dead process left behind.

use secrecy::ExposeSecret as _;
use tokio::time::{Instant, sleep};
use turquoise_runtime::core::{AtStop, Consumers, PhaseKind, Privileges, Relogin};
use turquoise_runtime::port::ContractError;
use turquoise_runtime::{AskError, Identity, ShutdownError, StartError};

use crate::common::{Sim, policy, rotate, secs};

/// An identity whose process has died in Steady, and its successor that serves again.
async fn succeeded(privileges: Privileges) -> (Sim, Identity) {
    let mut sim = Sim::new();
    (sim.relogin, sim.nothing_survives, sim.privileges) = (Relogin::EachStart, true, privileges);
    let identity = sim.ready(Consumers::Counted).await;
    let lost = identity.credentials().acquire().expect("it serves");
    identity.stop().await;
    let began = Instant::now();
    let identity = sim.ready(Consumers::Counted).await;
    assert!(began.elapsed() < secs(1), "a successor does not wait for what was lost");
    let found = identity.credentials().acquire().expect("it serves");
    assert_ne!(found.secret().expose_secret(), lost.secret().expose_secret());
    (sim, identity)
}

#[tokio::test(start_paused = true)]
async fn what_was_lost_is_owed_until_its_life_is_over() {
    let (sim, identity) = succeeded(Privileges::OnlySelf).await;
    assert_eq!((identity.status().debt.is_some(), sim.world().living()), (true, 2));
    // It is in nobody's way: there is a place for a third one. This waits for the debt's end, too.
    rotate(&identity).await;
    let status = identity.status();
    assert_eq!((status.phase, status.debt, sim.world().living()), (PhaseKind::Steady, None, 1));
    assert!(sim.serves(&identity) && sim.world().violations.is_empty());
    assert_eq!(sim.asked("revoke 1"), [], "nobody has its secret");
}

#[tokio::test(start_paused = true)]
async fn what_was_lost_is_ended_by_its_name_where_there_is_power_for_it() {
    let (sim, identity) = succeeded(Privileges::Accessor).await;
    sleep(secs(2)).await;
    assert_eq!((identity.status().debt, sim.world().living()), (None, 1));
    assert_eq!((sim.asked("revoke accessor-1").len(), sim.asked("observe accessor-1").len()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn to_keep_is_refused_and_to_revoke_leaves_nothing() {
    let (sim, identity) = succeeded(Privileges::Accessor).await;
    let kept = identity.shutdown(AtStop::Keep, secs(9)).await;
    let Err(ShutdownError::Ask(AskError::Illegal(why))) = kept else { panic!("{kept:?}") };
    assert!(why.to_string().contains("to keep, something must survive"), "{why}");
    identity.shutdown(AtStop::Revoke, policy(Consumers::Counted).full).await.expect("it ends");
    assert_eq!(sim.world().living(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_says_otherwise_than_the_store_or_the_provider_is_refused() {
    for (relogin, nothing_survives) in [(Relogin::EachStart, false), (Relogin::Possible, true)] {
        let mut sim = Sim::new();
        (sim.relogin, sim.nothing_survives) = (relogin, nothing_survives);
        assert!(matches!(sim.try_start(Consumers::Counted).await, Err(StartError::Survival)));
        assert_eq!(sim.world().log.len(), 0);
    }
    let adopts = turquoise_runtime::port::Contract::PROMPT;
    let policy = turquoise_runtime::core::Policy { relogin: Relogin::EachStart, ..policy(Consumers::Counted) };
    assert_eq!(adopts.check(&policy), Err(ContractError::NothingToBeginWith));
}
