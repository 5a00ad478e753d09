//! A share of new work that can be done again tries the candidate: what becomes of it decides.

use std::time::Duration;

use tokio::time::Instant;
use turquoise_runtime::core::{AbandonReason, Consumers, Shortage, Step, StepKind, Trial};
use turquoise_runtime::{Guard, Identity, Report};

use crate::common::{Sim, rotate, secs, until};

const TRIAL: Trial = Trial { share: 5_000, window: secs(1), samples: 3, forgiven: 0, slower: 300, shortage: Shortage::Abandon };

async fn trying(share: u16) -> (Sim, Identity) {
    let mut sim = Sim::new();
    sim.canary = Some(Trial { share, ..TRIAL });
    let identity = sim.ready(Consumers::Counted).await;
    (sim, identity)
}

/// Work that comes every few milliseconds until it is given the candidate so often; it takes so long.
async fn work(identity: &Identity, times: usize, takes: impl Fn(&Guard) -> Duration, report: Report) {
    let credentials = identity.credentials();
    let deadline = Instant::now() + secs(20);
    let mut tried = 0;
    while tried < times {
        assert!(Instant::now() < deadline, "given the candidate {tried} times only");
        tokio::time::sleep(Duration::from_millis(5)).await;
        let mut guard = credentials.acquire_canary().expect("something serves");
        tokio::time::sleep(takes(&guard)).await;
        let candidate = guard.is_candidate();
        tried += usize::from(candidate);
        guard.report(if candidate { report } else { Report::Ok });
    }
}

const fn abandoned(steps: &[Step]) -> Option<AbandonReason> {
    let mut i = 0;
    while i < steps.len() {
        if let Step::AbandonIntent { reason, .. } = steps[i] {
            return Some(reason);
        }
        i += 1;
    }
    None
}

#[tokio::test(start_paused = true)]
async fn a_candidate_that_served_its_share_is_promoted() {
    let (sim, identity) = trying(5_000).await;
    let blue = identity.status().current;
    let quick = |_: &Guard| Duration::from_millis(1);
    let (steps, ()) = tokio::join!(rotate(&identity), work(&identity, 3, quick, Report::Ok));
    assert_eq!(abandoned(&steps), None);
    assert_ne!(identity.status().current, blue);
    sim.assert_quiet(&identity, "after a canary");
}

#[tokio::test(start_paused = true)]
async fn a_candidate_that_work_is_refused_with_goes_when_no_work_holds_it() {
    let (sim, identity) = trying(10_000).await;
    let blue = identity.status().current;
    let credentials = identity.credentials();
    let mut progress = identity.progress();
    let holds = async {
        loop {
            tokio::time::sleep(Duration::from_millis(5)).await;
            let guard = credentials.acquire_canary().expect("something serves");
            if guard.is_candidate() {
                break guard;
            }
        }
    };
    let round = async {
        let quick = |_: &Guard| Duration::ZERO;
        let held = holds.await;
        work(&identity, 1, quick, Report::Refused).await;
        until(&mut progress, StepKind::AbandonIntent).await;
        tokio::time::sleep(secs(1)).await;
        assert_eq!(sim.asked("revoke 2"), [], "work holds it");
        assert!(credentials.acquire_canary().is_ok_and(|guard| !guard.is_candidate()), "nobody else is given it");
        drop(held);
    };
    let (steps, ()) = tokio::join!(rotate(&identity), round);
    assert_eq!(abandoned(&steps), Some(AbandonReason::CanaryRefused));
    assert_eq!(identity.status().current, blue);
    sim.assert_quiet(&identity, "after a canary that was refused");
}

#[tokio::test(start_paused = true)]
async fn a_candidate_that_is_much_slower_is_abandoned() {
    let (sim, identity) = trying(5_000).await;
    let slow = |guard: &Guard| Duration::from_millis(if guard.is_candidate() { 40 } else { 10 });
    let (steps, ()) = tokio::join!(rotate(&identity), work(&identity, 5, slow, Report::Ok));
    assert_eq!(abandoned(&steps), Some(AbandonReason::CanarySlow));
    sim.assert_quiet(&identity, "after a canary that was slow");
}

#[tokio::test(start_paused = true)]
async fn a_candidate_that_too_little_work_tries_is_abandoned_where_probes_do_not_suffice() {
    let (sim, identity) = trying(5_000).await;
    assert_eq!(abandoned(&rotate(&identity).await), Some(AbandonReason::CanaryTooFew));
    sim.assert_quiet(&identity, "after a canary that nobody tried");
}
