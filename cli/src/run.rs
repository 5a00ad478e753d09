//! `run`: the sidecar.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::ValueEnum;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_subscriber::filter::LevelFilter;
use turquoise::StartError;
use turquoise::core::AtStop;
use turquoise::journal::OpenError;

use crate::file::{Log, Plan, Remark, check};
use crate::fleet::{Failed, Fleet, Left};
use crate::say::complain;
use crate::sidecar::NotBegun;

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
    /// A rotation was not begun.
    #[error("rotation {0}: {1}")]
    Failed(String, Failed),
    /// Something on this machine.
    #[error("{doing}: {cause}; put that right and start again")]
    Local {
        /// What was tried.
        doing: String,
        /// What the system said.
        cause: io::Error,
    },
    /// A task is gone.
    #[error("rotation {0} has ended by itself, which is a defect: please report it, and start again")]
    Gone(String),
    /// A shutdown that is not as it should be.
    #[error(transparent)]
    Left(#[from] Left),
}

impl Ended {
    const fn code(&self) -> u8 {
        match self {
            Self::Failed(_, Failed::NotBegun(NotBegun::Journal(OpenError::Locked { .. }))) => 4,
            Self::Failed(_, Failed::NotBegun(NotBegun::Start(StartError::Contract(_)))) => 13,
            Self::Left(Left::Debt(..)) => 11,
            Self::Left(Left::Stuck(_)) => 12,
            Self::Failed(..) | Self::Local { .. } | Self::Gone(_) => 1,
        }
    }
}

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
    plan.exit_after_auth |= args.exit_after_auth;
    if plan.exit_after_auth {
        plan.rotations.iter_mut().for_each(|rotation| rotation.start_spread = Duration::ZERO);
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

/// One thread is plenty: what rotations wait for is the network and the disk, and the disk has threads of its own.
fn serve(plan: &Plan) -> Result<(), Ended> {
    let pid_file = plan.pid_file.as_deref().map(PidFile::write).transpose()?;
    let failed = |cause| Ended::Local { doing: "cannot start".to_owned(), cause };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let ended = runtime.block_on(async {
        let stops = Stops::new().map_err(failed)?;
        rotate(plan, stops).await
    });
    drop(pid_file);
    ended
}

async fn rotate(plan: &Plan, mut stops: Stops) -> Result<(), Ended> {
    let mut fleet = tokio::select! {
        begun = Fleet::begin(&plan.rotations) => begun.map_err(|(name, why)| Ended::Failed(name, why))?,
        () = stops.stop() => return Ok(()),
    };
    loop {
        tokio::select! {
            told = stops.next() => match told {
                Told::Stop => return Ok(fleet.leave(None, stops.stop()).await?),
                Told::Again => {
                    fleet.retry();
                    tracing::info!("SIGHUP: a refused login is tried again; a changed file is read at the next start");
                }
            },
            gone = fleet.next() => match gone {
                Some(name) => return Err(Ended::Gone(name)),
                None if plan.exit_after_auth && fleet.is_serving() => {
                    return Ok(fleet.leave(Some(AtStop::Keep), stops.stop()).await?);
                }
                None => {}
            },
        }
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
