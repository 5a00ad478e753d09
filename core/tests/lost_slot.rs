//! A new process finds a slot empty, or another secret in it: what lives is not forgotten, what others know does not come back,
//! and whoever is needed is asked.

#[path = "common/policy.rs"]
mod policy;

use core::time::Duration;

use policy::POLICY;
use turquoise_core::{
    AfterEnd, Applied, Arrival, BootId, Certainty, Closing, Color, Draining, Effect, End, Generation, Going, Held, Illegal,
    Input, Instant, Ledger, Life, Lsn, Mint, NeedsOperator, OpId, Outcome, Output, Phase, PhaseKind, Policy, Proof, Record,
    RecoverError, Refusal, Relogin, Resolution, Rest, Rotation, Secret, Step, StuckReason, Trigger, Vacant, Via,
};

const NOW: Instant = Instant(10);
const LIFE: Life = Life { lb: Instant(60_000), ub: Instant(60_000) };
const FIRST: Mint = mint(1, Color::Blue);
const SECOND: Mint = mint(2, Color::Green);
const STRANGER: Mint = mint(9, Color::Green);
const RELOGIN: Policy = Policy { relogin: Relogin::Possible, login_life: Duration::from_mins(1), ..POLICY };

const STEADY: [Step; 3] = [Step::LoginIntent { mint: FIRST }, Step::LoggedIn { life: LIFE }, Step::Ready];
const ISSUE: Step = Step::IssueIntent { mint: SECOND, trigger: Trigger::Operator, via: Via::Current };
const ISSUED: Step = Step::Issued { life: LIFE };
const PROMOTED: [Step; 5] = [ISSUE, ISSUED, Step::Persisted, Step::ExtendIntent, Step::Promoted { life: LIFE }];
const KEEP: Step = Step::Resolved { resolution: Resolution::Keep };
const FORGET: Step = Step::Resolved { resolution: Resolution::Forget };
const LOST: Step = Step::Stuck { reason: StuckReason::CurrentMissing };
const REFUSED: Step = Step::Stuck { reason: StuckReason::CurrentRefused };
const WAIVED: Step = Step::Waived { ub: LIFE.ub, other: LIFE.ub };
const DIED: Step = Step::Died { proof: Proof::Observed };

const fn mint(number: u32, slot: Color) -> Mint {
    Mint { generation: Generation { incarnation: 1, number }, slot }
}

fn held(mints: &[Mint]) -> Held {
    let slot = |color| mints.iter().find(|mint| mint.slot == color).map(|mint| mint.generation);
    Held { blue: slot(Color::Blue), green: slot(Color::Green) }
}

fn recovered(mints: &[Mint]) -> Step {
    Step::Recovered { held: held(mints) }
}

/// A journal of these records, or why one of them does not follow.
fn journal(parts: &[&[Step]]) -> Result<Ledger, RecoverError> {
    let mut ledger = Ledger::new(1, BootId(1), Instant(0));
    for (lsn, step) in (1..).zip(parts.iter().copied().flatten()) {
        ledger.apply(&Record { lsn: Lsn(lsn), boot: BootId(1), at: NOW, step: *step }, &RELOGIN)?;
    }
    Ok(ledger)
}

fn phase(parts: &[&[Step]]) -> Phase {
    *journal(parts).expect("the records follow from each other").phase()
}

/// The grace of the first one, whose successor has lost its secret.
const GRACE: [&[Step]; 3] = [&STEADY, &PROMOTED, &[Step::Recovered { held: Held { blue: Some(FIRST.generation), green: None } }]];

