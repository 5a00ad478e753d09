//! A ceiling on requests (S10): so many at once, and from then on one in each interval.

use core::time::Duration;

use crate::vocabulary::Instant;

/// A token bucket's size and rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Budget {
    /// One request becomes possible in each such interval.
    pub every: Duration,
    /// So many may be saved up; at least 1.
    pub burst: u16,
}

impl Budget {
    /// No ceiling.
    pub(crate) const NONE: Self = Self { every: Duration::ZERO, burst: 1 };
}

/// How much of a budget is left. It begins empty, so that many that are started together do not ask together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Bucket {
    /// Full again from then on.
    full_at: Instant,
}

impl Bucket {
    /// An empty one.
    #[must_use]
    pub fn empty(budget: &Budget, now: Instant) -> Self {
        Self { full_at: now + budget.every * u32::from(budget.burst) }
    }

    /// When a request may be sent that leaves `reserve` others possible, if none is sent before. A reserve that the budget
    /// never has is as much as it has.
    #[must_use]
    pub fn ready(&self, budget: &Budget, reserve: u16) -> Instant {
        let lacking = budget.burst.saturating_sub(reserve.saturating_add(1));
        self.full_at.before(budget.every * u32::from(lacking))
    }

    /// Takes one.
    pub fn take(&mut self, budget: &Budget, now: Instant) {
        self.full_at = self.full_at.max(now) + budget.every;
    }

    pub(crate) const fn full_at(&mut self) -> &mut Instant {
        &mut self.full_at
    }
}
