//! With jitter renewals and rotations come at moments of the identity's own, which a start that many share does not move.

#[path = "common/policy.rs"]
mod policy;

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use policy::POLICY;
use turquoise_core::{
    Applied, BootId, Color, Effect, Generation, Held, Input, Instant, Jitter, Ledger, Life, Lsn, Mint, Outcome, Output, Policy,
    Record, Rotation, Step,
};

const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

const HOUR: Duration = Duration::from_hours(1);

fn policy(seed: u64) -> Policy {
    Policy { full: HOUR, login_life: HOUR, jitter: Jitter::Full(seed), ..POLICY }
}

/// What became of one machine: when its credential was renewed, and when rotations of it began.
#[derive(Default, PartialEq, Debug)]
struct Story {
    renewed: Vec<Instant>,
    begun: Vec<Instant>,
}

/// From a login on, in a world where all succeeds and no life is longer than `most`.
fn story(policy: &Policy, begin: Instant, end: Instant, most: Duration) -> Story {
    let mut machine = Rotation::recover(*policy, 1, BootId(1), begin, [], Held::default()).expect("an empty journal is sound");
    let (mut now, mut story) = (begin, Story::default());
    while now < end {
        let input = match machine.poll_output() {
            Some(Output::Append(record)) => {
                if let Step::IssueIntent { .. } = record.step {
                    story.begun.push(now);
                }
                Input::Durable(record.lsn)
            }
            Some(Output::Perform { op, effect }) => {
                if let Effect::Renew { .. } = effect {
                    story.renewed.push(now);
                }
                Input::Completed { op, outcome: Outcome::Applied(applied(&effect, most)) }
            }
            Some(_) => continue,
            None => {
                now = machine.poll_timeout().expect("it is kept alive").max(now);
                Input::Timeout
            }
        };
        machine.handle(now, input).expect("it was asked for");
    }
    story
}

fn applied(effect: &Effect, most: Duration) -> Applied {
    match *effect {
        Effect::Persist(_) | Effect::Publish(_) | Effect::Clear(_) | Effect::Revoke { .. } => Applied::Done,
        Effect::Observe { .. } | Effect::Discover { .. } => Applied::Dead,
        Effect::Issue { life, .. } | Effect::Renew { life, .. } | Effect::Extend { life, .. } | Effect::Shorten { life, .. } => {
            Applied::Alive { remaining: life.min(most) }
        }
        Effect::Login { .. } => Applied::Alive { remaining: most },
        Effect::Probe(_) => Applied::Alive { remaining: POLICY.probation },
    }
}

const BEGIN: Instant = Instant(1_000_000_000);

/// The times from one to the next.
fn gaps(instants: &[Instant]) -> Vec<Duration> {
    instants.windows(2).map(|pair| pair[1].since(pair[0])).collect()
}

#[test]
fn a_renewal_comes_at_the_same_moment_of_each_period_whenever_the_identity_began() {
    for seed in 0..50 {
        let late = BEGIN + secs(777);
        let [one, other] = [BEGIN, late].map(|begin| story(&policy(seed), begin, BEGIN + HOUR * 10, HOUR).renewed);
        let first = one[0].since(BEGIN);
        assert!(first > HOUR / 15 && first <= HOUR * 2 / 3, "{first:?} from a login to the first renewal");
        assert!(gaps(&one).iter().all(|gap| *gap == HOUR * 3 / 5), "{one:?}");
        let settled = |renewed: &[Instant]| renewed.iter().copied().filter(|at| *at > late + HOUR).collect::<Vec<_>>();
        assert_eq!(settled(&one), settled(&other), "a later start meets the same moments");
    }
}

#[test]
fn the_moments_of_many_are_spread_over_all_of_the_period() {
    let mut tenths = BTreeMap::<u64, u32>::new();
    for seed in 0..1_000 {
        let first = story(&policy(seed), BEGIN, BEGIN + HOUR, HOUR).renewed[0];
        *tenths.entry(first.since(BEGIN).as_secs() / 240).or_default() += 1;
    }
    // From a tenth of the window on: an earlier moment is passed over for the next one.
    assert_eq!(tenths.keys().copied().collect::<Vec<_>>(), (1..10).collect::<Vec<_>>());
    assert!(tenths.values().all(|n| (80..145).contains(n)), "{tenths:?}");
}