#[test]
fn a_way_back_that_fails_is_asked_about_again_and_never_twice_for_what_others_know() {
    let back = [GRACE[0], GRACE[1], GRACE[2], &[KEEP]];
    assert!(matches!(phase(&back), Phase::Draining(Draining { rollback: Some(_), .. })));
    let asked = [GRACE[0], GRACE[1], GRACE[2], &[KEEP, LOST]];
    let Phase::NeedsOperator(NeedsOperator {
        current: Some(current),
        rest: Rest::Draining { retiring, deadline: None },
        reason,
        ..
    }) = phase(&asked)
    else {
        panic!("{:?}", phase(&asked));
    };
    assert_eq!((current.mint, retiring.mint, reason), (SECOND, FIRST, StuckReason::CurrentMissing));
    assert!(journal(&[GRACE[0], GRACE[1], GRACE[2], &[KEEP, REFUSED]]).is_err(), "it was not refused, but lost");
    assert!(journal(&[&STEADY, &PROMOTED, &[LOST]]).is_err(), "without a way back nothing is asked");
    assert_eq!(phase(&[&asked.concat(), &[KEEP]]).kind(), PhaseKind::Draining);
    let known = [asked.concat(), vec![Step::Compromised { generation: FIRST.generation }]].concat();
    assert!(journal(&[&known, &[KEEP]]).is_err(), "others know the old one");
    assert_eq!(phase(&[&known, &[FORGET]]).kind(), PhaseKind::Vacant);
}

#[test]
fn what_has_lost_its_slot_is_not_kept_and_not_forgotten() {
    let lost = [&STEADY[..], &[recovered(&[])]];
    assert!(journal(&[&lost.concat(), &[KEEP]]).is_err(), "nobody has its secret");
    let Phase::Closing(Closing { going, .. }) = phase(&[&lost.concat(), &[WAIVED]]) else { panic!("the glass is broken") };
    assert_eq!(going.mint, FIRST, "it lives, and has to be waited for");
}

#[test]
fn a_login_that_never_served_is_given_up_where_a_stranger_is() {
    let Phase::NeedsOperator(NeedsOperator { current: None, rest, .. }) =
        phase(&[&STEADY[..2], &[recovered(&[FIRST, STRANGER])]])
    else {
        panic!("a stranger needs an operator");
    };
    assert!(matches!(rest, Rest::Abandoning { going: Going { mint: FIRST, secret: Secret::Held, .. }, .. }), "{rest:?}");
}

#[test]
fn a_login_that_may_be_under_way_is_waited_for_whatever_an_operator_says() {
    let not_before = Instant(5_000);
    let strange = [&STEADY[..1], &[Step::LoginFailed { not_before }], &[recovered(&[STRANGER]), recovered(&[STRANGER])]].concat();
    let Phase::Vacant(Vacant { stage: Arrival::Clearing { not_before: waits, .. } }) = phase(&[&strange, &[FORGET]]) else {
        panic!("{:?}", phase(&[&strange, &[FORGET]]));
    };
    assert_eq!(waits, not_before);
}

#[test]
fn after_a_broken_glass_a_stranger_is_asked_about_before_a_login() {
    let broken = [&STEADY[..], &[WAIVED, recovered(&[FIRST, STRANGER])]].concat();
    let end = [DIED, Step::Cleared];
    let Phase::Closing(Closing { then: AfterEnd::Ask, .. }) = phase(&[&broken]) else { panic!("{:?}", phase(&[&broken])) };
    let Phase::NeedsOperator(NeedsOperator { current: None, rest: Rest::Nothing, reason, .. }) = phase(&[&broken, &end]) else {
        panic!("{:?}", phase(&[&broken, &end]));
    };
    assert_eq!(reason, StuckReason::Stranger);
    assert_eq!(phase(&[&broken, &[recovered(&[FIRST])], &end]).kind(), PhaseKind::Vacant, "it was moved away");
    let closed = [&STEADY[..], &[Step::CloseIntent { ub: LIFE.ub }, recovered(&[FIRST, STRANGER])], &end];
    assert_eq!(phase(&closed).kind(), PhaseKind::Stopped, "a successor asks");
}

/// A process that finds these records and these secrets. Its own first record is durable.
fn process(parts: &[&[Step]], mints: &[Mint]) -> (Rotation, Vec<(OpId, Effect)>) {
    let ledger = journal(parts).expect("the records follow from each other");
    let mut machine = Rotation::resume(RELOGIN, ledger, BootId(1), NOW, held(mints)).expect("there is a journal");
    let asked = drain(&mut machine, NOW);
    (machine, asked)
}

/// Makes its records durable; what it asks for is left to the test.
fn drain(machine: &mut Rotation, now: Instant) -> Vec<(OpId, Effect)> {
    let mut asked = Vec::new();
    while let Some(output) = machine.poll_output() {
        match output {
            Output::Append(record) => machine.handle(now, Input::Durable(record.lsn)).expect("it waits for that"),
            Output::Perform { op, effect } => asked.push((op, effect)),
            _ => {}
        }
    }
    asked
}

