//! A session at a database, with the client that comes with it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// What is printed when a statement is over.
const OVER: &str = "-- over --";

/// Ended when dropped.
pub(crate) struct Session {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Session {
    /// Logs in on a unix socket.
    pub(crate) fn open(host: &Path, user: &str, password: &str) -> Self {
        let mut command = Command::new("sh");
        // What it complains of belongs to the statement that it complains of.
        command.args(["-c", "exec psql --no-psqlrc --no-password --quiet --tuples-only --no-align 2>&1"]);
        command.env("PGHOST", host).env("PGUSER", user).env("PGPASSWORD", password).env("PGDATABASE", "postgres");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (input, output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, input, output }
    }

    /// One statement: what it gives, on one line, or what was complained of.
    pub(crate) fn run(&mut self, statement: &str) -> Result<String, String> {
        let mut said = Vec::new();
        // One that could not log in has ended, and its complaint is still to be read.
        let sent = writeln!(self.input, "{statement};\n\\echo :SQLSTATE {OVER}");
        let mut state = sent.map_or_else(|why| why.to_string(), |()| "no session".to_owned());
        for line in self.output.by_ref().lines() {
            let line = line.unwrap();
            if let Some(ended) = line.strip_suffix(OVER) {
                ended.trim().clone_into(&mut state);
                break;
            }
            said.push(line);
        }
        let said = said.join(" ");
        if state == "00000" { Ok(said) } else { Err(format!("{state}: {said}")) }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
