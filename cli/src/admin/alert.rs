//! Alerts: what a person should know at once goes to a webhook or a command, beside the log, which has it in any case.
//!
//! The queue is bounded, each try has its time, and what could not be delivered is counted and logged: an alarm that is down
//! delays nothing else.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Uri};
use http_body_util::Full;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use turquoise::core::{AbandonReason, Event, PhaseKind, Step};
use turquoise_http::{Connector, Pool, Tls, TlsError, nobody};
use zeroize::Zeroizing;

use super::shape::Happened;

/// Alerts that wait; more are dropped.
const QUEUE: usize = 64;
const TRIES: u32 = 3;
/// The pause after the first try is this part of the patience; it doubles.
const PAUSE: u32 = 10;

/// What it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Alert {
    /// A candidate was abandoned; the current one serves on.
    Abandoned,
    /// The end of a credential could not be confirmed.
    Debt,
    /// The world contradicts the journal.
    NeedsOperator,
    /// The glass is broken: nothing serves.
    GlassBroken,
    /// The current credential may be dead.
    Dark,
    /// The journal failed.
    Stalled,
}

impl Alert {
    /// What was called off by an operator is no news to them. A start may find at once that one is needed.
    pub(crate) const fn of_step(step: &Step, phase: PhaseKind) -> Option<Self> {
        match step {
            Step::Recovered { .. } if matches!(phase, PhaseKind::NeedsOperator) => Some(Self::NeedsOperator),
            Step::AbandonIntent { reason: AbandonReason::Aborted, .. } => None,
            Step::AbandonIntent { .. } => Some(Self::Abandoned),
            Step::Owed { .. } => Some(Self::Debt),
            Step::Stuck { .. } => Some(Self::NeedsOperator),
            Step::Waived { .. } => Some(Self::GlassBroken),
            _ => None,
        }
    }

    pub(crate) const fn of_event(event: Event) -> Self {
        match event {
            Event::Dark => Self::Dark,
            Event::Stalled => Self::Stalled,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Abandoned => "abandoned",
            Self::Debt => "debt",
            Self::NeedsOperator => "needs-operator",
            Self::GlassBroken => "glass-broken",
            Self::Dark => "dark",
            Self::Stalled => "stalled",
        }
    }
}

/// Where alerts go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Alarm {
    pub(crate) to: Receiver,
    /// So long one try may take.
    pub(crate) patience: Duration,
}

/// Why nobody can be told.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoAlarm {
    /// The file with the address.
    #[error("{} cannot be read: {cause}; write the webhook's address there", file.display())]
    Unread {
        /// The file.
        file: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// What is in it.
    #[error("{} holds no address that can be used: write https://HOST/PATH on one line, without a user", .0.display())]
    Unfit(PathBuf),
    /// Whom to trust.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// Who is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Receiver {
    /// A `POST` of the alert as JSON.
    Webhook(Uri),
    /// The same to an address that has a secret in it: it is in this file, which is read for each alert.
    WebhookIn(PathBuf),
    /// A program with its arguments. It is told by its environment (`TURQUOISE_ALERT`, …) and, as JSON, by its standard input;
    /// of our environment it has `PATH` alone.
    Command(Vec<String>),
}

/// What became of an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rung {
    Delivered,
    Failed,
    /// Too many waited.
    Dropped,
}

impl Rung {
    const ALL: [Self; 3] = [Self::Delivered, Self::Failed, Self::Dropped];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Dropped => "dropped",
        }
    }
}

/// One alert on its way.
struct Note {
    alert: Alert,
    happened: Happened,
}

/// Where alerts are handed in. Never waits.
#[derive(Clone)]
pub(crate) struct Bell {
    queue: Option<mpsc::Sender<Note>>,
    counts: Arc<[AtomicU64; 3]>,
}

/// What carries alerts to whoever is told.
pub(crate) struct Ringer {
    alarm: Alarm,
    pool: Pool,
    queue: mpsc::Receiver<Note>,
    counts: Arc<[AtomicU64; 3]>,
}

impl Bell {
    /// One that nobody hears: the log alone tells.
    pub(crate) fn silent() -> Self {
        Self { queue: None, counts: Arc::default() }
    }

    /// With what carries its alerts, which is to be run.
    pub(crate) fn new(alarm: Alarm) -> Result<(Self, Ringer), NoAlarm> {
        let uri = match &alarm.to {
            Receiver::Webhook(uri) => Some(uri.clone()),
            Receiver::WebhookIn(file) => Some(written(file)?),
            Receiver::Command(_) => None,
        };
        let is_tls = uri.is_some_and(|uri| uri.scheme_str() == Some("https"));
        // Where no TLS is spoken this system need not trust anybody.
        let trusted = if is_tls { Tls::default().client_config()? } else { nobody() };
        let connector = Connector::new(Vec::new(), Arc::new(trusted), None, alarm.patience);
        let (sender, queue) = mpsc::channel(QUEUE);
        let bell = Self { queue: Some(sender), counts: Arc::default() };
        let ringer = Ringer { alarm, pool: Pool::new(connector), queue, counts: Arc::clone(&bell.counts) };
        Ok((bell, ringer))
    }

