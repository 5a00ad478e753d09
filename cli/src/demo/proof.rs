//! The table at the end: what the load, the journal and the server say, and what must be.

use std::collections::BTreeSet;

use turquoise::core::{AbandonReason, Step};
use turquoise::journal::FileJournal;
use turquoise::port::{Entry, History};
use turquoise_audit::{Answer, By, Fate, Judgement, Log, Rest, Told, Whose};

use super::load::Count;
use super::scene::{ROLE, SECRET, Scene};
use super::show::{Line, Show, table};
use super::sidecar::policy;
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
    let journal = FileJournal::open(&scene.site().journal)?.history;
    let mut lines = Vec::from(load(&handle, &sink));
    lines.extend(Rounds::of(&journal.entries).lines());
    lines.extend(tokens(scene, &journal).await?);
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
async fn tokens(scene: &Scene, journal: &History) -> Result<[Line; 6], Trouble> {
    let log = scene.audit().await?;
    let told = Told { grace: Some(policy()?.grace), rest: Rest::Quiet, ..Told::default() };
    let judgement = log.judge(&Whose::Role(ROLE.to_owned()), &told.with_journal(journal));
    let tokens = &judgement.credentials;
    let (living, alive) = (judgement.living().count(), scene.alive().await?);
    let last_lives = tokens.get(CURRENT).is_some_and(Fate::lives);
    Ok([
        Line::must("tokens minted", tokens.len(), tokens.len() == MINTED, MINTED),
        Line::must("tokens dead", tokens.len() - living, tokens.len() - living == MINTED - 1, MINTED - 1),
        Line::must("tokens alive", alive, alive == 1 && living == 1 && last_lives, "1, the last"),
        revocations(tokens),
        refusals(&log, tokens),
        Line::must("audit log: violations found in it", violations(&judgement), judgement.holds(), "none"),
    ])
}

fn violations(judgement: &Judgement) -> String {
    let all: Vec<_> = judgement.violations.iter().map(ToString::to_string).collect();
    if all.is_empty() { "none".to_owned() } else { all.join("; ") }
}

/// Each token ended itself; only one that has served may instead have run out, as its life was cut to its grace.
fn revocations(tokens: &[Fate]) -> Line {
    let ended = tokens.iter().filter(|token| token.ended_by == Some(By::Itself)).count();
    let as_due = tokens.iter().enumerate().all(|(place, token)| match place {
        0 | 1 => matches!(token.ended_by, Some(By::Itself | By::Time)),
        CURRENT => token.lives(),
        _ => token.ended_by == Some(By::Itself),
    });
    Line::must("audit log: tokens that ended themselves", ended, as_due, "all the abandoned and not the last")
}

/// The one token that was refused a read is the useless one, by its probe: no work ever had it.
fn refusals(log: &Log, tokens: &[Fate]) -> Line {
    let refused = log.entries().iter().filter(|entry| *entry.path == *SECRET && matches!(entry.answer, Answer::Refused(_)));
    let refused: BTreeSet<_> = refused.map(|entry| entry.caller.as_deref()).collect();
    let as_due = refused == BTreeSet::from([tokens.get(USELESS).and_then(|token| token.accessor.as_deref())]);
    Line::must("audit log: tokens that were refused a read", refused.len(), as_due, "the useless one alone")
}
