//! A process that dies by SIGKILL: around each request of a login and a rotation, and on each record. The next one dies as well,
//! and the one after that ends with one key, which serves, and rotates it as if nothing had been.
//!
//! The process is this same test program, told by its environment to do nothing but that.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use turquoise_aws_iam::{IamProvider, Key, Scope, sign};
use turquoise_http::{Connector, Pool, nobody};
use turquoise_moto::{Fault, Loss};
use turquoise_runtime::Progress;
use turquoise_runtime::core::StepKind;

use crate::support::{Bench, EMULATOR, begin, config, policy_of_tests};

/// So many identities live at once.
const AT_ONCE: usize = 6;
/// No process waits longer for anything, on a machine that is busy.
const PATIENCE: Duration = Duration::from_mins(1);
/// What the process is told by.
const FOLDER: &str = "TURQUOISE_TEST_FOLDER";
const USER: &str = "TURQUOISE_TEST_USER";
const ADDRESS: &str = "TURQUOISE_TEST_ADDRESS";
/// How its lines begin: the test harness writes some of its own.
const MARK: &str = "turquoise: ";

/// When a process dies.
#[derive(Clone, Debug)]
enum Death {
    /// Around a request: of its kind, so many come before it.
    Around { action: String, skip: u32, is_done: bool },
    /// When so many records are durable, of which this is the last.
    On { records: usize, step: String },
}

struct Row {
    death: Death,
    made: usize,
    outcome: &'static str,
}

/// The process that dies. Rotates once it serves; tells each record; ends with its input.
#[tokio::test]
#[ignore = "part of the other tests here"]
async fn lives_as_it_is_told() {
    let told = |name| std::env::var(name).unwrap();
    let folder = PathBuf::from(told(FOLDER));
    let provider = IamProvider::new(config(&told(ADDRESS), &told(USER), &folder)).unwrap();
    let identity = begin(&folder, provider, policy_of_tests()).await;
    let mut progress = identity.progress();
    let ended = tokio::spawn(async { tokio::io::stdin().read_to_end(&mut Vec::new()).await });
    identity.credentials().ready().await.unwrap();
    while identity.rotate().await.is_err() {
        tell(&mut progress);
        sleep(Duration::from_millis(10)).await;
    }
    while !ended.is_finished() {
        tell(&mut progress);
        sleep(Duration::from_millis(5)).await;
    }
    identity.stop().await;
}

#[expect(clippy::print_stdout, reason = "whoever started the process listens")]
fn tell(progress: &mut tokio::sync::broadcast::Receiver<Progress>) {
    while let Ok(happened) = progress.try_recv() {
        if let Progress::Recorded(recorded) = happened {
            let (step, phase) = (recorded.record.step.kind(), recorded.phase.kind());
            println!("{MARK}{step:?} {phase:?}{}", if recorded.debt.is_some() { " owes" } else { "" });
        }
    }
}

/// A process as we see it. Killed when dropped.
struct Process {
    child: Child,
    _lifeline: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Process {
    fn start(bench: &Bench) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "dying::lives_as_it_is_told", "--ignored", "--nocapture"]);
        command.env(FOLDER, bench.folder.path()).env(USER, &bench.user).env(ADDRESS, EMULATOR.url());
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
        let mut child = piped.spawn().unwrap();
        let (lifeline, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self { child, _lifeline: lifeline, lines: BufReader::new(output).lines() }
    }

    /// The step of its next record, the phase after it, and a word if it owes something.
    async fn hear(&mut self) -> String {
        let heard = async {
            loop {
                let line = self.lines.next_line().await.unwrap().expect("it goes on");
                if let Some((_, told)) = line.split_once(MARK) {
                    return told.to_owned();
                }
            }
        };
        timeout(PATIENCE, heard).await.expect("it says something")
    }

    /// Its steps until it has rotated, well or badly, and nothing is under way.
    async fn rotate(&mut self) -> Vec<String> {
        let mut steps = Vec::new();
        loop {
            let told = self.hear().await;
            steps.push(told.split(' ').next().unwrap_or_default().to_owned());
            if told.ends_with(" Steady") && has(&steps, StepKind::IssueIntent) {
                return steps;
            }
        }
    }

    async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }
}

