//! Rotations by the calendar: asked for when they are due, and made up for as long as their window is open.
//!
//! A moment is *seen to* when another credential serves. One that found nobody, or that nothing came of, is made up for within
//! its window, once; what is missed altogether is left to the next one. A file beside the journal tells the next process which
//! moment was seen to last.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use turquoise::core::{Jitter, Mint, PhaseKind};
use turquoise::{Operator, Wish};

use crate::file::{Due, Schedule};

/// How often the calendar is looked at: timers stand still while the machine is suspended, and the calendar does not.
const NAP: Duration = Duration::from_secs(10);
/// The same while something is due.
const SHORT_NAP: Duration = Duration::from_secs(1);
/// When this part of the window is over, an attempt that nothing came of is made again.
const PART: u32 = 8;

/// When rotations of an identity are due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Calendar {
    pub(crate) schedule: Schedule,
    pub(crate) jitter: Jitter,
}

/// The moment that was seen to last.
struct Book {
    seen: SystemTime,
    /// Where that stands for the next process, if it has to know.
    path: Option<PathBuf>,
}

/// A rotation that was asked for.
#[derive(Clone, Copy)]
struct Attempt {
    /// What served then.
    current: Option<Mint>,
    /// If that still does, it is asked for again from then on.
    again: SystemTime,
}

/// What is done about a moment that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Ask,
    Wait,
    /// Another one serves, or is about to.
    Seen,
    /// Its window is over.
    Miss,
}

impl Calendar {
    /// When a rotation is due next.
    pub(crate) fn next(&self, now: SystemTime) -> Option<SystemTime> {
        self.schedule.next(now, self.jitter)
    }
}

/// Asks for a rotation whenever one is due, until the identity is gone. Without a path a start is like the first one: nothing
/// was missed before it.
pub(crate) async fn keep(calendar: Calendar, path: Option<PathBuf>, operator: Operator) {
    let mut book = Book::open(path, SystemTime::now());
    let mut attempt = None;
    while operator.is_alive() {
        let now = SystemTime::now();
        // A clock that was ahead when the book was written would keep us waiting until then.
        book.seen = book.seen.min(now);
        let Some(due) = calendar.schedule.last(now, calendar.jitter).filter(|due| due.moment > book.seen) else {
            let left = calendar.next(now).and_then(|next| next.duration_since(now).ok());
            tokio::time::sleep(left.unwrap_or(NAP).clamp(Duration::from_millis(1), NAP)).await;
            continue;
        };
        let status = operator.status();
        // What an operator has wait is made up for when that is over, if its window is not.
        if status.paused.is_some() {
            tokio::time::sleep(SHORT_NAP).await;
            continue;
        }
        match step(&due, now, status.phase, status.current, attempt) {
            Step::Ask => {
                let pause = (calendar.schedule.window / PART).max(NAP);
                attempt = ask(&operator, status.current, now + pause).await;
            }
            Step::Wait => {}
            ended @ (Step::Seen | Step::Miss) => {
                if ended == Step::Miss {
                    let next = calendar.next(now).and_then(|next| Timestamp::try_from(next).ok());
                    let next =
                        next.map_or_else(String::new, |next| format!("rotate by hand, or wait for the next moment: {next:.0}"));
                    tracing::warn!(next, "a moment of the schedule was missed");
                }
                book.note(due.moment);
                attempt = None;
                continue;
            }
        }
        tokio::time::sleep(SHORT_NAP).await;
    }
}

/// Begins a rotation, if that may begin now.
async fn ask(operator: &Operator, current: Option<Mint>, again: SystemTime) -> Option<Attempt> {
    match operator.ask(Wish::Rotate).await {
        Ok(()) => {
            tracing::info!("a rotation is due by the schedule");
            Some(Attempt { current, again })
        }
        Err(why) => {
            tracing::warn!(%why, next = "it is asked for again as long as the window is open", "the schedule's rotation was not begun");
            None
        }
    }
}

