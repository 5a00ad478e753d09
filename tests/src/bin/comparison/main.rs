//! `bao agent` and `bao proxy` beside turquoise: both from the same file, before the same server, in turns, in one run. Writes
//! what came of it, with a verdict on each target, into `docs/comparison.md`. The exit code is 0 if all targets were met, 1 if
//! one was missed, 2 if there was no getting to the end.

mod experiments;
mod interrupt;
mod load;
mod report;
mod scene;
mod sidecar;

use std::alloc::System;
use std::error::Error;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::LazyLock;
use std::thread;
use std::time::Instant;

use clap::Parser as _;
use turquoise_tests::comparison::{Row, Verdict};

use experiments::{ALL, Experiment, When};
use scene::{Programs, Scene};

/// What goes wrong on the way to a verdict.
type Fault = Box<dyn Error + Send + Sync>;

/// Clients take little of the machine: the allocator that wipes what is freed, as in our program, would be measured with them.
#[global_allocator]
static PLAIN: System = System;

static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Compares `bao agent` and `bao proxy` with turquoise, and writes the table.
#[derive(clap::Parser)]
struct Args {
    /// Only this, and the others not; may be said several times. The table is then printed, and not written
    #[arg(long, value_name = "NAME", value_parser = ALL.map(|experiment| experiment.name))]
    only: Vec<String>,
    /// Shorter and less often, to try it; the table is then printed, and not written
    #[arg(long)]
    quick: bool,
    /// The program, if not the one that is built for it
    #[arg(long, value_name = "PATH")]
    turquoise: Option<PathBuf>,
    /// What is written
    #[arg(long, value_name = "FILE", default_value = "docs/comparison.md")]
    out: PathBuf,
}

/// An experiment and what came of it.
struct Outcome {
    experiment: &'static Experiment,
    rows: Vec<Row>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    match compare(&args) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(fault) => {
            say(&format!("comparison: {fault}"));
            ExitCode::from(2)
        }
    }
}

/// Whether no target was missed.
fn compare(args: &Args) -> Result<bool, Fault> {
    interrupt::listen()?;
    let programs = Programs::find(args.turquoise.clone())?;
    let wanted = |experiment: &&Experiment| args.only.is_empty() || args.only.iter().any(|name| name == experiment.name);
    let (alone, together): (Vec<_>, Vec<_>) = ALL.iter().filter(wanted).partition(|experiment| experiment.when == When::Alone);
    let mut outcomes = Vec::new();
    for experiment in alone {
        let scene = Scene::new(&programs, args.quick)?;
        outcomes.push(run(experiment, &scene)?);
    }
    if !together.is_empty() {
        let scene = Scene::new(&programs, args.quick)?;
        outcomes.extend(at_once(&together, &scene)?);
    }
    outcomes.sort_by_key(|outcome| ALL.iter().position(|experiment| experiment.name == outcome.experiment.name));
    let told = report::Told { outcomes: &outcomes, programs: &programs, took: BEGAN.elapsed() };
    if args.quick || !args.only.is_empty() {
        io::stdout().write_all(report::tables(&outcomes).as_bytes())?;
    } else {
        report::write(&args.out, &told)?;
        say(&format!("written to {}", args.out.display()));
    }
    let missed = outcomes.iter().flat_map(|outcome| &outcome.rows).filter(|row| row.verdict() == Verdict::Missed);
    let missed: Vec<_> = missed.map(|row| row.what.as_str()).collect();
    for what in &missed {
        say(&format!("missed: {what}"));
    }
    Ok(missed.is_empty())
}

fn run(experiment: &'static Experiment, scene: &Scene) -> Result<Outcome, Fault> {
    say(&format!("{}: begins", experiment.name));
    let rows = (experiment.run)(scene).map_err(|why| format!("{}: {why}", experiment.name))?;
    say(&format!("{}: over", experiment.name));
    Ok(Outcome { experiment, rows })
}

/// Those that wait more than they work.
fn at_once(experiments: &[&'static Experiment], scene: &Scene) -> Result<Vec<Outcome>, Fault> {
    thread::scope(|scope| {
        let running: Vec<_> = experiments.iter().map(|experiment| scope.spawn(|| run(experiment, scene))).collect();
        let ended = running.into_iter().map(|thread| thread.join().map_err(|_| Fault::from("an experiment panicked"))?);
        ended.collect()
    })
}

/// How far it has come.
fn say(what: &str) {
    // Nobody may look, and it goes on.
    drop(writeln!(io::stderr(), "{:6.1}s  {what}", BEGAN.elapsed().as_secs_f64()));
}
