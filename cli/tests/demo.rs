//! The program as a user runs it.

#![expect(clippy::unwrap_used, reason = "a test ends with what it did not expect")]

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

fn turquoise() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_turquoise"));
    command.stdin(Stdio::null());
    command
}

fn run(command: &mut Command) -> (Option<i32>, String, String) {
    let output = command.output().unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
}

/// What the table says of something: the fact and the verdict.
fn fact<'a>(table: &'a str, what: &str) -> (&'a str, &'a str) {
    let line = table.lines().find(|line| line.contains(what)).unwrap_or_else(|| panic!("no line {what:?} in\n{table}"));
    let cells: Vec<_> = line.trim_matches('│').split('┆').map(str::trim).collect();
    (cells[1], cells[2])
}

/// A demo under way, with a folder for temporary files of its own.
struct Demo {
    child: Child,
    output: BufReader<ChildStdout>,
    folder: TempDir,
}

impl Demo {
    /// Runs until it says this.
    fn until(words: &str) -> Self {
        Self::of("vault-token", words)
    }

    fn of(provider: &str, words: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = turquoise();
        command.args(["demo", "--provider", provider]).env("TMPDIR", folder.path()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        while !line.contains(words) {
            line.clear();
            assert_ne!(output.read_line(&mut line).unwrap(), 0, "it ended before it said {words:?}");
        }
        Self { child, output, folder }
    }

    /// The processes that it has started, and those that they have.
    fn family(&self) -> Vec<Pid> {
        let mut family = vec![Pid::from_child(&self.child)];
        let mut next = 0;
        while let Some(parent) = family.get(next).copied() {
            family.extend(processes().into_iter().filter(|(_, its)| *its == Some(parent)).map(|(process, _)| process));
            next += 1;
        }
        family.split_off(1)
    }

    fn server(&self) -> Pid {
        let is_server = |process: &Pid| {
            let command = fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
            command.split(|byte| *byte == 0).any(|word| word == b"server")
        };
        self.family().into_iter().find(is_server).unwrap()
    }

    /// Whether the arguments or the environment of a process have a token in them.
    fn tells_of_its_token(&self, family: &[Pid]) -> bool {
        let server = fs::read_dir(self.folder.path()).unwrap().next().unwrap().unwrap().path();
        let tokens = ["demo/first-token", "demo/token"].map(|name| fs::read(server.join(name)).unwrap());
        assert!(tokens.iter().all(|token| token.len() > 20) && tokens[0] != tokens[1], "not the tokens");
        let files = family.iter().flat_map(|process| ["cmdline", "environ"].map(|file| format!("/proc/{process}/{file}")));
        let told: Vec<_> = files.map(|file| fs::read(file).unwrap()).collect();
        told.iter().any(|told| tokens.iter().any(|token| told.windows(token.len()).any(|part| part == token)))
    }

    /// Waits for its end; answers the exit code and what it complained of. Nothing may be left of it.
    fn end(mut self, family: &[Pid]) -> (Option<i32>, String) {
        let mut complaints = String::new();
        self.output.read_to_end(&mut Vec::new()).unwrap();
        self.child.stderr.take().unwrap().read_to_string(&mut complaints).unwrap();
        let code = self.child.wait().unwrap().code();
        assert!(family.len() >= 2, "the server and the reader at least: {family:?}");
        let deadline = Instant::now() + Duration::from_secs(10);
        while family.iter().any(|process| is_alive(*process)) || !is_empty(self.folder.path()) {
            assert!(Instant::now() < deadline, "left behind: {:?}", processes());
            sleep(Duration::from_millis(20));
        }
        (code, complaints)
    }
}

/// All processes that are not dead, with their parents.
fn processes() -> Vec<(Pid, Option<Pid>)> {
    let pid = |text: &str| text.parse().ok().and_then(Pid::from_raw);
    let parse = |entry: fs::DirEntry| {
        let process = pid(entry.file_name().to_str()?)?;
        let status = fs::read_to_string(entry.path().join("stat")).ok()?;
        let mut rest = status.rsplit_once(')')?.1.split_whitespace();
        let state = rest.next()?;
        (!matches!(state, "Z" | "X")).then_some((process, rest.next().and_then(pid)))
    };
    fs::read_dir("/proc").unwrap().filter_map(|entry| parse(entry.ok()?)).collect()
}

fn is_alive(process: Pid) -> bool {
    processes().iter().any(|(living, _)| *living == process)
}

fn is_empty(folder: &Path) -> bool {
    fs::read_dir(folder).unwrap().next().is_none()
}

#[test]
fn the_demo_tells_a_true_story() {
    let (code, out, complaints) = run(turquoise().arg("demo"));
    assert_eq!(code, Some(0), "{out}\n{complaints}");
    for (what, found) in [
        ("requests failed", "0"),
        ("rotations done", "2"),
        ("rotations abandoned", "2 (1 useless)"),
        ("tokens minted", "5"),
        ("tokens dead", "4"),
        ("tokens alive", "1"),
    ] {
        assert_eq!(fact(&out, what), (found, "ok"), "{out}");
    }
    for what in ["by the handle", "by the sink file", "ended themselves", "refused a read", "violations found"] {
        assert_eq!(fact(&out, what).1, "ok", "{out}");
    }
    assert!(!out.contains('\u{1b}'), "colours in a pipe:\n{out}");
    assert_eq!(complaints, "");
}

#[test]
fn an_interrupted_demo_cleans_up_and_says_so() {
    let demo = Demo::until("Draining");
    let family = demo.family();
    kill_process(Pid::from_child(&demo.child), Signal::INT).unwrap();
    let (code, complaints) = demo.end(&family);
    assert_eq!(code, Some(130));
    assert!(complaints.contains("interrupted") && complaints.contains("are ended"), "{complaints}");
}

#[test]
fn a_killed_demo_leaves_nothing_behind() {
    let demo = Demo::until("takes over what the journal");
    let family = demo.family();
    assert!(family.len() >= 4, "the rotating process too: {family:?}");
    assert!(!demo.tells_of_its_token(&family), "a token in an argument or in the environment");
    kill_process(Pid::from_child(&demo.child), Signal::KILL).unwrap();
    let (code, complaints) = demo.end(&family);
    assert_eq!((code, complaints.as_str()), (None, ""));
}

#[test]
fn a_demo_on_access_keys_leaves_nothing_behind_however_it_ends() {
    for (signal, code, said) in [(Signal::INT, Some(130), "are ended"), (Signal::KILL, None, "")] {
        let demo = Demo::of("aws-iam", "Validating");
        let family = demo.family();
        assert!(!is_empty(demo.folder.path()), "what is to be removed");
        kill_process(Pid::from_child(&demo.child), signal).unwrap();
        let ended = demo.end(&family);
        assert!(ended.0 == code && ended.1.contains(said), "{ended:?}");
    }
}

#[test]
fn a_demo_whose_server_dies_says_so_and_cleans_up() {
    let demo = Demo::until("Validating");
    let family = demo.family();
    kill_process(demo.server(), Signal::KILL).unwrap();
    let (code, complaints) = demo.end(&family);
    assert_eq!(code, Some(2));
    assert!(complaints.contains("no longer serves") && complaints.contains("are ended"), "{complaints}");
}

#[test]
fn a_server_program_that_is_not_there_is_one_line() {
    let (code, _, complaints) = run(turquoise().arg("demo").env("TURQUOISE_BAO", "/nonexistent"));
    assert_eq!(code, Some(1));
    assert!(complaints.contains("TURQUOISE_BAO=/nonexistent"), "{complaints}");
    assert_eq!(complaints.lines().count(), 1, "{complaints}");
}

#[test]
fn without_python_one_line_names_the_way_out() {
    let cache = tempfile::tempdir().unwrap();
    let mut command = turquoise();
    command.arg("demo").env_remove("TURQUOISE_BAO").env("PATH", "/nonexistent").env("XDG_CACHE_HOME", cache.path());
    let (code, _, complaints) = run(&mut command);
    assert_eq!(code, Some(1));
    assert!(complaints.contains("python3") && complaints.contains("TURQUOISE_BAO="), "{complaints}");
    assert_eq!(complaints.lines().count(), 1, "{complaints}");
}

#[test]
fn usage_errors_exit_1_and_help_exits_0() {
    for wrong in [&["nonsense"][..], &["demo", "--nonsense"], &[]] {
        assert_eq!(run(turquoise().args(wrong)).0, Some(1), "{wrong:?}");
    }
    let (code, help, _) = run(turquoise().arg("--help"));
    assert_eq!(code, Some(0));
    assert!(help.contains("Examples:") && !help.contains("demo-client"), "{help}");
}
