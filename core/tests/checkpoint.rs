//! A checkpoint stands for the records before it: whatever comes next, the fold is the same.

#[path = "common/policy.rs"]
mod policy;

use core::time::Duration;

use turquoise_core::{
    BootId, Color, Drained, Generation, Held, Instant, Jitter, Ledger, Life, Lsn, Mint, Phase, Policy, Proof, Record, Resolution,
    Secret, Steady, Step, StuckReason, Trigger, Via,
};

const POLICY: Policy = Policy {
    login_life: Duration::from_secs(30),
    period: Some(Duration::from_hours(1)),
    backoff: Duration::from_mins(5),
    backoff_cap: Duration::from_hours(2),
    ..policy::POLICY
};

const BLUE: Mint = Mint { generation: Generation { incarnation: 7, number: 1 }, slot: Color::Blue };
const GREEN: Mint = Mint { generation: Generation { incarnation: 7, number: 2 }, slot: Color::Green };
const THIRD: Mint = Mint { generation: Generation { incarnation: 7, number: 3 }, slot: Color::Blue };

/// A login, a rotation, a refused one, a successor in the same boot, one in the next, and an operator's word.
fn journal() -> Vec<Record> {
    let (mut records, mut at) = (Vec::new(), 1_000_000);
    let life = |at: u64| Life { lb: Instant(at + 50_000), ub: Instant(at + 60_000) };
    let held = |blue: Option<Mint>, green: Option<Mint>| Held {
        blue: blue.map(|mint| mint.generation),
        green: green.map(|mint| mint.generation),
    };
    let mut say = |boot, step| {
        at += 10_000;
        records.push(Record { lsn: Lsn(records.len() as u64 + 1), boot: BootId(boot), at: Instant(at), step });
        at
    };
    say(1, Step::LoginIntent { mint: BLUE });
    say(1, Step::LoggedIn { life: life(1_000_000) });
    say(1, Step::Ready);
    say(1, Step::IssueIntent { mint: GREEN, trigger: Trigger::Schedule, via: Via::Current });
    say(1, Step::Issued { life: life(1_040_000) });
    say(1, Step::Persisted);
    say(1, Step::ExtendIntent);
    say(1, Step::Promoted { life: life(1_080_000) });
    say(1, Step::ShortenIntent { deadline: Instant(1_095_000) });
    say(1, Step::RevokeIntent { drained: Drained::Deadline, ub: Instant(1_099_000) });
    say(1, Step::Died { proof: Proof::Observed });
    say(1, Step::Cleared);
    say(1, Step::IssueIntent { mint: THIRD, trigger: Trigger::Operator, via: Via::Current });
    say(1, Step::IssueRefused);
    say(1, Step::Recovered { held: held(None, Some(GREEN)) });
    say(2, Step::Recovered { held: held(None, Some(GREEN)) });
    say(2, Step::Compromised { generation: GREEN.generation });
    say(2, Step::Stuck { reason: StuckReason::CurrentRefused });
    say(2, Step::Resolved { resolution: Resolution::Keep });
    records
}

fn fold(mut ledger: Ledger, records: &[Record], policy: &Policy) -> Ledger {
    for record in records {
        ledger.apply(record, policy).unwrap_or_else(|error| panic!("{error}"));
    }
    ledger
}

fn begin() -> Ledger {
    Ledger::new(7, BootId(1), Instant(1_000_000))
}

#[test]
fn from_a_checkpoint_every_later_record_leads_where_all_records_lead() {
    for policy in [POLICY, Policy { period: None, ..POLICY }, Policy { jitter: Jitter::Full(3), ..POLICY }] {
        let (journal, mut at_rest) = (journal(), Vec::new());
        for (n, last) in (1..).zip(&journal) {
            let ledger = fold(begin(), &journal[..n], &policy);
            let Some(checkpoint) = ledger.checkpoint(last.at, &policy) else { continue };
            at_rest.push(n);
            let resumed = Ledger::from_checkpoint(&checkpoint, &policy);
            assert_eq!(resumed, ledger, "after record {n}");
            let (all, rest) = (fold(begin(), &journal, &policy), fold(resumed, &journal[n..], &policy));
            assert_eq!(rest, all, "after record {n}");
        }
        // After a login, a rotation, a refusal and each recovery; not while anything is under way or compromised, and not
        // when only an operator's word brought it to rest.
        assert_eq!(at_rest, [3, 12, 14, 15, 16]);
    }
}

#[test]
fn where_an_operators_word_left_no_rotation_due_though_there_is_a_period_the_records_are_needed() {
    let mut records = journal();
    records.retain(|record| !matches!(record.step, Step::Compromised { .. }));
    let last = *records.last().expect("there are records");
    let held = Held { blue: None, green: Some(GREEN.generation) };
    records.push(Record { step: Step::Recovered { held }, ..last });
    for (n, record) in (1..).zip(&mut records) {
        record.lsn = Lsn(n);
    }
    let rests = |policy: &Policy| fold(begin(), &records, policy).checkpoint(last.at, policy).is_some();
    assert!(!rests(&POLICY));
    assert!(rests(&Policy { period: None, ..POLICY }));
}

#[test]
fn with_a_debt_the_records_are_needed_until_it_is_paid() {
    let mut records = journal()[..10].to_vec();
    let last = records[9];
    let owed = Step::Owed { generation: BLUE.generation, secret: Secret::Held };
    for (step, rests) in [(owed, false), (Step::Died { proof: Proof::Observed }, false), (Step::Cleared, true)] {
        records.push(Record { lsn: Lsn(records.len() as u64 + 1), step, ..last });
        let ledger = fold(begin(), &records, &POLICY);
        assert_eq!(ledger.checkpoint(last.at, &POLICY).is_some(), rests, "after {step:?}");
    }
}

fn rotate_at(policy: &Policy, then: &Policy) -> Option<Instant> {
    let journal = &journal()[..12];
    let checkpoint = fold(begin(), journal, policy).checkpoint(journal[11].at, policy).expect("it rests");
    match Ledger::from_checkpoint(&checkpoint, then).phase() {
        Phase::Steady(Steady { rotate_at, .. }) => *rotate_at,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_period_that_was_changed_counts_from_the_checkpoint() {
    let with = |hours: Option<u64>| Policy { period: hours.map(Duration::from_hours), ..POLICY };
    let at = journal()[11].at;
    for (was, is, due) in
        [(Some(1), Some(1), Some(1)), (Some(24), Some(1), Some(1)), (Some(1), None, None), (None, Some(2), Some(2))]
    {
        let expected = due.map(|hours| at + Duration::from_hours(hours));
        assert_eq!(rotate_at(&with(was), &with(is)), expected, "{was:?} became {is:?}");
    }
}
