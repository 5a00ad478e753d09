//! How many requests may be sent again.

use std::sync::atomic::{AtomicI64, Ordering};

/// One in ten requests may be sent twice, in the long run.
const PRICE: i64 = 10;
/// So many may be at once.
const AT_ONCE: i64 = 50;

/// What requests earn and replays cost: a candidate that is refused everywhere does not double the load.
pub(crate) struct Budget(AtomicI64);

impl Budget {
    pub(crate) const fn new() -> Self {
        Self(AtomicI64::new(AT_ONCE * PRICE))
    }

    /// A request has come.
    pub(crate) fn earn(&self) {
        // Between the two another one may come: then it is a little more than the most.
        if self.0.load(Ordering::Relaxed) < AT_ONCE * PRICE {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Whether one could be sent again, as a trial may need it to be.
    pub(crate) fn allows(&self) -> bool {
        self.0.load(Ordering::Relaxed) >= PRICE
    }

    /// One is sent again.
    pub(crate) fn spend(&self) {
        self.0.fetch_sub(PRICE, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_the_long_run_one_in_ten_is_sent_again() {
        let budget = Budget::new();
        let mut again = 0;
        for _ in 0..10_000 {
            budget.earn();
            if budget.allows() {
                budget.spend();
                again += 1;
            }
        }
        assert_eq!(again, 1_000 + AT_ONCE - 1);
    }
}
