//! The place where work finds what serves, without a lock and without an allocation.
//!
//! # How it works
//!
//! A [`Slot`] is one credential while it serves and as long as work holds it. Work holds it by a reference count — that of
//! [`Strong`], an `Arc` — and nothing else counts: **the end of a slot is its drop.** An `Arc` is dropped once, and a
//! [`Weak`] never revives what was dropped. So idleness is told once, and final, by what the standard library promises.
//!
//! Between the two are the [`Lane`]s: work holds one of the lanes, which hold the slot. A thread keeps to one lane, so threads on
//! different lanes do not fight for one count.
//!
//! A [`Post`] says which slot to take. Its word is the number of a posting, and no number is ever used twice, in the whole
//! process; so a word that is read twice with the same value did not change meanwhile (there is no ABA). The posting's
//! `Weak` lies in one of two places, in turn: the word's lowest bit says in which.
//!
//! - *Taking*: read the word; upgrade the posting's `Weak`; **read the word again**. If it is the same, the slot is taken, else
//!   let go and begin anew.
//! - *Switching* (one thread at a time): write the next `Weak` to the place that the word does not name; store the new word;
//!   only then let go of the old slot.
//!
//! # Why nobody takes a slot after its switch
//!
//! Letting go and upgrading are both changes of one count, so one of them is first. If the switch let go first, the upgrade
//! (an acquire) saw that (a release), hence also the new word, and the second look finds it. So whoever was given a slot was
//! counted before the switch let go: from then on the count only falls, but for those about to notice and let go again. This
//! holds of each lane, hence of the slot.
//!
//! Of the word itself nothing is needed but that its own changes have one order.
//!
//! # Why it is lock-free
//!
//! A thread remembers the `Weak`s of its last postings, so it goes to the place once for each posting. It only *tries* to read
//! there: that fails only while the place is being written, and then the word has left it. So whoever begins anew does so
//! because another posting was made.
//!
//! # What is left in memory
//!
//! A `Weak` keeps no secret: the credential goes with the last guard. What it keeps is a few hundred bytes of counts,
//! until the thread remembers another posting in its stead.
//!
//! # Why not `ArcSwap`
//!
//! It would do, a little slower (`benches/acquire.rs`). But it allocates the first time on each thread, and loom cannot look
//! into it: what it does would have to be assumed, and that is the part worth checking.

use std::cell::RefCell;
use std::sync::{Arc, PoisonError, TryLockError};

use crate::port::Credential;
use crate::sync::{
    AtomicBool, AtomicU64, AtomicUsize, Bell, LANES, Mutex, NAMES, Ordering, REMEMBERED, RwLock, Sown, Strong, Weak, is_sown,
    lane, per_thread, spin_loop,
};

/// Why there is no credential to be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotReady {
    /// There is none yet (or its secret was lost).
    #[error("there is no credential yet: wait until one is ready")]
    Vacant,
    /// The last one is certainly dead, and there is no other yet.
    #[error("the credential has expired and could not be replaced: bring its provider back, and wait until one is ready")]
    Expired,
    /// The identity is being shut down and leaves nothing: its last credential goes when no work holds it any more.
    #[error("the identity is being shut down and its last credential ended: start it anew to get another one")]
    Closing,
    /// The identity was stopped or dropped, or has shut down: if its credential lives on, it is for the successor, and nobody
    /// renews it here.
    #[error("the identity has stopped: start it again to get a credential")]
    Stopped,
}

impl NotReady {
    const ALL: [Self; 4] = [Self::Vacant, Self::Expired, Self::Closing, Self::Stopped];

    const fn word(self) -> u64 {
        self as u64
    }

    fn of(word: u64) -> Option<Self> {
        Self::ALL.into_iter().find(|why| why.word() == word)
    }
}

/// The number of the next posting. It is even, and above every [`NotReady`].
static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(16);

per_thread! {
    static MEMO: RefCell<[(u64, Weak<Lane>); REMEMBERED]> = RefCell::new([const { (0, Weak::new()) }; REMEMBERED]);
}

/// One credential while it serves, and as long as work holds it.
pub(crate) struct Slot {
    pub(crate) credential: Arc<Credential>,
    pub(crate) end: Arc<End>,
    /// All that may live.
    lanes: Mutex<Vec<Weak<Lane>>>,
}

/// One of the counts of a slot, on a line of memory of its own.
#[repr(align(128))]
pub(crate) struct Lane {
    pub(crate) slot: Strong<Slot>,
    /// How much work holds it under each name; the first place, for work without a name, is not used.
    pub(crate) named: [AtomicUsize; NAMES],
}

/// What keeps a slot alive while it serves: a count on each lane.
pub(crate) struct Served {
    lanes: [Strong<Lane>; LANES],
    pub(crate) slot: Strong<Slot>,
}

