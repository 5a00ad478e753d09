//! The handle that work takes its credential from.
//!
//! # Why no idleness is lost, and nothing is acquired after it
//!
//! What serves is in one cell behind a read-write lock (that of [`watch`]). Work counts itself in while it holds the read
//! lock; a switch puts the next slot in while it holds the write lock, then marks the old slot `RETIRED` in the very word
//! that counts. So
//!
//! - every acquisition of the old slot precedes its mark: nobody gets hold of it after the switch;
//! - the word has one order of changes. A release either comes before the mark — then whoever looks after the switch sees
//!   it — or after, and then the one that leaves nothing but the mark tells the driver. The driver's [`Notify`] keeps a
//!   token that comes while the driver is busy.
//!
//! A slot that serves again, because of a rollback, is the same slot without the mark: work that still holds it from before
//! counts on.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{Notify, watch};
use turquoise_core::{Generation, Mint};
use turquoise_memory::Secret;

use crate::port::Credential;

/// The bit of [`Slot::word`] that says that the slot no longer serves; the rest is the count.
const RETIRED: usize = 1 << (usize::BITS - 1);

/// Gives new work the credential that serves. Cheap to clone; all clones see the same.
#[derive(Clone)]
pub struct Credentials {
    serving: watch::Receiver<Serving>,
}

/// Why there is no credential to be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotReady {
    /// There is none yet (or its secret was lost).
    #[error("there is no credential yet: wait until one is ready")]
    Vacant,
    /// The identity is being shut down and leaves nothing: its last credential goes when no work holds it any more.
    #[error("the identity is being shut down and its last credential ended: start it anew to get another one")]
    Closing,
    /// The identity was stopped or dropped, or has shut down: if its credential lives on, it is for the successor, and nobody
    /// renews it here.
    #[error("the identity has stopped: start it again to get a credential")]
    Stopped,
}

/// A credential in use: pinned to its generation, and counted until dropped. Hold it as long as work depends on it, leases
/// and children made with it included.
pub struct Guard {
    slot: Arc<Slot>,
}

/// One credential while it serves, and as long as work holds it.
struct Slot {
    credential: Arc<Credential>,
    word: AtomicUsize,
    idle: Arc<Notify>,
}

struct Serving {
    current: Result<Arc<Slot>, NotReady>,
    retired: Option<Arc<Slot>>,
}

impl Credentials {
    /// The credential that new work is to use. Never waits for I/O.
    ///
    /// # Errors
    ///
    /// There is none: see [`ready`](Self::ready).
    pub fn acquire(&self) -> Result<Guard, NotReady> {
        let serving = self.serving.borrow();
        let slot = serving.current.as_ref().map_err(|not_ready| *not_ready)?;
        slot.word.fetch_add(1, Ordering::Relaxed);
        Ok(Guard { slot: Arc::clone(slot) })
    }

    /// Waits until there is a credential. Cancel safe: nothing is lost when the future is dropped.
    ///
    /// # Errors
    ///
    /// [`NotReady::Closing`] and [`NotReady::Stopped`]: there is none to wait for.
    pub async fn ready(&self) -> Result<(), NotReady> {
        let mut serving = self.serving.clone();
        let settled = serving.wait_for(|serving| !matches!(serving.current, Err(NotReady::Vacant))).await;
        settled.map_err(|_| NotReady::Stopped)?.outcome()
    }

    /// Waits until another credential serves than when this handle was made or last returned from here.
    /// Cancel safe: a switch that comes meanwhile is told by the next call.
    ///
    /// # Errors
    ///
    /// [`NotReady::Closing`] and [`NotReady::Stopped`]: there is no further switch to wait for.
    pub async fn changed(&mut self) -> Result<(), NotReady> {
        loop {
            self.serving.changed().await.map_err(|_| NotReady::Stopped)?;
            let outcome = self.serving.borrow_and_update().outcome();
            if outcome != Err(NotReady::Vacant) {
                return outcome;
            }
        }
    }

    /// How much work holds a generation.
    pub(crate) fn held(&self, generation: Generation) -> usize {
        self.serving.borrow().held(generation)
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let serving = self.serving.borrow();
        f.debug_tuple("Credentials").field(&serving.current.as_ref().map(|slot| slot.credential.mint)).finish()
    }
}

impl Guard {
    /// The secret. It stays readable as long as the guard lives, whatever is rotated meanwhile.
    #[must_use]
    pub fn secret(&self) -> &Secret {
        &self.slot.credential.secret
    }

    /// Which credential this is.
    #[must_use]
    pub fn mint(&self) -> Mint {
        self.slot.credential.mint
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Guard").field(&self.mint()).finish()
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if self.slot.word.fetch_sub(1, Ordering::AcqRel) == RETIRED + 1 {
            self.slot.idle.notify_one();
        }
    }
}

impl Serving {
    /// Retires what served until now.
    fn replace(&mut self, next: Result<Arc<Slot>, NotReady>) {
        if let Ok(old) = std::mem::replace(&mut self.current, next) {
            old.word.fetch_or(RETIRED, Ordering::AcqRel);
            self.retired = Some(old);
        }
    }