fn tell(machine: &mut Rotation, now: Instant, input: Input) -> Vec<(OpId, Effect)> {
    machine.handle(now, input).expect("it is legal here");
    drain(machine, now)
}

fn renewed(asked: &[(OpId, Effect)]) -> Vec<Generation> {
    let renewal = |(_, effect): &(OpId, Effect)| match effect {
        Effect::Renew { generation, .. } => Some(*generation),
        _ => None,
    };
    asked.iter().filter_map(renewal).collect()
}

#[test]
fn the_old_one_is_renewed_for_an_operator_unless_others_know_it_and_what_is_lost_never() {
    let (_, asked) = process(&[&STEADY, &PROMOTED], &[FIRST]);
    assert_eq!(renewed(&asked), [FIRST.generation]);
    let known = [Step::Compromised { generation: FIRST.generation }];
    let (_, asked) = process(&[&STEADY, &PROMOTED, &known, &[recovered(&[FIRST])]], &[FIRST]);
    assert_eq!(renewed(&asked), []);
}

#[test]
fn a_way_back_that_is_refused_needs_the_operator_again() {
    let (mut machine, asked) = process(&[&STEADY, &PROMOTED], &[FIRST]);
    let later = Instant(2_000);
    for (op, _) in asked {
        tell(&mut machine, NOW, Input::Completed { op, outcome: Outcome::Applied(Applied::Alive { remaining: POLICY.full }) });
    }
    tell(&mut machine, NOW, Input::Resolve(Resolution::Keep));
    assert_eq!((machine.phase().kind(), machine.serving()), (PhaseKind::Draining, None), "nobody has the new one's secret");
    let asked = tell(&mut machine, later, Input::Timeout);
    let [(op, Effect::Extend { generation, .. })] = asked[..] else { panic!("{asked:?}") };
    assert_eq!(generation, FIRST.generation);
    tell(&mut machine, later, Input::Completed { op, outcome: Outcome::NotApplied(Refusal::Refused) });
    assert_eq!(machine.phase().kind(), PhaseKind::NeedsOperator);
    tell(&mut machine, later, Input::Compromise(FIRST.generation));
    let kept = machine.handle(later, Input::Resolve(Resolution::Keep));
    assert!(matches!(kept, Err(Illegal::NotHere { phase: PhaseKind::NeedsOperator, .. })), "{kept:?}");
}

/// The renewal goes out while the record that the glass is broken is on its way to the disk.
#[test]
fn a_renewal_beside_a_broken_glass_counts() {
    let (mut machine, asked) = process(&[&STEADY, &PROMOTED], &[FIRST]);
    let [(op, Effect::Renew { .. })] = asked[..] else { panic!("{asked:?}") };
    machine.handle(NOW, Input::BreakGlass(Certainty::WithLogin)).expect("there is a glass");
    let Some(Output::Append(waived)) = machine.poll_output() else { panic!("it is recorded first") };
    let long = Duration::from_hours(1);
    machine
        .handle(NOW, Input::Completed { op, outcome: Outcome::Applied(Applied::Alive { remaining: long }) })
        .expect("asked for");
    machine.handle(NOW, Input::Durable(waived.lsn)).expect("it waits for that");
    let Phase::Closing(Closing { next: Some(next), .. }) = machine.phase() else { panic!("{:?}", machine.phase()) };
    assert_eq!((next.mint, next.ub >= NOW + long), (FIRST, true), "{next:?}");
}

/// The slot of what was lost may hold another secret by now, and what is not ours is not cleared.
#[test]
fn the_slot_of_what_was_lost_is_left_alone_at_the_end() {
    let glass = [&STEADY[..], &[ISSUE, ISSUED, WAIVED, DIED, Step::Cleared]].concat();
    let (mut machine, _) = process(&[&glass], &[STRANGER]);
    let Phase::Closing(Closing { going: Going { end: End::Revoke, secret: Secret::Named, ub, .. }, .. }) = *machine.phase()
    else {
        panic!("{:?}", machine.phase());
    };
    let over = ub + POLICY.skew;
    assert_eq!(tell(&mut machine, over, Input::Timeout), []);
    assert_eq!(machine.phase().kind(), PhaseKind::NeedsOperator);
}