/// What outlives a slot: whether it has ended.
pub(crate) struct End {
    ended: AtomicBool,
    bell: Arc<Bell>,
}

impl Slot {
    pub(crate) fn new(credential: Arc<Credential>, bell: &Arc<Bell>) -> Strong<Self> {
        let end = Arc::new(End { ended: AtomicBool::new(false), bell: Arc::clone(bell) });
        Strong::new(Self { credential, end, lanes: Mutex::new(Vec::new()) })
    }

    /// How much work holds it; while it serves, each lane counts one more.
    pub(crate) fn held(&self) -> usize {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner).iter().map(Weak::strong_count).sum()
    }

    /// How much work holds it under a name.
    pub(crate) fn held_by(&self, name: usize) -> usize {
        let lanes: Vec<_> = self.lanes.lock().unwrap_or_else(PoisonError::into_inner).iter().filter_map(Weak::upgrade).collect();
        lanes.iter().map(|lane| lane.named[name].load(Ordering::Relaxed)).sum()
    }
}

impl Served {
    /// Work from before keeps its lanes.
    pub(crate) fn new(slot: Strong<Slot>) -> Self {
        let new_lane = |_| Strong::new(Lane { slot: slot.clone(), named: std::array::from_fn(|_| AtomicUsize::new(0)) });
        let lanes: [_; LANES] = std::array::from_fn(new_lane);
        let mut all = slot.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|lane| lane.strong_count() > 0);
        all.extend(lanes.iter().map(Strong::downgrade));
        drop(all);
        Self { lanes, slot }
    }

    /// How much work holds it.
    pub(crate) fn held(&self) -> usize {
        self.slot.held() - LANES
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.end.tell();
    }
}

impl End {
    pub(crate) fn tell(&self) {
        self.ended.store(true, Ordering::Release);
        self.bell.notify_one();
    }

    /// Whether the slot is gone. What was done with it happened before.
    pub(crate) fn has_come(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }
}

/// Says which slot to take.
pub(crate) struct Post {
    word: AtomicU64,
    places: [RwLock<[Weak<Lane>; LANES]>; 2],
}

impl Post {
    pub(crate) fn new(why: NotReady) -> Self {
        Self { word: AtomicU64::new(why.word()), places: std::array::from_fn(|_| RwLock::new([const { Weak::new() }; LANES])) }
    }

    /// Takes what is posted: lock-free, without an allocation.
    pub(crate) fn take(&self) -> Result<Strong<Lane>, NotReady> {
        loop {
            let posted = self.word.load(Ordering::Acquire);
            if let Some(why) = NotReady::of(posted) {
                return Err(why);
            }
            let held = recall(posted).or_else(|| self.look(posted));
            if let Some(lane) = held
                && (is_sown(Sown::NoSecondLook) || self.word.load(Ordering::Acquire) == posted)
            {
                return Ok(lane);
            }
            spin_loop();
        }
    }

    /// Looks at the posting itself. What is found there may already be another one's: the second look tells.
    fn look(&self, posted: u64) -> Option<Strong<Lane>> {
        let place = match self.places[place_of(posted)].try_read() {
            Ok(place) => place,
            Err(TryLockError::Poisoned(place)) => place.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        let lane = &place[lane()];
        remember(posted, lane);
        lane.upgrade()
    }

    /// Posts a slot. One thread at a time; whoever calls keeps what was posted before until this returns.
    pub(crate) fn put(&self, served: &Served) {
        let place = 1 - place_of(self.word.load(Ordering::Relaxed));
        *self.places[place].write().unwrap_or_else(PoisonError::into_inner) = served.lanes.each_ref().map(Strong::downgrade);
        let number = NEXT.fetch_add(2, std::sync::atomic::Ordering::Relaxed);
        self.word.store(number | place as u64, Ordering::Release);
    }

    /// Posts that there is none. As for [`put`](Self::put).
    pub(crate) fn close(&self, why: NotReady) {
        self.word.store(why.word(), Ordering::Release);
    }
}

const fn place_of(posted: u64) -> usize {
    (posted & 1) as usize
}

fn index_of(posted: u64) -> usize {
    usize::try_from((posted >> 1) % REMEMBERED as u64).unwrap_or(0)
}

/// The slot of a posting that this thread has seen before.
fn recall(posted: u64) -> Option<Strong<Lane>> {
    let recalled = MEMO.try_with(|memo| {
        let memo = memo.try_borrow().ok()?;
        let (number, lane) = &memo[index_of(posted)];
        if *number == posted { lane.upgrade() } else { None }
    });
    recalled.ok().flatten()
}

/// A thread that ends remembers nothing any more.
fn remember(posted: u64, lane: &Weak<Lane>) {
    let _ = MEMO.try_with(|memo| {
        if let Ok(mut memo) = memo.try_borrow_mut() {
            memo[index_of(posted)] = (posted, lane.clone());
        }
    });
}
