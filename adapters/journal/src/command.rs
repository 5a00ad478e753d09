//! The head kept by a command of the operator.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::head::{HeadError, Mark};

/// The most that a command may print: a mark is 200 bytes.
const LONGEST_ANSWER: u64 = 4096;
const KEEP: &str = "keep";
const SHOW: &str = "show";
/// How often it is looked whether a command has ended.
const NAP: Duration = Duration::from_millis(2);

/// A command that keeps the head of a journal.
///
/// Run with the argument `keep` after its own ones it reads one line from its standard input and stores it in the place of
/// the one before; when it ends with 0, the line must be durable. Run with `show` it prints the line that it has, or nothing
/// if it never got one. Any other end, and one that does not come in time, is a failure. A line holds no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeadCommand {
    /// What is run.
    pub program: PathBuf,
    /// Its own arguments.
    pub arguments: Vec<OsString>,
    /// It is killed after that. An append takes as long as the command does.
    pub patience: Duration,
}

impl HeadCommand {
    /// Hands a mark over.
    pub(crate) fn keep(&self, mark: &Mark) -> Result<(), HeadError> {
        let line = mark.line().map_err(|error| self.failed(error.to_string()))?;
        self.run(KEEP, &line).map(drop)
    }

    /// Asks for the mark.
    pub(crate) fn show(&self) -> Result<Option<Mark>, HeadError> {
        let answer = self.run(SHOW, b"")?;
        if answer.is_empty() {
            return Ok(None);
        }
        let mark = Mark::parse(&answer);
        mark.map(Some).ok_or_else(|| self.failed("printed for `show` what is not the line that it was given".to_owned()))
    }

    fn failed(&self, why: String) -> HeadError {
        HeadError::Command { program: self.program.clone(), why }
    }

    fn run(&self, verb: &str, input: &[u8]) -> Result<Vec<u8>, HeadError> {
        let mut command = Command::new(&self.program);
        // What a command leaves running must not keep an append waiting for the end of its output.
        let output = if verb == SHOW { Stdio::piped() } else { Stdio::null() };
        command.args(&self.arguments).arg(verb).stdin(Stdio::piped()).stdout(output).stderr(Stdio::inherit());
        let mut child = command.spawn().map_err(|cause| self.failed(format!("cannot be run: {cause}")))?;
        let ended = self.feed_and_wait(&mut child, verb, input);
        if ended.is_err() {
            // It may have ended by itself meanwhile.
            let _ = child.kill();
            let _ = child.wait();
        }
        ended
    }

    fn feed_and_wait(&self, child: &mut Child, verb: &str, input: &[u8]) -> Result<Vec<u8>, HeadError> {
        if let Some(mut stdin) = child.stdin.take() {
            // A pipe has room for a line. Whether it was read shows in how the command ends.
            let _ = stdin.write_all(input);
        }
        let until = Instant::now() + self.patience;
        let status = loop {
            match child.try_wait() {
                Ok(Some(status)) => break status,
                Ok(None) if Instant::now() < until => sleep(NAP),
                Ok(None) => return Err(self.failed(format!("did not end its `{verb}` within {:?}", self.patience))),
                Err(cause) => return Err(self.failed(format!("cannot be waited for: {cause}"))),
            }
        };
        if !status.success() {
            return Err(self.failed(format!("ended its `{verb}` with {status}")));
        }
        let mut answer = Vec::new();
        let Some(stdout) = child.stdout.take() else { return Ok(answer) };
        let read = stdout.take(LONGEST_ANSWER).read_to_end(&mut answer);
        read.map_err(|cause| self.failed(format!("cannot be read: {cause}")))?;
        Ok(answer)
    }
}
