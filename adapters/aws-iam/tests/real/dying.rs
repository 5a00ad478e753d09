//! A process that dies by SIGKILL: around each request of a login and a rotation, before and after each record and each write to
//! the survivor store, and somewhere in what follows from each record. The next one dies as well, and the one after that ends with
//! one key, which serves, and rotates it as if nothing had been; and whoever read the published file all the while was never refused.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::sleep;
use turquoise_journal::FileJournal;
use turquoise_moto::{Fault, Loss};
use turquoise_runtime::core::StepKind;

use crate::process::{Process, Told, has};
use crate::reading::{NEEDED, Reader, Worker, published};
use crate::support::{Bench, EMULATOR};

/// So many identities live at once.
const AT_ONCE: usize = 6;

/// What the first process does, if it is let.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Story {
    /// Adopts the key that it was handed, and rotates well.
    Good,
    /// The new key is made, and the answer is lost: nobody has its secret.
    Lost,
}

impl Story {
    const BOTH: [Self; 2] = [Self::Good, Self::Lost];

    const fn title(self) -> &'static str {
        match self {
            Self::Good => "a login and a good rotation",
            Self::Lost => "a rotation whose new key is made, and the answer lost",
        }
    }

    fn stage(self, bench: &Bench) {
        if self == Self::Lost {
            bench.fault("CreateAccessKey", Loss::Reply, 1);
        }
    }
}

/// When a process dies.
#[derive(Clone, Debug)]
enum Death {
    /// Around a request: of its kind, so many come before it.
    Around { action: String, skip: u32, is_done: bool },
    /// When so many records are durable, of which this is the last.
    On { records: usize, step: String },
    /// While it stands still at a point; and the next one at another.
    Held { story: Story, side: &'static str, place: String, name: String, again: &'static str },
}

/// Where the second process dies, if the first one stood still. Which of them, depends on the number of the death.
const AGAIN: [&str; 4] = ["after record 1", "before write 1", "before record 1", "after write 1"];

struct Row {
    death: Death,
    /// The last durable step.
    last: String,
    made: usize,
    outcome: &'static str,
    /// Of the published file, all of them served.
    reads: usize,
}

/// The requests of a process that nobody kills, by their kinds, and its records.
async fn course() -> (Vec<(String, u32)>, Vec<String>) {
    let bench = Bench::new();
    let mut process = Process::start(&bench, None);
    let steps = process.rotate().await;
    process.kill().await;
    let mut seen = BTreeMap::new();
    let numbered = EMULATOR.calls(&bench.user).unwrap().into_iter().map(|action| {
        let count: &mut u32 = seen.entry(action.clone()).or_default();
        *count += 1;
        (action, *count - 1)
    });
    (numbered.collect(), steps)
}

/// The places that a process comes to which nobody kills. How it begins is the same in both stories.
async fn places(story: Story) -> Vec<(String, String)> {
    let bench = Bench::new();
    story.stage(&bench);
    let mut process = Process::start(&bench, None);
    let steps = process.rotate().await;
    assert_eq!(has(&steps, StepKind::Promoted), story == Story::Good, "{steps:?}");
    let mut places = std::mem::take(&mut process.places);
    process.kill().await;
    if story == Story::Lost {
        places.drain(..places.iter().position(|(_, name)| name == "IssueIntent").unwrap());
    }
    places
}

/// The first process lives until it dies.
async fn die_first(death: &Death, bench: &Bench) {
    let process = match death {
        Death::Around { action, skip, is_done } => {
            let loss = if *is_done { Loss::LateReply } else { Loss::LateRequest };
            EMULATOR.fault(Fault { user: &bench.user, action, loss, skip: *skip, times: 1 }).unwrap();
            let mut process = Process::start(bench, None);
            let count = || EMULATOR.log(&bench.user).unwrap().iter().filter(|call| call.action == *action).count();
            let held = async {
                while count() <= *skip as usize {
                    sleep(Duration::from_millis(20)).await;
                }
            };
            // How many requests of a kind there are is not the same each time: it may be done before.
            tokio::select! {
                () = held => {}
                _ = process.rotate() => {}
            }
            process
        }
        Death::On { records, .. } => {
            let mut process = Process::start(bench, None);
            for _ in 0..*records {
                process.hear().await;
            }
            process
        }
        Death::Held { story, side, place, name, .. } => {
            story.stage(bench);
            let mut process = Process::start(bench, Some(&format!("{side} {place}")));
            assert_eq!(process.stand_still().await, *name, "{death:?}: it stands still elsewhere");
            process
        }
    };
    process.kill().await;
    EMULATOR.calm(&bench.user).unwrap();
}

