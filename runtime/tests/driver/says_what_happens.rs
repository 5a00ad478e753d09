//! What is said of a rotation, word for word: what others search for and count by does not change unseen.

use turquoise_runtime::core::{Consumers, StepKind};

use crate::common::{Fault, Sim, rotate, secs, until};

/// What the disk's own thread says, at any time.
const ANEW: &str = "INFO the journal begins anew";

/// All that was said from this line on, without what differs from run to run.
fn told(sim: &Sim, from: usize) -> String {
    let incarnation = sim.incarnation();
    let (short, long) = (format!("{incarnation:08x}-"), format!("Generation {{ incarnation: {incarnation}, number: "));
    let lines = lines(sim).into_iter().skip(from);
    lines.map(|line| line.replace(&short, "#").replace(&long, "#{ ") + "\n").collect()
}

fn lines(sim: &Sim) -> Vec<String> {
    sim.ear.lines().into_iter().filter(|line| !line.starts_with(ANEW)).collect()
}

#[tokio::test(start_paused = true)]
async fn of_a_login_and_a_good_rotation() {
    let mut sim = Sim::new();
    let identity = sim.ready(Consumers::Counted).await;
    rotate(&identity).await;
    // Time stands still until the disk's thread has nothing more to do.
    tokio::time::sleep(secs(1)).await;
    identity.stop().await;
    let anew: Vec<_> = sim.ear.lines().into_iter().filter(|line| line.starts_with(ANEW)).collect();
    // After the login it may come too late to be of the last record.
    assert!(anew.last().is_some_and(|line| line.contains(" archive=the first 12 ")), "{anew:?}");
    insta::assert_snapshot!(told(&sim, 0));
}

#[tokio::test(start_paused = true)]
async fn of_a_candidate_that_is_abandoned() {
    let mut sim = Sim::new();
    let identity = sim.ready(Consumers::Counted).await;
    let before = lines(&sim).len();
    sim.fault("probe", 2, Fault::Refuse);
    rotate(&identity).await;
    insta::assert_snapshot!(told(&sim, before));
}

#[tokio::test(start_paused = true)]
async fn of_a_debt_and_its_end() {
    let mut sim = Sim::new();
    let identity = sim.ready(Consumers::Counted).await;
    let before = lines(&sim).len();
    sim.fault("revoke", 1, Fault::LoseReply);
    sim.fault("observe", 1, Fault::Refuse);
    let mut progress = identity.progress();
    identity.rotate().await.expect("a rotation may begin");
    until(&mut progress, StepKind::Owed).await;
    sim.heal("observe", 1);
    until(&mut progress, StepKind::Cleared).await;
    insta::assert_snapshot!(told(&sim, before));
}

#[tokio::test(start_paused = true)]
async fn of_work_that_outlives_the_grace() {
    let mut sim = Sim::new();
    let identity = sim.ready(Consumers::Counted).await;
    let credentials = identity.credentials();
    let takers = [credentials.named("ingest"), credentials.named("ingest"), credentials];
    let _held = takers.map(|credentials| credentials.acquire().expect("it serves"));
    let mut progress = identity.progress();
    identity.rotate().await.expect("a rotation may begin");
    until(&mut progress, StepKind::ShortenIntent).await;
    let before = lines(&sim).len();
    until(&mut progress, StepKind::Cleared).await;
    tokio::time::sleep(secs(1)).await;
    insta::assert_snapshot!(told(&sim, before));
}
