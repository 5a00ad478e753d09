//! What is printed: lines while it happens, a table at the end.

use std::fmt::Display;
use std::io::{self, Write as _};
use std::time::Instant;

use anstyle::{AnsiColor, Style};
use comfy_table::{Table, presets};
use serde::Serialize;
use turquoise::core::Color;

use super::count::Tally;
use super::told::Told;
use super::trouble::Trouble;

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const BLUE: Style = AnsiColor::BrightBlue.on_default().bold();
const GREEN: Style = AnsiColor::BrightGreen.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();

/// The demo's screen. Clones share it.
#[derive(Clone)]
pub(crate) struct Show {
    start: Instant,
    /// What the handle gave its credentials to.
    pub(crate) handle: Tally,
    /// What the client of a sidecar's proxy reports.
    pub(crate) proxy: Tally,
    /// What the reader of the sink file reports.
    pub(crate) sink: Tally,
}

impl Show {
    pub(crate) fn new() -> Self {
        let [handle, proxy, sink] = Default::default();
        Self { start: Instant::now(), handle, proxy, sink }
    }

    /// All that is counted.
    pub(crate) const fn tallies(&self) -> [&Tally; 3] {
        [&self.handle, &self.proxy, &self.sink]
    }

    /// Seconds since the beginning.
    pub(crate) fn elapsed(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }

    /// Something beside the rotation itself.
    pub(crate) fn note(&self, text: impl Display) -> io::Result<()> {
        line(format_args!("{:>6.1}s  {DIM}{text}{DIM:#}", self.elapsed()))
    }

    /// Something that a rotation did.
    pub(crate) fn step(&self, whose: &str, told: &Told) -> io::Result<()> {
        let Told { label, phase, words, .. } = told;
        let served: u64 = self.tallies().iter().map(|tally| tally.count().served).sum();
        let failed: u64 = self.tallies().iter().map(|tally| tally.failed()).sum();
        let fault = if failed == 0 { Style::new() } else { BAD };
        let color = if label.starts_with(Color::Blue.name()) { BLUE } else { GREEN };
        let time = self.elapsed();
        line(format_args!(
            "{time:>6.1}s {served:>7} {fault}{failed:>6}{fault:#}  {whose:<7}  {color}{label:<8}{color:#} {phase:<10}  {words}"
        ))?;
        match &told.reason {
            Some(reason) => line(format_args!("{:54}{DIM}{reason}{DIM:#}", "")),
            None => Ok(()),
        }
    }
}

/// A new part of the story.
pub(crate) fn headline(text: &str) -> io::Result<()> {
    line(format_args!("\n{BOLD}{text}{BOLD:#}"))
}

/// What the columns of the following steps mean.
pub(crate) fn columns(noun: &str) -> io::Result<()> {
    let (time, served, failed, whose, phase) = ("time", "served", "failed", "of the", "phase");
    line(format_args!("{DIM}{time:>7} {served:>7} {failed:>6}  {whose:<7}  {noun:<8} {phase:<10}  what happens{DIM:#}"))
}

/// One line of the final table.
pub(crate) struct Line {
    what: &'static str,
    found: String,
    verdict: Verdict,
}

enum Verdict {
    None,
    Right,
    /// With what must be.
    Wrong(String),
}

impl Line {
    /// A fact, and what must be true of it.
    pub(crate) fn must(what: &'static str, found: impl Display, holds: bool, must: impl Display) -> Self {
        let verdict = if holds { Verdict::Right } else { Verdict::Wrong(must.to_string()) };
        Self { what, found: found.to_string(), verdict }
    }

    /// A fact that is as it is.
    pub(crate) fn fact(what: &'static str, found: impl Display) -> Self {
        Self { what, found: found.to_string(), verdict: Verdict::None }
    }
}

/// Prints the table; answers how many lines are wrong.
pub(crate) fn table(lines: &[Line]) -> io::Result<usize> {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    let mut wrong = 0;
    for Line { what, found, verdict } in lines {
        let verdict = match verdict {
            Verdict::None => "",
            Verdict::Right => "ok",
            Verdict::Wrong(must) => {
                wrong += 1;
                &format!("WRONG: must be {must}")
            }
        };
        table.add_row([*what, found, verdict]);
    }
    line("")?;
    for row in table.lines() {
        let style = if row.contains("WRONG") { BAD } else { Style::new() };
        line(format_args!("{style}{row}{style:#}"))?;
    }
    Ok(wrong)
}

/// A line on standard output, coloured as far as that is wanted there.
pub(crate) fn line(text: impl Display) -> io::Result<()> {
    let mut out = anstream::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()
}

/// A line of JSON on standard output, for the process that started us.
pub(crate) fn json(value: &impl Serialize) -> Result<(), Trouble> {
    line(serde_json::to_string(value)?).map_err(|_| Trouble::Orphaned)
}
