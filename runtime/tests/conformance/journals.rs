//! A journal in memory, as it must be and as it must not be.

use std::sync::{Arc, Mutex};

use turquoise_runtime::conformance::journal::{Place, check_all, test_all};
use turquoise_runtime::core::Lsn;
use turquoise_runtime::port::{Base, Compacted, Entry, Handle, History, Journal, NotCompacted, NotDurable};

/// How one breaks its contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bug {
    None,
    /// None either: it never begins anew.
    Unbounded,
    BeginsFull,
    LosesTheLast,
    GrowsWhenOpened,
    TrimsHandles,
    ForgetsNames,
    LetsASecondIn,
    TakesGaps,
    GoesOnAfterAnError,
    ForgetsWhereItWas,
    TakesAnyBase,
    LosesTheBase,
}

#[derive(Default)]
struct Content {
    history: History,
    open: bool,
}

struct Memory {
    content: Arc<Mutex<Content>>,
    bug: Bug,
}

struct Open {
    content: Arc<Mutex<Content>>,
    bug: Bug,
    failed: bool,
    taken: u64,
}

fn memory(bug: Bug) -> impl Fn() -> Memory {
    move || Memory { content: Arc::default(), bug }
}

fn last(history: &History) -> u64 {
    let base = history.base.as_ref().map(|base| base.checkpoint.lsn);
    history.entries.last().map(|entry| entry.record.lsn).or(base).map_or(0, |Lsn(last)| last)
}

impl Place for Memory {
    type Journal = Open;

    fn open(&self) -> Result<(Open, History), String> {
        let mut content = self.content.lock().unwrap();
        if content.open && self.bug != Bug::LetsASecondIn {
            return Err("it is open".to_owned());
        }
        content.open = true;
        if self.bug == Bug::GrowsWhenOpened
            && let Some(again) = content.history.entries.first().cloned()
        {
            content.history.entries.push(again);
        }
        let mut history = content.history.clone();
        if self.bug == Bug::BeginsFull && history.entries.is_empty() {
            history.base = Some(sample());
        }
        Ok((Open { content: Arc::clone(&self.content), bug: self.bug, failed: false, taken: 0 }, history))
    }
}

fn sample() -> Base {
    use turquoise_runtime::core::{BootId, Checkpoint, Color, Generation, Instant, Life, Mint};
    let at = Instant(1);
    let current = Mint { generation: Generation { incarnation: 1, number: 1 }, slot: Color::Blue };
    let checkpoint = Checkpoint {
        lsn: Lsn(1),
        boot: BootId(1),
        at,
        mints: 1,
        misses: 0,
        current,
        life: Life { lb: at, ub: at },
        renew_at: at,
        accepted_until: at,
        unsettled_until: at,
        unsettled_ub: at,
        rotate_at: None,
        cool_until: at,
    };
    Base { checkpoint, handle: None }
}

impl Journal for Open {
    fn append(&mut self, entry: &Entry) -> Result<(), NotDurable> {
        let mut content = self.content.lock().unwrap();
        let due = if self.bug == Bug::ForgetsWhereItWas { self.taken } else { last(&content.history) } + 1;
        let fits = entry.record.lsn.0 == due || (self.bug == Bug::TakesGaps && entry.record.lsn.0 > due);
        if (self.failed && self.bug != Bug::GoesOnAfterAnError) || !fits {
            self.failed = true;
            return Err(NotDurable("it does not fit".to_owned()));
        }
        let mut entry = entry.clone();
        if self.bug == Bug::TrimsHandles {
            entry.handle = entry.handle.map(|Handle(handle)| Handle(handle.trim().to_owned()));
        }
        if self.bug == Bug::ForgetsNames
            && let Some(holders) = &mut entry.holders
        {
            holders.named.clear();
        }
        content.history.entries.push(entry);
        self.taken += 1;
        Ok(())
    }

    fn compact(&mut self, base: &Base) -> Result<Option<Compacted>, NotCompacted> {
        let mut content = self.content.lock().unwrap();
        let fits = base.checkpoint.lsn.0 == last(&content.history) || self.bug == Bug::TakesAnyBase;
        if self.failed || self.bug == Bug::Unbounded || !fits || content.history.entries.len() < 64 {
            return Ok(None);
        }
        let base = if self.bug == Bug::LosesTheBase { sample() } else { base.clone() };
        content.history = History { base: Some(Base { checkpoint: base.checkpoint, ..base }), entries: Vec::new() };
        if self.bug == Bug::LosesTheBase {
            content.history.base.as_mut().unwrap().checkpoint.lsn = Lsn(64);
        }
        Ok(Some(Compacted { archive: "nowhere".to_owned(), removed: Vec::new() }))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let mut content = self.content.lock().unwrap();
        content.open = false;
        if self.bug == Bug::LosesTheLast {
            content.history.entries.pop();
        }
    }
}

#[test]
fn a_journal_as_it_must_be_passes() {
    test_all(memory(Bug::None));
    test_all(memory(Bug::Unbounded));
}

#[test]
fn each_broken_clause_is_found_by_its_check_and_named() {
    let broken = [
        (Bug::BeginsFull, "a_new_journal_is_empty", "a new journal holds nothing"),
        (Bug::LosesTheLast, "what_was_acknowledged_is_found_again", "what was acknowledged is found again"),
        (Bug::GrowsWhenOpened, "opening_changes_nothing", "what was acknowledged is found again"),
        (Bug::TrimsHandles, "a_handle_is_kept_to_the_letter", "a handle is kept whatever its letters"),
        (Bug::ForgetsNames, "who_held_what_ended_is_kept", "who held what ended is kept, and by which names"),
        (Bug::LetsASecondIn, "there_is_one_writer", "a journal has one writer"),
        (Bug::TakesGaps, "an_entry_out_of_order_is_refused", "the next entry after 3 is 4, but 5 was taken"),
        (Bug::GoesOnAfterAnError, "after_an_error_nothing_is_taken", "after an error every further append is refused"),
        (Bug::ForgetsWhereItWas, "it_goes_on_where_it_ended", "opened anew it goes on where it ended"),
        (Bug::TakesAnyBase, "a_base_that_is_not_of_the_last_entry_changes_nothing", "only a base of the last entry"),
        (Bug::LosesTheBase, "a_base_stands_for_what_it_replaces", "the base that was acknowledged is found again"),
    ];
    for (bug, check, says) in broken {
        let breaches = check_all(memory(bug));
        let found = breaches.iter().find(|breach| breach.check == check);
        assert!(found.is_some_and(|breach| breach.says.contains(says)), "{bug:?}: {breaches:?}");
    }
}

#[test]
#[should_panic(expected = "clauses of the contract that do not hold: 1\n- a_handle_is_kept_to_the_letter: a handle is kept")]
fn a_test_that_uses_the_kit_fails_with_the_clause() {
    test_all(memory(Bug::TrimsHandles));
}