fn has(steps: &[String], step: StepKind) -> bool {
    steps.iter().any(|taken| *taken == format!("{step:?}"))
}

/// The requests of a process that nobody kills, by their kinds, and its records.
async fn course() -> (Vec<(String, u32)>, Vec<String>) {
    let bench = Bench::new();
    let mut process = Process::start(&bench);
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

/// What is published, if anything is, must serve.
async fn look(bench: &Bench) {
    let Ok(key) = Key::of_profile(&bench.published(), "default") else {
        assert!(!bench.published().exists(), "something else than a key is published");
        return;
    };
    let mut request = Request::new(Full::<Bytes>::default());
    *request.uri_mut() = format!("{}/", EMULATOR.url()).parse().unwrap();
    sign(&mut request, &[], Scope { service: "s3", region: "us-east-1" }, &key).unwrap();
    let answer = Pool::new(Connector::new(Vec::new(), Arc::new(nobody()), None, PATIENCE)).send(&request).await.unwrap();
    assert!(answer.status.is_success(), "what is published is refused: {}", String::from_utf8_lossy(&answer.body));
}

async fn die(death: Death) -> Row {
    let bench = Bench::allowed(&["s3:ListAllMyBuckets"]);
    match &death {
        Death::Around { action, skip, is_done } => {
            let loss = if *is_done { Loss::LateReply } else { Loss::LateRequest };
            EMULATOR.fault(Fault { user: &bench.user, action, loss, skip: *skip, times: 1 }).unwrap();
            let mut process = Process::start(&bench);
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
            process.kill().await;
            EMULATOR.calm(&bench.user).unwrap();
        }
        Death::On { records, .. } => {
            let mut process = Process::start(&bench);
            for _ in 0..*records {
                process.hear().await;
            }
            process.kill().await;
        }
    }
    look(&bench).await;
    let at_death = EMULATOR.made(&bench.user).unwrap();
    let mut process = Process::start(&bench);
    process.hear().await;
    process.kill().await;
    look(&bench).await;
    // The third is let live: it ends what the others left, and rotates.
    let mut process = Process::start(&bench);
    let steps = process.rotate().await;
    assert!(has(&steps, StepKind::Promoted), "{death:?}, and then: {steps:?}");
    process.kill().await;
    let made = EMULATOR.made(&bench.user).unwrap();
    let (serving, last) = (bench.keys(), made.last().cloned().into_iter().collect::<Vec<_>>());
    assert_eq!(serving, last, "{death:?}: only the last one is left of {made:?}");
    assert_eq!(vec![Key::of_profile(&bench.published(), "default").unwrap().id], last, "{death:?}: it is what is published");
    look(&bench).await;
    let log = EMULATOR.log(&bench.user).unwrap();
    let has_made = |key: &String| log.iter().any(|call| call.key == *key && call.action == "CreateAccessKey");
    let outcome = match at_death.get(1) {
        None => "the first key serves",
        Some(key) if has_made(key) => "the new key serves",
        Some(_) => "the new key is given up: the first one serves",
    };
    Row { death, made: at_death.len(), outcome }
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn survives_sigkill_around_each_request_that_makes_or_ends_a_key() {
    let rows = all_die([around("CreateAccessKey", 0), around("DeleteAccessKey", 0)].concat()).await;
    let made: Vec<_> = rows.iter().map(|row| row.made).collect();
    assert_eq!(made, [1, 2, 2, 2], "keys by then");
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
    for Row { death, made, outcome } in &rows {
        let when = match death {
            Death::Around { action, skip, is_done } => {
                format!(
                    "when `{action}` {} {}",
                    skip + 1,
                    if *is_done { "is done and not answered" } else { "is sent and not done" }
                )
            }
            Death::On { step, .. } => format!("on {step}"),
        };
        writeln!(table, "| {when} | {made} | {outcome} |").unwrap();
    }
    crate::support::document("deaths", &table);
}