fn step(due: &Due, now: SystemTime, phase: PhaseKind, current: Option<Mint>, attempt: Option<Attempt>) -> Step {
    let is_another = attempt.is_some_and(|attempt| current.is_some() && current != attempt.current);
    match phase {
        // Whoever began that: a second one right after it is of use to nobody.
        PhaseKind::Draining | PhaseKind::Revoking => Step::Seen,
        _ if is_another => Step::Seen,
        PhaseKind::Issuing | PhaseKind::Validating => Step::Wait,
        _ if now > due.until => Step::Miss,
        PhaseKind::Steady if attempt.is_none_or(|attempt| now >= attempt.again) => Step::Ask,
        _ => Step::Wait,
    }
}

impl Book {
    /// What a file says; if there is none, nothing was missed before now.
    fn open(path: Option<PathBuf>, now: SystemTime) -> Self {
        let mut book = Self { seen: now, path };
        let told = book.path.as_ref().map(fs::read_to_string);
        match told {
            None => {}
            Some(Err(why)) if why.kind() == io::ErrorKind::NotFound => book.note(now),
            Some(told) => {
                if let Some(seen) = told.ok().and_then(|text| text.trim().parse::<Timestamp>().ok()) {
                    book.seen = seen.into();
                } else {
                    tracing::warn!(path = ?book.path, "it cannot be read which moment of the schedule was seen to last: none is made up for");
                    book.note(now);
                }
            }
        }
        book
    }

    fn note(&mut self, moment: SystemTime) {
        self.seen = moment;
        let Some(path) = &self.path else { return };
        let text = Timestamp::try_from(moment).map(|moment| format!("{moment}\n")).unwrap_or_default();
        let aside = path.with_extension("moment.new");
        if let Err(why) = fs::write(&aside, text).and_then(|()| fs::rename(&aside, path)) {
            tracing::warn!(%why, path = %path.display(), "it cannot be written which moment was seen to: a start may make up for it again");
        }
    }
}

#[cfg(test)]
mod tests {
    use turquoise::core::{Color, Generation};

    use super::*;

    fn at(minutes: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_mins(minutes)
    }

    const fn mint(number: u32) -> Mint {
        Mint { generation: Generation { incarnation: 1, number }, slot: Color::Blue }
    }

    #[test]
    fn a_moment_is_made_up_for_within_its_window_and_once() {
        use PhaseKind::{Abandoning, Draining, Issuing, NeedsOperator, Steady, Vacant, Validating};
        let due = Due { moment: at(10), until: at(60) };
        let tried = Some(Attempt { current: Some(mint(1)), again: at(20) });
        for (now, phase, current, attempt, expected) in [
            (at(10), Steady, Some(mint(1)), None, Step::Ask),
            (at(59), Steady, Some(mint(1)), None, Step::Ask),
            (at(61), Steady, Some(mint(1)), None, Step::Miss),
            (at(11), Vacant, None, None, Step::Wait),
            (at(11), NeedsOperator, Some(mint(1)), None, Step::Wait),
            (at(61), NeedsOperator, Some(mint(1)), None, Step::Miss),
            (at(11), Issuing, Some(mint(1)), tried, Step::Wait),
            (at(61), Validating, Some(mint(1)), tried, Step::Wait),
            (at(12), Draining, Some(mint(2)), tried, Step::Seen),
            (at(12), Draining, Some(mint(2)), None, Step::Seen),
            (at(12), Steady, Some(mint(2)), tried, Step::Seen),
            (at(12), Abandoning, Some(mint(1)), tried, Step::Wait),
            (at(12), Steady, Some(mint(1)), tried, Step::Wait),
            (at(20), Steady, Some(mint(1)), tried, Step::Ask),
            (at(61), Steady, Some(mint(1)), tried, Step::Miss),
        ] {
            assert_eq!(step(&due, now, phase, current, attempt), expected, "{now:?} {phase:?}");
        }
    }

    #[test]
    fn the_next_process_knows_what_was_seen_to() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("app.moment");
        let open = |now| Book::open(Some(path.clone()), now);
        assert_eq!(open(at(1)).seen, at(1), "before the first start nothing was missed");
        assert_eq!(open(at(9)).seen, at(1));
        open(at(9)).note(at(7));
        assert_eq!(open(at(9)).seen, at(7));
        fs::write(&path, "yesterday").expect("a file");
        assert_eq!(open(at(9)).seen, at(9));
        assert_eq!(Book::open(None, at(9)).seen, at(9));
    }
}
