//! How many requests a second a fleet sends to its provider, of which every credential lives an hour and which was started
//! within one second: by our schedule, beside others, in calm and through an outage.
//!
//! `cargo bench -p turquoise-runtime --bench herd`. Time is simulated and drawn from seeds: the numbers are the same on every
//! machine and in every profile.

#[path = "../tests/herd/fleet.rs"]
mod fleet;

use std::time::Duration;

use fleet::{Fleet, Schedule, Trial};

const MINUTE: usize = 60;
const HOUR: usize = 60 * MINUTE;

fn trial(size: u32, schedule: Schedule, backoff: [u64; 2]) -> Trial {
    let backoff = backoff.map(Duration::from_secs);
    Trial { size, schedule, lasts: Duration::from_hours(4), period: None, backoff, outage: None }
}

#[expect(clippy::print_stdout, reason = "a benchmark prints")]
fn calm(size: u32) {
    println!("\n{size} identities, the most requests in a second\n");
    println!("| schedule | first minute | rest of the first hour | hours 3 and 4 |\n| --- | --- | --- | --- |");
    for (name, schedule) in SCHEDULES {
        let seen = Fleet::run(trial(size, schedule, [1, 60]));
        let [start, first, later] = [0..MINUTE, MINUTE..HOUR, 2 * HOUR..4 * HOUR].map(|span| seen.peak(span));
        println!("| {name} | {start} | {first} | {later} |");
        assert_eq!(seen.expired, 0);
    }
}

#[expect(clippy::print_stdout, reason = "a benchmark prints")]
fn outage(size: u32) {
    println!("\n{size} identities; the provider refuses everything for five minutes, from just before it is busiest\n");
    println!("| schedule | waits after failures | while it is down | after it | last one recovered | expired |");
    println!("| --- | --- | --- | --- | --- | --- |");
    let waits = [[1, 60], [10, 300]];
    for (name, schedule) in SCHEDULES {
        let from = Fleet::run(trial(size, schedule, [1, 60])).busiest(MINUTE..2 * HOUR) - 2;
        let until = from + 5 * MINUTE;
        for [first, longest] in waits {
            if schedule == Schedule::Watcher && first == 1 {
                continue;
            }
            let seen = Fleet::run(Trial { outage: Some(from..until), ..trial(size, schedule, [first, longest]) });
            let [down, after] = [from..until, until..4 * HOUR].map(|span| seen.peak(span));
            let (last, expired) = (seen.recovered_after, seen.expired);
            println!("| {name} | {first} s to {longest} s | {down} | {after} | after {last} s | {expired} |");
        }
    }
}

#[expect(clippy::print_stdout, reason = "a benchmark prints")]
fn rotations(size: u32) {
    println!("\n{size} identities, a rotation with three probes every twelve hours, the most requests in a second of 25 hours\n");
    println!("| schedule | after the first minute |\n| --- | --- |");
    for (name, schedule) in [SCHEDULES[0], SCHEDULES[2]] {
        let period = Some(Duration::from_hours(12));
        let seen = Fleet::run(Trial { period, lasts: Duration::from_hours(25), ..trial(size, schedule, [1, 60]) });
        println!("| {name} | {} |", seen.peak(MINUTE..25 * HOUR));
        assert_eq!(seen.expired, 0);
    }
}

const SCHEDULES: [(&str, Schedule); 3] =
    [("naive", Schedule::Naive), ("`LifetimeWatcher`", Schedule::Watcher), ("ours", Schedule::Ours)];

fn main() {
    for size in [10_000, 100_000] {
        calm(size);
        outage(size);
    }
    rotations(10_000);
}
