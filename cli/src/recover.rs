//! `recover`: ends in order what a dead process left in progress.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;
use turquoise::ShutdownError;
use turquoise::core::{AtStop, PhaseKind, Policy, StepKind};
use turquoise::journal::{FileJournal, OpenError};

use crate::file::{Rotation, check, span};
use crate::fleet::{Failed, Loads};
use crate::run::start_log;
use crate::say::complain;
use crate::sidecar::NotBegun;

const EXAMPLES: &str = "\
Examples:
  turquoise recover --config /etc/turquoise.hcl
  turquoise recover --config agent.hcl --within 10s
  ExecStopPost=-/usr/bin/turquoise recover --config /etc/turquoise/turquoise.hcl
                                in a unit of systemd

A rotation that was under way is finished or undone; what serves is kept for the next start, and no new one is begun. After a
clean stop, and if it was recovered before, there is nothing to do. While a process runs that has the journal, that one sees to it.

Exit codes:
  0   nothing is in progress, or a live process has the journal
  1   the file cannot be used, or something on this machine
  11  it is not over yet: the next start goes on with it
  12  an operator is needed
  13  what the file asks for cannot be kept with its provider";

/// What is recovered.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The configuration, in HCL or JSON
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// How long it may take
    #[arg(long, value_name = "DURATION", default_value = "1m", value_parser = span)]
    within: Duration,
}

/// What became of a rotation.
enum Found {
    /// There is no journal.
    Never,
    /// The last process ended in order.
    Clean,
    /// A process has it.
    Alive(String),
    /// What was in progress is over.
    Settled,
    /// It is not.
    Late(PhaseKind),
    Stuck,
}

impl Found {
    const fn code(&self) -> u8 {
        match self {
            Self::Never | Self::Clean | Self::Alive(_) | Self::Settled => 0,
            Self::Late(_) => 11,
            Self::Stuck => 12,
        }
    }

    fn words(&self) -> String {
        match self {
            Self::Never => "nothing was ever begun".to_owned(),
            Self::Clean => "nothing was in progress".to_owned(),
            Self::Alive(holder) => format!("{holder} runs, and sees to it"),
            Self::Settled => "what was in progress is over".to_owned(),
            Self::Late(phase) => format!("not over yet, in phase {phase:?}: the next start goes on with it"),
            Self::Stuck => "an operator is needed: the log says what for".to_owned(),
        }
    }
}

pub(crate) fn run(args: &Args) -> ExitCode {
    let checked = match check(&args.config) {
        Ok(checked) => checked,
        Err(why) => {
            complain(why);
            return ExitCode::FAILURE;
        }
    };
    let Some(plan) = checked.plan else {
        checked.remarks.faults.iter().for_each(complain);
        return ExitCode::FAILURE;
    };
    start_log(&plan.log, None);
    match recover(plan.rotations, args.within) {
        Ok(code) => code.into(),
        Err(why) => {
            complain(format_args!("turquoise: {why}"));
            ExitCode::FAILURE
        }
    }
}

/// Answers what to end with.
fn recover(rotations: Vec<Rotation>, within: Duration) -> io::Result<u8> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let (loads, by, mut tasks, mut worst) = (Loads::new(), Instant::now() + within, JoinSet::new(), 0);
        for rotation in rotations {
            let loads = loads.clone();
            tasks.spawn(async move {
                let found = settle(&rotation, &loads, by).await;
                (rotation.name, found)
            });
        }
        while let Some(settled) = tasks.join_next().await {
            let (name, found) = settled.map_err(io::Error::other)?;
            let code = match found {
                Ok(found) => {
                    writeln!(io::stdout(), "rotation {name}: {}", found.words())?;
                    found.code()
                }
                Err(why) => {
                    complain(format_args!("turquoise: rotation {name}: {why}"));
                    why.code()
                }
            };
            worst = worst.max(code);
        }
        Ok(worst)
    })
}

async fn settle(rotation: &Rotation, loads: &Loads, by: Instant) -> Result<Found, Failed> {
    if !rotation.journal.exists() {
        return Ok(Found::Never);
    }
    match FileJournal::open(&rotation.journal) {
        Ok(opened) => {
            let last = opened.history.entries.last().map(|entry| entry.record.step.kind());
            if last == Some(StepKind::Stopped) {
                return Ok(Found::Clean);
            }
        }
        Err(OpenError::Locked { holder, .. }) => return Ok(Found::Alive(holder)),
        Err(why) => return Err(NotBegun::from(why).into()),
    }
    // None is begun, and where nothing survived nobody logs in: what we ask for comes before the wait is over.
    let policy = Policy { period: None, ..rotation.policy };
    let rotation = Rotation { start_spread: Duration::from_hours(1), ..rotation.clone() };
    let (identity, _) = match loads.start(&rotation, &policy).await {
        Err(Failed::NotBegun(NotBegun::Journal(OpenError::Locked { holder, .. }))) => return Ok(Found::Alive(holder)),
        started => started?,
    };
    let ended = identity.shutdown(AtStop::Keep, by.saturating_duration_since(Instant::now())).await;
    let phase = identity.status().phase;
    identity.stop().await;
    Ok(match ended {
        _ if phase == PhaseKind::NeedsOperator => Found::Stuck,
        Ok(()) => Found::Settled,
        Err(ShutdownError::Late { phase }) => Found::Late(phase),
        Err(ShutdownError::Ask(_)) => Found::Late(phase),
    })
}
