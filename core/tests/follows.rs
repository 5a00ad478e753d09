//! A record that the machine would not have written where it stands is refused, whoever wrote it; one that it would have is
//! taken for what it says.

#[path = "common/policy.rs"]
mod policy;

use policy::POLICY;
use turquoise_core::{
    AbandonReason, AtStop, BootId, Color, Drained, Generation, Held, Instant, Ledger, Life, Lsn, Mint, Phase, PhaseKind, Proof,
    Record, RecoverError, Resolution, Secret, Step, StuckReason, Trigger, Via,
};

const LIFE: Life = Life { lb: Instant(60_000), ub: Instant(60_000) };
const UB: Instant = Instant(60_000);

const fn mint(number: u32, slot: Color) -> Mint {
    Mint { generation: Generation { incarnation: 1, number }, slot }
}

const FIRST: Mint = mint(1, Color::Blue);
const SECOND: Mint = mint(2, Color::Green);
const THIRD: Mint = mint(3, Color::Blue);

const fn issue(mint: Mint) -> Step {
    Step::IssueIntent { mint, trigger: Trigger::Operator, via: Via::Current }
}

const LOGIN: Step = Step::LoginIntent { mint: FIRST };
const LOGGED_IN: Step = Step::LoggedIn { life: LIFE };
const LOGIN_FAILED: Step = Step::LoginFailed { not_before: Instant(0) };
const ISSUED: Step = Step::Issued { life: LIFE };
const PROMOTED: Step = Step::Promoted { life: LIFE };
const SHORTEN: Step = Step::ShortenIntent { deadline: Instant(0) };
const ROLLED_BACK: Step = Step::RolledBack { life: LIFE };
const REVOKE: Step = Step::RevokeIntent { drained: Drained::Deadline, ub: UB };
const ABANDON: Step = Step::AbandonIntent { reason: AbandonReason::Aborted, held_until: None, ub: UB };
const DIED: Step = Step::Died { proof: Proof::Observed };
const STUCK: Step = Step::Stuck { reason: StuckReason::CurrentRefused };
const CLOSE: Step = Step::CloseIntent { ub: UB };
const KEEP: Step = Step::Resolved { resolution: Resolution::Keep };

const fn owed(mint: Mint, secret: Secret) -> Step {
    Step::Owed { generation: mint.generation, secret }
}

const fn compromised(mint: Mint) -> Step {
    Step::Compromised { generation: mint.generation }
}

fn recovered(blue: Option<Mint>, green: Option<Mint>) -> Step {
    let [blue, green] = [blue, green].map(|mint| mint.map(|mint| mint.generation));
    Step::Recovered { held: Held { blue, green } }
}

const STEADY: [Step; 3] = [LOGIN, LOGGED_IN, Step::Ready];
const VALIDATING: [Step; 3] = [issue(SECOND), ISSUED, Step::Persisted];
const DRAINING: [Step; 2] = [Step::ExtendIntent, PROMOTED];
const REVOKING: [Step; 2] = [SHORTEN, REVOKE];

/// A journal of these records.
fn journal(parts: &[&[Step]]) -> (Ledger, u64) {
    let mut ledger = Ledger::new(1, BootId(1), Instant(0));
    let mut lsn = 0;
    for step in parts.iter().copied().flatten() {
        lsn += 1;
        ledger.apply(&record(lsn, *step), &POLICY).unwrap_or_else(|error| panic!("{step:?}: {error}"));
    }
    (ledger, lsn)
}

const fn record(lsn: u64, step: Step) -> Record {
    Record { lsn: Lsn(lsn), boot: BootId(1), at: Instant(10), step }
}

fn phase(parts: &[&[Step]]) -> Phase {
    *journal(parts).0.phase()
}

/// None of these follows.
fn refuses(parts: &[&[Step]], steps: &[Step]) {
    let (before, lsn) = journal(parts);
    for step in steps {
        let mut after = before;
        let refusal = after.apply(&record(lsn + 1, *step), &POLICY);
        let illegal = RecoverError::IllegalStep { lsn: lsn + 1, phase: before.phase().kind(), step: step.kind() };
        assert_eq!(refusal, Err(illegal), "{step:?} after {parts:?}");
        assert_eq!(after, before, "{step:?} was refused and changed something");
    }
}

#[test]
fn a_login_goes_by_its_stages() {
    let stopped = Step::Stopped { how: AtStop::Keep };
    refuses(&[], &[LOGIN_FAILED, LOGGED_IN, Step::Ready, Step::Cleared]);
    refuses(&[&[LOGIN]], &[Step::LoginIntent { mint: SECOND }, Step::Ready, Step::Cleared, stopped]);
    refuses(&[&[LOGIN, LOGGED_IN]], &[Step::LoginIntent { mint: SECOND }, LOGGED_IN, Step::Cleared, stopped]);
    refuses(&[&[stopped]], &[LOGIN, stopped, DIED]);
}

