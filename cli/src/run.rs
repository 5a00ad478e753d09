//! `run`: the sidecar.

use std::fs::{self, OpenOptions};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::ValueEnum;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::broadcast;
use tracing_subscriber::filter::LevelFilter;
use turquoise::core::{AtStop, Jitter, PhaseKind};
use turquoise::journal::OpenError;
use turquoise::vault::{ConfigError, LoginProvider, Retry, TokenProvider};
use turquoise::{Identity, Progress, ShutdownError, StartError};

use crate::file::{Log, Plan, Provider, Remark, check};
use crate::say::complain;
use crate::sidecar::{NotBegun, Parts, begin};

const EXAMPLES: &str = "\
Examples:
  turquoise run --config /etc/turquoise.hcl
  turquoise run -config=agent.hcl               the file and the spelling of `bao agent`
  turquoise run --config agent.hcl --exit-after-auth
                                                log in, publish the token, and end

SIGTERM and SIGINT stop it, as `on_stop` in the file says; a second one ends it at once. SIGHUP has a refused login tried
again. It logs to standard error.

Exit codes:
  0   stopped as it was told to
  1   the file cannot be used, or something on this machine
  4   another process has the journal
  11  a token could not be seen to end before the stop
  12  an operator is needed
  13  what the file asks for cannot be kept with its provider";

/// What is run.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The configuration, in HCL or JSON
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// How much is logged [default: as the file says]
    #[arg(long, value_enum)]
    log_level: Option<Level>,
    /// End when the first token is published
    #[arg(long)]
    exit_after_auth: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Level {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
}

/// How a run can end otherwise than well.
#[derive(Debug, thiserror::Error)]
enum Ended {
    /// It was not begun.
    #[error(transparent)]
    NotBegun(#[from] NotBegun),
    /// What the file says is not taken.
    #[error("{0}")]
    Config(#[from] ConfigError),
    /// Something on this machine.
    #[error("{doing}: {cause}; put that right and start again")]
    Local {
        /// What was tried.
        doing: String,
        /// What the system said.
        cause: io::Error,
    },
    /// The task is gone.
    #[error("the rotation has ended by itself, which is a defect: please report it, and start again")]
    Gone,
    /// A shutdown that should leave nothing.
    #[error("the token could not be seen to end: {0}")]
    Debt(ShutdownError),
    /// It stopped where it could not go on by itself.
    #[error("stopped where an operator is needed: the log says what for")]
    Stuck,
}

impl Ended {
    const fn code(&self) -> u8 {
        match self {
            Self::NotBegun(NotBegun::Journal(OpenError::Locked { .. })) => 4,
            Self::NotBegun(NotBegun::Start(StartError::Contract(_))) => 13,
            Self::Debt(_) => 11,
            Self::Stuck => 12,
            Self::NotBegun(_) | Self::Config(_) | Self::Local { .. } | Self::Gone => 1,
        }
    }
}

/// So long a rotation under way may take to end before the process does; a successor goes on with what is left.
const LEAVE: Duration = Duration::from_secs(3);

/// Runs until it is told to stop.
pub(crate) fn run(args: &Args) -> ExitCode {
    let checked = match check(&args.config) {
        Ok(checked) => checked,
        Err(why) => {
            complain(why);
            return ExitCode::FAILURE;
        }
    };
    let Some(mut plan) = checked.plan else {
        for fault in &checked.remarks.faults {
            complain(fault);
        }
        return ExitCode::FAILURE;
    };
    if args.exit_after_auth {
        plan.exit_after_auth = true;
        plan.start_spread = Duration::ZERO;
    }
    log(&plan.log, args.log_level);
    for Remark { file, place, what, remedy, .. } in &checked.remarks.notices {
        tracing::warn!(file, line = place.line, next = remedy, "{what}");
    }
    match serve(&plan) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            complain(format_args!("turquoise: {why}"));
            why.code().into()
        }
    }
}

fn log(log: &Log, level: Option<Level>) {
    let level = level.map_or_else(
        || log.level.parse().unwrap_or(LevelFilter::INFO),
        |level| match level {
            Level::Trace => LevelFilter::TRACE,
            Level::Debug => LevelFilter::DEBUG,
            Level::Info => LevelFilter::INFO,
            Level::Warn => LevelFilter::WARN,
            Level::Error => LevelFilter::ERROR,
        },
    );
    let subscriber = tracing_subscriber::fmt().with_max_level(level).with_ansi(false).with_writer(io::stderr);
    if log.is_json { subscriber.json().init() } else { subscriber.init() }
}

