//! An agent as its parent sees it.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use turquoise_tests::{Command as Order, Point, Told};

use crate::site::Site;

/// No single step takes longer, also on a loaded machine. What waits for a life to end takes the most.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// How an agent is started.
#[derive(Clone, Copy, Default)]
pub(crate) struct How<'a> {
    /// Where it stands still.
    pub(crate) hold: Option<Point>,
    /// What goes into its log.
    pub(crate) log: Option<&'a str>,
    /// Whether it leaves its memory open to us.
    pub(crate) readable: bool,
    /// Where it finds the server or its nodes, if not where that is.
    pub(crate) addresses: &'a [&'a str],
    /// How long after its sending a request may still be applied, in seconds, if not as the policy has it.
    pub(crate) delta: Option<u64>,
}

/// A process of our own. Killed when dropped.
pub(crate) struct Agent {
    child: Child,
    input: ChildStdin,
    lines: Receiver<String>,
    log: PathBuf,
    /// Every line that it has said and that was heard.
    pub(crate) said: Vec<String>,
}

impl Agent {
    pub(crate) fn start(site: &Site, how: How<'_>) -> Self {
        let log = site.next_log();
        let mut command = Command::new(env!("CARGO_BIN_EXE_agent"));
        command.arg("--journal").arg(site.journal()).arg("--sink").arg(site.sink()).arg("--secret-file").arg(site.secret_file());
        command.arg("--role").arg(&site.role).arg("--kind").arg(site.kind.word()).arg("--role-id-file").arg(site.role_id_file());
        let there = [site.address.as_str()];
        for address in if how.addresses.is_empty() { &there } else { how.addresses } {
            command.arg("--address").arg(address);
        }
        if let Some(delta) = how.delta {
            command.arg("--delta").arg(delta.to_string());
        }
        if let Some(point) = how.hold {
            command.arg("--hold").arg(point.to_string());
        }
        if how.readable {
            command.arg("--readable");
        }
        if let Some(level) = how.log {
            command.arg("--log").arg(level);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(File::create(&log).unwrap());
        let mut child = command.spawn().unwrap();
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let (send, lines) = channel();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                // Who does not listen any more does not want it.
                drop(send.send(line));
            }
        });
        Self { child, input, lines, log, said: Vec::new() }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn order(&mut self, order: Order) {
        writeln!(self.input, "{}", order.word()).unwrap();
    }

    /// What it tells next; nothing more if it has ended.
    pub(crate) fn hear(&mut self) -> Option<Told> {
        self.hear_by(Instant::now() + PATIENCE)
    }

    fn hear_by(&mut self, deadline: Instant) -> Option<Told> {
        match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) => {
                let told = serde_json::from_str(&line).unwrap();
                self.said.push(line);
                Some(told)
            }
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("nothing more after {:?}\n{}", self.said.last(), self.log()),
        }
    }

    /// Listens until it tells this.
    pub(crate) fn until(&mut self, what: &str, mut is_it: impl FnMut(&Told) -> bool) -> Told {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let Some(told) = self.hear_by(deadline) else { panic!("ended before {what}\n{}", self.log()) };
            if is_it(&told) {
                return told;
            }
        }
    }

    /// Listens until this step is durable.
    pub(crate) fn until_step(&mut self, wanted: &str) {
        self.until(wanted, |told| matches!(told, Told::Record { step, .. } if step == wanted));
    }

    pub(crate) fn until_held(&mut self) {
        self.until("it is held", |told| *told == Told::Held);
    }

    /// Listens until one credential serves and nothing is under way.
    pub(crate) fn until_steady(&mut self) {
        self.until("all is quiet", |told| matches!(told, Told::Record { phase, owes: false, .. } if phase == "Steady"));
    }

    /// One whole rotation, well or badly.
    pub(crate) fn rotate(&mut self) {
        self.order(Order::Rotate);
        self.until_step("IssueIntent");
        self.until_steady();
    }

    /// As a crash would.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Lets it end in its own way; answers all that it has said.
    pub(crate) fn stop(mut self) -> Vec<String> {
        self.order(Order::Stop);
        assert!(self.wait().success(), "{}", self.log());
        std::mem::take(&mut self.said)
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        while self.hear().is_some() {}
        self.child.wait().unwrap()
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
