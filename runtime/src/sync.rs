//! What the lock-free part is made of. The loom tests compile the same files over names of their own, with loom beneath
//! (`tests/loom/sync.rs`): nothing else in those files differs.

pub(crate) use std::hint::spin_loop;
pub(crate) use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
pub(crate) use std::sync::{Arc as Strong, Mutex, RwLock, Weak};

/// Rings the driver; it keeps one token while the driver is busy.
pub(crate) use tokio::sync::Notify as Bell;

/// How many postings a thread remembers.
pub(crate) const REMEMBERED: usize = 8;
/// How many counts a slot has: threads that share none do not slow each other.
pub(crate) const LANES: usize = 4;
/// How many names are counted apart, with the one for all work that gave none.
pub(crate) const NAMES: usize = 16;
/// How many reports may wait for the driver.
pub(crate) const REPORTS: usize = 256;

/// Which of the counts this thread changes: threads take turns.
pub(crate) fn lane() -> usize {
    static THREADS: AtomicUsize = AtomicUsize::new(0);
    std::thread_local! { static LANE: usize = THREADS.fetch_add(1, Ordering::Relaxed) % LANES; }
    LANE.try_with(|lane| *lane).unwrap_or(0)
}

/// A value of each thread's own.
macro_rules! per_thread {
    (static $name:ident: $type:ty = $value:expr;) => {
        std::thread_local! { static $name: $type = const { $value }; }
    };
}
pub(crate) use per_thread;

/// Bugs that the loom tests sow, one at a time, to see that they notice.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sown {
    /// A slot is handed out without a second look at the word.
    NoSecondLook,
    /// What serves again, or is promoted, is a new slot, though work holds the old one.
    ServesAnew,
    /// A slot that is retired is told idle at once.
    ToldAtOnce,
    /// A report is written over the one that waits in its place.
    WritesOver,
}

/// Whether a bug is sown: never here.
pub(crate) const fn is_sown(_: Sown) -> bool {
    false
}
