//! The supervisor with real processes: small shells that tell on a pipe what they do.

#![expect(clippy::unwrap_used, reason = "a test ends with what it did not expect")]

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Instant;

use rustix::process::Signal;
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::supervise::{Ended, Supervisor, Told};
use super::*;

/// What a child holds; tells on the same pipe as the children when it is let go, so that all is heard in the order in which it was
/// said.
struct Hold(&'static str, Arc<File>);

impl Drop for Hold {
    fn drop(&mut self) {
        // In one piece: others write there, too.
        (&*self.1).write_all(format!("let go {}\n", self.0).as_bytes()).unwrap();
    }
}

/// What we say ourselves when all is over.
const LAST: &str = "over";

/// A supervisor, and everything that is heard of it.
struct Stage {
    folder: TempDir,
    heard: mpsc::UnboundedReceiver<String>,
    pipe: Arc<File>,
    turns: mpsc::Sender<Turn<Hold>>,
    told: mpsc::Sender<Told>,
    ended: JoinHandle<Ended>,
}

impl Stage {
    /// Runs a script, in which `say` is a pipe to us and `$X` the value.
    fn new(script: &str, change: impl FnOnce(&mut Exec, &Path)) -> Self {
        let folder = TempDir::new().unwrap();
        let pipe = folder.path().join("said");
        // On the other one nothing is ever said.
        assert!(Command::new("mkfifo").arg(&pipe).arg(folder.path().join("never")).status().unwrap().success());
        // Opened for both, so that it never ends and nobody waits for the other side.
        let said = File::options().read(true).write(true).open(&pipe).unwrap();
        let (tell, heard) = mpsc::unbounded_channel();
        let ear = said.try_clone().unwrap();
        thread::spawn(move || {
            for line in BufReader::new(ear).lines() {
                if tell.send(line.unwrap()).is_err() {
                    break;
                }
            }
        });
        let script = format!("say() {{ echo \"$*\" > '{}'; }}\ncd '{}'\n{script}", pipe.display(), folder.path().display());
        let mut exec = Exec {
            command: ["sh", "-c", &script].map(str::to_owned).to_vec(),
            on_change: OnChange::Restart,
            stop_signal: Signal::TERM,
            stop_within: Duration::from_mins(1),
            restarts: 0,
        };
        change(&mut exec, folder.path());
        let (turns, next) = mpsc::channel(1);
        let (told, told_of) = mpsc::channel(8);
        let ended = tokio::spawn(Supervisor::new(exec, next, told_of).run());
        Self { folder, heard, pipe: Arc::new(said), turns, told, ended }
    }

    async fn turn(&self, value: &'static str) {
        self.give(value, value, false).await;
    }

    async fn give(&self, value: &str, hold: &'static str, is_same: bool) {
        let environment = Arc::new(vec![("X".to_owned(), Zeroizing::new(value.to_owned()))]);
        let hold = Hold(hold, Arc::clone(&self.pipe));
        assert!(self.turns.send(Turn { environment, hold, is_same }).await.is_ok());
    }

    async fn hear(&mut self) -> String {
        tokio::time::timeout(Duration::from_mins(1), self.heard.recv()).await.expect("somebody says something").unwrap()
    }

    async fn tell(&self, told: Told) {
        self.told.send(told).await.unwrap();
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// How it ended, and what was heard last.
    async fn ended(mut self) -> (Ended, Vec<String>) {
        let ended = tokio::time::timeout(Duration::from_mins(1), self.ended).await.expect("it ends").unwrap();
        (&*self.pipe).write_all(format!("{LAST}\n").as_bytes()).unwrap();
        let mut rest = Vec::new();
        while let Some(line) = self.heard.recv().await.filter(|line| line != LAST) {
            rest.push(line);
        }
        (ended, rest)
    }
}

/// Says that it is up, and ends when it is asked to. It waits without a process of its own, which could miss a signal while it is made.
const SERVES: &str = "trap 'say bye $X; exit 3' TERM; exec 3<>never; say up $X; while :; do read x <&3; done";

fn code(ended: &Ended) -> Option<u8> {
    match ended {
        Ended::Child(status) => Some(status.code()),
        Ended::Nothing | Ended::Unstarted { .. } => None,
    }
}

#[tokio::test]
async fn a_child_has_the_values_and_its_code_is_ours() {
    let mut stage = Stage::new("say \"$X\" \"${VAULT_TOKEN-none}\"; exit 7", |_, _| ());
    stage.turn("value").await;
    assert_eq!(stage.hear().await, "value none");
    let (ended, rest) = stage.ended().await;
    assert_eq!((code(&ended), rest), (Some(7), vec!["let go value".to_owned()]));
}

#[tokio::test]
async fn a_child_that_a_signal_ends_is_passed_on_as_shells_have_it() {
    let stage = Stage::new("kill -9 $$", |_, _| ());
    stage.turn("value").await;
    assert_eq!(code(&stage.ended().await.0), Some(137));
    assert_eq!([Status::Exited(0), Status::Exited(255), Status::Killed(15)].map(Status::code), [0, 255, 143]);
}

#[tokio::test]
async fn what_cannot_be_started_is_named() {
    let stage = Stage::new("", |exec, _| exec.command = vec!["/there/is/none".to_owned()]);
    stage.turn("value").await;
    let (ended, rest) = stage.ended().await;
    assert!(matches!(ended, Ended::Unstarted { program, .. } if program == "/there/is/none"));
    assert_eq!(rest, ["let go value"]);
}

#[tokio::test]
async fn a_change_ends_the_old_child_before_the_new_one_begins() {
    let mut stage = Stage::new(SERVES, |_, _| ());
    stage.turn("one").await;
    assert_eq!(stage.hear().await, "up one");
    stage.turn("two").await;
    assert_eq!([stage.hear().await, stage.hear().await, stage.hear().await], ["bye one", "let go one", "up two"]);
    stage.tell(Told::Stop(Signal::TERM)).await;
    let (ended, rest) = stage.ended().await;
    assert_eq!((code(&ended), rest), (Some(3), vec!["bye two".to_owned(), "let go two".to_owned()]));
}

#[tokio::test]
async fn with_overlap_the_old_child_serves_until_the_new_one_is_ready() {
    let mut stage = Stage::new(SERVES, |exec, folder| {
        let ready = folder.join("ready");
        let asked = format!("test -e '{}' && test -n \"$TURQUOISE_CHILD_PID\" && test -z \"$X\"", ready.display());
        let command = ["sh", "-c", &asked].map(str::to_owned).to_vec();
        exec.on_change = OnChange::Overlap(Ready { command, within: Duration::from_mins(1) });
    });
    stage.turn("one").await;
    assert_eq!(stage.hear().await, "up one");
    stage.turn("two").await;
    assert_eq!(stage.hear().await, "up two");
    File::create(stage.file("ready")).unwrap();
    assert_eq!([stage.hear().await, stage.hear().await], ["bye one", "let go one"]);
    stage.tell(Told::Stop(Signal::TERM)).await;
    assert_eq!(stage.ended().await.1, ["bye two", "let go two"]);
}

#[tokio::test]
async fn a_successor_that_does_not_become_ready_leaves_the_old_child_alone() {
    let mut stage = Stage::new(SERVES, |exec, _| {
        let command = vec!["false".to_owned()];
        exec.on_change = OnChange::Overlap(Ready { command, within: Duration::from_millis(300) });
    });
    stage.turn("one").await;
    assert_eq!(stage.hear().await, "up one");
    stage.turn("two").await;
    assert_eq!([stage.hear().await, stage.hear().await], ["up two", "bye two"]);
    // It is tried again.
    assert_eq!(stage.hear().await, "up two");
    stage.tell(Told::Stop(Signal::TERM)).await;
    let (ended, mut rest) = stage.ended().await;
    rest.sort();
    assert_eq!((code(&ended), rest), (Some(3), ["bye one", "bye two", "let go one", "let go two"].map(str::to_owned).to_vec()));
}

#[tokio::test]
async fn what_renders_the_same_leaves_the_child_alone_and_is_held_anew() {
    let mut stage = Stage::new(SERVES, |_, _| ());
    stage.turn("one").await;
    assert_eq!(stage.hear().await, "up one");
    stage.give("one", "the next", true).await;
    assert_eq!(stage.hear().await, "let go one");
    stage.tell(Told::Stop(Signal::TERM)).await;
    assert_eq!(stage.ended().await.1, ["bye one", "let go the next"]);
}

#[tokio::test]
async fn a_child_that_looks_for_itself_is_told_to() {
    let script = format!("trap 'say looks' HUP; {SERVES}");
    let mut stage = Stage::new(&script, |exec, _| exec.on_change = OnChange::Signal(Signal::HUP));
    stage.turn("one").await;
    assert_eq!(stage.hear().await, "up one");
    stage.turn("two").await;
    // The signal is sent before it is let go; when it is heard, the child knows.
    let mut heard = [stage.hear().await, stage.hear().await];
    heard.sort();
    assert_eq!(heard, ["let go one", "looks"]);
    stage.tell(Told::Stop(Signal::TERM)).await;
    assert_eq!(stage.ended().await.1, ["bye one", "let go two"]);
}

#[tokio::test]
async fn a_child_that_is_to_be_left_keeps_what_it_has() {
    let mut stage = Stage::new(&format!("trap 'say usr' USR1; {SERVES}"), |exec, _| exec.on_change = OnChange::Leave);
    stage.turn("one").await;
    assert_eq!(stage.hear().await, "up one");
    stage.turn("two").await;
    stage.turn("three").await;
    assert_eq!(stage.hear().await, "let go two", "the first one is held by the child");
    stage.tell(Told::Pass(Signal::USR1)).await;
    assert_eq!(stage.hear().await, "usr", "signals are passed on");
    stage.tell(Told::Stop(Signal::TERM)).await;
    let (_, mut rest) = stage.ended().await;
    rest.sort();
    assert_eq!(rest, ["bye one", "let go one", "let go three"]);
}

#[tokio::test]
async fn the_end_is_the_end_of_all_that_the_child_started() {
    // The one does not listen.
    let script = "sh -c 'trap \"\" TERM; read x < never' & say up; wait";
    let mut stage = Stage::new(script, |exec, _| exec.stop_within = Duration::from_millis(200));
    stage.turn("one").await;
    assert_eq!(stage.hear().await, "up");
    stage.tell(Told::Stop(Signal::TERM)).await;
    let (ended, rest) = stage.ended().await;
    assert_eq!((code(&ended), rest), (Some(143), vec!["let go one".to_owned()]));
}

#[tokio::test]
async fn told_twice_it_ends_at_once() {
    let mut stage = Stage::new("trap 'say deaf' TERM; exec 3<>never; say up; while :; do read x <&3; done", |_, _| ());
    stage.turn("one").await;
    assert_eq!(stage.hear().await, "up");
    stage.tell(Told::Stop(Signal::TERM)).await;
    assert_eq!(stage.hear().await, "deaf");
    stage.tell(Told::Stop(Signal::TERM)).await;
    assert_eq!(code(&stage.ended().await.0), Some(137));
}

#[tokio::test]
async fn a_child_that_fails_is_started_again_but_not_for_ever() {
    let began = Instant::now();
    let mut stage = Stage::new("say up $X; exit 9", |exec, _| exec.restarts = 1);
    stage.turn("one").await;
    assert_eq!([stage.hear().await, stage.hear().await], ["up one", "up one"]);
    let (ended, rest) = stage.ended().await;
    assert_eq!((code(&ended), rest), (Some(9), vec!["let go one".to_owned()]));
    assert!(began.elapsed() >= Duration::from_secs(1), "not at once");
}

#[tokio::test]
async fn nothing_runs_if_there_is_nothing_to_run_with() {
    let stage = Stage::new(SERVES, |_, _| ());
    stage.tell(Told::Pass(Signal::USR1)).await;
    stage.tell(Told::Stop(Signal::TERM)).await;
    assert!(matches!(stage.ended().await.0, Ended::Nothing));
}

#[tokio::test]
async fn what_leaves_the_child_is_buried() {
    // It has a group of its own, and no parent but us; it is there, dead, until somebody waits for it.
    let script = "(setsid sh -c 'echo $$ > new; mv new stray' &)
        while ! test -e stray; do sleep 0.01; done
        while kill -0 $(cat stray) 2>/dev/null; do sleep 0.01; done
        say buried";
    let mut stage = Stage::new(script, |_, _| ());
    stage.turn("one").await;
    assert_eq!(stage.hear().await, "buried");
    assert_eq!(code(&stage.ended().await.0), Some(0));
}