/// One thread is plenty for one identity.
fn serve(plan: &Plan) -> Result<(), Ended> {
    let pid_file = plan.pid_file.as_deref().map(PidFile::write).transpose()?;
    let failed = |cause| Ended::Local { doing: "cannot start".to_owned(), cause };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let ended = runtime.block_on(async {
        let stops = Stops::new().map_err(failed)?;
        match &plan.provider {
            Provider::Login(config) => {
                let provider = LoginProvider::new(config.clone())?;
                let retry = provider.retry();
                rotate(plan, provider, Some(retry), stops).await
            }
            Provider::Token(config) => rotate(plan, TokenProvider::new(config.clone())?, None, stops).await,
        }
    });
    drop(pid_file);
    ended
}

async fn rotate<P: turquoise::port::Provider>(
    plan: &Plan,
    provider: P,
    retry: Option<Retry>,
    mut stops: Stops,
) -> Result<(), Ended> {
    let mut policy = plan.policy;
    policy.jitter = Jitter::Full(seed(&plan.journal));
    let Plan { journal, sink, mode, start_spread, .. } = plan;
    let parts = Parts { policy, provider, journal, sink, mode: *mode, start_spread: *start_spread };
    let (identity, mut progress) = tokio::select! {
        begun = begin(parts) => begun?,
        () = stops.stop() => return Ok(()),
    };
    let credentials = identity.credentials();
    let ready = credentials.ready();
    tokio::pin!(ready);
    let mut is_ready = false;
    loop {
        tokio::select! {
            told = stops.next() => match told {
                Told::Stop => break,
                Told::Again => again(retry.as_ref()),
            },
            served = &mut ready, if !is_ready => {
                served.map_err(|_| Ended::Gone)?;
                is_ready = true;
                tracing::info!(sink = %plan.sink.display(), "serving");
                if plan.exit_after_auth {
                    return leave(identity, AtStop::Keep, LEAVE, stops).await;
                }
            }
            happened = progress.recv() => gone(&happened)?,
        }
    }
    let within = match plan.on_stop {
        AtStop::Keep => LEAVE,
        AtStop::Revoke => policy.worst_rotation() + policy.grace,
    };
    leave(identity, plan.on_stop, within, stops).await
}

/// Tells this identity and its host from all others, and is the same after each start.
fn seed(journal: &Path) -> u64 {
    let mut hasher = DefaultHasher::new();
    // What one host lacks, or shares with its copies, another of these may have.
    for file in ["/etc/machine-id", "/proc/sys/kernel/hostname"] {
        fs::read(file).unwrap_or_default().hash(&mut hasher);
    }
    journal.hash(&mut hasher);
    hasher.finish()
}

fn again(retry: Option<&Retry>) {
    if let Some(retry) = retry {
        retry.now();
    }
    tracing::info!("SIGHUP: a refused login is tried again; a changed file is read at the next start");
}

/// The log has said what happened.
const fn gone(happened: &Result<Progress, broadcast::error::RecvError>) -> Result<(), Ended> {
    match happened {
        Err(broadcast::error::RecvError::Closed) => Err(Ended::Gone),
        Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => Ok(()),
    }
}

/// Ends as told. What takes longer than it may, or a second signal, leaves the rest to a successor, as a crash would.
async fn leave(identity: Identity, how: AtStop, within: Duration, mut stops: Stops) -> Result<(), Ended> {
    tracing::info!(?how, ?within, "stopping");
    let ended = tokio::select! {
        ended = identity.shutdown(how, within) => ended,
        () = stops.stop() => Err(ShutdownError::Late { phase: identity.status().phase }),
    };
    let is_stuck = identity.status().phase == PhaseKind::NeedsOperator;
    identity.stop().await;
    match (ended, how) {
        _ if is_stuck => Err(Ended::Stuck),
        (Err(why), AtStop::Revoke) => Err(Ended::Debt(why)),
        (Err(why), AtStop::Keep) => {
            tracing::info!(%why, "stopped; a successor goes on from here");
            Ok(())
        }
        (Ok(()), _) => Ok(()),
    }
}

/// The signals that we listen to.
struct Stops {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Stops {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> Told {
        tokio::select! {
            _ = self.terminate.recv() => Told::Stop,
            _ = self.interrupt.recv() => Told::Stop,
            _ = self.hangup.recv() => Told::Again,
        }
    }

    async fn stop(&mut self) {
        while self.next().await != Told::Stop {}
    }
}

/// What a signal says.
#[derive(PartialEq, Eq)]
enum Told {
    Stop,
    /// Try a login again that was refused.
    Again,
}

/// Gone when this is dropped.
struct PidFile(PathBuf);

impl PidFile {
    fn write(path: &Path) -> Result<Self, Ended> {
        let written = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
        let written = written.and_then(|mut file| writeln!(file, "{}", std::process::id()));
        let failed = |cause| Ended::Local { doing: format!("cannot write {}", path.display()), cause };
        written.map(|()| Self(path.to_owned())).map_err(failed)
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        // Who removed it before us wanted that.
        drop(fs::remove_file(&self.0));
    }
}
