//! One file per behaviour.

mod codec;
mod compact;
mod damage;
mod disk;
mod faulty;
mod head;
mod opening;
mod torn;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use turquoise_runtime::core::{
    AbandonReason, AtStop, BootId, Checkpoint, Color, Drained, Generation, Held, Instant, Life, Lsn, Mint, Proof, Record,
    Resolution, Secret, Step, StuckReason, Trigger, Via,
};
use turquoise_runtime::port::{Base, Entry, Handle, Holders, Journal};

use crate::codec::{NO_LINE, encode, sha256};
use crate::{FileJournal, OpenError, Opened};

const BLUE: Generation = Generation { incarnation: 0x0123_abcd, number: 1 };
const GREEN: Generation = Generation { incarnation: 0x0123_abcd, number: 2 };
const LIFE: Life = Life { lb: Instant(3_600_000), ub: Instant(3_605_000) };

/// One step of every kind. A kind that is new in the core does not compile here until it has its sample.
fn every_step() -> Vec<Step> {
    let samples = vec![
        Step::Recovered { held: Held { blue: Some(BLUE), green: None } },
        Step::LoginIntent { mint: Mint { generation: BLUE, slot: Color::Blue } },
        Step::LoginFailed { not_before: Instant(90_000) },
        Step::LoggedIn { life: LIFE },
        Step::Ready,
        Step::IssueIntent { mint: Mint { generation: GREEN, slot: Color::Green }, trigger: Trigger::Schedule, via: Via::Current },
        Step::IssueRefused,
        Step::Issued { life: LIFE },
        Step::Persisted,
        Step::ExtendIntent,
        Step::Promoted { life: LIFE },
        Step::ShortenIntent { deadline: Instant(120_000) },
        Step::RollbackIntent,
        Step::RollbackFailed,
        Step::RolledBack { life: LIFE },
        Step::Compromised { generation: BLUE },
        Step::RevokeIntent { drained: Drained::Idle, ub: Instant(180_000) },
        Step::AbandonIntent { reason: AbandonReason::ProbeRefused, held_until: Some(Instant(170_000)), ub: Instant(180_000) },
        Step::Owed { generation: GREEN, secret: Secret::Held },
        Step::Waived { ub: Instant(180_000), other: Instant(190_000) },
        Step::Died { proof: Proof::Observed },
        Step::Cleared,
        Step::Stuck { reason: StuckReason::Stranger },
        Step::Resolved { resolution: Resolution::Forget },
        Step::CloseIntent { ub: Instant(180_000) },
        Step::Stopped { how: AtStop::Revoke },
    ];
    for sample in &samples {
        match sample {
            Step::Recovered { .. }
            | Step::LoginIntent { .. }
            | Step::LoginFailed { .. }
            | Step::LoggedIn { .. }
            | Step::Ready
            | Step::IssueIntent { .. }
            | Step::IssueRefused
            | Step::Issued { .. }
            | Step::Persisted
            | Step::ExtendIntent
            | Step::Promoted { .. }
            | Step::ShortenIntent { .. }
            | Step::RollbackIntent
            | Step::RollbackFailed
            | Step::RolledBack { .. }
            | Step::Compromised { .. }
            | Step::RevokeIntent { .. }
            | Step::AbandonIntent { .. }
            | Step::Owed { .. }
            | Step::Waived { .. }
            | Step::Died { .. }
            | Step::Cleared
            | Step::Stuck { .. }
            | Step::Resolved { .. }
            | Step::CloseIntent { .. }
            | Step::Stopped { .. } => {}
        }
    }
    samples
}

fn entry(lsn: u64, step: Step) -> Entry {
    let boot = BootId(0x1f0c_9d3e_77aa_4b6b_8c55_0242_ac12_0002);
    let handle = matches!(step, Step::LoggedIn { .. } | Step::Issued { .. }).then(|| Handle("Vn0x8 @2kQ".to_owned()));
    let named = BTreeMap::from([("ingest".to_owned(), 2)]);
    let holders = matches!(step, Step::CloseIntent { .. }).then_some(Holders { total: 3, named });
    Entry { record: Record { lsn: Lsn(lsn), boot, at: Instant(123_456 + lsn), step }, handle, holders }
}

/// One entry of every kind.
fn every_entry() -> Vec<Entry> {
    (1..).zip(every_step()).map(|(lsn, step)| entry(lsn, step)).collect()
}

/// What stands for the records up to this one.
fn base(lsn: u64) -> Base {
    let checkpoint = Checkpoint {
        lsn: Lsn(lsn),
        boot: BootId(0x1f0c_9d3e_77aa_4b6b_8c55_0242_ac12_0002),
        at: Instant(123_456 + lsn),
        mints: 4,
        misses: 1,
        current: Mint { generation: GREEN, slot: Color::Green },
        life: LIFE,
        renew_at: Instant(1_800_000),
        accepted_until: Instant(200_000),
        unsettled_until: Instant(123_456),
        unsettled_ub: Instant(123_457),
        rotate_at: Some(Instant(7_200_000)),
        cool_until: Instant(123_458),
    };
    Base { checkpoint, handle: Some(Handle("Vn0x8 @2kQ".to_owned())) }
}

/// The lines of a journal with these entries.
fn lines(entries: &[Entry]) -> Vec<Vec<u8>> {
    let mut prev = NO_LINE.to_owned();
    entries
        .iter()
        .map(|entry| {
            let line = encode(entry, &prev).expect("an entry is encoded");
            prev = sha256(&line);
            line
        })
        .collect()
}

fn open(path: &Path) -> Opened {
    FileJournal::open(path).unwrap_or_else(|error| panic!("{error}"))
}

fn refused(path: &Path) -> OpenError {
    FileJournal::open(path).err().expect("opening is refused")
}

/// Begins a journal with these entries.
fn write(path: &Path, entries: &[Entry]) {
    let mut opened = open(path);
    for entry in entries {
        opened.journal.append(entry).expect("an entry is appended");
    }
}

/// The names in a folder, in order.
fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .expect("the folder is read")
        .map(|entry| entry.expect("a name is read").file_name().into_string().expect("a name is text"))
        .collect();
    names.sort();
    names
}
