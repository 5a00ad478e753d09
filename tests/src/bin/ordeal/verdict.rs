//! What must hold in the end, by what the readers met with, the journal, the server's list and its own log.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write as _};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use turquoise::core::{PhaseKind, Rotation, Step, StepKind};
use turquoise::journal::FileJournal;
use turquoise::port::{Entry, Store as _, held};
use turquoise::sink::{FileSink, Mode};
use turquoise::{BootClock, Clock as _};
use turquoise_openbao::{AdminError, Audit, Root};
use turquoise_tests::policy;

use crate::Fault;
use crate::load::Count;
use crate::seat::{ROLE, Seat};

/// Something that must hold, what was found, and whether it does.
type Line = (&'static str, String, bool);

/// Prints the table; whether all of it is as it must be.
pub(crate) fn judge(seat: &Seat, count: &Count, rotations: u32, began: Instant) -> Result<bool, Fault> {
    let journal = FileJournal::open(&seat.path("journal"))?.history.entries;
    let mut lines = readers(seat, count);
    lines.extend(journalled(seat, &journal, rotations)?);
    lines.extend(tokens(seat)?);
    let errors = seat.log()?.lines().filter(|line| line.contains("ERROR")).count();
    lines.push(("errors in the agent's log", errors.to_string(), errors == 0));
    let mut out = io::stdout().lock();
    writeln!(out)?;
    for (what, found, holds) in &lines {
        writeln!(out, "  {what:62} {found:>14}  {}", if *holds { "ok" } else { "WRONG" })?;
    }
    let holds = lines.iter().all(|(_, _, holds)| *holds);
    let verdict = if holds { "all of it is as it must be" } else { "NOT as it must be" };
    writeln!(out, "\n{:6.1}s  {verdict}", began.elapsed().as_secs_f64())?;
    if let Some(words) = count.words.as_ref().filter(|_| count.refused + count.unserved > 0) {
        writeln!(out, "         the first read that was not served: {words}")?;
    }
    Ok(holds)
}

fn readers(seat: &Seat, count: &Count) -> Vec<Line> {
    let few = count.unserved == 0 || seat.is_cluster();
    vec![
        ("reads served", count.served.to_string(), count.served > 500),
        ("reads refused", count.refused.to_string(), count.refused == 0),
        ("reads that no node answered (with three: while none leads)", count.unserved.to_string(), few),
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
        ("rotations promoted", promoted.to_string(), promoted == rotations as usize),
        ("processes that took over from one that was killed", recovered.to_string(), recovered == 1),
        ("the journal replays: one credential, in its slot, and no debt", quiet.to_string(), quiet),
        ("beside window and grace a rotation took, median (longest)", format!("{median} ({longest}) ms"), true),
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

fn tokens(seat: &Seat) -> Result<Vec<Line>, Fault> {
    let root = seat.root()?;
    let mut minted = BTreeSet::new();
    for log in seat.audit_logs() {
        minted.extend(Audit::read(&log)?.minted(ROLE).cloned());
    }
    let mut living = BTreeSet::new();
    for token in &minted {
        if lives(root, token.as_str())? {
            living.insert(token.as_str());
        }
    }
    let listed = root.live_tokens(ROLE)?;
    let published = fs::read_to_string(seat.path("token"))?;
    let looked = root.admin("POST", "auth/token/lookup", &json!({"token": published}))?;
    let serves = looked["data"]["accessor"].as_str().is_some_and(|accessor| living.contains(accessor));
    Ok(vec![
        ("tokens minted, by the server's own log", minted.len().to_string(), minted.len() > 1),
        ("of which live", living.len().to_string(), living.len() == 1),
        ("tokens alive, by the server's own list", listed.to_string(), listed == 1),
        ("the one that lives is the published one", serves.to_string(), serves),
    ])
}

fn lives(root: Root<'_>, accessor: &str) -> Result<bool, AdminError> {
    match root.admin("POST", "auth/token/lookup-accessor", &json!({"accessor": accessor})) {
        Ok(Value::Null) | Err(AdminError::Refused { status: 400 | 403, .. }) => Ok(false),
        Ok(_) => Ok(true),
        Err(other) => Err(other),
    }
}
