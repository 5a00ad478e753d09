//! A journal that does not follow is refused, and says where; a current credential that may be dead is told of in time.

#[path = "common/policy.rs"]
mod policy;

use policy::POLICY;
use turquoise_core::{
    Applied, BootId, Color, Event, Generation, Held, Illegal, Input, Instant, Ledger, Life, Lsn, Mint, Outcome, Output,
    PhaseKind, Policy, Record, RecoverError, Rotation, Step, StepKind,
};

const BOOT: BootId = BootId(1);
const MINT: Mint = Mint { generation: Generation { incarnation: 1, number: 1 }, slot: Color::Blue };

fn record(lsn: u64, boot: BootId, step: Step) -> Record {
    Record { lsn: Lsn(lsn), boot, at: Instant(10), step }
}

fn ledger() -> Ledger {
    let mut ledger = Ledger::new(1, BOOT, Instant(0));
    ledger.apply(&record(1, BOOT, Step::LoginIntent { mint: MINT }), &POLICY).expect("it is the first step of all");
    ledger
}

fn refused(next: Record) -> RecoverError {
    let mut after = ledger();
    let refusal = after.apply(&next, &POLICY).expect_err("it does not follow");
    assert_eq!(after, ledger(), "a refused record changed something");
    refusal
}

#[test]
fn only_a_recovery_begins_another_boot() {
    let failed = Step::LoginFailed { not_before: Instant(20) };
    let illegal = RecoverError::IllegalStep { lsn: 2, phase: PhaseKind::Vacant, step: StepKind::LoginFailed };
    assert_eq!(refused(record(2, BootId(2), failed)), illegal);
    ledger().apply(&record(2, BOOT, failed), &POLICY).expect("in the same boot it follows");
    let recovered = record(2, BootId(2), Step::Recovered { held: Held::default() });
    ledger().apply(&recovered, &POLICY).expect("a recovery may come in any boot");
}

#[test]
fn a_record_that_is_missing_is_named() {
    assert_eq!(refused(record(3, BOOT, Step::Ready)), RecoverError::Gap { expected: 2, found: 3 });
}

#[test]
fn a_generation_is_announced_once() {
    let mut failed = ledger();
    failed.apply(&record(2, BOOT, Step::LoginFailed { not_before: Instant(10) }), &POLICY).expect("it follows");
    let again = record(3, BOOT, Step::LoginIntent { mint: MINT });
    let illegal = RecoverError::IllegalStep { lsn: 3, phase: PhaseKind::Vacant, step: StepKind::LoginIntent };
    assert_eq!(failed.apply(&again, &POLICY), Err(illegal));
}

#[test]
fn instants_of_another_boot_say_nothing_of_this_one() {
    let old = |lsn, step| Record { lsn: Lsn(lsn), boot: BOOT, at: Instant(1_000_000), step };
    let life = Life { lb: Instant(1_060_000), ub: Instant(1_060_000) };
    let records = [old(1, Step::LoginIntent { mint: MINT }), old(2, Step::LoggedIn { life }), old(3, Step::Ready)];
    let held = Held { blue: Some(MINT.generation), green: None };
    let now = Instant(500);
    let machine = Rotation::recover(POLICY, 1, BootId(2), now, records, held).expect("it is a sound journal");
    let current = machine.phase().current().expect("it is ready");
    assert_eq!(current.life, Life { lb: now, ub: now + POLICY.delta + POLICY.full });
    assert!(machine.poll_timeout().is_none_or(|at| at <= now), "it would wait for an instant of the boot before");
}

#[test]
fn a_first_life_that_is_longer_than_a_full_one_is_waited_for() {
    let policy = Policy { login_life: 2 * POLICY.full, ..POLICY };
    let record = |lsn, step| Record { lsn: Lsn(lsn), boot: BOOT, at: Instant(0), step };
    let life = Life { lb: Instant(120_000), ub: Instant(120_000) };
    let records = [record(1, Step::LoginIntent { mint: MINT }), record(2, Step::LoggedIn { life }), record(3, Step::Ready)];
    let held = Held { blue: Some(MINT.generation), green: None };
    let machine = Rotation::recover(policy, 1, BootId(2), Instant(0), records, held).expect("it is a sound journal");
    let current = machine.phase().current().expect("it is ready");
    assert_eq!(current.life.ub, Instant(0) + policy.delta + policy.login_life);
}

/// Answers everything at once, but no renewal; the events that came.
fn drain(machine: &mut Rotation, now: Instant) -> Vec<Event> {
    let mut events = Vec::new();
    for _ in 0..100 {
        let Some(output) = machine.poll_output() else { return events };
        let remaining = POLICY.full;
        let answer = match output {
            Output::Append(record) => Input::Durable(record.lsn),
            Output::Perform { op, effect: turquoise_core::Effect::Login { .. } } => {
                Input::Completed { op, outcome: Outcome::Applied(Applied::Alive { remaining }) }
            }
            Output::Perform { op, effect: turquoise_core::Effect::Renew { .. } } => {
                Input::Completed { op, outcome: Outcome::Unknown }
            }
            Output::Perform { op, .. } => Input::Completed { op, outcome: Outcome::Applied(Applied::Done) },
            Output::Notify(event) => {
                events.push(event);
                continue;
            }
            Output::Serve(_) | Output::Withdraw => continue,
        };
        machine.handle(now, answer).expect("it was asked for");
    }
    panic!("the machine asks without end");
}

#[test]
fn the_machine_wakes_to_say_that_the_current_one_may_be_dead() {
    let mut now = Instant(0);
    let mut machine = Rotation::recover(POLICY, 1, BOOT, now, [], Held::default()).expect("an empty journal is sound");
    assert_eq!(drain(&mut machine, now), []);
    let certain = now + POLICY.full;
    let mut told = Vec::new();
    while told.is_empty() {
        now = machine.poll_timeout().expect("it has yet to say so");
        assert!(now <= certain, "it slept beyond the certain life of what it serves");
        machine.handle(now, Input::Timeout).expect("time passes");
        told = drain(&mut machine, now);
    }
    assert_eq!((told, now), (vec![Event::Dark], certain));
}

#[test]
fn only_the_record_that_waits_is_acknowledged() {
    let mut machine = Rotation::recover(POLICY, 1, BOOT, Instant(0), [], Held::default()).expect("an empty journal is sound");
    let refuses = |machine: &mut Rotation, lsn: u64, awaited: Option<u64>| {
        for input in [Input::Durable(Lsn(lsn)), Input::NotDurable(Lsn(lsn))] {
            let refused = Err(Illegal::Acknowledgement { awaited: awaited.map(Lsn) });
            assert_eq!(machine.handle(Instant(0), input), refused, "{input:?}");
        }
    };
    refuses(&mut machine, 1, None);
    let Some(Output::Append(first)) = machine.poll_output() else { panic!("it announces its login") };
    refuses(&mut machine, 2, Some(1));
    machine.handle(Instant(0), Input::Durable(first.lsn)).expect("it waits");
    refuses(&mut machine, 1, None);
}
