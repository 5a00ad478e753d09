//! `verify`: the model checker on the shipped machine.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::ValueEnum;
use comfy_table::{ContentArrangement, Table, presets};
use serde_json::{Value, json};
use turquoise_model::{Config, Explored, Invariant, Progress, Report, SINK, STANDARD, Sight, check, holes, tell};

/// What is explored.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// How much is explored
    #[arg(long, value_enum, default_value_t = Profile::Quick)]
    profile: Profile,
    /// What is printed
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Profile {
    /// One configuration, some seconds
    Quick,
    /// Every pinned configuration, some minutes
    Standard,
    /// One more crash, then one more fault, in each of the smaller ones: by hand, long, gigabytes of memory
    Deep,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Table,
    Json,
}

impl Profile {
    fn configs(self) -> Vec<Config> {
        let small = |config: &&Config| config.pins.is_some_and(|pins| pins.states < 300_000);
        match self {
            Self::Quick => vec![SINK],
            Self::Standard => STANDARD.to_vec(),
            Self::Deep => {
                let more_crashes =
                    STANDARD.iter().filter(small).map(|config| Config { crashes: config.crashes + 1, pins: None, ..*config });
                let more_faults =
                    STANDARD.iter().filter(small).map(|config| Config { faults: config.faults + 1, pins: None, ..*config });
                more_crashes.chain(more_faults).collect()
            }
        }
    }
}

/// Explores the model and tells what holds.
pub(crate) fn run(args: &Args) -> ExitCode {
    match verify(&mut anstream::stdout(), &mut anstream::stderr(), args) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(14),
        Err(_) => ExitCode::FAILURE,
    }
}

fn verify(out: &mut impl Write, progress: &mut impl Write, args: &Args) -> io::Result<bool> {
    let mut reports = Vec::new();
    for config in args.profile.configs() {
        reports.push(check(&config, |now| show_progress(progress, &config, now)));
    }
    let holes = if args.profile == Profile::Standard { holes(reports.iter().map(|report| &report.explored)) } else { Vec::new() };
    match args.format {
        Format::Table => write_table(out, &reports, &holes)?,
        Format::Json => writeln!(out, "{:#}", as_json(&reports, &holes))?,
    }
    save_stories(out, &reports)?;
    Ok(holes.is_empty() && reports.iter().all(|report| report.failures.is_empty()))
}

/// Progress is a courtesy: nothing depends on whether it can be shown.
fn show_progress(to: &mut impl Write, config: &Config, now: Progress) {
    let _ = match now {
        Progress::Exploring(states, depth) if depth % 25 == 0 => {
            writeln!(to, "  {}: {states} states, depth {depth} …", config.name)
        }
        Progress::Exploring(..) => Ok(()),
        Progress::Liveness => writeln!(to, "  {}: does it come to rest?", config.name),
        Progress::SecondOpinion => writeln!(to, "  {}: the same once more by stateright …", config.name),
    };
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic).set_width(100);
    table.set_header(header);
    table
}

fn write_table(out: &mut impl Write, reports: &[Report], holes: &[String]) -> io::Result<()> {
    let mut properties = table(&["property", "what it says", "verdict"]);
    for (id, sentence, holds) in verdicts(reports) {
        properties.add_row([id, sentence, if holds { "holds" } else { "BROKEN" }]);
    }
    let mut explored = table(&["configuration", "states", "depth", "steps", "rows", "seen", "ours s", "stateright s"]);
    for Report { config, explored: found, took, second, .. } in reports {
        let seen = Sight::required(config).filter(|sight| found.seen.contains(sight)).count();
        let required = Sight::required(config).count();
        explored.add_row([
            config.name.to_owned(),
            found.states.to_string(),
            found.depth.to_string(),
            found.steps.to_string(),
            found.rows.len().to_string(),
            format!("{seen}/{required}"),
            format!("{:.1}", took.as_secs_f64()),
            format!("{:.1}", second.took.as_secs_f64()),
        ]);
    }
    writeln!(out, "{properties}\n{explored}")?;
    let states: usize = reports.iter().map(|report| report.explored.states).sum();
    let took: f64 = reports.iter().map(|report| report.took.as_secs_f64()).sum();
    writeln!(
        out,
        "{states} distinct states, {:.0} a second; stateright agrees on each count and verdict unless said below",
        rate(states, took)
    )?;
    for report in reports {
        for failure in &report.failures {
            writeln!(out, "FAILED, {}: {failure}", report.config.name)?;
        }
    }
    for hole in holes {
        writeln!(out, "FAILED: {hole}")?;
    }
    if holes.is_empty() && reports.iter().all(|report| report.failures.is_empty()) {
        writeln!(out, "every property holds in every reachable state, and on every step")?;
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "a rate for people")]
fn rate(states: usize, seconds: f64) -> f64 {
    states as f64 / seconds.max(f64::EPSILON)
}

/// What each property says, and whether it holds everywhere.
fn verdicts(reports: &[Report]) -> impl Iterator<Item = (&'static str, &'static str, bool)> {
    let invariants = Invariant::ALL.into_iter().map(|invariant| {
        let holds = reports.iter().all(|report| !report.explored.broken.contains_key(&invariant));
        (invariant.id(), invariant.sentence(), holds)
    });
    let rests = reports.iter().all(|report| report.liveness.endless.is_none());
    let refines = reports.iter().all(|report| report.explored.unrefined.is_empty());
    invariants.chain([
        ("L1", "once faults stop, every fair way comes to rest, with one live credential or as it was asked to end", rests),
        ("spec", "every step is one of the abstract specification, or changes nothing in it", refines),
    ])
}

fn as_json(reports: &[Report], holes: &[String]) -> Value {
    let properties: Vec<_> = verdicts(reports).map(|(id, says, holds)| json!({"id": id, "says": says, "holds": holds})).collect();
    let configurations: Vec<_> = reports
        .iter()
        .map(|report| {
            json!({
                "name": report.config.name,
                "states": report.explored.states,
                "depth": report.explored.depth,
                "steps": report.explored.steps,
                "rows": report.explored.rows.len(),
                "seconds": report.took.as_secs_f64(),
                "stateright": {"states": report.second.states, "depth": report.second.depth, "seconds": report.second.took.as_secs_f64()},
                "failures": report.failures,
            })
        })
        .collect();
    json!({"properties": properties, "configurations": configurations, "holes": holes})
}

/// Prints the shortest story of each broken property, and keeps it in a file.
fn save_stories(out: &mut impl Write, reports: &[Report]) -> io::Result<()> {
    for Report { config, explored: Explored { broken, .. }, liveness, .. } in reports {
        let safety = broken.iter().map(|(invariant, way)| (invariant.id(), tell(config, way)));
        let endless = liveness.endless.as_ref().map(|endless| ("L1", endless.tell(config)));
        for (id, story) in safety.chain(endless) {
            let file = format!("counterexample-{id}-{}.txt", config.name.replace([' ', ','], "-"));
            std::fs::write(&file, &story)?;
            writeln!(out, "\nthe shortest story of {id}, kept in {file}:\n{story}")?;
        }
    }
    Ok(())
}
