//! The budget of requests is never exceeded, and begins empty.

use core::time::Duration;

use turquoise_core::{Bucket, Budget, Instant};

const BUDGET: Budget = Budget { every: Duration::from_millis(10), burst: 3 };

/// The instants at which somebody sends who always sends as soon as possible.
fn greedy(reserve: u16, until: u64) -> Vec<u64> {
    let mut bucket = Bucket::empty(&BUDGET, Instant(100));
    let mut sent = Vec::new();
    for now in (100..until).map(Instant) {
        while bucket.ready(&BUDGET, reserve) <= now {
            bucket.take(&BUDGET, now);
            sent.push(now.0);
            assert!(sent.len() < 100, "it gives without end");
        }
    }
    sent
}

#[test]
fn it_begins_empty_and_gives_one_in_each_interval() {
    assert_eq!(greedy(0, 141), [110, 120, 130, 140]);
}

#[test]
fn a_reserve_is_left_for_others() {
    assert_eq!(greedy(2, 141), [130, 140]);
    assert_eq!(greedy(9, 141), [130, 140], "more than all of it cannot be reserved");
}

#[test]
fn what_is_saved_up_is_no_more_than_the_burst() {
    let mut bucket = Bucket::empty(&BUDGET, Instant(0));
    let late = Instant(1_000);
    let mut taken = 0;
    while bucket.ready(&BUDGET, 0) <= late {
        bucket.take(&BUDGET, late);
        taken += 1;
        assert!(taken < 100, "it gives without end");
    }
    assert_eq!(taken, 3);
    assert_eq!(bucket.ready(&BUDGET, 0), Instant(1_010));
}
