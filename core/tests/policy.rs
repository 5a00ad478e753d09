//! A policy that cannot keep the promise is refused, and says what would do; waits after failures grow, and are spread.

#[path = "common/policy.rs"]
mod policy;

use core::time::Duration;

use policy::POLICY;
use turquoise_core::{
    BootId, Budget, Held, Input, Instant, Jitter, Outcome, Output, Policy, PolicyError, Refusal, Relogin, Rotation, Shortage,
    Step, Trial,
};

const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

const fn just_under(secs: u64) -> Duration {
    Duration::from_millis(1_000 * secs - 1)
}

const MILLI: Duration = Duration::from_millis(1);

/// Everything is as short as it may be: three probes a second apart and a canary of three seconds make 5 s of validation,
/// persisting and extension 4 s more, publishing, shortening and the grace 12 s more; two failed renewals 6 s.
const TIGHT: Policy = Policy {
    patience: secs(1),
    backoff: secs(2),
    backoff_cap: secs(2),
    probes: 3,
    probe_every: secs(1),
    canary: Some(Trial { share: 1, window: secs(3), samples: 1, forgiven: 0, slower: 0, shortage: Shortage::ProbesSuffice }),
    validate_for: secs(5),
    evidence: secs(2),
    probation: secs(9),
    full: secs(15),
    grace: secs(10),
    period: Some(secs(21)),
    most_live: 2,
    ..POLICY
};

#[test]
fn the_tightest_policy_is_sound() {
    assert_eq!(TIGHT.check(), Ok(()));
    assert_eq!(TIGHT.worst_validation(), secs(9));
    assert_eq!(TIGHT.worst_rotation(), secs(21));
    assert_eq!(TIGHT.least_life(), secs(27));
}

#[test]
fn what_is_a_little_tighter_is_refused_and_says_what_would_do() {
    let refused = |policy: Policy| policy.check().expect_err("it is too tight");
    assert_eq!(refused(Policy { validate_for: just_under(5), ..TIGHT }), PolicyError::ValidationTooShort { needed: secs(5) });
    assert_eq!(refused(Policy { evidence: just_under(2), ..TIGHT }), PolicyError::EvidenceTooShort { needed: secs(2) });
    assert_eq!(refused(Policy { probation: just_under(9), ..TIGHT }), PolicyError::ProbationTooShort { needed: secs(9) });
    assert_eq!(refused(Policy { full: just_under(15), ..TIGHT }), PolicyError::FullTooShort { needed: secs(15) });
    assert_eq!(refused(Policy { period: Some(just_under(21)), ..TIGHT }), PolicyError::PeriodTooShort { needed: secs(21) });
    assert_eq!(refused(Policy { most_live: 1, ..TIGHT }), PolicyError::OneAtATime);
}

#[test]
fn a_duration_of_zero_is_named() {
    let zero = Duration::ZERO;
    let policies = [
        ("full", Policy { full: zero, ..TIGHT }),
        ("probation", Policy { probation: zero, ..TIGHT }),
        ("validate_for", Policy { validate_for: zero, ..TIGHT }),
        ("evidence", Policy { evidence: zero, ..TIGHT }),
        ("patience", Policy { patience: zero, ..TIGHT }),
        ("backoff", Policy { backoff: zero, ..TIGHT }),
    ];
    for (name, policy) in policies {
        assert_eq!(policy.check(), Err(PolicyError::Zero(name)));
    }
}

#[test]
fn a_budget_gives_a_validation_its_requests_in_its_time() {
    // Three probes, and three requests beside them.
    let longest = secs(5) / 6;
    let with = |every, burst| Policy { budget: Some(Budget { every, burst }), ..TIGHT }.check();
    assert_eq!(with(longest, 1), Ok(()));
    assert_eq!(with(longest + MILLI, 9), Err(PolicyError::BudgetTooSmall { longest }));
    assert_eq!(with(MILLI, 0), Err(PolicyError::BudgetTooSmall { longest }));
}