/// So does the second.
async fn die_again(death: &Death, bench: &Bench) {
    let again = if let Death::Held { again, .. } = death { Some(*again) } else { None };
    let mut process = Process::start(bench, again);
    if again.is_some() {
        process.stand_still().await;
    } else {
        let heard = process.hear().await;
        assert!(matches!(heard, Told::Recorded { .. }), "{heard:?}");
    }
    process.kill().await;
}

/// What is published, if anything is, must serve.
async fn look(bench: &Bench) {
    if let Some(key) = published(&bench.published()) {
        assert_eq!(Worker::new().read(&key).await, Ok(()), "what is published is refused");
    }
}

/// The steps in the journal of a process that is dead. Of a copy: who is being started just then would inherit the lock.
fn journalled(bench: &Bench) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("journal");
    fs::copy(bench.folder.path().join("journal"), &copy).unwrap();
    let opened = FileJournal::open(&copy).unwrap();
    assert_eq!(opened.torn, None, "SIGKILL tears nothing");
    opened.history.entries.iter().map(|entry| format!("{:?}", entry.record.step.kind())).collect()
}

async fn die(death: Death) -> Row {
    let bench = Bench::allowed(NEEDED);
    let reader = Reader::start(&bench);
    die_first(&death, &bench).await;
    look(&bench).await;
    let (made_by_then, steps_by_then) = (EMULATOR.made(&bench.user).unwrap(), journalled(&bench));
    die_again(&death, &bench).await;
    look(&bench).await;
    // The third is let live: it ends what the others left, and rotates.
    let mut process = Process::start(&bench, None);
    let steps = process.rotate().await;
    assert!(has(&steps, StepKind::Promoted), "{death:?}, and then: {steps:?}");
    process.kill().await;
    let made = EMULATOR.made(&bench.user).unwrap();
    let (serving, last) = (bench.keys(), made.last().cloned().into_iter().collect::<Vec<_>>());
    assert_eq!(serving, last, "{death:?}: only the last one is left of {made:?}");
    assert_eq!(published(&bench.published()).map(|key| vec![key.id]), Some(last), "{death:?}: it is what is published");
    look(&bench).await;
    let asked = journalled(&bench).iter().filter(|step| *step == "IssueIntent").count();
    assert!(made.len() <= 1 + asked, "{death:?}: nobody asked for all of {made:?}");
    let log = EMULATOR.log(&bench.user).unwrap();
    let has_made = |key: &String| log.iter().any(|call| call.key == *key && call.action == "CreateAccessKey");
    let outcome = match made_by_then.get(1) {
        None => "the first key serves",
        Some(key) if has_made(key) => "the new key serves",
        Some(_) => "the new key is given up: the first one serves",
    };
    // Once a promotion is durable what was promoted serves; before it, the new key never does.
    assert_eq!(has(&steps_by_then, StepKind::Promoted), outcome == "the new key serves", "{death:?}");
    let last = steps_by_then.last().cloned().unwrap_or_else(|| "nothing".to_owned());
    let reads = reader.stop().await;
    assert!(reads > 0, "{death:?}: nobody read");
    Row { death, last, made: made_by_then.len(), outcome, reads }
}

async fn all_die(deaths: Vec<Death>) -> Vec<Row> {
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut dying = JoinSet::new();
    for (number, death) in deaths.into_iter().enumerate() {
        let places = Arc::clone(&places);
        dying.spawn(async move {
            let _place = places.acquire().await;
            (number, die(death).await)
        });
    }
    let mut rows = dying.join_all().await;
    rows.sort_by_key(|(number, _)| *number);
    rows.into_iter().map(|(_, row)| row).collect()
}

fn around(action: &str, skip: u32) -> [Death; 2] {
    [false, true].map(|is_done| Death::Around { action: action.to_owned(), skip, is_done })
}

