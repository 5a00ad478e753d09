//! What holds of every [`Journal`].

use std::collections::BTreeMap;

use turquoise_core::{BootId, Checkpoint, Color, Generation, Instant, Life, Lsn, Mint, Record, Step};

use super::{Breach, Outcome, clause, fail_on};
use crate::port::{Base, Entry, Handle, History, Holders, Journal};

/// A place where one journal lives: empty when it is made, and for one check alone.
pub trait Place {
    /// The journal under test.
    type Journal: Journal;

    /// Opens it, or begins it the first time; the error is for a person.
    fn open(&self) -> Result<(Self::Journal, History), String>;
}

/// Fails with every clause that does not hold. `builder` makes a new place for each check; if the journal begins anew past
/// a length, let that be short (64 entries or fewer), so that it is tested.
///
/// # Panics
///
/// If there is one.
pub fn test_all<P: Place>(builder: impl Fn() -> P) {
    fail_on(&check_all(builder));
}

/// Every clause that does not hold.
pub fn check_all<P: Place>(builder: impl Fn() -> P) -> Vec<Breach> {
    let mut breaches = Vec::new();
    macro_rules! run {
        ($($check:ident),* $(,)?) => {
            $(if let Err(says) = $check(&builder()) {
                breaches.push(Breach { check: stringify!($check), says });
            })*
        };
    }
    run!(
        a_new_journal_is_empty,
        what_was_acknowledged_is_found_again,
        opening_changes_nothing,
        a_handle_is_kept_to_the_letter,
        who_held_what_ended_is_kept,
        there_is_one_writer,
        an_entry_out_of_order_is_refused,
        after_an_error_nothing_is_taken,
        it_goes_on_where_it_ended,
        a_base_that_is_not_of_the_last_entry_changes_nothing,
        a_base_stands_for_what_it_replaces,
    );
    breaches
}

const GENERATION: Generation = Generation { incarnation: 0x7051, number: 1 };
const MINT: Mint = Mint { generation: GENERATION, slot: Color::Green };

fn entry(lsn: u64) -> Entry {
    let at = Instant(1_000 + lsn);
    let life = Life { lb: at, ub: Instant(u64::MAX) };
    let step = match lsn % 5 {
        0 => Step::LoginIntent { mint: MINT },
        1 => Step::Issued { life },
        2 => Step::Persisted,
        3 => Step::Promoted { life },
        _ => Step::ShortenIntent { deadline: at },
    };
    let handle = matches!(step, Step::Issued { .. }).then(|| Handle(format!("accessor-{lsn}")));
    Entry { record: Record { lsn: Lsn(lsn), boot: BootId(u128::MAX - 7), at, step }, handle, holders: None }
}

fn entries(to: u64) -> Vec<Entry> {
    (1..=to).map(entry).collect()
}

fn base(lsn: u64) -> Base {
    let at = Instant(1_000 + lsn);
    let checkpoint = Checkpoint {
        lsn: Lsn(lsn),
        boot: BootId(u128::MAX - 7),
        at,
        mints: 1,
        misses: 2,
        current: MINT,
        life: Life { lb: at, ub: Instant(u64::MAX) },
        renew_at: Instant(3),
        accepted_until: Instant(4),
        unsettled_until: Instant(5),
        unsettled_ub: Instant(6),
        rotate_at: Some(Instant(7)),
        cool_until: Instant(8),
    };
    Base { checkpoint, handle: Some(Handle("accessor of the base".to_owned())) }
}

fn append(journal: &mut impl Journal, entries: &[Entry]) -> Outcome {
    for entry in entries {
        let lsn = entry.record.lsn.0;
        journal.append(entry).map_err(|error| format!("the next entry is taken, but {lsn} was refused: {error}"))?;
    }
    Ok(())
}

/// Begins a journal with these entries, and closes it.
fn write<P: Place>(place: &P, entries: &[Entry]) -> Outcome {
    append(&mut place.open()?.0, entries)
}

fn finds<P: Place>(place: &P, expected: &History) -> Outcome {
    let (_, found) = place.open().map_err(|error| format!("a journal that was closed can be opened: {error}"))?;
    let (count, of) = (found.entries.len(), expected.entries.len());
    clause!(found.base == expected.base, "the base that was acknowledged is found again: {:?}", found.base);
    clause!(
        found.entries == expected.entries,
        "what was acknowledged is found again, in order and to the letter: {count} entries of {of}, or other ones"
    );
    Ok(())
}

fn a_new_journal_is_empty<P: Place>(place: &P) -> Outcome {
    let (_, history) = place.open()?;
    clause!(history == History::default(), "a new journal holds nothing, but here are {} entries", history.entries.len());
    Ok(())
}

fn what_was_acknowledged_is_found_again<P: Place>(place: &P) -> Outcome {
    write(place, &entries(50))?;
    finds(place, &entries(50).into())
}