#[test]
fn a_generation_is_the_next_one_and_its_slot_the_other_one() {
    let stranger = Mint { generation: Generation { incarnation: 2, number: 2 }, slot: Color::Green };
    let mints = [mint(2, Color::Blue), mint(1, Color::Green), mint(3, Color::Green), stranger];
    refuses(&[&STEADY], &mints.map(issue));
    refuses(&[], &[Step::LoginIntent { mint: SECOND }]);
}

#[test]
fn the_first_login_names_the_journal() {
    let first = Mint { generation: Generation { incarnation: 9, number: 1 }, slot: Color::Blue };
    let second = Mint { generation: Generation { incarnation: 9, number: 2 }, slot: Color::Green };
    let login = [Step::LoginIntent { mint: first }, LOGGED_IN, Step::Ready];
    assert_eq!(phase(&[&login, &[issue(second)]]).kind(), PhaseKind::Issuing);
    refuses(&[&login], &[issue(SECOND)]);
}

#[test]
fn a_candidate_goes_by_its_stages() {
    refuses(&[&STEADY, &[issue(SECOND)]], &[Step::Persisted, Step::ExtendIntent, PROMOTED]);
    refuses(&[&STEADY, &[issue(SECOND), ISSUED]], &[Step::IssueRefused, ISSUED]);
    refuses(&[&STEADY, &VALIDATING], &[PROMOTED, Step::Persisted]);
    refuses(&[&STEADY, &VALIDATING, &[Step::ExtendIntent]], &[Step::ExtendIntent]);
}

#[test]
fn a_grace_goes_by_its_stages() {
    let draining: &[&[Step]] = &[&STEADY, &VALIDATING, &DRAINING];
    refuses(draining, &[REVOKE, Step::RollbackFailed, ROLLED_BACK]);
    let shortened: &[&[Step]] = &[&STEADY, &VALIDATING, &DRAINING, &[SHORTEN]];
    refuses(shortened, &[SHORTEN, Step::RollbackFailed, ROLLED_BACK]);
    let back: &[&[Step]] = &[&STEADY, &VALIDATING, &DRAINING, &[SHORTEN, Step::RollbackIntent]];
    refuses(back, &[SHORTEN, REVOKE, Step::RollbackIntent]);
    refuses(&[&STEADY, &VALIDATING, &DRAINING, &[Step::RollbackIntent]], &[SHORTEN, REVOKE, Step::RollbackIntent]);
}

#[test]
fn what_goes_is_cleared_once_it_is_dead_and_dies_once() {
    let revoking: &[&[Step]] = &[&STEADY, &VALIDATING, &DRAINING, &REVOKING];
    let abandoning: &[&[Step]] = &[&STEADY, &VALIDATING, &[ABANDON]];
    for (going, mint) in [(revoking, FIRST), (abandoning, SECOND)] {
        refuses(going, &[Step::Cleared, owed(THIRD, Secret::Held)]);
        let dead = [going, &[&[DIED]]].concat();
        refuses(&dead, &[DIED, owed(mint, Secret::Held)]);
        let cleared = [&dead[..], &[&[Step::Cleared]]].concat();
        refuses(&cleared, &[DIED, Step::Cleared]);
    }
    refuses(&[&STEADY, &[CLOSE]], &[Step::Cleared]);
    refuses(&[&STEADY, &[CLOSE, DIED]], &[DIED]);
}

#[test]
fn a_debt_is_one_and_dies_once() {
    let debt: &[&[Step]] = &[&STEADY, &VALIDATING, &DRAINING, &REVOKING, &[owed(FIRST, Secret::Held)]];
    refuses(debt, &[Step::Cleared]);
    let dead = [debt, &[&[DIED]]].concat();
    refuses(&dead, &[DIED]);
    let cleared = [&dead[..], &[&[Step::Cleared]]].concat();
    assert_eq!(journal(&cleared).0.debt(), None);
    refuses(&cleared, &[DIED, Step::Cleared]);
    // The next round's candidate comes to nothing while the debt is still there.
    let next = [issue(THIRD), ISSUED, Step::Persisted];
    refuses(&[debt, &[&next, &[ABANDON]]].concat(), &[owed(THIRD, Secret::Held)]);
    let round = [debt, &[&next, &DRAINING, &REVOKING]].concat();
    refuses(&round, &[owed(SECOND, Secret::Held)]);
}

