//! The running emulator, and what it can be told.

use std::fs;
use std::io::{self, BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use secrecy::SecretString;
use serde_json::{Value, json};
use thiserror::Error;

use crate::python::{InstallError, Python};

/// Runs the emulator in this process's stead: see its own words.
const STRICT: &str = include_str!("strict.py");

/// Why the emulator does not do as told.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EmulatorError {
    /// It could not be installed.
    #[error(transparent)]
    Install(#[from] InstallError),
    /// It does not run.
    #[error("the emulator cannot be started: {0}")]
    Start(#[from] io::Error),
    /// It does not answer, or not as expected.
    #[error("the emulator was told {what}, and did not do it: {why}")]
    Told {
        /// What it was told.
        what: &'static str,
        /// What went wrong.
        why: String,
    },
}

/// How long it may take to end by itself.
const ENDING: Duration = Duration::from_secs(5);

/// An emulator that runs. It ends when this is dropped, or when this process ends.
#[derive(Debug)]
pub struct Emulator {
    child: Child,
    /// Held, never written: the emulator ends with it.
    lifeline: Option<ChildStdin>,
    url: String,
    folder: PathBuf,
    python: Python,
}

/// An access key.
#[derive(Clone, Debug)]
pub struct Key {
    /// What names it.
    pub id: String,
    /// Its secret.
    pub secret: SecretString,
}

/// What has become of a key that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyState {
    /// What names it.
    pub id: String,
    /// Whether it is active.
    pub active: bool,
}

/// A request that came with a key, as the emulator has logged it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The key's id.
    pub key: String,
    /// What was asked for: `CreateAccessKey`; of what is no form, the method.
    pub action: String,
    /// What was answered, or would have been: 0 if nothing was done.
    pub status: u16,
}

/// Who is to be rotated.
#[derive(Clone, Debug)]
pub struct User {
    /// Its name, which nobody else has.
    pub name: String,
    /// Its policy document.
    pub policy: Value,
    /// How long a key that is new, or active again, is not known yet.
    pub propagate: Duration,
    /// How long a key that is deleted is honoured still.
    pub linger: Duration,
}

/// What befalls requests of one kind.
#[derive(Clone, Copy, Debug)]
pub struct Fault<'a> {
    /// Whose requests.
    pub user: &'a str,
    /// Which: `CreateAccessKey`.
    pub action: &'a str,
    /// What befalls them.
    pub loss: Loss,
    /// So many are let pass first.
    pub skip: u32,
    /// So many are met by it.
    pub times: u32,
}

/// What befalls a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// It is not done, and the answer says so.
    Throttled,
    /// It is not done, and the answer breaks off.
    Request,
    /// It is done, and the answer breaks off.
    Reply,
    /// It is not done, and the answer comes after a minute, and breaks off.
    LateRequest,
    /// It is done, and the answer comes after a minute, and breaks off.
    LateReply,
}

impl Emulator {
    /// Installs it if need be, and starts it.
    ///
    /// # Errors
    ///
    /// See [`EmulatorError`].
    pub fn start(progress: impl FnMut(&str)) -> Result<Self, EmulatorError> {
        let python = Python::obtain(progress)?;
        let mut command = Command::new(python.program());
        // Isolated: neither the user's packages nor variables reach it.
        let reaches = |name: &std::ffi::OsStr| name == "PATH" || name == "TMPDIR";
        command.args(["-I", "-c", STRICT]).env_clear().envs(std::env::vars_os().filter(|(name, _)| reaches(name)));
        // In a process group of its own, so that a Ctrl-C meant for us does not reach it.
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).process_group(0);
        let mut child = command.spawn()?;
        let (lifeline, stdout) = (child.stdin.take(), child.stdout.take());
        let mut line = String::new();
        if let Some(stdout) = stdout {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        let told: Value = serde_json::from_str(&line).unwrap_or_default();
        let Some((port, folder)) = told["port"].as_u64().zip(told["folder"].as_str()) else {
            let _ = child.kill();
            let _ = child.wait();
            return Err(io::Error::other("it told no port: run its script by hand to see why").into());
        };
        let url = format!("http://127.0.0.1:{port}");
        Ok(Self { child, lifeline, url, folder: folder.into(), python })
    }

    /// Where it listens, for IAM and STS alike.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// An empty folder that nobody else may read, and that goes with the emulator, also if this process is killed.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The Python that it runs in: it has `boto3`.
    #[must_use]
    pub fn python(&self) -> &Python {
        &self.python
    }

    /// Makes a user with one key, which is known at once.
    pub fn make_user(&self, user: &User) -> Result<Key, EmulatorError> {
        let (propagate, linger) = (user.propagate.as_secs_f64(), user.linger.as_secs_f64());
        let told = json!({ "name": user.name, "policy": user.policy, "propagate": propagate, "linger": linger });
        self.key("user", &told)
    }

