//! Reports on their way from work to the driver: bounded, without a lock, without an allocation; one word each.
//!
//! Whoever reports draws a place, in turn, and writes to it if it is empty; else the report is lost, and counted. The driver
//! looks through the places. Nobody waits for anybody, so a report takes a fixed number of steps.

use std::time::Duration;

use turquoise_core::Verdict;

use crate::board::{Side, Tried};
use crate::sync::{AtomicU64, AtomicUsize, Ordering, REPORTS, Sown, is_sown};

/// A report of a trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Note {
    pub(crate) tried: Tried,
    pub(crate) verdict: Verdict,
}

pub(crate) struct Inbox {
    places: [AtomicU64; REPORTS],
    turn: AtomicUsize,
    /// Where the driver looks next.
    next: AtomicUsize,
    lost: AtomicU64,
}

impl Inbox {
    pub(crate) fn new() -> Self {
        Self {
            places: std::array::from_fn(|_| AtomicU64::new(0)),
            turn: AtomicUsize::new(0),
            next: AtomicUsize::new(0),
            lost: AtomicU64::new(0),
        }
    }

    /// Leaves a note, unless its place is taken.
    pub(crate) fn put(&self, note: Note) {
        let place = &self.places[self.turn.fetch_add(1, Ordering::Relaxed) % REPORTS];
        if is_sown(Sown::WritesOver) {
            return place.store(note.word(), Ordering::Release);
        }
        if place.compare_exchange(0, note.word(), Ordering::Release, Ordering::Relaxed).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Takes a note that waits. One thread at a time.
    pub(crate) fn take(&self) -> Option<Note> {
        let next = self.next.load(Ordering::Relaxed);
        (next..next + REPORTS).find_map(|at| {
            let place = &self.places[at % REPORTS];
            if place.load(Ordering::Relaxed) == 0 {
                return None;
            }
            let note = Note::of(place.swap(0, Ordering::Acquire))?;
            self.next.store((at + 1) % REPORTS, Ordering::Relaxed);
            Some(note)
        })
    }

    /// How many reports found no place, ever.
    pub(crate) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

impl Note {
    /// From the lowest bit: two for the verdict, which is never 0; one for the side; 29 for the trial; 32 for the time, in
    /// microseconds, at most 71 minutes.
    fn word(self) -> u64 {
        let (verdict, took) = match self.verdict {
            Verdict::Served { took } => (1, u32::try_from(took.as_micros()).unwrap_or(u32::MAX)),
            Verdict::Refused => (2, 0),
            Verdict::Slow => (3, 0),
        };
        let side = match self.tried.side {
            Side::Current => 0,
            Side::Candidate => 1,
        };
        verdict | side << 2 | u64::from(self.tried.trial) << 3 | u64::from(took) << 32
    }

    fn of(word: u64) -> Option<Self> {
        let verdict = match word & 3 {
            1 => Verdict::Served { took: Duration::from_micros(word >> 32) },
            2 => Verdict::Refused,
            3 => Verdict::Slow,
            _ => return None,
        };
        let side = if word & 4 == 0 { Side::Current } else { Side::Candidate };
        let trial = u32::try_from(word >> 3 & 0x1fff_ffff).ok()?;
        Some(Self { tried: Tried { trial, side }, verdict })
    }
}
