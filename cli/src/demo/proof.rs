//! The table at the end: what the clients and a journal say, and what must be, whosoever's credentials were rotated.

use turquoise::core::{AbandonReason, Step};
use turquoise::port::Entry;

use super::count::Tally;
use super::show::{Line, Show, table};
use super::trouble::Trouble;

/// Fewer requests would be no load.
const LEAST: u64 = 200;

/// What became of the requests of one kind of client: its two lines have these names.
pub(crate) fn client([served, failed]: [&'static str; 2], tally: &Tally) -> [Line; 2] {
    let (count, failures) = (tally.count(), tally.failed());
    [
        Line::must(served, count.served, count.served >= LEAST, format_args!("{LEAST} or more")),
        Line::must(failed, failures, failures == 0, 0),
    ]
}

/// What a journal says of the rotations, of which none is under way.
#[derive(Default)]
pub(crate) struct Rounds {
    begun: usize,
    done: usize,
    /// Those of the abandoned whose candidate was refused.
    refused: usize,
}

impl Rounds {
    pub(crate) fn of(entries: &[Entry]) -> Self {
        let (mut rounds, mut promoted) = (Self::default(), false);
        for step in entries.iter().map(|entry| entry.record.step) {
            match step {
                Step::IssueIntent { .. } => {
                    rounds.begun += 1;
                    promoted = false;
                }
                Step::Promoted { .. } => promoted = true,
                Step::Cleared if promoted => {
                    rounds.done += 1;
                    promoted = false;
                }
                Step::AbandonIntent { reason: AbandonReason::ProbeRefused, .. } => rounds.refused += 1,
                _ => {}
            }
        }
        rounds
    }

    /// Two lines of these names; so many rotations must be done, and so many abandoned, one of them for its useless candidate.
    pub(crate) fn lines(&self, [did, gave_up]: [&'static str; 2], done: usize, abandoned: usize) -> [Line; 2] {
        let (given_up, refused) = (self.begun - self.done, self.refused);
        [
            Line::must(did, self.done, self.done == done, done),
            Line::must(
                gave_up,
                format_args!("{given_up} ({refused} useless)"),
                given_up == abandoned && refused == 1,
                format_args!("{abandoned}, one of them useless"),
            ),
        ]
    }
}

/// Prints the table; any wrong line is trouble.
pub(crate) fn conclude(mut lines: Vec<Line>, show: &Show) -> Result<(), Trouble> {
    lines.push(Line::fact("time, in seconds", format_args!("{:.1}", show.elapsed())));
    let wrong = table(&lines)?;
    for tally in show.tallies().into_iter().filter(|tally| tally.failed() > 0) {
        for failure in tally.count().failures {
            show.note(format_args!("a request failed: {failure}"))?;
        }
    }
    if wrong == 0 { Ok(()) } else { Err(Trouble::Wrong(wrong)) }
}