    /// Makes another key, as somebody else than a rotation would.
    pub fn make_key(&self, user: &str) -> Result<Key, EmulatorError> {
        self.key("key", &json!({ "name": user }))
    }

    /// Deletes a key, as somebody else than a rotation would.
    pub fn delete_key(&self, user: &str, id: &str) -> Result<(), EmulatorError> {
        self.tell("delete", &json!({ "name": user, "id": id })).map(drop)
    }

    /// Has a key be used, by a service that is none of a rotation's.
    pub fn use_key(&self, id: &str) -> Result<(), EmulatorError> {
        self.tell("used", &json!({ "id": id })).map(drop)
    }

    /// The keys that a user has.
    pub fn keys(&self, user: &str) -> Result<Vec<KeyState>, EmulatorError> {
        let told = self.tell("keys", &json!({ "name": user }))?;
        let key = |key: &Value| KeyState { id: text(&key["id"]), active: key["status"] == "Active" };
        Ok(told.as_array().into_iter().flatten().map(key).collect())
    }

    /// The ids of all keys that a user ever had, in their order.
    pub fn made(&self, user: &str) -> Result<Vec<String>, EmulatorError> {
        let told = self.tell("made", &json!({ "name": user }))?;
        Ok(told.as_array().into_iter().flatten().map(text).collect())
    }

    /// The requests that came with a key of a user, in their order.
    pub fn log(&self, user: &str) -> Result<Vec<Call>, EmulatorError> {
        let told = self.tell("log", &json!({ "name": user }))?;
        let status = |entry: &Value| entry["status"].as_u64().and_then(|status| status.try_into().ok()).unwrap_or_default();
        let call = |entry: &Value| Call { key: text(&entry["key"]), action: text(&entry["action"]), status: status(entry) };
        Ok(told.as_array().into_iter().flatten().map(call).collect())
    }

    /// The names of those requests.
    pub fn calls(&self, user: &str) -> Result<Vec<String>, EmulatorError> {
        Ok(self.log(user)?.into_iter().map(|call| call.action).collect())
    }

    /// Has the keys that a user makes from now on be inactive, as by a guard that quarantines what it does not know.
    pub fn quarantine(&self, user: &str) -> Result<(), EmulatorError> {
        self.tell("born", &json!({ "name": user, "status": "Inactive" })).map(drop)
    }

    /// Ends that.
    pub fn trust(&self, user: &str) -> Result<(), EmulatorError> {
        self.tell("born", &json!({ "name": user, "status": "Active" })).map(drop)
    }

    /// Has something befall requests to come.
    pub fn fault(&self, fault: Fault<'_>) -> Result<(), EmulatorError> {
        let Fault { user, action, loss, skip, times } = fault;
        let loss = match loss {
            Loss::Throttled => "throttle",
            Loss::Request => "lose-request",
            Loss::Reply => "lose-reply",
            Loss::LateRequest => "stall-request",
            Loss::LateReply => "stall-reply",
        };
        self.tell("fault", &json!({ "user": user, "action": action, "fault": loss, "skip": skip, "times": times })).map(drop)
    }

    /// Takes back all that is to befall requests of a user; answers how much of it had not come to an end.
    pub fn calm(&self, user: &str) -> Result<u64, EmulatorError> {
        Ok(self.tell("calm", &json!({ "name": user }))?.as_u64().unwrap_or_default())
    }

    fn key(&self, what: &'static str, told: &Value) -> Result<Key, EmulatorError> {
        let key = self.tell(what, told)?;
        Ok(Key { id: text(&key["id"]), secret: text(&key["secret"]).into() })
    }

    fn tell(&self, what: &'static str, told: &Value) -> Result<Value, EmulatorError> {
        let fault = |why: String| EmulatorError::Told { what, why };
        let agent: ureq::Agent = ureq::Agent::config_builder().timeout_global(Some(Duration::from_secs(10))).build().into();
        let url = format!("{}/turquoise/{what}", self.url);
        let answer = agent.post(url).send(told.to_string()).map_err(|e| fault(e.to_string()))?;
        let body = answer.into_body().read_to_string().map_err(|e| fault(e.to_string()))?;
        serde_json::from_str(&body).map_err(|e| fault(e.to_string()))
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

impl Drop for Emulator {
    fn drop(&mut self) {
        drop(self.lifeline.take());
        let deadline = Instant::now() + ENDING;
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
            sleep(Duration::from_millis(5));
        }
        // None of these can fail in a way that leaves something to do: usually it has ended, and its folder with it.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}
