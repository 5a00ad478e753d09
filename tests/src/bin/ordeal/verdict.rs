//! What must hold in the end, by what the readers met with, the journal, the server's list and its own log.

use std::fmt::Display;
use std::fs;
use std::io::{self, Write as _};
use std::time::{Duration, Instant};

use serde_json::json;
use turquoise::core::{PhaseKind, Rotation, Step, StepKind};
use turquoise::journal::FileJournal;
use turquoise::port::{Entry, History, Store as _, held};
use turquoise::sink::{FileSink, Mode};
use turquoise::{BootClock, Clock as _};
use turquoise_audit::{Judgement, Limits, Log, Property, Rest, Told, Whose};
use turquoise_tests::policy;

use crate::Fault;
use crate::load::Count;
use crate::seat::{ROLE, Seat};

/// Something that must hold, what was found, and whether it does.
type Line = (String, String, bool);

fn line(what: &str, found: &dyn Display, holds: bool) -> Line {
    (what.to_owned(), found.to_string(), holds)
}

/// Prints the table; whether all of it is as it must be.
pub(crate) fn judge(seat: &Seat, count: &Count, rotations: u32, began: Instant) -> Result<bool, Fault> {
    let history = FileJournal::open(&seat.path("journal"))?.history;
    let mut lines = readers(seat, count);
    lines.extend(journalled(seat, &history.entries, rotations)?);
    lines.extend(listed(seat)?);
    let judgement = oracle(seat, &history)?;
    lines.extend(judged(&judgement));
    let errors = seat.log()?.lines().filter(|line| line.contains("ERROR")).count();
    lines.push(line("errors in the agent's log", &errors, errors == 0));
    let mut out = io::stdout().lock();
    writeln!(out)?;
    for (what, found, holds) in &lines {
        writeln!(out, "  {what:64} {found:>14}  {}", if *holds { "ok" } else { "WRONG" })?;
    }
    let holds = lines.iter().all(|(_, _, holds)| *holds);
    if !holds {
        writeln!(out, "\n{judgement}")?;
    }
    if let Some(words) = count.words.as_ref().filter(|_| count.refused + count.unserved > 0) {
        writeln!(out, "\nthe first read that was not served: {words}")?;
    }
    let verdict = if holds { "all of it is as it must be" } else { "NOT as it must be" };
    writeln!(out, "\n{:6.1}s  {verdict}", began.elapsed().as_secs_f64())?;
    Ok(holds)
}

fn readers(seat: &Seat, count: &Count) -> Vec<Line> {
    let few = count.unserved == 0 || seat.is_cluster();
    vec![
        line("reads served", &count.served, count.served > 500),
        line("reads refused", &count.refused, count.refused == 0),
        line("reads that no node answered (with three: while none leads)", &count.unserved, few),
    ]
}

fn journalled(seat: &Seat, journal: &[Entry], rotations: u32) -> Result<Vec<Line>, Fault> {
    let count = |kind| journal.iter().filter(|entry| entry.record.step.kind() == kind).count();
    let (promoted, recovered) = (count(StepKind::Promoted), count(StepKind::Recovered));
    let clock = BootClock::new()?;
    let kept = FileSink::open(&seat.path("token"), Mode::PRIVATE)?.load()?;
    let records = journal.iter().map(|entry| entry.record);
    let machine = Rotation::recover(policy(), 0, clock.boot(), clock.now(), records, held(&kept))?;
    let quiet = machine.phase().kind() == PhaseKind::Steady && machine.debt().is_none() && kept.len() == 1;
    let work = work(journal);
    let (median, longest) = (work.get(work.len() / 2), work.last());
    let [median, longest] = [median, longest].map(|took| took.map_or(0, Duration::as_millis));
    Ok(vec![
        line("rotations promoted", &promoted, promoted == rotations as usize),
        line("processes that took over from one that was killed", &recovered, recovered == 1),
        line("the journal replays: one credential, in its slot, and no debt", &quiet, quiet),
        line("beside window and grace a rotation took, median (longest)", &format!("{median} ({longest}) ms"), true),
    ])
}

/// How long each rotation that was promoted took, less the times that the policy wants it to take; the shortest first.
fn work(journal: &[Entry]) -> Vec<Duration> {
    let (mut begun, mut promoted, mut all) = (None, false, Vec::new());
    for entry in journal {
        match entry.record.step {
            Step::IssueIntent { .. } => (begun, promoted) = (Some(entry.record.at), false),
            Step::Promoted { .. } => promoted = true,
            Step::Cleared if promoted => {
                let whole = begun.map(|begun| entry.record.at.since(begun)).unwrap_or_default();
                let wanted = policy().probe_every * u32::from(policy().probes - 1) + policy().grace;
                all.push(whole.saturating_sub(wanted));
            }
            _ => {}
        }
    }
    all.sort();
    all
}

/// By the server's own list.
fn listed(seat: &Seat) -> Result<Vec<Line>, Fault> {
    let root = seat.root()?;
    let alive = root.live_tokens(ROLE)?;
    let published = fs::read_to_string(seat.path("token"))?;
    let looked = root.admin("POST", "auth/token/lookup", &json!({"token": published}))?;
    let ours = looked["data"]["path"] == format!("auth/token/create/{ROLE}");
    Ok(vec![line("tokens alive, by the server's own list", &alive, alive == 1), line("it is the published one", &ours, ours)])
}

/// What the server's own log says of it.
fn oracle(seat: &Seat, history: &History) -> Result<Judgement, Fault> {
    let told = Told {
        grace: Some(policy().grace),
        // What was lost dies when its probation is over; an end is tried three times before it becomes a debt.
        ends_within: Some(policy().probation + policy().delta + Duration::from_secs(30)),
        rest: Rest::Quiet,
        ..Told::default()
    };
    let log = Log::read(seat.audit_logs(), Limits::default())?;
    Ok(log.judge(&Whose::Role(ROLE.to_owned()), &told.with_journal(history)))
}

fn judged(judgement: &Judgement) -> Vec<Line> {
    let (all, living) = (judgement.credentials.len(), judgement.living().count());
    let mut lines = vec![
        line("the server's own log: tokens that were minted", &all, all > 1),
        line("… of which live", &living, living == 1),
        line("… lines that say nothing", &judgement.unauditable, judgement.unauditable == 0),
    ];
    let violated = judgement.violated();
    // Of requests there was told no ceiling.
    for property in Property::ALL.into_iter().filter(|property| *property != Property::S10) {
        let holds = !violated.contains(&property);
        lines.push(line(&format!("… {property}"), &if holds { "holds" } else { "is violated" }, holds));
    }
    lines
}
