//! The journal and the survivor store on a disk that fails.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use turquoise_journal::{FileJournal, Options};
use turquoise_runtime::core::{Color, Mint, Outcome};
use turquoise_runtime::port::{
    Base, Compacted, Credential, Entry, History, Journal, NotCompacted, NotDurable, Store, StoreError,
};

use crate::provider::Hands;
use crate::world::{For, Shared, State, Wrong};

/// A journal in memory, or one in a file.
pub(crate) struct Ledger {
    hands: Hands,
    file: Option<(PathBuf, FileJournal)>,
}

impl Ledger {
    /// Opens it: what was in doubt is there.
    pub(crate) fn open(hands: &Hands) -> Result<(Self, History), Wrong> {
        let mut state = hands.shared.lock();
        state.torn = false;
        if let Some(entry) = state.doubtful.take() {
            let now = hands.shared.now(&state);
            state.recorded(now, &entry);
        }
        let stands_for = state.base.as_ref().map_or(0, |base| base.checkpoint.lsn.0);
        let entries = state.entries.iter().filter(|entry| entry.record.lsn.0 > stands_for).cloned().collect();
        let history = History { base: state.base.clone(), entries };
        let Some(path) = state.folder.as_ref().map(|folder| folder.path().join("journal")) else {
            return Ok((Self { hands: hands.clone(), file: None }, history));
        };
        let opened = Options::new(&path).open().map_err(|error| Wrong::disorder(error.to_string()))?;
        if opened.history != history {
            return Err(Wrong::disorder(format!("the file holds {:?}, and not {history:?}", opened.history)));
        }
        Ok((Self { hands: hands.clone(), file: Some((path, opened.journal)) }, opened.history))
    }
}

/// Cuts the last line in two, as a death in the midst of its write leaves it.
fn tear(path: &Path) -> io::Result<()> {
    let bytes = fs::read(path)?;
    let line = bytes.split_inclusive(|byte| *byte == b'\n').next_back().unwrap_or_default();
    let kept = bytes.len() - line.len().div_ceil(2);
    OpenOptions::new().write(true).open(path)?.set_len(kept as u64)
}

fn full() -> NotDurable {
    NotDurable("no space left on device".to_owned())
}

impl Journal for Ledger {
    fn append(&mut self, entry: &Entry) -> Result<(), NotDurable> {
        let Hands { shared, process } = &self.hands;
        shared.idle.wait();
        let mut state = shared.lock();
        let (lsn, step) = (entry.record.lsn.0, entry.record.step.kind());
        let now = shared.now(&state);
        if state.alive == Some(*process) {
            state.site.decides(now, &entry.record);
        }
        let place = 20_000_000 + lsn;
        if state.alive != Some(*process)
            || state.torn
            || shared.dies(&mut state, *process, place, format_args!("before {step:?}"))
        {
            return Err(full());
        }
        let mut dice = shared.dice(&mut state, For::Append, lsn);
        if state.trouble && dice.permille(shared.plan.disk) {
            state.torn = true;
            state.site.hinders();
            let written = dice.permille(500);
            state.doubtful = written.then(|| entry.clone());
            shared.tell(&mut state, format!("NOT DURABLE, {written}: {lsn} {:?}", entry.record.step));
            return Err(full());
        }
        if let Some((path, file)) = &mut self.file {
            file.append(entry)?;
            if shared.dies(&mut state, *process, place, format_args!("during {step:?}")) {
                tear(path).map_err(|error| NotDurable(error.to_string()))?;
                return Err(full());
            }
        }
        state.recorded(now, entry);
        shared.tell(&mut state, format!("record {lsn} {:?}", entry.record.step));
        if shared.dies(&mut state, *process, place + 10_000_000, format_args!("after {step:?}")) { Err(full()) } else { Ok(()) }
    }

    fn compact(&mut self, base: &Base) -> Result<Option<Compacted>, NotCompacted> {
        if let Some((_, file)) = &mut self.file {
            return file.compact(base);
        }
        let Hands { shared, process } = &self.hands;
        let mut state = shared.lock();
        let due = shared.dice(&mut state, For::Compaction, base.checkpoint.lsn.0).permille(300);
        if state.alive != Some(*process) || !due {
            return Ok(None);
        }
        state.base = Some(base.clone());
        Ok(Some(Compacted { archive: format!("the first {}", base.checkpoint.lsn.0), removed: Vec::new() }))
    }
}

/// The survivor store: the model's slots.
pub(crate) struct Slots(pub(crate) Hands);

impl Slots {
    fn write(&self, what: &str, mint: Mint, write: fn(&Shared, &mut State, Mint) -> Outcome) -> Result<(), StoreError> {
        let Hands { shared, process } = &self.0;
        shared.idle.wait();
        let mut state = shared.lock();
        let of = 1_000 * u64::from(what.as_bytes()[1]) + u64::from(mint.generation.number);
        let failed = || StoreError("input/output error".to_owned());
        if state.alive != Some(*process) || shared.dies(&mut state, *process, 40_000_000 + of, format_args!("before {what}")) {
            return Err(failed());
        }
        let mut dice = shared.dice(&mut state, For::Store, of);
        let fails = state.trouble && dice.permille(shared.plan.disk);
        // What fails may have been done.
        let done = !fails || dice.permille(500);
        if fails {
            state.site.hinders();
        }
        let outcome = if done { write(shared, &mut state, mint) } else { Outcome::Unknown };
        shared.tell(&mut state, format!("{what} {mint:?}: done {done}, fails {fails}, {outcome:?}"));
        let dead = shared.dies(&mut state, *process, 50_000_000 + of, format_args!("after {what}"));
        if !fails && !dead && matches!(outcome, Outcome::Applied(_)) { Ok(()) } else { Err(failed()) }
    }
}

impl Store for Slots {
    fn load(&mut self) -> Result<Vec<Credential>, StoreError> {
        let state = self.0.shared.lock();
        let slots = state.site.world().slots;
        let load = |slot: Color| {
            let generation = slots.slot(slot)?;
            let (handle, secret) = state.minted.get(&generation)?;
            Some(Credential { mint: Mint { generation, slot }, handle: handle.clone(), secret: secret.clone().into() })
        };
        Ok([Color::Blue, Color::Green].into_iter().filter_map(load).collect())
    }

    fn persist(&mut self, credential: &Credential) -> Result<(), StoreError> {
        self.write("persist", credential.mint, |shared, state, mint| {
            let now = shared.now(state);
            state.site.persists(now, mint)
        })
    }

    fn publish(&mut self, credential: &Credential) -> Result<(), StoreError> {
        self.write("publish", credential.mint, |shared, state, mint| {
            let now = shared.now(state);
            state.site.publishes(now, mint)
        })
    }

    fn clear(&mut self, mint: Mint) -> Result<(), StoreError> {
        self.write("clear", mint, |shared, state, mint| {
            let now = shared.now(state);
            state.site.clears(now, mint)
        })
    }
}
