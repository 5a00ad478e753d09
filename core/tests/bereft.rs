//! Where nothing survives a process, the next one owes all that may live and logs in as soon as no mint can be under way.

#[path = "common/policy.rs"]
mod policy;

use core::time::Duration;

use policy::POLICY;
use turquoise_core::{
    AbandonReason, Arrival, BootId, Color, Drained, Generation, Held, Instant, Ledger, Life, Lsn, Mint, Phase, PhaseKind, Policy,
    Proof, Record, Relogin, Secret, Step, StuckReason, Trigger, Vacant, Via,
};

const BEGINS_ANEW: Policy = Policy { relogin: Relogin::EachStart, login_life: Duration::from_secs(30), ..POLICY };
const FIRST: Mint = Mint { generation: Generation { incarnation: 1, number: 1 }, slot: Color::Blue };
const SECOND: Mint = Mint { generation: Generation { incarnation: 1, number: 2 }, slot: Color::Green };
const LIFE: Life = Life { lb: Instant(60_000), ub: Instant(60_000) };
const LOGGING_IN: [Step; 1] = [Step::LoginIntent { mint: FIRST }];
const SETTLING: [Step; 2] = [LOGGING_IN[0], Step::LoggedIn { life: LIFE }];
const STEADY: [Step; 3] = [SETTLING[0], SETTLING[1], Step::Ready];
const ISSUING: Step = Step::IssueIntent { mint: SECOND, trigger: Trigger::Operator, via: Via::Current };
const ISSUED: Step = Step::Issued { life: LIFE };
const MINT_LOST: Step = Step::AbandonIntent { reason: AbandonReason::MintLost, held_until: None, ub: Instant(20_000) };
const BAD: Step = Step::AbandonIntent { reason: AbandonReason::ProbeRefused, held_until: None, ub: Instant(20_000) };
const REVOKING: [Step; 4] = [
    Step::ExtendIntent,
    Step::Promoted { life: LIFE },
    Step::ShortenIntent { deadline: Instant(9_000) },
    Step::RevokeIntent { drained: Drained::Deadline, ub: Instant(9_000) },
];
const DIED: Step = Step::Died { proof: Proof::Expired };
const STUCK: Step = Step::Stuck { reason: StuckReason::CurrentRefused };
const AT: u64 = 5_000;

/// A journal, and how many records it has.
struct Journal(Ledger, u64);

impl Journal {
    const fn new() -> Self {
        Self(Ledger::new(1, BootId(1), Instant(1_000)), 0)
    }

    fn take(&mut self, boot: u128, at: u64, step: Step) {
        self.1 += 1;
        let record = Record { lsn: Lsn(self.1), boot: BootId(boot), at: Instant(at), step };
        self.0.apply(&record, &BEGINS_ANEW).expect("it follows");
    }

    fn owed(&self) -> Option<Secret> {
        self.0.debt().map(|debt| debt.secret)
    }
}

/// What is owed after these steps and a new process, and how long after that a login begins.
fn after(steps: &[&[Step]], boot: u128, held: Held) -> (Option<Secret>, Duration) {
    let mut journal = Journal::new();
    for step in steps.iter().copied().flatten() {
        journal.take(1, 2_000, *step);
    }
    journal.take(boot, AT, Step::Recovered { held });
    let Phase::Vacant(Vacant { stage: Arrival::Waiting { not_before } }) = *journal.0.phase() else {
        panic!("{:?}", journal.0.phase());
    };
    let longest = Instant(AT) + POLICY.delta + POLICY.full;
    assert!(journal.0.debt().is_none_or(|debt| debt.ub == longest), "whatever was renewed, it is over then");
    (journal.owed(), not_before.since(Instant(AT)))
}

#[test]
fn what_was_lost_is_owed_and_a_login_waits_for_nothing_but_a_mint_under_way() {
    let one = (Some(Secret::Named), Duration::ZERO);
    let several = (Some(Secret::Several), Duration::ZERO);
    let dead: &[&[Step]] = &[&STEADY, &[ISSUING, ISSUED, BAD, DIED]];
    let cases: [(&[&[Step]], _); 12] = [
        (&[&LOGGING_IN], (Some(Secret::Lost), POLICY.delta)),
        (&[&SETTLING], one),
        (&[&STEADY], one),
        (&[&STEADY, &[ISSUING]], (Some(Secret::Several), POLICY.delta)),
        (&[&STEADY, &[ISSUING, ISSUED]], several),
        (&[&STEADY, &[ISSUING, ISSUED, Step::Persisted]], several),
        (&[&STEADY, &[ISSUING, MINT_LOST]], (Some(Secret::Several), POLICY.delta)),
        (&[&STEADY, &[ISSUING, ISSUED, BAD]], several),
        (dead, one),
        (&[&STEADY, &[ISSUING, ISSUED, Step::Persisted], &REVOKING[..3]], several),
        (&[&STEADY, &[ISSUING, ISSUED, Step::Persisted], &REVOKING], several),
        (&[&STEADY, &[ISSUING, ISSUED, Step::Persisted], &REVOKING, &[DIED]], one),
    ];
    for (steps, expected) in cases {
        for boot in [1, 2] {
            assert_eq!(after(steps, boot, Held::default()), expected, "{steps:?} in boot {boot}");
        }
    }
    assert_eq!(after(&[&STEADY, &[STUCK]], 1, Held::default()), one);
}

#[test]
fn a_second_crash_adds_to_what_is_owed() {
    let mut journal = Journal::new();
    let recovered = Step::Recovered { held: Held::default() };
    let next = Mint { slot: Color::Blue, ..SECOND };
    let anew = [Step::LoginIntent { mint: next }, Step::LoggedIn { life: LIFE }, recovered];
    for step in STEADY.into_iter().chain([recovered]).chain(anew) {
        journal.take(1, 2_000, step);
    }
    assert_eq!(journal.owed(), Some(Secret::Several));
    // And so it stays, whoever looks again.
    journal.take(2, 4_000, recovered);
    assert_eq!(journal.owed(), Some(Secret::Several));
}

#[test]
fn a_wait_that_a_crash_interrupts_goes_on() {
    let waiting = Step::LoginFailed { not_before: Instant(AT + 700) };
    assert_eq!(after(&[&LOGGING_IN, &[waiting]], 1, Held::default()), (None, Duration::from_millis(700)));
    // Instants of another boot mean nothing: what may have come of a login is waited out.
    assert_eq!(after(&[&LOGGING_IN, &[waiting]], 2, Held::default()), (None, POLICY.delta + BEGINS_ANEW.login_life));
}

#[test]
fn what_survives_after_all_is_taken_over_as_ever() {
    let mut journal = Journal::new();
    let held = Held { blue: Some(FIRST.generation), green: None };
    for step in STEADY.into_iter().chain([Step::Recovered { held }]) {
        journal.take(1, 2_000, step);
    }
    assert_eq!((journal.0.phase().kind(), journal.owed()), (PhaseKind::Steady, None));
}