#[test]
fn what_lives_too_short_for_its_moment_is_renewed_with_a_third_of_its_life_left() {
    let most = HOUR / 4;
    let spent = |seed| gaps(&story(&policy(seed), BEGIN, BEGIN + HOUR * 4, most).renewed);
    let waits: Vec<_> = (0..50).flat_map(spent).collect();
    assert!(waits.iter().all(|wait| *wait <= most * 2 / 3 && !wait.is_zero()), "{waits:?}");
    let drawn = waits.iter().filter(|wait| **wait >= most / 3).count();
    assert!(drawn * 10 > waits.len() * 7, "of {} only {drawn} were drawn after a third", waits.len());
}

#[test]
fn without_jitter_it_is_renewed_at_half_of_its_life() {
    let policy = Policy { jitter: Jitter::None, ..policy(0) };
    let renewed = story(&policy, BEGIN, BEGIN + HOUR * 3, HOUR).renewed;
    assert_eq!(renewed[0].since(BEGIN), HOUR / 2);
    assert!(gaps(&renewed).iter().all(|gap| *gap == HOUR / 2), "{renewed:?}");
}

#[test]
fn a_rotation_comes_at_the_same_moment_of_each_period_and_no_later_than_a_period_after_the_last() {
    let period = HOUR * 5;
    let mut halves = [0, 0];
    for seed in 0..100 {
        let policy = Policy { period: Some(period), ..policy(seed) };
        let begun = story(&policy, BEGIN, BEGIN + period * 4, HOUR).begun;
        let first = begun[0].since(BEGIN);
        assert!(first <= period, "{first:?}");
        halves[usize::from(first > period / 2)] += 1;
        assert!(gaps(&begun).iter().all(|gap| gap.abs_diff(period) <= secs(1)) && begun.len() >= 3, "{begun:?}");
    }
    assert!(halves.iter().all(|n| *n > 30), "{halves:?}");
    let regular = story(&Policy { period: Some(period), jitter: Jitter::None, ..policy(0) }, BEGIN, BEGIN + period * 2, HOUR);
    assert_eq!(regular.begun[0], BEGIN + period);
}

#[test]
fn many_that_are_started_again_together_ask_within_their_patience() {
    let mint = Mint { generation: Generation { incarnation: 7, number: 1 }, slot: Color::Blue };
    let life = Life { lb: BEGIN + HOUR, ub: BEGIN + HOUR };
    let steps = [Step::LoginIntent { mint }, Step::LoggedIn { life }, Step::Ready];
    let mut first = Vec::new();
    for seed in 0..100 {
        let policy = policy(seed);
        let mut ledger = Ledger::new(7, BootId(1), BEGIN);
        for (lsn, step) in (1..).zip(steps) {
            ledger.apply(&Record { lsn: Lsn(lsn), boot: BootId(1), at: BEGIN, step }, &policy).expect("it follows");
        }
        let held = Held { blue: Some(mint.generation), green: None };
        let mut machine = Rotation::resume(policy, ledger, BootId(1), BEGIN, held).expect("there is a journal");
        assert_eq!(machine.serving(), Some(mint.generation), "what survived serves at once");
        let asked = std::iter::from_fn(|| machine.poll_output()).any(|output| matches!(output, Output::Perform { .. }));
        let at = if asked { BEGIN } else { machine.poll_timeout().expect("it is to be renewed") };
        first.push(at.since(BEGIN));
    }
    assert!(first.iter().all(|wait| *wait < POLICY.patience), "{first:?}");
    for fifth in 0..5 {
        let within = first.iter().filter(|wait| wait.as_millis() / 200 == fifth).count();
        assert!((8..=35).contains(&within), "{within} of 100 in fifth {fifth}");
    }
}

#[test]
fn many_that_began_together_and_live_too_short_draw_moments_of_their_own() {
    let (most, bits) = (Duration::from_mins(1), 1 << 20);
    for begin in [Instant(bits), Instant(bits - 1)] {
        let drawn: BTreeSet<_> =
            (0..64).map(|seed| story(&policy(seed), begin, begin + most, most).renewed[0].since(begin)).collect();
        assert!(drawn.len() > 56, "of 64 so many: {}", drawn.len());
        assert!(drawn.iter().all(|wait| *wait <= most * 2 / 3), "{drawn:?}");
    }
}