/// Deaths while standing still: the side, the place, and what is done there.
fn held<'a>(story: Story, points: impl IntoIterator<Item = (&'static str, &'a str, &'a str)>) -> Vec<Death> {
    let death = |((side, place, name), again): ((_, &str, &str), &&'static str)| {
        let (place, name, again) = (place.to_owned(), name.to_owned(), *again);
        Death::Held { story, side, place, name, again }
    };
    points.into_iter().zip(AGAIN.iter().cycle()).map(death).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn survives_sigkill_around_each_request_that_makes_or_ends_a_key() {
    let rows = all_die([around("CreateAccessKey", 0), around("DeleteAccessKey", 0)].concat()).await;
    let made: Vec<_> = rows.iter().map(|row| row.made).collect();
    assert_eq!(made, [1, 2, 2, 2], "keys by then");
}

/// A key that only the provider knows of, one that is kept and not on record, one that is promoted and not published, and a slot
/// that is empty and not on record so; and a key whose secret nobody has.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn survives_sigkill_between_what_is_done_and_what_is_on_record() {
    let good = [
        ("before", "record 5", "Issued"),
        ("after", "write 3", "persist"),
        ("before", "record 8", "Promoted"),
        ("before", "write 4", "publish"),
        ("after", "write 5", "clear"),
    ];
    let rows = all_die([held(Story::Good, good), held(Story::Lost, [("after", "record 5", "AbandonIntent")])].concat()).await;
    let outcomes: Vec<_> = rows.iter().map(|row| row.outcome).collect();
    let (given_up, serves) = ("the new key is given up: the first one serves", "the new key serves");
    assert_eq!(outcomes, [given_up, given_up, given_up, serves, serves, given_up]);
}

/// With `UPDATE_DOCS=1` in the environment its table is written into `docs/access-keys.md`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a campaign of minutes"]
async fn survives_sigkill_around_every_request_and_on_every_record() {
    let (calls, steps) = course().await;
    let on = |(number, step): (usize, &String)| Death::On { records: number + 1, step: step.clone() };
    let deaths = calls.iter().flat_map(|(action, skip)| around(action, *skip)).chain(steps.iter().enumerate().map(on));
    let rows = all_die(deaths.collect()).await;
    let mut table = format!(
        "{} deaths.\n\n| killed | keys made by then | what the third process goes on with |\n| --- | --- | --- |\n",
        rows.len()
    );
    for Row { death, made, outcome, .. } in &rows {
        let when = match death {
            Death::Around { action, skip, is_done } => {
                let how = if *is_done { "is done and not answered" } else { "is sent and not done" };
                format!("when `{action}` {} {how}", skip + 1)
            }
            Death::On { step, .. } => format!("on {step}"),
            Death::Held { .. } => unreachable!("there is none among them"),
        };
        writeln!(table, "| {when} | {made} | {outcome} |").unwrap();
    }
    crate::support::document("deaths", &table);
}

/// With `UPDATE_DOCS=1` in the environment its table is written into `docs/access-keys.md`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a campaign of minutes"]
async fn survives_sigkill_before_and_after_every_record_and_every_write() {
    let mut deaths = Vec::new();
    for story in Story::BOTH {
        let places = places(story).await;
        let sides = places.iter().flat_map(|(place, name)| ["before", "after"].map(|side| (side, place.as_str(), name.as_str())));
        deaths.extend(held(story, sides));
    }
    let rows = all_die(deaths).await;
    let reads: usize = rows.iter().map(|row| row.reads).sum();
    let mut table = format!("{} points; {reads} reads of the published file, none of them refused.\n", rows.len());
    for story in Story::BOTH {
        writeln!(table, "\nKilled in {}:\n", story.title()).unwrap();
        table += "| killed | last durable record | keys made by then | killed again | what the third process goes on with |\n";
        table += "| --- | --- | --- | --- | --- |\n";
        for Row { death, last, made, outcome, .. } in &rows {
            let Death::Held { story: of, side, name, again, .. } = death else { unreachable!("all of them are") };
            if *of == story {
                writeln!(table, "| {side} {name} | {last} | {made} | {again} | {outcome} |").unwrap();
            }
        }
    }
    crate::support::document("places", &table);
}
