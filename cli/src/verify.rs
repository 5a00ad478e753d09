//! `verify`: the model checker on the shipped machine.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::ValueEnum;
use comfy_table::{ContentArrangement, Table, presets};
use serde_json::{Value, json};
#[cfg(feature = "seeded-bugs")]
use turquoise_model::SeededBug;
use turquoise_model::{
    Assumption, Config, Explored, Invariant, Progress, Report, SINK, STANDARD, Sight, Sown, check, holes, tell, write as scenario,
};

use crate::explore;

const EXAMPLES: &str = "\
Examples:
  turquoise verify                            one configuration, some seconds
  turquoise verify --profile standard         every pinned one, some minutes
  turquoise verify --config \"two faults\"     this one
  turquoise verify --profile deep --config \"lives that end\"
                                              this one with one more crash, then with one more fault
  turquoise verify --broken DeltaHolds        a world that breaks its promise: which property that costs
  turquoise verify --replay counterexample-L2-two-slot-sink--self-privileges.txt
                                              play what was saved
  turquoise verify --explore 127.0.0.1:3000   walk through the states in a browser; Ctrl-C ends it
  turquoise verify --explore 127.0.0.1:3000 --broken DeltaHolds
                                              … beginning with the link to a counterexample

Exit codes:
  0   everything holds, and is as large as it is known to be
  1   local or usage error
  14  something that must hold does not";

/// What is explored.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// How much is explored
    #[arg(long, value_enum, default_value_t = Profile::Quick)]
    profile: Profile,
    /// What is printed
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// Only the pinned configuration of this name [default, where one is needed: the first]
    #[arg(long, value_name = "NAME", value_parser = config)]
    config: Option<Config>,
    /// Let the world break an assumption, by its name in docs/assumptions.md
    #[arg(long, value_name = "NAME", conflicts_with = "profile", value_parser = assumption)]
    broken: Option<Assumption>,
    /// Let the machine have a bug, by its name in docs/kill-matrix.md
    #[cfg(feature = "seeded-bugs")]
    #[arg(long, value_name = "NAME", conflicts_with = "profile", value_parser = bug)]
    bug: Option<SeededBug>,
    /// Serve stateright's Explorer there, for a browser: 127.0.0.1:3000, or port 0 for a free one
    #[arg(long, value_name = "ADDR", conflicts_with_all = ["profile", "format"])]
    explore: Option<SocketAddr>,
    /// Play a saved counterexample, or any golden scenario, instead
    #[arg(long, value_name = "FILE", exclusive = true)]
    replay: Option<PathBuf>,
}

fn config(name: &str) -> Result<Config, String> {
    Config::named(name).ok_or_else(|| no_such(STANDARD.map(|config| config.name)))
}

fn assumption(name: &str) -> Result<Assumption, String> {
    Assumption::named(name).ok_or_else(|| no_such(Assumption::ALL.map(|assumption| format!("{assumption:?}"))))
}

#[cfg(feature = "seeded-bugs")]
fn bug(name: &str) -> Result<SeededBug, String> {
    let named = SeededBug::ALL.iter().find(|bug| format!("{bug:?}") == name);
    named.copied().ok_or_else(|| no_such(SeededBug::ALL.iter().map(|bug| format!("{bug:?}"))))
}

fn no_such(names: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    names.into_iter().fold("it is none of these:".to_owned(), |told, name| told + "\n  " + name.as_ref())
}

impl Args {
    /// The one configuration that was asked for, if any was.
    fn chosen(&self) -> Option<Config> {
        let mut chosen = Config { broken: self.broken, ..self.config.unwrap_or(STANDARD[0]) };
        chosen.policy.sown = self.sown();
        // What the exploration must come to is known of the pinned ones only.
        let pinned = Config::named(chosen.name).filter(|pinned| *pinned == chosen);
        let asked = self.config.is_some() || self.explore.is_some() || pinned.is_none();
        asked.then(|| pinned.unwrap_or(Config { pins: None, ..chosen }))
    }

    #[cfg(feature = "seeded-bugs")]
    fn sown(&self) -> Sown {
        self.bug.map_or(Sown::NOTHING, Sown::bug)
    }