#[test]
fn a_debt_is_what_its_record_says_of_its_secret() {
    let revoking: &[&[Step]] = &[&STEADY, &VALIDATING, &DRAINING, &REVOKING, &[owed(FIRST, Secret::Named)]];
    let abandoning: &[&[Step]] = &[&STEADY, &VALIDATING, &[ABANDON, owed(SECOND, Secret::Named)]];
    for (parts, mint) in [(revoking, FIRST), (abandoning, SECOND)] {
        let (ledger, lsn) = journal(parts);
        let debt = *ledger.debt().expect("it is owed");
        assert_eq!((debt.mint, debt.secret, debt.ub), (mint, Secret::Named, UB));
        let mut paid = ledger;
        paid.apply(&record(lsn + 1, DIED), &POLICY).expect("it follows");
        assert_eq!(paid.debt(), None, "nothing of it is in a slot");
    }
}

#[test]
fn a_compromise_is_of_a_credential_of_the_round_and_is_said_once() {
    refuses(&[&STEADY], &[compromised(SECOND)]);
    refuses(&[&STEADY, &[compromised(FIRST)]], &[compromised(FIRST)]);
    let both: &[&[Step]] = &[&STEADY, &[issue(SECOND), compromised(FIRST), compromised(SECOND)]];
    let (ledger, _) = journal(both);
    assert!([FIRST, SECOND].iter().all(|mint| ledger.is_compromised(mint.generation)));
    assert!(!ledger.is_compromised(THIRD.generation));
    let refused = [issue(SECOND), compromised(FIRST), Step::IssueRefused];
    assert!(journal(&[&STEADY, &refused]).0.is_compromised(FIRST.generation), "it still serves");
    let gone: &[&[Step]] = &[&STEADY, &[compromised(FIRST)], &VALIDATING, &DRAINING, &REVOKING, &[DIED, Step::Cleared]];
    assert!(!journal(gone).0.is_compromised(FIRST.generation), "it is of no concern any more");
}

#[test]
fn a_contradiction_ends_by_an_operator_and_only_with_what_is_there() {
    let stuck: &[&[Step]] = &[&STEADY, &[STUCK]];
    refuses(stuck, &[issue(SECOND), STUCK, CLOSE, DIED, Step::Cleared]);
    let lost: &[&[Step]] = &[&STEADY, &[recovered(None, None)]];
    let Phase::NeedsOperator(found) = phase(lost) else { panic!("what serves is missing") };
    assert_eq!((found.current.map(|current| current.mint), found.reason), (Some(FIRST), StuckReason::CurrentMissing));
    refuses(lost, &[KEEP]);
}

#[test]
fn what_ends_says_how() {
    refuses(&[&STEADY], &[Step::Stopped { how: AtStop::Revoke }]);
    let stopped: &[&[Step]] = &[&STEADY, &[CLOSE, DIED, Step::Cleared]];
    assert_eq!(phase(stopped).kind(), PhaseKind::Stopped);
    refuses(stopped, &[LOGIN, Step::Cleared, DIED, Step::Stopped { how: AtStop::Keep }]);
}

#[test]
fn what_is_closed_may_have_been_renewed_after_its_end_was_recorded() {
    let early = Instant(20);
    let Phase::Closing(closing) = phase(&[&STEADY, &[Step::CloseIntent { ub: early }, recovered(Some(FIRST), None)]]) else {
        panic!("its end goes on")
    };
    assert_eq!(closing.going.ub, Instant(10) + POLICY.delta + POLICY.full);
}

#[test]
fn a_slot_that_is_to_be_cleared_is_no_stranger_s() {
    let forgotten: &[&[Step]] = &[&STEADY, &[STUCK, Step::Resolved { resolution: Resolution::Forget }]];
    assert_eq!(phase(&[forgotten, &[&[recovered(Some(FIRST), None)]]].concat()).kind(), PhaseKind::Vacant);
    assert_eq!(phase(&[forgotten, &[&[recovered(None, Some(SECOND))]]].concat()).kind(), PhaseKind::NeedsOperator);
}

#[test]
fn what_is_worse_than_a_stranger_is_said() {
    let reason = |found: &[Step]| match phase(&[&STEADY, found]) {
        Phase::NeedsOperator(stuck) => Some(stuck.reason),
        _ => None,
    };
    assert_eq!(reason(&[STUCK, recovered(Some(FIRST), None)]), Some(StuckReason::CurrentRefused));
    assert_eq!(reason(&[STUCK, recovered(None, None)]), Some(StuckReason::CurrentMissing));
    assert_eq!(reason(&[STUCK, recovered(Some(FIRST), Some(SECOND))]), Some(StuckReason::CurrentRefused));
    assert_eq!(reason(&[recovered(Some(FIRST), Some(SECOND))]), Some(StuckReason::Stranger));
}

