//! A fleet that was started as one does not ask as one. A small one here; ten and a hundred times as many:
//! `cargo bench -p turquoise-runtime --bench herd`.

mod fleet;

use std::time::Duration;

use fleet::{Fleet, Schedule, Seen, Trial};

const SIZE: u32 = 1_000;
const MINUTE: usize = 60;
const HOUR: usize = 60 * MINUTE;

fn trial(schedule: Schedule) -> Trial {
    let backoff = [Duration::from_secs(1), Duration::from_mins(1)];
    Trial { size: SIZE, schedule, lasts: Duration::from_hours(4), period: None, backoff, outage: None }
}

/// An outage of five minutes that begins just before the fleet is busiest.
fn through_an_outage(schedule: Schedule) -> (Seen, usize) {
    let from = Fleet::run(trial(schedule)).busiest(MINUTE..2 * HOUR) - 2;
    let outage = Some(from..from + 5 * MINUTE);
    (Fleet::run(Trial { outage, ..trial(schedule) }), from)
}

#[test]
fn renewals_of_a_fleet_that_began_together_are_flat() {
    let seen = Fleet::run(trial(Schedule::Ours));
    // A thousand renewals in 36 minutes are 0.46 in a second.
    assert!(seen.peak(MINUTE..HOUR) <= 6, "{}", seen.peak(MINUTE..HOUR));
    assert!(seen.peak(2 * HOUR..4 * HOUR) <= 6, "{}", seen.peak(2 * HOUR..4 * HOUR));
    let all: u32 = seen.requests[2 * HOUR..4 * HOUR].iter().sum();
    assert!((3_000..3_700).contains(&all), "{all} in two hours");
    assert_eq!(seen.expired, 0);
    let logins = seen.requests[..MINUTE].iter().filter(|requests| **requests > 100).count();
    assert!(logins >= 5 && seen.peak(0..MINUTE) < 300, "first logins in {logins} seconds");
}

#[test]
fn the_other_schedules_are_seen_to_be_worse() {
    assert!(Fleet::run(trial(Schedule::Naive)).peak(2 * HOUR..4 * HOUR) >= 900);
    let watcher = Fleet::run(trial(Schedule::Watcher));
    assert!(watcher.peak(MINUTE..HOUR) > 12, "{}", watcher.peak(MINUTE..HOUR));
}

#[test]
fn after_an_outage_nothing_has_expired_and_nobody_stampedes() {
    let (seen, from) = through_an_outage(Schedule::Ours);
    let until = from + 5 * MINUTE;
    assert!(seen.peak(from..until) <= 20, "{} while it is down", seen.peak(from..until));
    assert!(seen.peak(until..4 * HOUR) <= 20, "{} after it is back", seen.peak(until..4 * HOUR));
    assert!(seen.recovered_after <= 60, "the last one after {} s", seen.recovered_after);
    assert!(seen.peak(until + 2 * MINUTE..4 * HOUR) <= 6, "the moments are as before");
    assert_eq!(seen.expired, 0);
    let (naive, from) = through_an_outage(Schedule::Naive);
    assert!(naive.peak(from..from + 5 * MINUTE) >= 900);
}

#[test]
fn rotations_of_a_fleet_that_began_together_are_flat() {
    let trial = |schedule| Trial { lasts: Duration::from_hours(14), period: Some(Duration::from_hours(6)), ..trial(schedule) };
    let ours = Fleet::run(trial(Schedule::Ours));
    // One rotation by itself makes up to four requests in a second.
    assert!(ours.peak(MINUTE..14 * HOUR) <= 14, "{}", ours.peak(MINUTE..14 * HOUR));
    assert_eq!(ours.expired, 0);
    assert!(Fleet::run(trial(Schedule::Naive)).peak(MINUTE..14 * HOUR) >= 900);
}
