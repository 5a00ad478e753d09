//! Chance that can be had again: every draw is a function of the seed and of what is drawn for, so that the order in which
//! two threads come to theirs does not matter.

use std::time::Duration;

/// Draws in a row, for one who draws alone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    /// Those of a seed, for a purpose.
    pub(crate) fn new(seed: u64, purpose: &[u64]) -> Self {
        Self(purpose.iter().fold(scramble(seed), |mixed, part| scramble(mixed ^ part)))
    }

    fn next(&mut self) -> u64 {
        self.0 = scramble(self.0);
        self.0
    }

    /// Less than that.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    /// So many times in a thousand.
    pub(crate) fn permille(&mut self, share: u64) -> bool {
        self.below(1_000) < share
    }

    /// An even number of milliseconds in there: who acts at odd ones meets nobody.
    pub(crate) fn even(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis((from + self.below(to - from + 1)) & !1)
    }

    /// One of these.
    pub(crate) fn one<T: Copy>(&mut self, of: &[T]) -> T {
        let i = self.below(of.len() as u64);
        of[usize::try_from(i).unwrap_or(0)]
    }
}

/// A bijection that leaves no pattern (the finaliser of splitmix64).
const fn scramble(mut x: u64) -> u64 {
    x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}