    pub(crate) fn ring(&self, alert: Alert, happened: &Happened) {
        let Some(queue) = &self.queue else { return };
        if queue.try_send(Note { alert, happened: happened.clone() }).is_err() {
            self.counts[Rung::Dropped as usize].fetch_add(1, Ordering::Relaxed);
            tracing::warn!(
                identity = happened.identity,
                alert = alert.name(),
                next = "see why alerts are not delivered",
                "alert dropped"
            );
        }
    }

    pub(crate) fn counts(&self) -> [(Rung, u64); 3] {
        Rung::ALL.map(|rung| (rung, self.counts[rung as usize].load(Ordering::Relaxed)))
    }
}

impl Ringer {
    /// Delivers until the bell is gone.
    pub(crate) async fn run(mut self) {
        while let Some(note) = self.queue.recv().await {
            let rung = self.deliver(&note).await;
            self.counts[rung as usize].fetch_add(1, Ordering::Relaxed);
        }
    }

    async fn deliver(&self, note: &Note) -> Rung {
        let (identity, alert) = (&note.happened.identity, note.alert.name());
        for tried in 0..TRIES {
            if tried > 0 {
                sleep(self.alarm.patience / PAUSE * 2_u32.pow(tried - 1)).await;
            }
            let why = match timeout(self.alarm.patience, self.tell(note)).await {
                Ok(Ok(())) => return Rung::Delivered,
                Ok(Err(why)) => why,
                Err(_) => format!("it took longer than {:?}", self.alarm.patience),
            };
            tracing::warn!(identity, alert, reason = why, next = "look at what is told of alerts", "alert not delivered");
        }
        Rung::Failed
    }

    async fn tell(&self, note: &Note) -> Result<(), String> {
        let Note { alert, happened } = note;
        let body = serde_json::to_vec(&Told { alert: alert.name(), happened }).map_err(|e| e.to_string())?;
        match &self.alarm.to {
            Receiver::Webhook(uri) => self.post(uri, body).await,
            Receiver::WebhookIn(file) => self.post(&written(file).map_err(|why| why.to_string())?, body).await,
            Receiver::Command(argv) => run(argv, *alert, happened, &body).await,
        }
    }

    async fn post(&self, uri: &Uri, body: Vec<u8>) -> Result<(), String> {
        let request = Request::builder().method(Method::POST).uri(uri).header(http::header::CONTENT_TYPE, "application/json");
        let request = request.body(Full::new(Bytes::from(body))).map_err(|e| e.to_string())?;
        let answer = self.pool.send(&request).await.map_err(|e| e.to_string())?;
        if answer.status.is_success() { Ok(()) } else { Err(format!("it answered {}", answer.status)) }
    }
}

/// Whether alerts can be posted there. A user in it would be shown to whoever looks at the file.
pub(crate) fn is_webhook(uri: &Uri) -> bool {
    matches!(uri.scheme_str(), Some("http" | "https"))
        && uri.authority().is_some_and(|authority| !authority.as_str().contains('@'))
}

/// The address in a file. No error repeats any of it.
fn written(file: &Path) -> Result<Uri, NoAlarm> {
    let text = fs::read_to_string(file).map(Zeroizing::new).map_err(|cause| NoAlarm::Unread { file: file.to_owned(), cause })?;
    let uri = text.trim().parse::<Uri>().ok().filter(is_webhook);
    uri.ok_or_else(|| NoAlarm::Unfit(file.to_owned()))
}

/// An alert as JSON.
#[derive(serde::Serialize)]
struct Told<'a> {
    alert: &'static str,
    #[serde(flatten)]
    happened: &'a Happened,
}

/// Dropped, it kills what it has started.
async fn run(words: &[String], alert: Alert, happened: &Happened, body: &[u8]) -> Result<(), String> {
    let (program, args) = words.split_first().ok_or("it names no program")?;
    let mut command = Command::new(program);
    command.args(args).env_clear().kill_on_drop(true).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    if let Some(path) = std::env::var_os("PATH") {
        command.env("PATH", path);
    }
    for (name, value) in [
        ("ALERT", alert.name()),
        ("IDENTITY", happened.identity.as_str()),
        ("AT", happened.at.as_str()),
        ("PHASE", happened.phase.as_str()),
        ("GENERATION", happened.generation.as_deref().unwrap_or_default()),
        ("WORDS", happened.words.as_str()),
        ("REASON", happened.reason.as_deref().unwrap_or_default()),
    ] {
        command.env(format!("TURQUOISE_{name}"), value.replace('\0', ""));
    }
    let mut child = command.spawn().map_err(|e| format!("{program} cannot be started: {e}"))?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that does not read it has it in its environment.
        drop(stdin.write_all(body).await);
    }
    let ended = child.wait().await.map_err(|e| e.to_string())?;
    if ended.success() { Ok(()) } else { Err(format!("{program} ended with {ended}")) }
}
