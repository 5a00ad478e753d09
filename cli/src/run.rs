//! `run`: the sidecar.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::ValueEnum;
use rustix::process::Signal as Sent;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::reload::{self, Handle};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Registry, fmt};
use turquoise::core::AtStop;

use crate::admin::{Admin, AdminError};
use crate::exec::{Hosted, NotRun, Status};
use crate::file::{Log, Plan, Remark, Watched, check};
use crate::fleet::{Change, Failed, Fleet, Left};
use crate::notify::Manager;
use crate::proxies::{Doors, NotOpen, Proxies};
use crate::reload::{Reloader, Reread};
use crate::say::complain;
use crate::swap::Provided;
use crate::takeover::{NotTaken, Predecessor};

const EXAMPLES: &str = "\
Examples:
  turquoise run --config /etc/turquoise.hcl
  turquoise run -config=agent.hcl               the file and the spelling of `bao agent`
  turquoise run --config agent.hcl --exit-after-auth
                                                log in, publish the token, and end
  turquoise run --config agent.hcl --take-over  put this program in the place of the one that runs by that file

SIGTERM and SIGINT stop it, as `on_stop` in the file says; a second one ends it at once. SIGHUP has the file read again: rotations
begin and stop with their stanzas; probes, which are tried first, what logins are made of, certificates, `on_stop` and the log's
level change at once; what needs a restart is named, and a refused login is tried again. It logs to standard error. A program that the file has under `exec` is
started as its child.

With --take-over it first listens where the file says, beside the process that runs; then it asks that to end, waits until it has, and
goes on with its token: who connects meanwhile waits, and nobody is turned away.

Exit codes, without `exec`; with it that of the child, 128 + n if signal n ended it, and 1 if it never ran:
  0   stopped as it was told to
  1   the file cannot be used, or something on this machine
  4   another process has the journal, or did not end in time for --take-over
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
    /// Take the place of the process that runs by this file, if there is one, and wait so long for its end
    #[arg(long, value_name = "WITHIN", num_args = 0..=1, require_equals = true, default_missing_value = "1m",
          value_parser = humantime::parse_duration, conflicts_with = "exit_after_auth")]
    take_over: Option<Duration>,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Level {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
}