    fn outcome(&self) -> Result<(), NotReady> {
        self.current.as_ref().map(|_| ()).map_err(|not_ready| *not_ready)
    }

    fn held(&self, generation: Generation) -> usize {
        let mut slots = self.current.as_ref().ok().into_iter().chain(&self.retired);
        let slot = slots.find(|slot| slot.credential.mint.generation == generation);
        slot.map_or(0, |slot| slot.word.load(Ordering::Acquire) & !RETIRED)
    }
}

/// The driver's side: it alone switches. When it goes, the handles say [`NotReady::Stopped`].
pub(crate) struct Switch {
    serving: watch::Sender<Serving>,
    idle: Arc<Notify>,
}

impl Switch {
    pub(crate) fn new() -> Self {
        let nothing = Serving { current: Err(NotReady::Vacant), retired: None };
        Self { serving: watch::Sender::new(nothing), idle: Arc::new(Notify::new()) }
    }

    pub(crate) fn credentials(&self) -> Credentials {
        Credentials { serving: self.serving.subscribe() }
    }

    /// From now on new work is given this one.
    pub(crate) fn serve(&self, credential: Arc<Credential>) {
        self.serving.send_modify(|serving| {
            let again = serving.retired.take_if(|slot| slot.credential.mint == credential.mint);
            let next = again
                .unwrap_or_else(|| Arc::new(Slot { credential, word: AtomicUsize::new(RETIRED), idle: Arc::clone(&self.idle) }));
            next.word.fetch_and(!RETIRED, Ordering::AcqRel);
            serving.replace(Ok(next));
        });
    }

    /// From now on new work is given nothing.
    pub(crate) fn withdraw(&self, why: NotReady) {
        self.serving.send_modify(|serving| serving.replace(Err(why)));
    }

    /// How much work holds a generation.
    pub(crate) fn held(&self, generation: Generation) -> usize {
        self.serving.borrow().held(generation)
    }

    /// Whether no work holds a generation, and none can take it.
    pub(crate) fn is_idle(&self, generation: Generation) -> bool {
        let serving = self.serving.borrow();
        let serves = serving.current.as_ref().is_ok_and(|slot| slot.credential.mint.generation == generation);
        !serves && serving.held(generation) == 0
    }

    /// Lets go of what is retired unless it is one of these: its secret is wiped with its last guard.
    pub(crate) fn retain(&self, mentioned: &[Option<Mint>]) {
        self.serving.send_if_modified(|serving| {
            serving.retired.take_if(|slot| !mentioned.contains(&Some(slot.credential.mint)));
            false
        });
    }

    /// Waits until a retired slot has become idle. Cancel safe: the token stays until it is taken.
    pub(crate) async fn idle(&self) {
        self.idle.notified().await;
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        self.serving.send_replace(Serving { current: Err(NotReady::Stopped), retired: None });
    }
}

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::Duration;

    use tokio::time::timeout;
    use turquoise_core::Color;

    use super::*;
    use crate::port::Handle;

    fn credential(number: u32) -> Arc<Credential> {
        let mint = Mint { generation: Generation { incarnation: 1, number }, slot: Color::Blue };
        Arc::new(Credential { mint, handle: Handle(number.to_string()), secret: "x".into() })
    }

    #[tokio::test]
    async fn idleness_is_told_and_final_while_threads_come_and_go() {
        let switch = Switch::new();
        switch.serve(credential(0));
        let credentials = switch.credentials();
        let workers: Vec<_> = (0..3)
            .map(|_| {
                let credentials = credentials.clone();
                thread::spawn(move || while credentials.acquire().is_ok() {})
            })
            .collect();
        for number in 1..300 {
            let old = credential(number - 1).mint.generation;
            switch.serve(credential(number));
            while !switch.is_idle(old) {
                timeout(Duration::from_mins(1), switch.idle()).await.expect("the last guard tells");
            }
            thread::yield_now();
            assert!(switch.is_idle(old), "{old} was taken after it was idle");
        }
        drop(switch);
        for worker in workers {
            worker.join().expect("a worker ends when the switch is gone");
        }
    }

    #[test]
    fn what_serves_again_counts_the_work_that_never_let_go() {
        let (old, new) = (credential(1), credential(2));
        let switch = Switch::new();
        switch.serve(Arc::clone(&old));
        let guard = switch.credentials().acquire().expect("it serves");
        switch.serve(Arc::clone(&new));
        switch.serve(old);
        let other = switch.credentials().acquire().expect("it serves again");
        assert_eq!((guard.mint(), switch.held(guard.mint().generation)), (other.mint(), 2));
        assert!(switch.is_idle(new.mint.generation));
        switch.withdraw(NotReady::Closing);
        assert_eq!(switch.credentials().acquire().err(), Some(NotReady::Closing));
        drop(other);
        assert!(!switch.is_idle(guard.mint().generation));
        let generation = guard.mint().generation;
        drop(guard);
        assert!(switch.is_idle(generation));
    }
}