#[test]
fn what_goes_lives_in_another_boot_as_long_as_it_may() {
    let (mut ledger, lsn) = journal(&[&STEADY, &VALIDATING, &DRAINING, &REVOKING]);
    let anew = Record { boot: BootId(2), ..record(lsn + 1, recovered(Some(FIRST), Some(SECOND))) };
    ledger.apply(&anew, &POLICY).expect("a recovery may come in any boot");
    assert_eq!(ledger.phase().going().map(|going| going.ub), Some(Instant(10) + POLICY.delta + POLICY.full));
}

#[test]
fn a_glass_is_broken_once_and_only_while_something_serves() {
    let waived = Step::Waived { ub: UB, other: UB };
    refuses(&[&STEADY, &[waived]], &[waived]);
    refuses(&[&STEADY, &[CLOSE]], &[waived]);
    refuses(&[&STEADY, &[Step::Stopped { how: AtStop::Keep }]], &[waived]);
    refuses(&[&[LOGIN, LOGGED_IN]], &[waived]);
}

#[test]
fn a_commit_says_how_long_what_serves_lives_and_vouches_for_nothing_that_retires() {
    let longer = Life { lb: Instant(90_000), ub: Instant(91_000) };
    let (mut ledger, lsn) = journal(&[&STEADY, &VALIDATING, &[Step::ExtendIntent]]);
    let promoted = Record { at: Instant(500), ..record(lsn + 1, Step::Promoted { life: longer }) };
    ledger.apply(&promoted, &POLICY).expect("it follows");
    let Phase::Draining(draining) = *ledger.phase() else { panic!("it is committed") };
    assert_eq!((draining.current.mint, draining.current.life), (SECOND, longer));
    assert_eq!((draining.retiring.mint, draining.retiring.accepted_until), (FIRST, Instant(500)));

    let longest = Life { lb: Instant(92_000), ub: Instant(93_000) };
    let back =
        [SHORTEN, Step::RollbackIntent].map(|step| (step, 600)).into_iter().chain([(Step::RolledBack { life: longest }, 700)]);
    for ((step, at), lsn) in back.zip(lsn + 2..) {
        let next = Record { at: Instant(at), ..record(lsn, step) };
        ledger.apply(&next, &POLICY).expect("it follows");
    }
    let Phase::Draining(draining) = *ledger.phase() else { panic!("the roles are swapped") };
    assert_eq!((draining.current.mint, draining.current.life), (FIRST, longest));
    assert_eq!((draining.retiring.mint, draining.retiring.accepted_until), (SECOND, Instant(700)));
    assert_eq!((draining.deadline, draining.shortened, draining.idle, draining.rollback), (None, false, false, None));
}

#[test]
fn work_that_tried_a_candidate_is_gone_with_its_process() {
    let held = Step::AbandonIntent { reason: AbandonReason::CanaryRefused, held_until: Some(UB), ub: UB };
    let abandoned: &[&[Step]] = &[&STEADY, &VALIDATING, &[held]];
    assert_eq!(phase(abandoned).going().and_then(|going| going.held), Some(UB));
    let again = [recovered(Some(FIRST), Some(SECOND))];
    assert_eq!(phase(&[abandoned, &[&again]].concat()).going().map(|going| going.held), Some(None));
}

#[test]
fn what_was_under_way_when_a_stranger_was_found_goes_on_once_the_current_one_is_kept() {
    let revoking: &[&[Step]] = &[&STEADY, &VALIDATING, &DRAINING, &REVOKING];
    let abandoning: &[&[Step]] = &[&STEADY, &VALIDATING, &[ABANDON]];
    let (blue, green) = (mint(9, Color::Blue), mint(9, Color::Green));
    for (under_way, found, other, goes_on) in [
        (revoking, recovered(Some(blue), Some(SECOND)), FIRST, PhaseKind::Revoking),
        (abandoning, recovered(Some(FIRST), Some(green)), SECOND, PhaseKind::Abandoning),
    ] {
        let found = [found];
        let parts = [under_way, &[&found]].concat();
        assert_eq!(phase(&parts).kind(), PhaseKind::NeedsOperator);
        let after = phase(&[&parts[..], &[&[KEEP]]].concat());
        assert_eq!((after.kind(), after.going().map(|going| going.mint)), (goes_on, Some(other)));
    }
}