fn opening_changes_nothing<P: Place>(place: &P) -> Outcome {
    write(place, &entries(3))?;
    finds(place, &entries(3).into())?;
    finds(place, &entries(3).into()).map_err(|says| format!("opening changes nothing: {says}"))
}

fn a_handle_is_kept_to_the_letter<P: Place>(place: &P) -> Outcome {
    let handles = ["", " a b ", "\"quoted\"\\", "line\nbreak\r\ttab\0", "é 名 \u{1f511}", "{\"seq\":1}", &"x".repeat(200)];
    let entries: Vec<Entry> =
        (1..).zip(handles).map(|(lsn, handle)| Entry { handle: Some(Handle(handle.to_owned())), ..entry(lsn) }).collect();
    write(place, &entries)?;
    finds(place, &entries.into()).map_err(|says| format!("a handle is kept whatever its letters: {says}"))
}

fn who_held_what_ended_is_kept<P: Place>(place: &P) -> Outcome {
    let named = ["", "ingest", "\"quoted\"\\", "line\nbreak\0", "é 名 \u{1f511}"].map(str::to_owned);
    let holders = [
        Holders { total: 3, named: BTreeMap::new() },
        Holders { total: 20, named: named.into_iter().zip(1..).collect() },
        Holders { total: 15, named: (0..15).map(|n| (format!("{n:\u{1f511}>64}"), 1)).collect() },
    ];
    let entries: Vec<Entry> = (1..).zip(holders).map(|(lsn, holders)| Entry { holders: Some(holders), ..entry(lsn) }).collect();
    write(place, &entries)?;
    finds(place, &entries.into()).map_err(|says| format!("who held what ended is kept, and by which names: {says}"))
}

fn there_is_one_writer<P: Place>(place: &P) -> Outcome {
    let (mut first, _) = place.open()?;
    append(&mut first, &entries(2))?;
    clause!(place.open().is_err(), "a journal has one writer, but a second one opened it");
    append(&mut first, &[entry(3)]).map_err(|says| format!("who was refused has no effect on the writer: {says}"))?;
    drop(first);
    finds(place, &entries(3).into())
}

fn an_entry_out_of_order_is_refused<P: Place>(place: &P) -> Outcome {
    write(place, &entries(3))?;
    for lsn in [0, 1, 3, 5, 1_000_000] {
        let (mut journal, _) = place.open()?;
        clause!(journal.append(&entry(lsn)).is_err(), "the next entry after 3 is 4, but {lsn} was taken");
        drop(journal);
        finds(place, &entries(3).into()).map_err(|says| format!("what is refused is not kept: {says}"))?;
    }
    Ok(())
}

fn after_an_error_nothing_is_taken<P: Place>(place: &P) -> Outcome {
    let (mut journal, _) = place.open()?;
    append(&mut journal, &entries(2))?;
    clause!(journal.append(&entry(9)).is_err(), "the next entry after 2 is 3, but 9 was taken");
    clause!(journal.append(&entry(3)).is_err(), "after an error every further append is refused, but one was taken");
    clause!(
        matches!(journal.compact(&base(2)), Err(_) | Ok(None)),
        "after an error nothing is taken until it is opened anew, but a base was"
    );
    drop(journal);
    finds(place, &entries(2).into())
}

fn it_goes_on_where_it_ended<P: Place>(place: &P) -> Outcome {
    for lsn in 1..=5 {
        write(place, &[entry(lsn)]).map_err(|says| format!("opened anew it goes on where it ended: {says}"))?;
    }
    finds(place, &entries(5).into())
}

fn a_base_that_is_not_of_the_last_entry_changes_nothing<P: Place>(place: &P) -> Outcome {
    let (mut journal, _) = place.open()?;
    append(&mut journal, &entries(64))?;
    for stale in [base(63), base(65), base(1)] {
        let lsn = stale.checkpoint.lsn.0;
        clause!(matches!(journal.compact(&stale), Ok(None)), "only a base of the last entry, 64, is taken, but one of {lsn} was");
    }
    append(&mut journal, &[entry(65)])?;
    drop(journal);
    finds(place, &entries(65).into())
}

fn a_base_stands_for_what_it_replaces<P: Place>(place: &P) -> Outcome {
    let (mut journal, _) = place.open()?;
    append(&mut journal, &entries(64))?;
    let compacted = journal.compact(&base(64)).map_err(|error| format!("a sound journal can begin anew: {error}"))?;
    let (held, replaced) = if compacted.is_some() { (Some(base(64)), 64) } else { (None, 0) };
    let history = |to: u64| History { base: held.clone(), entries: (replaced + 1..=to).map(entry).collect() };
    append(&mut journal, &[entry(65)])?;
    drop(journal);
    finds(place, &history(65))?;
    write(place, &[entry(66)])?;
    finds(place, &history(66))
}
