//! The program as a user runs it.

#![expect(clippy::unwrap_used, reason = "a test ends with what it did not expect")]

use std::fs;
use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// Nothing that is waited for takes longer, also on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(10);

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

/// Becomes the parent of a program on a terminal of its own: what comes in are its keys, what goes out is what it shows.
const TERMINAL: &str = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))";

/// A demo under way, with a folder for temporary files of its own.
struct Demo {
    child: Child,
    output: BufReader<ChildStdout>,
    said: String,
    folder: TempDir,
}

impl Demo {
    /// Runs until it says this.
    fn until(words: &str) -> Self {
        let mut command = turquoise();
        command.arg("demo");
        Self::run(command, words)
    }

    /// The same on a terminal.
    fn on_a_terminal(args: &[&str], variable: Option<(&str, &str)>, words: &str) -> Self {
        let mut command = Command::new("python3");
        command.args(["-c", TERMINAL, env!("CARGO_BIN_EXE_turquoise")]).args(args).stdin(Stdio::piped());
        command.env("TERM", "xterm").env_remove("NO_COLOR").envs(variable);
        Self::run(command, words)
    }

    fn run(mut command: Command, words: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        command.env("TMPDIR", folder.path()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let mut demo = Self { child, output, said: String::new(), folder };
        demo.goes_on_until(words);
        demo
    }

    fn goes_on_until(&mut self, words: &str) {
        let mut from = self.said.len();
        while !self.said[from..].contains(words) {
            from = self.said.len();
            assert_ne!(self.output.read_line(&mut self.said).unwrap(), 0, "it ended before it said {words:?}:\n{}", self.said);
        }
    }

    /// The folder of what is rotated.
    fn site(&self) -> PathBuf {
        fs::read_dir(self.folder.path()).unwrap().next().unwrap().unwrap().path().join("demo")
    }

    /// Has the handle's token make another one, which nobody knows of.
    fn leak_a_token(&self) {
        let address = self.said.split("it serves at ").nth(1).unwrap().lines().next().unwrap();
        let agent: ureq::Agent = ureq::Agent::config_builder().proxy(None).timeout_global(Some(PATIENCE)).build().into();
        let make = || {
            let token = fs::read_to_string(self.site().join("token")).unwrap();
            agent.post(format!("{address}/v1/auth/token/create/rot")).header("X-Vault-Token", token).send(r#"{"ttl": "10m"}"#)
        };
        // What is read may just have been replaced.
        let deadline = Instant::now() + PATIENCE;
        while let Err(why) = make() {
            assert!(Instant::now() < deadline, "{why}");
        }
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

    /// Whether the arguments or the environment of a process have a token in them, or what tokens are had with.
    fn tells_of_a_secret(&self, family: &[Pid]) -> bool {
        let files = ["first-token", "token", "sidecar/token", "sidecar/local-token", "sidecar/secret-id"];
        let secrets = files.map(|name| fs::read(self.site().join(name)).unwrap());
        assert!(secrets.iter().all(|secret| secret.len() > 20) && secrets[1] != secrets[2], "not the secrets");
        let told = family.iter().flat_map(|process| ["cmdline", "environ"].map(|file| read(&format!("/proc/{process}/{file}"))));
        told.into_iter().any(|told| secrets.iter().any(|secret| told.windows(secret.len()).any(|part| part == secret)))
    }

    /// Waits for its end; answers the exit code and what it complained of. Nothing may be left of it.
    fn end(self, family: &[Pid]) -> (Option<i32>, String) {
        let (code, _, complaints) = self.told(family);
        (code, complaints)
    }

    /// The same, with all that it said.
    fn told(mut self, family: &[Pid]) -> (Option<i32>, String, String) {
        let mut complaints = String::new();
        // A terminal shows a line that a Ctrl-C stands in, and so not a whole one.
        self.output.read_to_string(&mut self.said).unwrap();
        self.child.stderr.take().unwrap().read_to_string(&mut complaints).unwrap();
        let code = self.child.wait().unwrap().code();
        assert!(family.len() >= 2, "the server and a client at least: {family:?}");
        let deadline = Instant::now() + PATIENCE;
        while family.iter().any(|process| is_alive(*process)) || !is_empty(self.folder.path()) {
            assert!(Instant::now() < deadline, "left behind: {:?}", processes());
            sleep(Duration::from_millis(20));
        }
        (code, self.said, complaints)
    }
}

/// A file of a process; nothing, if the process has ended meanwhile.
fn read(file: &str) -> Vec<u8> {
    match fs::read(file) {
        Err(gone) if gone.kind() == ErrorKind::NotFound || gone.raw_os_error() == Some(Errno::SRCH.raw_os_error()) => Vec::new(),
        content => content.unwrap(),
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

/// Side by side: most of their time is waiting.
#[test]
fn the_demo_tells_a_true_story_and_of_another_one_where_it_went_wrong() {
    let wrong = thread::spawn(|| {
        let demo = Demo::until("reads flow");
        demo.leak_a_token();
        let family = demo.family();
        demo.told(&family)
    });
    is_true(&run(turquoise().arg("demo")));
    let (code, out, complaints) = wrong.join().unwrap();
    assert_eq!(code, Some(14), "{out}\n{complaints}");
    for (what, found) in [("tokens alive", "2 + 1"), ("tokens made", "5 + 6")] {
        let (told, verdict) = fact(&out, what);
        assert!(told == found && verdict.starts_with("WRONG: must be"), "{out}");
    }
    assert_eq!(fact(&out, "by the sink file, failed"), ("0", "ok"), "{out}");
    assert!(complaints.contains("not as they must be"), "{complaints}");
}

fn is_true((code, out, complaints): &(Option<i32>, String, String)) {
    assert_eq!(*code, Some(0), "{out}\n{complaints}");
    for (what, found) in [
        ("by the handle, failed", "0"),
        ("through the proxy, failed", "0"),
        ("by the sink file, failed", "0"),
        ("handle: rotations done", "2"),
        ("handle: rotations abandoned", "1 (1 useless)"),
        ("sidecar: rotations done", "3"),
        ("sidecar: rotations abandoned", "2 (1 useless)"),
        ("tokens made", "4 + 6"),
        ("tokens alive", "1 + 1"),
        ("violations found", "none"),
    ] {
        assert_eq!(fact(out, what), (found, "ok"), "{out}");
    }
    for what in
        ["by the handle, served", "through the proxy, served", "by the sink file, served", "revoked by others", "sent again"]
    {
        assert_eq!(fact(out, what).1, "ok", "{out}");
    }
    assert!(!out.contains('\u{1b}'), "colours in a pipe:\n{out}");
    assert_eq!(complaints, "");
}

#[test]
fn on_a_terminal_the_demo_has_colours_unless_it_is_told_not_to_and_ctrl_c_ends_it() {
    let cases = [
        (&["demo"][..], None, "Draining", true),
        (&["demo", "--no-color"], None, "it serves at", false),
        (&["demo"], Some(("NO_COLOR", "1")), "it serves at", false),
    ];
    let ends = cases.map(|(args, variable, words, colours)| {
        thread::spawn(move || {
            let mut demo = Demo::on_a_terminal(args, variable, words);
            let family = demo.family();
            demo.child.stdin.as_mut().unwrap().write_all(b"\x03").unwrap();
            let (code, said, _) = demo.told(&family);
            assert_eq!(code, Some(130), "{said}");
            assert_eq!(said.contains('\u{1b}'), colours, "{args:?} {variable:?}: {said}");
            assert!(said.contains("interrupted") && said.contains("are ended"), "{said}");
        })
    });
    for end in ends {
        end.join().unwrap();
    }
}

#[test]
fn a_killed_demo_leaves_nothing_behind() {
    let demo = Demo::until("reads flow");
    let family = demo.family();
    assert!(family.len() >= 6, "the server, the sidecar, a watcher of each, and two clients: {family:?}");
    assert!(!demo.tells_of_a_secret(&family), "a secret in an argument or in the environment");
    kill_process(Pid::from_child(&demo.child), Signal::KILL).unwrap();
    let (code, complaints) = demo.end(&family);
    assert_eq!((code, complaints.as_str()), (None, ""));
}

#[test]
fn a_demo_on_access_keys_leaves_nothing_behind_however_it_ends() {
    for (signal, code, said) in [(Signal::INT, Some(130), "are ended"), (Signal::KILL, None, "")] {
        let mut command = turquoise();
        command.args(["demo", "--provider", "aws-iam"]);
        let demo = Demo::run(command, "Validating");
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
