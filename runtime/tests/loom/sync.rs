//! The names of `src/sync.rs`, with loom beneath: it goes through every order in which the threads of a test can run, and
//! through every value that the memory model lets them read. Sizes are as small as they can be.
//!
//! Loom has no `Weak`, so [`Strong`] and [`Weak`] are made here, of a counter that loom watches and a real `Arc` that owns the
//! value. Between a change of the one and that of the other loom lets no other thread run: it does so only at its own types.

use std::cell::Cell;
use std::ops::Deref;
use std::sync::{Arc, Weak as StdWeak};

use loom::sync::atomic::fence;

pub(crate) use loom::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
pub(crate) use loom::sync::{Mutex, RwLock};
pub(crate) use loom::thread::yield_now as spin_loop;

pub(crate) const REMEMBERED: usize = 1;
pub(crate) const LANES: usize = 2;
pub(crate) const NAMES: usize = 1;
pub(crate) const REPORTS: usize = 2;

macro_rules! per_thread {
    (static $name:ident: $type:ty = $value:expr;) => {
        loom::thread_local! { static $name: $type = $value; }
    };
}
pub(crate) use per_thread;

loom::thread_local! { static LANE: Cell<usize> = Cell::new(0); }

/// From now on this thread is on another lane than others.
pub(crate) fn on_lane(lane: usize) {
    LANE.with(|mine| mine.set(lane));
}

pub(crate) fn lane() -> usize {
    LANE.with(Cell::get)
}

/// See `src/sync.rs`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sown {
    NoSecondLook,
    ServesAnew,
    ToldAtOnce,
    WritesOver,
}

std::thread_local! {
    /// Loom runs a whole test on the thread that began it.
    static SOWN: Cell<Option<Sown>> = const { Cell::new(None) };
}

/// From now on, in this test, a bug is sown.
pub(crate) fn sow(sown: Sown) {
    SOWN.set(Some(sown));
}

pub(crate) fn is_sown(sown: Sown) -> bool {
    SOWN.get() == Some(sown)
}

/// Counts how often it was rung.
pub(crate) struct Bell(AtomicUsize);

impl Bell {
    pub(crate) fn new() -> Self {
        Self(AtomicUsize::new(0))
    }

    pub(crate) fn notify_one(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn rung(&self) -> usize {
        latest(&self.0)
    }
}

/// The last value, where a plain load may read an older one: what the tests judge by is exact. It publishes nothing, so it
/// mends no missing release.
fn latest(count: &AtomicUsize) -> usize {
    count.fetch_add(0, Ordering::Acquire)
}

/// `std::sync::Arc`, with its orderings.
pub(crate) struct Strong<T> {
    /// Always there, until the drop.
    value: Option<Arc<T>>,
    count: Arc<AtomicUsize>,
}

/// `std::sync::Weak`, with its orderings.
pub(crate) struct Weak<T>(Option<(StdWeak<T>, Arc<AtomicUsize>)>);

impl<T> Strong<T> {
    pub(crate) fn new(value: T) -> Self {
        Self { value: Some(Arc::new(value)), count: Arc::new(AtomicUsize::new(1)) }
    }

    pub(crate) fn downgrade(this: &Self) -> Weak<T> {
        Weak(Some((Arc::downgrade(this.value()), Arc::clone(&this.count))))
    }

    pub(crate) fn ptr_eq(this: &Self, other: &Self) -> bool {
        Arc::ptr_eq(this.value(), other.value())
    }

    fn value(&self) -> &Arc<T> {
        self.value.as_ref().expect("it is taken in the drop only")
    }
}

impl<T> Clone for Strong<T> {
    fn clone(&self) -> Self {
        self.count.fetch_add(1, Ordering::Relaxed);
        Self { value: Some(Arc::clone(self.value())), count: Arc::clone(&self.count) }
    }
}

impl<T> Deref for Strong<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.value()
    }
}

impl<T> Drop for Strong<T> {
    /// The value goes right after this, with the last real `Arc`; but not in a test that has failed, which loom has left.
    fn drop(&mut self) {
        if std::thread::panicking() {
            std::mem::forget(self.value.take());
        } else if self.count.fetch_sub(1, Ordering::Release) == 1 {
            fence(Ordering::Acquire);
        }
    }
}

impl<T> Weak<T> {
    pub(crate) const fn new() -> Self {
        Self(None)
    }

    pub(crate) fn upgrade(&self) -> Option<Strong<T>> {
        let (value, count) = self.0.as_ref()?;
        let mut seen = count.load(Ordering::Relaxed);
        while seen > 0 {
            match count.compare_exchange(seen, seen + 1, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => {
                    let value = value.upgrade().expect("what is counted lives");
                    return Some(Strong { value: Some(value), count: Arc::clone(count) });
                }
                Err(now) => seen = now,
            }
        }
        None
    }

    pub(crate) fn strong_count(&self) -> usize {
        self.0.as_ref().map_or(0, |(_, count)| latest(count))
    }
}

impl<T> Clone for Weak<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}
