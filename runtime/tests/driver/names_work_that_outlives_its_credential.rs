//! Work that holds a credential which ends all the same is named, in the journal and in the log, and in the same words.

use std::time::Duration;

use turquoise_runtime::core::{AtStop, Certainty, Consumers, Drained, Relogin, Shortage, Step, StepKind, Trial};
use turquoise_runtime::port::Entry;
use turquoise_runtime::{Guard, Identity, Report};

use crate::common::{Sim, rotate, secs, until};

/// What the journal says of who held what ended: the step, and the names.
fn journalled(sim: &Sim) -> Vec<(Step, String)> {
    let entries = sim.world().entries.clone();
    entries.into_iter().filter_map(|Entry { record, holders, .. }| Some((record.step, holders?.to_string()))).collect()
}

/// The only step of which the journal says that; the log says it of the same step.
fn named(sim: &Sim, expected: &str) -> Step {
    let journalled = journalled(sim);
    let [(step, holders)] = journalled.as_slice() else { panic!("once: {journalled:?}") };
    assert_eq!(holders, expected);
    let said = format!("step={:?} ", step.kind());
    let lines: Vec<_> = sim.ear.lines().into_iter().filter(|line| line.contains("holders=")).collect();
    let [line] = lines.as_slice() else { panic!("once: {lines:?}") };
    assert!(line.contains(&said) && line.contains(&format!(" holders={expected} ")), "{line}");
    assert!(!line.starts_with("INFO"), "{line}");
    *step
}

fn take(identity: &Identity, name: &str) -> Guard {
    identity.credentials().named(name).acquire().expect("it serves")
}

#[tokio::test(start_paused = true)]
async fn at_the_end_of_the_grace() {
    let mut sim = Sim::new();
    let identity = sim.ready(Consumers::Counted).await;
    let _work = [take(&identity, "ingest"), take(&identity, "ingest"), identity.credentials().acquire().expect("it serves")];
    rotate(&identity).await;
    assert!(matches!(named(&sim, "ingest 2, unnamed 1"), Step::RevokeIntent { drained: Drained::Deadline, .. }));
}

#[tokio::test(start_paused = true)]
async fn but_nobody_is_where_work_let_go_in_time() {
    let mut sim = Sim::new();
    let identity = sim.ready(Consumers::Counted).await;
    drop(take(&identity, "ingest"));
    rotate(&identity).await;
    assert_eq!(journalled(&sim), []);
}

#[tokio::test(start_paused = true)]
async fn of_a_compromised_one() {
    let mut sim = Sim::new();
    let identity = sim.ready(Consumers::Counted).await;
    let work = take(&identity, "ingest");
    let mut progress = identity.progress();
    identity.compromise(work.mint().generation).await.expect("it serves");
    until(&mut progress, StepKind::Cleared).await;
    assert!(matches!(named(&sim, "ingest 1, unnamed 0"), Step::RevokeIntent { drained: Drained::Compromised, .. }));
}

#[tokio::test(start_paused = true)]
async fn when_a_retiring_one_is_overridden_because_the_current_one_is_compromised() {
    let mut sim = Sim::new();
    sim.relogin = Relogin::Possible;
    let identity = sim.ready(Consumers::Counted).await;
    let _work = take(&identity, "export");
    let mut progress = identity.progress();
    identity.rotate().await.expect("a rotation may begin");
    until(&mut progress, StepKind::ShortenIntent).await;
    let green = identity.status().current.expect("it serves");
    identity.compromise(green.generation).await.expect("it serves");
    until(&mut progress, StepKind::RevokeIntent).await;
    assert!(matches!(named(&sim, "export 1, unnamed 0"), Step::RevokeIntent { drained: Drained::Overridden, .. }));
    until(&mut progress, StepKind::IssueIntent).await;
    until(&mut progress, StepKind::Cleared).await;
}

#[tokio::test(start_paused = true)]
async fn when_nothing_is_to_be_left() {
    let mut sim = Sim::new();
    let identity = sim.ready(Consumers::Counted).await;
    let _work = take(&identity, "ingest");
    identity.shutdown(AtStop::Revoke, secs(60)).await.expect("the grace ends");
    assert!(matches!(named(&sim, "ingest 1, unnamed 0"), Step::CloseIntent { .. }));
}

#[tokio::test(start_paused = true)]
async fn when_the_glass_is_broken_of_both_credentials() {
    let mut sim = Sim::new();
    sim.relogin = Relogin::Possible;
    sim.ear.expect("the glass is broken: nothing serves");
    let identity = sim.ready(Consumers::Counted).await;
    let mut progress = identity.progress();
    let _old = take(&identity, "ingest");
    identity.rotate().await.expect("a rotation may begin");
    until(&mut progress, StepKind::ShortenIntent).await;
    let _new = [take(&identity, "ingest"), take(&identity, "export")];
    identity.break_glass(Certainty::Confirmed).await.expect("it may be broken at any time");
    until(&mut progress, StepKind::Waived).await;
    assert!(matches!(named(&sim, "export 1, ingest 2, unnamed 0"), Step::Waived { .. }));
    until(&mut progress, StepKind::Ready).await;
}

#[tokio::test(start_paused = true)]
async fn of_a_candidate_that_was_tried() {
    let mut sim = Sim::new();
    let shortage = Shortage::Abandon;
    sim.canary = Some(Trial { share: 10_000, window: secs(1), samples: 3, forgiven: 0, slower: 300, shortage });
    let identity = sim.ready(Consumers::Counted).await;
    let credentials = identity.credentials().named("replay");
    let tried = async {
        let mut tried = Vec::new();
        while tried.len() < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
            let guard = credentials.acquire_canary().expect("something serves");
            tried.extend(guard.is_candidate().then_some(guard));
        }
        tried[0].report(Report::Refused);
        tried
    };
    let (_, _held) = tokio::join!(rotate(&identity), tried);
    assert!(matches!(named(&sim, "replay 2, unnamed 0"), Step::Died { .. }));
}

#[tokio::test(start_paused = true)]
async fn by_no_more_than_the_beginning_of_a_long_name() {
    let mut sim = Sim::new();
    let identity = sim.ready(Consumers::Counted).await;
    let _work = [take(&identity, &"é".repeat(64)), take(&identity, &"é".repeat(100_000))];
    rotate(&identity).await;
    named(&sim, &format!("{} 2, unnamed 0", "é".repeat(64)));
}