    #[cfg(not(feature = "seeded-bugs"))]
    #[expect(clippy::unused_self, reason = "the other build looks for a bug in it")]
    const fn sown(&self) -> Sown {
        Sown::NOTHING
    }

    fn configs(&self) -> Vec<Config> {
        match (self.profile, self.config) {
            (Profile::Deep, Some(config)) => deeper(&config).to_vec(),
            _ => self.chosen().map_or_else(|| self.profile.configs(), |config| vec![config]),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Profile {
    /// One configuration, some seconds
    Quick,
    /// Every pinned configuration, some minutes
    Standard,
    /// One more crash, then one more fault, in each of the smaller ones, or in the one that is named: by hand, long,
    /// gigabytes of memory
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
            Self::Deep => STANDARD.iter().filter(small).flat_map(deeper).collect(),
        }
    }
}

/// One more crash, and one more fault.
fn deeper(config: &Config) -> [Config; 2] {
    let config = Config { pins: None, ..*config };
    [Config { crashes: config.crashes + 1, ..config }, Config { faults: config.faults + 1, ..config }]
}

/// Explores the model and tells what holds, lets people explore it, or plays what was found.
pub(crate) fn run(args: &Args) -> ExitCode {
    let (out, progress) = (&mut anstream::stdout(), &mut anstream::stderr());
    let held = match (args.explore, &args.replay) {
        (Some(address), _) => explore::serve(out, progress, address, &args.chosen().unwrap_or(STANDARD[0])).map(|()| true),
        (_, Some(file)) => explore::play(out, file),
        _ => verify(out, progress, args),
    };
    match held {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(14),
        Err(trouble) => {
            // Nothing is left to do about a terminal that does not listen.
            let _ = writeln!(progress, "turquoise verify: {trouble}");
            ExitCode::FAILURE
        }
    }
}

fn verify(out: &mut impl Write, progress: &mut impl Write, args: &Args) -> io::Result<bool> {
    let mut reports = Vec::new();
    for config in args.configs() {
        reports.push(check(&config, |now| show_progress(progress, &config, now)));
    }
    let holes = if args.profile == Profile::Standard && args.chosen().is_none() {
        holes(reports.iter().map(|report| &report.explored))
    } else {
        Vec::new()
    };
    match args.format {
        Format::Table => {
            write_table(out, &reports, &holes)?;
            save_stories(out, &reports)?;
        }
        Format::Json => {
            writeln!(out, "{:#}", as_json(&reports, &holes))?;
            save_stories(progress, &reports)?;
        }
    }
    Ok(holes.is_empty() && reports.iter().all(|report| report.failures.is_empty()))
}

/// Progress is a courtesy: nothing depends on whether it can be shown.
pub(crate) fn show_progress(to: &mut impl Write, config: &Config, now: Progress) {
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
                "crashes": report.config.crashes,
                "faults": report.config.faults,
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

/// Prints the shortest story of each broken property, and keeps it as a scenario in a file.
fn save_stories(out: &mut impl Write, reports: &[Report]) -> io::Result<()> {
    for Report { config, explored: Explored { broken, .. }, liveness, .. } in reports {
        let title = |id: &str| format!("{id} is broken: {}", config.name);
        let safety = broken
            .iter()
            .map(|(invariant, way)| (invariant.id(), tell(config, way), scenario(config, &title(invariant.id()), way)));
        let endless =
            liveness.endless.as_ref().map(|endless| ("L1", endless.tell(config), endless.scenario(config, &title("L1"))));
        for (id, story, scenario) in safety.chain(endless) {
            let file = format!("counterexample-{id}-{}.txt", config.name.replace([' ', ','], "-"));
            writeln!(out, "\nthe shortest story of {id}:\n{story}")?;
            match scenario {
                Ok(scenario) => {
                    std::fs::write(&file, scenario).map_err(|why| io::Error::other(format!("cannot write {file}: {why}")))?;
                    writeln!(out, "kept as a scenario; it is played again by: turquoise verify --replay {file}")?;
                }
                Err(why) => writeln!(out, "not kept as a scenario: {why}")?,
            }
        }
    }
    Ok(())
}