/// While everything fails, a renewal and a mint are each tried twice in the longest wait on average, and a probe comes after both.
#[test]
fn a_budget_leaves_a_third_beside_tries_that_fail() {
    let with = |every| Policy { budget: Some(Budget { every, burst: 9 }), jitter: Jitter::Full(1), ..TIGHT }.check();
    let longest = secs(2) / 6;
    assert_eq!(with(longest), Ok(()));
    assert_eq!(with(longest + MILLI), Err(PolicyError::BudgetTooSmall { longest }));
}

/// The waits after logins that are refused, one after the other, of a machine that begins at this instant.
fn waits(policy: &Policy, begin: Instant) -> Vec<Duration> {
    let policy = Policy { relogin: Relogin::Possible, ..*policy };
    let mut machine = Rotation::recover(policy, 1, BootId(1), begin, [], Held::default()).expect("an empty journal is sound");
    let mut now = begin;
    let mut waits = Vec::new();
    for _ in 0..1_000 {
        if waits.len() == 12 {
            return waits;
        }
        let input = match machine.poll_output() {
            Some(Output::Append(record)) => {
                if let Step::LoginFailed { not_before } = record.step {
                    waits.push(not_before.since(now));
                }
                Input::Durable(record.lsn)
            }
            Some(Output::Perform { op, .. }) => Input::Completed { op, outcome: Outcome::NotApplied(Refusal::Unavailable) },
            Some(_) => continue,
            None => {
                let next = machine.poll_timeout().expect("it tries again");
                assert!(next > now, "it does not wait");
                now = next;
                Input::Timeout
            }
        };
        machine.handle(now, input).expect("it was asked for");
    }
    panic!("it does not try twelve times: {waits:?}");
}

#[test]
fn waits_double_up_to_the_longest() {
    let policy = Policy { backoff: secs(1), backoff_cap: secs(10), ..POLICY };
    let expected = [1, 2, 4, 8, 10, 10, 10, 10, 10, 10, 10, 10].map(secs);
    assert_eq!(waits(&policy, Instant(0)), expected);
    let never_less = Policy { backoff: secs(3), backoff_cap: secs(1), ..POLICY };
    assert_eq!(waits(&never_less, Instant(0)), [secs(3); 12]);
}

#[test]
fn jitter_spreads_a_wait_over_all_of_it_and_is_the_same_for_the_same_seed() {
    let policy = |seed| Policy { backoff: secs(1), backoff_cap: secs(10), jitter: Jitter::Full(seed), ..POLICY };
    assert_eq!(waits(&policy(1), Instant(5)), waits(&policy(1), Instant(5)));
    assert_ne!(waits(&policy(1), Instant(5)), waits(&policy(2), Instant(5)));
    assert_ne!(waits(&policy(1), Instant(5)), waits(&policy(1), Instant(6)));
    let longest: Vec<_> = (0..12).map(|n| secs(10).min(secs(1) * (1 << n))).collect();
    let (mut low, mut high) = (0, 0);
    for seed in 0..100 {
        for (wait, longest) in waits(&policy(seed), Instant(0)).into_iter().zip(&longest) {
            assert!(wait >= MILLI && wait <= *longest, "{wait:?} of {longest:?}");
            low += u32::from(wait < *longest / 10);
            high += u32::from(wait > *longest * 9 / 10);
        }
    }
    assert!((60..180).contains(&low) && (60..180).contains(&high), "of 1200 waits {low} are short and {high} long");
}

#[test]
fn jitter_is_drawn_by_splitmix64() {
    // The first outputs of the reference implementation from the state 0, whose states are multiples of its constant.
    let gamma = 0x9e37_79b9_7f4a_7c15_u64;
    let longest = Duration::from_hours(1_000_000);
    let millis = 3_600_000_000_000;
    for (n, output) in (0..).zip([0xe220_a839_7b1d_cdaf_u64, 0x6e78_9e6a_a1b9_65f4, 0x06c4_5d18_8009_454f]) {
        for now in [0, 77] {
            let jitter = Jitter::Full(gamma.wrapping_mul(n) ^ now);
            let policy = Policy { backoff: longest, backoff_cap: longest, jitter, ..POLICY };
            assert_eq!(waits(&policy, Instant(now))[0], Duration::from_millis(1 + output % millis));
        }
    }
}
