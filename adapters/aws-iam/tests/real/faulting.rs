//! A fault at every call of a rotation: whatever it is and wherever it comes, one key is left, which serves, no work was
//! refused, and the next rotation is as any other.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::sleep;
use turquoise_moto::{Fault, Loss};
use turquoise_runtime::Credentials;
use turquoise_runtime::core::StepKind;

use crate::reading::{NEEDED, PACE, Worker};
use crate::support::{Bench, EMULATOR};

/// So many rotations go on at once.
const AT_ONCE: usize = 9;

#[derive(Clone, Debug)]
struct Case {
    action: String,
    /// So many of this kind come before it in the rotation.
    skip: u32,
    loss: Loss,
}

struct Row {
    case: Case,
    outcome: &'static str,
    served: usize,
}

/// The calls of a good rotation, by their kinds, and how many there are of each.
async fn course() -> Vec<(String, u32)> {
    let bench = Bench::new();
    let running = bench.start().await;
    let before = EMULATOR.calls(&bench.user).unwrap().len();
    running.rotate().await;
    running.identity.stop().await;
    let mut seen = BTreeMap::new();
    let calls = EMULATOR.calls(&bench.user).unwrap().split_off(before).into_iter();
    let numbered = calls.map(|action| {
        let count: &mut u32 = seen.entry(action.clone()).or_default();
        *count += 1;
        (action, *count - 1)
    });
    numbered.collect()
}

/// Reads with the key that serves, until it is aborted.
async fn work(credentials: Credentials, told: tokio::sync::mpsc::UnboundedSender<Result<(), String>>) {
    let worker = Worker::new();
    loop {
        let guard = credentials.acquire().unwrap();
        let read = worker.read(&guard).await;
        drop(guard);
        // Nobody listens any more when it is just being aborted.
        drop(told.send(read));
        sleep(PACE).await;
    }
}

async fn meet(case: Case) -> Row {
    let bench = Bench::allowed(NEEDED);
    let running = bench.start().await;
    let (told, mut reads) = tokio::sync::mpsc::unbounded_channel();
    let work = tokio::spawn(work(running.identity.credentials(), told));
    let Case { action, skip, loss } = &case;
    EMULATOR.fault(Fault { user: &bench.user, action, loss: *loss, skip: *skip, times: 1 }).unwrap();
    let steps = running.rotate().await;
    assert_eq!(bench.keys(), [running.serving()], "{case:?}: {steps:?}");
    let outcome = if EMULATOR.calm(&bench.user).unwrap() > 0 {
        "not come to"
    } else if steps.contains(&StepKind::Promoted) {
        assert_ne!(running.serving(), bench.first.id, "{case:?}");
        "rotated: the new one serves"
    } else {
        assert_eq!(running.serving(), bench.first.id, "{case:?}");
        if steps.contains(&StepKind::AbandonIntent) { "abandoned: the old one serves" } else { "not begun: the old one serves" }
    };
    let steps = running.rotate().await;
    assert!(steps.contains(&StepKind::Promoted), "{case:?}, and then: {steps:?}");
    assert_eq!(bench.keys(), [running.serving()], "{case:?}, and then");
    work.abort();
    running.identity.stop().await;
    let mut served = 0;
    while let Ok(read) = reads.try_recv() {
        assert_eq!(read, Ok(()), "{case:?}: work was not served");
        served += 1;
    }
    assert!(served > 10, "{case:?}: {served} reads are no load");
    Row { case, outcome, served }
}

/// What comes of each, in their order.
async fn meet_all(cases: Vec<Case>) -> Vec<Row> {
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut meetings = JoinSet::new();
    for (number, case) in cases.into_iter().enumerate() {
        let places = Arc::clone(&places);
        meetings.spawn(async move {
            let _place = places.acquire().await;
            (number, meet(case).await)
        });
    }
    let mut rows = meetings.join_all().await;
    rows.sort_by_key(|(number, _)| *number);
    rows.into_iter().map(|(_, row)| row).collect()
}

fn cases(calls: Vec<(String, u32)>) -> Vec<Case> {
    let losses = [Loss::Request, Loss::Reply, Loss::Throttled];
    calls.into_iter().flat_map(|(action, skip)| losses.map(|loss| Case { action: action.clone(), skip, loss })).collect()
}

/// The calls that change something, and what is lost of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fault_at_a_call_that_changes_something_leaves_one_key_and_no_refused_work() {
    let changes = ["TagUser", "CreateAccessKey", "DeleteAccessKey"].map(|action| (action.to_owned(), 0));
    let rows = meet_all(cases(changes.into())).await;
    assert_eq!(rows.len(), 9);
    for row in rows.iter().filter(|row| row.case.action == "DeleteAccessKey") {
        assert_eq!(row.outcome, "rotated: the new one serves", "{:?}", row.case);
    }
}

/// With `UPDATE_DOCS=1` in the environment its table is written into `docs/access-keys.md`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a campaign of minutes"]
async fn a_fault_at_every_call_of_a_rotation_leaves_one_key_and_no_refused_work() {
    let rows = meet_all(cases(course().await)).await;
    let served: usize = rows.iter().map(|row| row.served).sum();
    let mut table = format!("{} faults; {served} reads of work, none of them refused.\n\n", rows.len());
    table += "| call | of its kind | request lost | answer lost | throttled |\n| --- | --- | --- | --- | --- |\n";
    for of_a_call in rows.chunks(3) {
        let (case, outcomes) = (&of_a_call[0].case, of_a_call.iter().map(|row| row.outcome).collect::<Vec<_>>().join(" | "));
        writeln!(table, "| {} | {} | {outcomes} |", case.action, case.skip + 1).unwrap();
    }
    crate::support::document("faults", &table);
}
