//! An identity in a process of its own, which is this same test program, told by its environment to do nothing but that: it
//! rotates once it serves, tells what happens, and can be killed anywhere.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::broadcast::Receiver;
use tokio::time::{sleep, timeout};
use turquoise_aws_iam::IamProvider;
use turquoise_runtime::core::{PhaseKind, StepKind};
use turquoise_runtime::{Identity, Progress};

use crate::gate::gated;
use crate::support::{Bench, EMULATOR, config, policy_of_tests, setup};

/// No process waits longer for anything, on a machine that is busy.
const PATIENCE: Duration = Duration::from_mins(1);
/// What the process is told by.
const FOLDER: &str = "TURQUOISE_TEST_FOLDER";
const USER: &str = "TURQUOISE_TEST_USER";
const ADDRESS: &str = "TURQUOISE_TEST_ADDRESS";
const HOLD: &str = "TURQUOISE_TEST_HOLD";
/// How its lines begin: the test harness writes some of its own.
const MARK: &str = "turquoise: ";

/// The process. Ends with its input.
#[tokio::test]
#[ignore = "part of the other tests here"]
async fn lives_as_it_is_told() {
    let told = |name| std::env::var(name).unwrap();
    let folder = PathBuf::from(told(FOLDER));
    let provider = IamProvider::new(config(&told(ADDRESS), &told(USER), &folder)).unwrap();
    let setup = setup(&folder, provider, policy_of_tests());
    let identity = Identity::start(gated(setup, std::env::var(HOLD).ok().as_deref())).await.unwrap();
    let mut progress = identity.progress();
    let ended = tokio::spawn(async { tokio::io::stdin().read_to_end(&mut Vec::new()).await });
    identity.credentials().ready().await.unwrap();
    while identity.rotate().await.is_err() {
        tell_of(&mut progress);
        sleep(Duration::from_millis(10)).await;
    }
    while !ended.is_finished() {
        tell_of(&mut progress);
        sleep(Duration::from_millis(5)).await;
    }
    identity.stop().await;
}

fn tell_of(progress: &mut Receiver<Progress>) {
    while let Ok(happened) = progress.try_recv() {
        if let Progress::Recorded(recorded) = happened {
            let (step, is_quiet) =
                (recorded.record.step.kind(), recorded.phase.kind() == PhaseKind::Steady && recorded.debt.is_none());
            tell(&format!("recorded {step:?} {}", if is_quiet { "quiet" } else { "busy" }));
        }
    }
}

/// A line on standard output.
#[expect(clippy::print_stdout, reason = "whoever started the process listens")]
pub(crate) fn tell(line: &str) {
    println!("{MARK}{line}");
}

/// What a process tells.
#[derive(Debug)]
pub(crate) enum Told {
    /// A record is durable, and the machine has moved.
    Recorded {
        /// The name of its step.
        step: String,
        /// Nothing is under way, and nothing is owed.
        is_quiet: bool,
    },
    /// It stands still where it was to.
    Held,
}

/// A process as we see it. Killed when dropped.
pub(crate) struct Process {
    child: Child,
    _lifeline: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
    /// The places that it came to, as `record 4`, and what it does there.
    pub(crate) places: Vec<(String, String)>,
}

impl Process {
    /// To stand still at a point, if one is given.
    pub(crate) fn start(bench: &Bench, hold: Option<&str>) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "process::lives_as_it_is_told", "--ignored", "--nocapture"]);
        command.env(FOLDER, bench.folder.path()).env(USER, &bench.user).env(ADDRESS, EMULATOR.url());
        command.envs(hold.map(|point| (HOLD, point)));
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
        let mut child = piped.spawn().unwrap();
        let (lifeline, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self { child, _lifeline: lifeline, lines: BufReader::new(output).lines(), places: Vec::new() }
    }

    /// Its next record, or that it stands still.
    pub(crate) async fn hear(&mut self) -> Told {
        loop {
            let line = timeout(PATIENCE, self.lines.next_line()).await.expect("it says something").unwrap().expect("it goes on");
            let Some((_, told)) = line.split_once(MARK) else { continue };
            match told.split(' ').collect::<Vec<_>>()[..] {
                ["held"] => return Told::Held,
                ["recorded", step, after] => return Told::Recorded { step: step.to_owned(), is_quiet: after == "quiet" },
                ["at", kind, number, name] => self.places.push((format!("{kind} {number}"), name.to_owned())),
                _ => panic!("{line}"),
            }
        }
    }

    /// Its steps until it has rotated, well or badly, and nothing is under way.
    pub(crate) async fn rotate(&mut self) -> Vec<String> {
        let mut steps = Vec::new();
        loop {
            let Told::Recorded { step, is_quiet } = self.hear().await else { panic!("it stands still after {steps:?}") };
            steps.push(step);
            if is_quiet && has(&steps, StepKind::IssueIntent) {
                return steps;
            }
        }
    }

    /// Waits until it stands still; answers what it is about to do there, or has done.
    pub(crate) async fn stand_still(&mut self) -> String {
        let mut steps = Vec::new();
        while let Told::Recorded { step, is_quiet } = self.hear().await {
            steps.push(step);
            assert!(!is_quiet || !has(&steps, StepKind::IssueIntent), "it was never held: {:?}", self.places);
        }
        self.places.last().map(|(_, name)| name.clone()).unwrap_or_default()
    }

    pub(crate) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }
}

pub(crate) fn has(steps: &[String], step: StepKind) -> bool {
    steps.iter().any(|taken| *taken == format!("{step:?}"))
}
