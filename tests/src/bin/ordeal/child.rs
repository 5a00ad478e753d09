//! The agent, a process of its own: this program again.

use std::fs::OpenOptions;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{self, ChildStdin, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use turquoise_tests::{Command, Point, Told};

use crate::Fault;
use crate::seat::{ROLE, Seat};

/// Nothing takes longer: a life that is waited out least of all.
const PATIENCE: Duration = Duration::from_mins(2);

/// Killed when dropped.
pub(crate) struct Child {
    process: process::Child,
    input: ChildStdin,
    lines: Receiver<String>,
    /// The steps since the last order.
    steps: Vec<String>,
}

impl Child {
    /// One that stands still where it is to be killed.
    pub(crate) fn start(seat: &Seat, hold: Option<Point>) -> Result<Self, Fault> {
        let log = OpenOptions::new().create(true).append(true).open(seat.path("log"))?;
        let mut command = process::Command::new(std::env::current_exe()?);
        command.arg("agent").args(["--role", ROLE]);
        for (option, file) in [("--journal", "journal"), ("--sink", "token"), ("--secret-file", "first")] {
            command.arg(option).arg(seat.path(file));
        }
        for address in seat.addresses() {
            command.args(["--address", &address]);
        }
        if let Some(point) = hold {
            command.args(["--hold", &point.to_string()]);
        }
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log).spawn()?;
        let (input, output) = (process.stdin.take().ok_or("no input")?, process.stdout.take().ok_or("no output")?);
        let (send, lines) = channel();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                // Who does not listen any more does not want it.
                drop(send.send(line));
            }
        });
        Ok(Self { process, input, lines, steps: Vec::new() })
    }

    pub(crate) fn order(&mut self, order: Command) -> Result<(), Fault> {
        self.steps.clear();
        Ok(writeln!(self.input, "{}", order.word())?)
    }

    fn hear(&mut self, what: &str) -> Result<Told, Fault> {
        let line =
            self.lines.recv_timeout(PATIENCE).map_err(|_| format!("the agent did not come to {what}: {:?}", self.steps))?;
        Ok(serde_json::from_str(&line)?)
    }

    /// Listens until this step is durable, if it is not yet.
    pub(crate) fn until(&mut self, wanted: &str) -> Result<(), Fault> {
        while !self.steps.iter().any(|step| step == wanted) {
            self.follow(wanted)?;
        }
        Ok(())
    }

    /// Listens until one credential serves and nothing is under way or owed.
    pub(crate) fn until_steady(&mut self) -> Result<(), Fault> {
        while !self.follow("rest")? {}
        Ok(())
    }

    /// Listens until it stands still where it was told to.
    pub(crate) fn until_held(&mut self) -> Result<(), Fault> {
        while self.hear("the place where it is held")? != Told::Held {}
        Ok(())
    }

    /// Whether it has come to rest.
    fn follow(&mut self, what: &str) -> Result<bool, Fault> {
        match self.hear(what)? {
            Told::Record { step, phase, owes, .. } => {
                let stuck = step == "Stuck";
                self.steps.push(step);
                if stuck { Err("the agent needs an operator".into()) } else { Ok(phase == "Steady" && !owes) }
            }
            Told::Refused { words } => Err(words.into()),
            Told::Event { .. } | Told::Call { .. } | Told::Held => Ok(false),
        }
    }

    /// Whether a candidate was promoted since the last order.
    pub(crate) fn promoted(&self) -> bool {
        self.steps.iter().any(|step| step == "Promoted")
    }

    /// By SIGKILL.
    pub(crate) fn kill(mut self) -> Result<(), Fault> {
        self.process.kill()?;
        self.process.wait()?;
        Ok(())
    }

    /// Lets it end in its own way.
    pub(crate) fn stop(mut self) -> Result<(), Fault> {
        self.order(Command::Stop)?;
        let ended = self.process.wait()?;
        if ended.success() { Ok(()) } else { Err(format!("the agent ended with {ended}").into()) }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