impl Level {
    const fn filter(self) -> LevelFilter {
        match self {
            Self::Trace => LevelFilter::TRACE,
            Self::Debug => LevelFilter::DEBUG,
            Self::Info => LevelFilter::INFO,
            Self::Warn => LevelFilter::WARN,
            Self::Error => LevelFilter::ERROR,
        }
    }
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
    /// Nobody could look.
    #[error(transparent)]
    Admin(#[from] AdminError),
    /// A task is gone.
    #[error("rotation {0} has ended by itself, which is a defect: please report it, and start again")]
    Gone(String),
    /// A shutdown that is not as it should be.
    #[error(transparent)]
    Left(#[from] Left),
    /// The child.
    #[error(transparent)]
    NotRun(#[from] NotRun),
    /// Nobody is listened to.
    #[error(transparent)]
    NotOpen(#[from] NotOpen),
    /// Another process runs.
    #[error(transparent)]
    NotTaken(#[from] NotTaken),
}

impl Ended {
    const fn code(&self) -> u8 {
        match self {
            Self::Failed(_, why) => why.code(),
            Self::Left(Left::Debt(..)) => 11,
            Self::Left(Left::Stuck(_)) => 12,
            Self::NotTaken(why) => why.code(),
            Self::Local { .. } | Self::Admin(_) | Self::Gone(_) | Self::NotRun(_) | Self::NotOpen(_) => 1,
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
    let dial = start_log(&plan.log, args.log_level);
    let reloader = Reloader { file: args.config.clone(), dial: args.log_level.is_none().then_some(dial) };
    for Remark { file, place, what, remedy, .. } in &checked.remarks.notices {
        tracing::warn!(file, line = place.line, next = remedy, "{what}");
    }
    match serve(&plan, &reloader, args.take_over) {
        Ok(code) => code.into(),
        Err(why) => {
            complain(format_args!("turquoise: {why}"));
            why.code().into()
        }
    }
}

/// Begins to log; answers what sets how much.
pub(crate) fn start_log(log: &Log, level: Option<Level>) -> Handle<LevelFilter, Registry> {
    let (filter, dial) = reload::Layer::new(level.map_or_else(|| log.filter(), Level::filter));
    let (registry, lines) = (tracing_subscriber::registry().with(filter), fmt::layer().with_ansi(false).with_writer(io::stderr));
    if log.is_json {
        registry.with(lines.json()).init();
    } else {
        registry.with(lines).init();
    }
    dial
}

/// One thread is plenty: what rotations wait for is the network and the disk, and the disk has threads of its own.
fn serve(plan: &Plan, reloader: &Reloader, take_over: Option<Duration>) -> Result<u8, Ended> {
    let failed = |cause| Ended::Local { doing: "cannot start".to_owned(), cause };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    runtime.block_on(async {
        let mut stops = Stops::new().map_err(failed)?;
        // Before anything is begun: where nobody can come in or look, nothing is done.
        let mut doors = if plan.exit_after_auth { Doors::default() } else { Doors::inherited(&plan.proxies)? };
        if let Some(within) = take_over {
            tokio::select! {
                taken = take(plan, &mut doors, within) => taken?,
                _ = stops.stop() => return Ok(0),
            }
        }
        rotate(plan, reloader, doors, stops).await
    })
}

/// Stands at the doors, and has the process that runs end, if there is one.
async fn take(plan: &Plan, doors: &mut Doors, within: Duration) -> Result<(), Ended> {
    let (socket, _) = plan.watched.socket.as_ref().ok_or(NotTaken::NoAdmin)?;
    let Some(old) = Predecessor::find(socket).await? else {
        tracing::info!("nobody runs by this file: there is nothing to take over");
        return Ok(());
    };
    // What is wrong with us is found before the one that serves is asked to end.
    for rotation in &plan.rotations {
        Provided::new(&rotation.provider).map_err(|why| Ended::Failed(rotation.name.clone(), why))?;
    }
    doors.open_all(&plan.proxies)?;
    Ok(old.leave(within, socket).await?)
}

/// Answers what to end with.
async fn rotate(plan: &Plan, reloader: &Reloader, doors: Doors, stops: Stops) -> Result<u8, Ended> {
    let mut admin = listen(&plan.watched)?;
    let ended = serving(plan, reloader, doors, stops, &mut admin).await;
    admin.close().await;
    ended
}

/// Who may look and ask.
fn listen(watched: &Watched) -> Result<Admin, AdminError> {
    let mut admin = Admin::new(watched.alarm.clone())?;
    if let Some((path, mode)) = &watched.socket {
        admin.listen_unix(path, *mode)?;
        tracing::info!(socket = %path.display(), "operators may ask");
    }
    if let Some(at) = watched.metrics {
        let at = admin.listen_tcp(at)?;
        tracing::info!(%at, "metrics may be read");
    }
    Ok(admin)
}

/// The same, seen by those who may look.
async fn serving(plan: &Plan, reloader: &Reloader, doors: Doors, mut stops: Stops, admin: &mut Admin) -> Result<u8, Ended> {
    let mut fleet = tokio::select! {
        begun = Fleet::begin(&plan.rotations) => begun.map_err(|(name, why)| Ended::Failed(name, why))?,
        _ = stops.stop() => return Ok(0),
    };
    // Of the process that has the journal.
    let _pid_file = plan.pid_file.as_deref().map(PidFile::write).transpose()?;
    for member in &fleet.members {
        admin.seat(&member.name, member.identity.operator(), member.facts());
    }
    // Before the child: it may go through them.
    let proxies = Proxies::open(if plan.exit_after_auth { &[] } else { &plan.proxies }, doors, &fleet, admin)?;
    let mut child = hosted(plan, &fleet)?;
    let (mut manager, mut reread) = (Manager::new(), None);
    loop {
        tokio::select! {
            told = stops.next() => match (told, &child) {
                (Told::Stop(signal), Some(child)) => {
                    Manager::stopping();
                    child.stop(signal);
                }
                (Told::Stop(_), None) => return leave(fleet, proxies, None, stops).await,
                (Told::Again, _) => {
                    Manager::reloading();
                    reread = reloader.read_again(&fleet);
                    if reread.is_none() && fleet.is_serving() {
                        Manager::ready();
                    }
                }
            },
            new = tried(&mut reread) => {
                reloader.apply(new, plan, &mut fleet, admin).await;
                if fleet.is_serving() {
                    Manager::ready();
                }
            }
            () = proxies.quit() => {
                tracing::info!("a client asks for the end");
                match &child {
                    Some(child) => child.stop(Sent::TERM),
                    None => return leave(fleet, proxies, None, stops).await,
                }
            }
            ended = ended(&mut child) => {
                drop(child);
                let left = leave(fleet, proxies, None, stops).await;
                if let Err(why) = &left {
                    complain(format_args!("turquoise: {why}"));
                }
                return Ok(ended?.map_or(0, Status::code));
            }
            change = fleet.next() => match change {
                Change::Ended(name) => return Err(Ended::Gone(name)),
                Change::Left(name) => admin.unseat(&name),
                Change::Serving if !fleet.is_serving() => {}
                Change::Serving if plan.exit_after_auth => return leave(fleet, proxies, Some(AtStop::Keep), stops).await,
                Change::Serving => Manager::ready(),
            },
            () = manager.beat() => {}
        }
    }
}

async fn leave(fleet: Fleet, proxies: Proxies, how: Option<AtStop>, mut stops: Stops) -> Result<u8, Ended> {
    Manager::stopping();
    // Requests that are under way hold tokens: they end first.
    tokio::select! {
        () = proxies.close() => {}
        _ = stops.stop() => {}
    }
    let hurry = async {
        stops.stop().await;
    };
    fleet.leave(how, hurry).await?;
    Ok(0)
}

/// What was read again, when its probes were tried. Never, if nothing was.
async fn tried(reread: &mut Option<Reread>) -> Reread {
    if let Some(new) = reread {
        new.is_tried().await;
    }
    match reread.take() {
        Some(new) => new,
        None => std::future::pending().await,
    }
}

/// The program of the file, if it has one.
fn hosted(plan: &Plan, fleet: &Fleet) -> Result<Option<Hosted>, NotRun> {
    let Some(program) = &plan.program else { return Ok(None) };
    let member = fleet.members.iter().find(|member| member.name == program.rotation);
    member.map(|member| Hosted::begin(program, &member.identity.credentials())).transpose()
}

/// When the child is over. Never, if there is none.
async fn ended(child: &mut Option<Hosted>) -> Result<Option<Status>, NotRun> {
    match child {
        Some(child) => child.ended().await,
        None => std::future::pending().await,
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
            _ = self.terminate.recv() => Told::Stop(Sent::TERM),
            _ = self.interrupt.recv() => Told::Stop(Sent::INT),
            _ = self.hangup.recv() => Told::Again,
        }
    }

    async fn stop(&mut self) -> Sent {
        loop {
            if let Told::Stop(signal) = self.next().await {
                return signal;
            }
        }
    }
}

/// What a signal says.
enum Told {
    /// By this one.
    Stop(Sent),
    /// Read the file again, and try a login again that was refused.
    Again,
}

/// Gone when this is dropped, unless another process has written it since.
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
        if fs::read_to_string(&self.0).is_ok_and(|text| text.trim() == std::process::id().to_string()) {
            // Who removed it before us wanted that.
            drop(fs::remove_file(&self.0));
        }
    }
}
