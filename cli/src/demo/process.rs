//! Processes of our own, which end when we do: each watches a pipe whose other end only we hold.

use std::ffi::OsStr;
use std::process::Stdio;

use serde::de::DeserializeOwned;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::trouble::Trouble;

/// This same program, doing another thing. Killed when dropped.
pub(crate) struct Process {
    name: &'static str,
    child: Child,
    input: ChildStdin,
    /// What it says, a JSON value a line.
    output: Lines<BufReader<ChildStdout>>,
}

impl Process {
    /// In a process group of its own, so that a Ctrl-C meant for us does not reach it.
    pub(crate) fn start<A: AsRef<OsStr>>(name: &'static str, args: impl IntoIterator<Item = A>) -> Result<Self, Trouble> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(name).args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0).kill_on_drop(true);
        let mut child = command.spawn()?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(Trouble::Local(format!("no pipes to {name}")));
        };
        Ok(Self { name, child, input, output: BufReader::new(output).lines() })
    }

    /// Gives it a line.
    pub(crate) async fn say(&mut self, line: &str) -> Result<(), Trouble> {
        Ok(self.input.write_all(format!("{line}\n").as_bytes()).await?)
    }

    /// What it says next; nothing more once it has ended. Cancel safe.
    pub(crate) async fn hear<T: DeserializeOwned>(&mut self) -> Result<Option<T>, Trouble> {
        let line = self.output.next_line().await?;
        Ok(line.map(|line| serde_json::from_str(&line)).transpose()?)
    }

    /// As a crash would.
    pub(crate) async fn kill(mut self) -> Result<(), Trouble> {
        Ok(self.child.kill().await?)
    }

    /// Lets it end in its own way.
    pub(crate) async fn stop<T: DeserializeOwned>(self, mut last: impl FnMut(T)) -> Result<(), Trouble> {
        let Self { name, mut child, input, mut output } = self;
        drop(input);
        while let Some(line) = output.next_line().await? {
            last(serde_json::from_str(&line)?);
        }
        match child.wait().await? {
            status if status.success() => Ok(()),
            status => Err(Trouble::Local(format!("{name} did not end well: {status}"))),
        }
    }
}
