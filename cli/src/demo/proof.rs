//! The table at the end: what the load, the journal and the server say, and what must be.

use turquoise::core::{AbandonReason, Step};
use turquoise::journal::FileJournal;
use turquoise::port::Entry;

use super::load::Count;
use super::scene::Scene;
use super::show::{Line, Show, table};
use super::trouble::Trouble;

/// Fewer requests would be no load.
const LEAST: u64 = 200;
/// The credentials of the story: the first, and the candidates of four rotations.
pub(crate) const MADE: usize = 5;
/// The third is the one that cannot do its work.
pub(crate) const USELESS: usize = 2;
/// The fourth is the one at whose making the process is killed.
pub(crate) const KILLED: usize = 3;
/// The last serves at the end.
pub(crate) const CURRENT: usize = MADE - 1;

/// Prints the table; any wrong line is trouble.
pub(crate) async fn judge(scene: &impl Scene, show: &Show) -> Result<(), Trouble> {
    let (handle, sink) = (show.handle.lock().clone(), show.sink.lock().clone());
    // Whoever rotated has let go of it.
    let journal = FileJournal::open(&scene.site().journal())?.history;
    let mut lines = Vec::from(load(&handle, &sink));
    lines.extend(Rounds::of(&journal.entries).lines());
    lines.extend(scene.facts(&journal).await?);
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

/// What the journal says of the rotations, of which none is under way.
#[derive(Default)]
struct Rounds {
    begun: usize,
    done: usize,
    /// Those of the abandoned whose candidate was refused.
    refused: usize,
}

impl Rounds {
    fn of(entries: &[Entry]) -> Self {
        let (mut rounds, mut promoted) = (Self::default(), false);
        for step in entries.iter().map(|entry| entry.record.step) {
            match step {
                Step::IssueIntent { .. } => {
                    rounds.begun += 1;
                    promoted = false;
                }
                Step::Promoted { .. } => promoted = true,
                Step::Cleared if promoted => rounds.done += 1,
                Step::AbandonIntent { reason: AbandonReason::ProbeRefused, .. } => rounds.refused += 1,
                _ => {}
            }
        }
        rounds
    }

    fn lines(&self) -> [Line; 2] {
        let Self { begun, done, refused } = *self;
        let abandoned = begun - done;
        let told = format!("{abandoned} ({refused} useless)");
        [
            Line::must("rotations done", done, done == 2, 2),
            Line::must("rotations abandoned", told, abandoned == 2 && refused == 1, "2, one of them useless"),
        ]
    }
}
