//! Bytes as the records of a journal: each of them well-formed, together perhaps nonsense.

use core::time::Duration;

use turquoise_core::{
    AbandonReason, AtStop, BootId, Color, Drained, Generation, Held, Input, Instant, Ledger, Life, Lsn, Mint, Policy, Proof,
    Record, Resolution, Rotation, Secret, Step, StuckReason, Trigger, Via,
};
use turquoise_model::STANDARD;

/// What one record takes.
const RECORD: usize = 6;
/// No machine has this many outputs after one input: beyond it, it would never end.
const OUTPUTS: usize = 16;

/// Whatever the records say, they are taken or refused; a refusal changes nothing; and what was taken can be recovered
/// and run on.
///
/// # Panics
///
/// If it is not so.
pub fn replay(bytes: &[u8]) {
    let Some((&first, rest)) = bytes.split_first() else { return };
    let policy = STANDARD[usize::from(first) % STANDARD.len()].policy;
    let mut ledger = Ledger::new(1, BootId(1), Instant(0));
    let mut records = Vec::new();
    for chunk in rest.chunks_exact(RECORD) {
        let record = record(chunk, records.len());
        let before = ledger;
        match ledger.apply(&record, &policy) {
            Ok(()) => records.push(record),
            Err(error) => {
                assert_eq!(ledger, before, "{record:?} was refused and changed something");
                assert!(!error.to_string().is_empty(), "{error:?} says nothing");
            }
        }
    }
    let held = held(first);
    let now = records.iter().map(|record| record.at).max().unwrap_or_default();
    let Ok(machine) = Rotation::recover(policy, 1, BootId(1), now, records, held) else { return };
    live(machine, &policy, now, rest);
}

/// Drains, acknowledges and waits, a while.
fn live(mut machine: Rotation, policy: &Policy, mut now: Instant, bytes: &[u8]) {
    for &byte in bytes.iter().take(64) {
        let end = (0..OUTPUTS).any(|_| machine.poll_output().is_none());
        assert!(end, "a recovered machine makes outputs without end: {machine:?}");
        let input = match machine.awaited() {
            Some(record) => Input::Durable(record.lsn),
            None if byte & 1 == 0 => Input::Begin,
            None => Input::Timeout,
        };
        now = now + Duration::from_millis(u64::from(byte)).min(policy.full);
        // It was stalled, or has not asked for that.
        let _ = machine.handle(now, input);
    }
}

fn record(bytes: &[u8], before: usize) -> Record {
    let at = |n: usize| bytes.get(n).copied().unwrap_or_default();
    let place = u64::try_from(before).unwrap_or(u64::MAX);
    // Usually the place that is due.
    let lsn = Lsn(if at(1) < 250 { place + 1 } else { u64::from(at(1)) });
    let boot = BootId(if at(2) < 200 { 1 } else { u128::from(at(2)) });
    Record { lsn, boot, at: instant(at(2)), step: step(at(0), at(3), at(4), at(5)) }
}

/// Small numbers, and the largest.
fn instant(byte: u8) -> Instant {
    Instant(if byte == u8::MAX { u64::MAX } else { u64::from(byte) * 3 })
}

fn generation(byte: u8) -> Generation {
    Generation { incarnation: 1 + u32::from(byte / 128), number: u32::from(byte % 8) }
}

fn mint(byte: u8) -> Mint {
    Mint { generation: generation(byte), slot: if byte & 64 == 0 { Color::Blue } else { Color::Green } }
}

fn held(byte: u8) -> Held {
    let slot = |byte: u8| (byte & 8 != 0).then(|| generation(byte));
    Held { blue: slot(byte), green: slot(byte >> 4) }
}

fn step(kind: u8, a: u8, b: u8, c: u8) -> Step {
    let life = Life { lb: instant(a), ub: instant(b) };
    let pick = |all: &[AbandonReason]| all[usize::from(c) % all.len()];
    match kind % 26 {
        0 => Step::Recovered { held: held(a) },
        1 => Step::LoginIntent { mint: mint(a) },
        2 => Step::LoginFailed { not_before: instant(a) },
        3 => Step::LoggedIn { life },
        4 => Step::Ready,
        5 => Step::IssueIntent {
            mint: mint(a),
            trigger: [Trigger::Schedule, Trigger::Operator, Trigger::Compromise, Trigger::Expiry, Trigger::Lost]
                [usize::from(b) % 5],
            via: if c & 1 == 0 { Via::Current } else { Via::Login },
        },
        6 => Step::IssueRefused,
        7 => Step::Issued { life },
        8 => Step::Persisted,
        9 => Step::ExtendIntent,
        10 => Step::Promoted { life },
        11 => Step::ShortenIntent { deadline: instant(a) },
        12 => Step::RollbackIntent,
        13 => Step::RollbackFailed,
        14 => Step::RolledBack { life },
        15 => Step::Compromised { generation: generation(a) },
        16 => Step::RevokeIntent {
            drained: [Drained::Idle, Drained::Deadline, Drained::Compromised, Drained::Overridden][usize::from(b) % 4],
            ub: instant(a),
        },
        17 => Step::AbandonIntent {
            reason: pick(&[
                AbandonReason::MintLost,
                AbandonReason::ProbeRefused,
                AbandonReason::TimedOut,
                AbandonReason::Aborted,
            ]),
            held_until: (b & 1 == 0).then(|| instant(b)),
            ub: instant(a),
        },
        18 => Step::Died { proof: [Proof::Observed, Proof::Expired, Proof::Answered][usize::from(a) % 3] },
        19 => Step::Cleared,
        20 => Step::Stuck {
            reason: [StuckReason::CurrentRefused, StuckReason::CurrentMissing, StuckReason::Stranger][usize::from(a) % 3],
        },
        21 => Step::Resolved { resolution: if a & 1 == 0 { Resolution::Keep } else { Resolution::Forget } },
        22 => Step::CloseIntent { ub: instant(a) },
        23 => Step::Owed {
            generation: generation(a),
            secret: [Secret::Held, Secret::Named, Secret::Lost, Secret::Several][usize::from(b) % 4],
        },
        24 => Step::Waived { ub: instant(a), other: instant(b) },
        _ => Step::Stopped { how: if a & 1 == 0 { AtStop::Keep } else { AtStop::Revoke } },
    }
}
