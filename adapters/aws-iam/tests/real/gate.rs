//! A journal and a store that tell of each record and each write, and stand still at a point, for whoever started the process
//! to kill it there.

use std::io::{Read as _, stdin};

use turquoise_runtime::Setup;
use turquoise_runtime::core::Mint;
use turquoise_runtime::port::{Base, Compacted, Credential, Entry, Journal, NotCompacted, NotDurable, Store, StoreError};

use crate::process::tell;

/// A port with the gate before it.
pub(crate) struct Gated<P> {
    inner: P,
    kind: &'static str,
    /// So many of its kind were come to in this process.
    count: u32,
    /// Where to stand still: `before record 4`, `after write 1`.
    hold: Option<String>,
}

/// The same, told of and held at this point.
pub(crate) fn gated<P, J, S>(setup: Setup<P, J, S>, hold: Option<&str>) -> Setup<P, Gated<J>, Gated<S>> {
    let Setup { policy, provider, journal, history, store, clock, memory, load } = setup;
    let hold = hold.map(str::to_owned);
    let journal = Gated { inner: journal, kind: "record", count: 0, hold: hold.clone() };
    let store = Gated { inner: store, kind: "write", count: 0, hold };
    Setup { policy, provider, journal, history, store, clock, memory, load }
}

impl<P> Gated<P> {
    fn around<T>(&mut self, name: &str, act: impl FnOnce(&mut P) -> T) -> T {
        self.count += 1;
        let place = format!("{} {}", self.kind, self.count);
        tell(&format!("at {place} {name}"));
        self.pass("before", &place);
        let done = act(&mut self.inner);
        self.pass("after", &place);
        done
    }

    /// Stands still if this is the point, until it is killed; should nobody be left who does that, its input ends.
    fn pass(&self, side: &str, place: &str) {
        if self.hold.as_ref().is_some_and(|hold| *hold == format!("{side} {place}")) {
            tell("held");
            drop(stdin().read_to_end(&mut Vec::new()));
            std::process::exit(3);
        }
    }
}

impl<J: Journal> Journal for Gated<J> {
    fn append(&mut self, entry: &Entry) -> Result<(), NotDurable> {
        self.around(&format!("{:?}", entry.record.step.kind()), |journal| journal.append(entry))
    }

    fn compact(&mut self, base: &Base) -> Result<Option<Compacted>, NotCompacted> {
        self.inner.compact(base)
    }
}

impl<S: Store> Store for Gated<S> {
    fn survives(&self) -> bool {
        self.inner.survives()
    }

    fn load(&mut self) -> Result<Vec<Credential>, StoreError> {
        self.inner.load()
    }

    fn persist(&mut self, credential: &Credential) -> Result<(), StoreError> {
        self.around("persist", |store| store.persist(credential))
    }

    fn publish(&mut self, credential: &Credential) -> Result<(), StoreError> {
        self.around("publish", |store| store.publish(credential))
    }

    fn clear(&mut self, mint: Mint) -> Result<(), StoreError> {
        self.around("clear", |store| store.clear(mint))
    }
}
