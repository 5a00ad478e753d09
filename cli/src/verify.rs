//! `verify`: the model checker on the shipped machine.

use std::io::{self, Write};
use std::process::ExitCode;

use comfy_table::{Cell, ContentArrangement, Table, presets};
use turquoise_model::{Config, Invariant, Progress, Report, SINK, Sight, check, rows, tell};

/// Explores the model and tells what holds.
pub(crate) fn run() -> ExitCode {
    match verify(&mut anstream::stdout(), &mut anstream::stderr(), &SINK) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(14),
        Err(_) => ExitCode::FAILURE,
    }
}

fn verify(out: &mut impl Write, progress: &mut impl Write, config: &Config) -> io::Result<bool> {
    writeln!(
        out,
        "{}: {} crash, {} other fault, a reader that takes the token from the sink",
        config.name, config.crashes, config.faults
    )?;
    let mut shown = 10_000;
    let report = check(config, |now| {
        // Progress is a courtesy: nothing depends on whether it can be shown.
        let _ = match now {
            Progress::Exploring(states, depth) if states >= 2 * shown => {
                shown = states;
                writeln!(progress, "  {states} states, depth {depth} …")
            }
            Progress::Exploring(..) => Ok(()),
            Progress::SecondOpinion => writeln!(progress, "  the same once more by stateright …"),
        };
    });
    write_report(out, &report)?;
    Ok(report.failures.is_empty())
}

fn write_report(out: &mut impl Write, report: &Report) -> io::Result<()> {
    let Report { config, explored, took, second, failures } = report;
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic).set_width(100);
    table.set_header(["property", "what it says", "verdict"]);
    for invariant in Invariant::ALL {
        let verdict = if explored.broken.contains_key(&invariant) { "BROKEN" } else { "holds" };
        table.add_row([Cell::new(invariant.id()), Cell::new(invariant.sentence()), Cell::new(verdict)]);
    }
    writeln!(out, "{table}")?;
    let seen = Sight::REQUIRED.iter().filter(|sight| explored.seen.contains(sight)).count();
    let reachable = rows(config).filter(|(_, out_of_reach)| !out_of_reach).count();
    writeln!(out, "states       {} distinct, depth {}, {} steps", explored.states, explored.depth, explored.steps)?;
    writeln!(out, "situations   {seen} of {} required ones seen", Sight::REQUIRED.len())?;
    writeln!(out, "transitions  {} of {reachable} taken; the other rows are declared out of reach here", explored.rows.len())?;
    writeln!(
        out,
        "explorers    ours {:.2} s; stateright {:.2} s, {} states, depth {}",
        took.as_secs_f64(),
        second.took.as_secs_f64(),
        second.states,
        second.depth
    )?;
    for way in explored.broken.values() {
        writeln!(out, "\nthe shortest story of it:\n{}", tell(config, way))?;
    }
    for failure in failures {
        writeln!(out, "FAILED: {failure}")?;
    }
    if failures.is_empty() {
        writeln!(out, "every property holds in every reachable state")?;
    }
    Ok(())
}
