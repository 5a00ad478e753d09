//! The claims of `docs/memory.md`, each with what would show it false: one file per claim.
//!
//! What must be looked at from outside, or ends the process, runs in a child: the same test of the same program, told its
//! role by the environment. Its words go to standard error, a line each, and it goes on when it is told to.

mod core_file;
mod fork;
mod guards;
mod image;
mod limit;
mod text;
mod wipe;

use std::env;
use std::fs;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStderr, ChildStdin, Command, ExitStatus, Stdio};

use crate::page::{Kind, Page};
use crate::secret::{Room, WhenLockingFails};

const ROLE: &str = "TURQUOISE_MEMORY_TEST_ROLE";

/// What this process is to do in its test, if it is a child.
fn role() -> Option<String> {
    env::var(ROLE).ok()
}

/// This test in a process of its own.
fn command(test: &str, role: &str) -> Command {
    let mut command = Command::new(env::current_exe().expect("a test knows its program"));
    command.args([test, "--exact", "--nocapture", "--test-threads=1"]).env(ROLE, role);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

/// A child that is at work.
struct Process {
    child: Child,
    orders: ChildStdin,
    words: BufReader<ChildStderr>,
}

impl Process {
    fn start(command: &mut Command) -> Self {
        let mut child = command.spawn().expect("a child is started");
        let (orders, words) = (child.stdin.take().expect("a pipe"), child.stderr.take().expect("a pipe"));
        Self { child, orders, words: BufReader::new(words) }
    }

    fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it says this.
    #[track_caller]
    fn hear(&mut self, expected: &str) {
        let mut all = String::new();
        while self.words.read_line(&mut all).expect("it writes text") > 0 {
            if all.lines().next_back() == Some(expected) {
                return;
            }
        }
        panic!("it ended without {expected:?}, saying {all}");
    }

    fn go_on(&mut self) {
        writeln!(self.orders, "go on").expect("it listens");
    }

    fn end(mut self) -> (ExitStatus, String) {
        let status = self.child.wait().expect("it ends");
        (status, io::read_to_string(self.words).expect("it writes text"))
    }
}

/// Says something to the parent and waits until it may go on.
fn pause(word: &str) {
    writeln!(io::stderr(), "{word}").expect("the parent listens");
    io::stdin().lines().next().expect("the parent speaks").expect("text");
}

/// A text that is in no program: both sides compute it, so that it need not be told. Each process has copies only of those
/// that it asks for, and of each only the one that it is given, for it is made in place.
fn canary(number: u64) -> String {
    const LENGTH: usize = 48;
    let mut text = String::with_capacity(LENGTH);
    let mut state = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    while text.len() < LENGTH {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        text.push(char::from(b'A' + u8::try_from((state >> 33) % 26).expect("less than 26")));
    }
    text
}

/// How often a piece of a canary, its first or its last third, is in these bytes.
fn pieces(bytes: &[u8], canary: &str) -> usize {
    let canary = canary.as_bytes();
    let third = canary.len() / 3;
    let count = |piece: &[u8]| bytes.windows(third).filter(|window| *window == piece).count();
    count(&canary[..third]).max(count(&canary[2 * third..]))
}

/// Room of one kind, if this kernel has it.
fn room(kind: Kind) -> Option<Room> {
    match Page::of(kind, 1) {
        Ok(page) => Some(Room::of(page, WhenLockingFails::Refuse)),
        Err(why) if kind == Kind::Hidden => {
            assert!(why.to_string().contains("would not hide"), "{why}");
            writeln!(io::stderr(), "NOT TESTED: this kernel has no memfd_secret ({why})").expect("somebody listens");
            None
        }
        Err(why) => panic!("{why}"),
    }
}

/// Whether the kernel writes core files into the working folder of whoever dies; otherwise says that nothing is tested.
fn writes_cores_here() -> bool {
    let pattern = fs::read_to_string("/proc/sys/kernel/core_pattern").expect("it can be read");
    let here = !pattern.starts_with('|') && !pattern.contains('/');
    if !here {
        writeln!(io::stderr(), "NOT TESTED: core files go to {pattern}").expect("somebody listens");
    }
    here
}
