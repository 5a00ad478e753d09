//! The table at the end: what the load, the journal and the server say, and what must be.

use std::collections::BTreeSet;

use turquoise::core::{AbandonReason, Step};
use turquoise::journal::FileJournal;
use turquoise::port::Entry;
use turquoise_openbao::{Accessor, Audit};

use super::load::Count;
use super::scene::{ROLE, SECRET, Scene};
use super::show::{Line, Show, table};
use super::trouble::Trouble;

/// Fewer requests would be no load.
const LEAST: u64 = 200;
/// The tokens of the story: the first, and the candidates of four rotations.
const MINTED: usize = 5;
/// The third is the one that cannot read.
const USELESS: usize = 2;
/// The last serves at the end.
const CURRENT: usize = MINTED - 1;

/// Prints the table; any wrong line is trouble.
pub(crate) async fn judge(scene: &Scene, show: &Show) -> Result<(), Trouble> {
    let (handle, sink) = (show.handle.lock().clone(), show.sink.lock().clone());
    // Whoever rotated has let go of it.
    let journal = FileJournal::open(&scene.site().journal)?.history.entries;
    let mut lines = Vec::from(load(&handle, &sink));
    lines.extend(Rounds::of(&journal).lines());
    lines.extend(tokens(scene).await?);
    lines.push(Line::fact("time, in seconds", format!("{:.1}", show.elapsed())));
    let wrong = table(&lines)?;
    for failure in handle.failures.iter().chain(&sink.failures) {
        show.note(format_args!("a request failed: {failure}"))?;
    }
    if wrong == 0 { Ok(()) } else { Err(Trouble::Wrong(wrong)) }
}

fn load(handle: &Count, sink: &Count) -> [Line; 3] {
    let least = || format!("{LEAST} or more");
    let failed = handle.failed + sink.failed;
    [
        Line::must("requests served, by the handle", handle.served, handle.served >= LEAST, least()),
        Line::must("requests served, by the sink file", sink.served, sink.served >= LEAST, least()),
        Line::must("requests failed", failed, failed == 0, 0),
    ]
}

/// What the journal says of the rotations that ended.
#[derive(Default)]
struct Rounds {
    done: usize,
    abandoned: usize,
    /// Those of the abandoned whose candidate was refused the read.
    refused: usize,
}

impl Rounds {
    fn of(entries: &[Entry]) -> Self {
        let (mut rounds, mut promoted) = (Self::default(), false);
        for step in entries.iter().map(|entry| entry.record.step) {
            match step {
                Step::IssueIntent { .. } => promoted = false,
                Step::Promoted { .. } => promoted = true,
                Step::Cleared if promoted => rounds.done += 1,
                Step::Cleared => rounds.abandoned += 1,
                Step::AbandonIntent { reason: AbandonReason::ProbeRefused, .. } => rounds.refused += 1,
                _ => {}
            }
        }
        rounds
    }

    fn lines(&self) -> [Line; 2] {
        let Self { done, abandoned, refused } = *self;
        let told = format!("{abandoned} ({refused} useless)");
        [
            Line::must("rotations done", done, done == 2, 2),
            Line::must("rotations abandoned", told, abandoned == 2 && refused == 1, "2, one of them useless"),
        ]
    }
}

/// What the server says.
async fn tokens(scene: &Scene) -> Result<[Line; 5], Trouble> {
    let audit = scene.audit().await?;
    let minted: Vec<&Accessor> = audit.minted(ROLE).collect();
    let mut living = Vec::new();
    for token in &minted {
        if scene.lives(token).await? {
            living.push(*token);
        }
    }
    let (dead, alive) = (minted.len() - living.len(), scene.alive().await?);
    Ok([
        Line::must("tokens minted", minted.len(), minted.len() == MINTED, MINTED),
        Line::must("tokens dead", dead, dead == MINTED - 1, MINTED - 1),
        Line::must(
            "tokens alive",
            alive,
            alive == 1 && living.as_slice() == minted.get(CURRENT..).unwrap_or_default(),
            "1, the last",
        ),
        revocations(&audit, &minted),
        refusals(&audit, &minted),
    ])
}

/// Each token ended itself; only one that has served may instead have run out, as its life was cut to its grace.
fn revocations(audit: &Audit, minted: &[&Accessor]) -> Line {
    let ended: BTreeSet<_> = audit.revoked_self().collect();
    let as_due = minted.iter().enumerate().all(|(place, token)| match place {
        0 | 1 => true,
        CURRENT => !ended.contains(token),
        _ => ended.contains(token),
    });
    Line::must("audit log: tokens that ended themselves", ended.len(), as_due, "all the abandoned and not the last")
}

/// The one token that was refused a read is the useless one, by its probe: no work ever had it.
fn refusals(audit: &Audit, minted: &[&Accessor]) -> Line {
    let refused: BTreeSet<_> = audit.failed().filter(|entry| entry.path == SECRET).map(|entry| entry.caller.as_ref()).collect();
    let as_due = refused == BTreeSet::from([minted.get(USELESS).copied()]);
    Line::must("audit log: tokens that were refused a read", refused.len(), as_due, "the useless one alone")
}
