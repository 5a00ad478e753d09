//! What serves, what is on trial, what was retired: the handle's memory. Work reads it without a lock ([`Post`]); whoever
//! switches, or asks how much is held, takes one.

use std::sync::{Arc, PoisonError};

use turquoise_core::{Generation, Mint};

use crate::port::{Credential, Holders};
use crate::post::{End, Lane, NotReady, Post, Served, Slot};
use crate::sync::{AtomicU64, Bell, Mutex, NAMES, Ordering, Sown, Strong, Weak, is_sown};

/// Shares are counted in this many parts.
const WHOLE: u64 = 10_000;

/// What the handles and the switch of one identity share.
pub(crate) struct Board {
    current: Post,
    candidate: Post,
    /// The number of the open trial and its share, or nothing: see [`Trial::word`].
    trial: AtomicU64,
    turn: AtomicU64,
    ledger: Mutex<Ledger>,
    names: Mutex<Vec<Box<str>>>,
    pub(crate) bell: Arc<Bell>,
}

/// What is kept alive while it serves, and what is known of it afterwards.
struct Ledger {
    current: Option<Arc<Served>>,
    candidate: Option<Arc<Served>>,
    retired: Vec<Retired>,
    trials: u32,
}

/// A slot that serves no more. Only work keeps it.
struct Retired {
    mint: Mint,
    slot: Weak<Slot>,
    end: Arc<End>,
}

/// While a candidate is tried: which trial, counted from 1, and its share of new work, in ten-thousandths.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Trial {
    number: u32,
    share: u16,
}

/// Which of the two credentials of a trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Current,
    Candidate,
}

/// What work was taken for: which side of which trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tried {
    pub(crate) trial: u32,
    pub(crate) side: Side,
}

/// A name is kept no longer than this: a record of the journal holds them all.
const LONGEST_NAME: usize = 64;

impl Board {
    pub(crate) fn new() -> Self {
        Self {
            current: Post::new(NotReady::Vacant),
            candidate: Post::new(NotReady::Vacant),
            trial: AtomicU64::new(0),
            turn: AtomicU64::new(0),
            ledger: Mutex::new(Ledger { current: None, candidate: None, retired: Vec::new(), trials: 0 }),
            names: Mutex::new(vec!["unnamed".into()]),
            bell: Arc::new(Bell::new()),
        }
    }

    /// What serves. Lock-free, without an allocation.
    pub(crate) fn take(&self) -> Result<Strong<Lane>, NotReady> {
        self.current.take()
    }

    /// As [`take`](Self::take); while a candidate is tried, its share of the calls, spread evenly, is given the candidate.
    pub(crate) fn take_in_trial(&self) -> Result<(Strong<Lane>, Option<Tried>), NotReady> {
        let Some(Trial { number, share }) = Trial::of(self.trial.load(Ordering::Acquire)) else {
            return Ok((self.take()?, None));
        };
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % WHOLE;
        let is_candidates = (turn * u64::from(share)) % WHOLE + u64::from(share) >= WHOLE;
        if is_candidates && let Ok(slot) = self.candidate.take() {
            return Ok((slot, Some(Tried { trial: number, side: Side::Candidate })));
        }
        Ok((self.take()?, Some(Tried { trial: number, side: Side::Current })))
    }

    /// From now on new work is given this one, and of the work that is ready to be tried on a candidate a share that one.
    /// Says whether another one serves than before.
    pub(crate) fn serve(&self, credential: &Arc<Credential>, candidate: Option<(&Arc<Credential>, u16)>) -> bool {
        let mut ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        let next = ledger.slot(credential, &self.bell);
        let tried = candidate.map(|(candidate, _)| ledger.slot(candidate, &self.bell));
        let share = candidate.map(|(_, share)| share);
        self.post(&mut ledger, Ok(next), tried, share)
    }

    /// From now on new work is given nothing.
    pub(crate) fn withdraw(&self, why: NotReady) {
        let mut ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        self.post(&mut ledger, Err(why), None, None);
    }

    /// A trial is announced after its candidate is posted: whoever reads its number takes what it is about, or something later;
    /// then the trial is over, and what is reported under its number is dropped.
    fn post(
        &self,
        ledger: &mut Ledger,
        next: Result<Arc<Served>, NotReady>,
        tried: Option<Arc<Served>>,
        share: Option<u16>,
    ) -> bool {
        let is_other = !same(ledger.current.as_ref(), next.as_ref().ok());
        let is_other_trial = is_other || !same(ledger.candidate.as_ref(), tried.as_ref());
        if is_other_trial {
            ledger.trials = Trial::after(ledger.trials);
        }
        match &next {
            Ok(slot) if is_other => self.current.put(slot),
            Ok(_) => {}
            Err(why) => self.current.close(*why),
        }
        if is_other_trial {
            tried.as_ref().map_or_else(|| self.candidate.close(NotReady::Vacant), |slot| self.candidate.put(slot));
        }
        let trial = share.map_or(0, |share| Trial { number: ledger.trials, share }.word());
        self.trial.store(trial, Ordering::Release);
        let before = [std::mem::replace(&mut ledger.current, next.ok()), std::mem::replace(&mut ledger.candidate, tried)];
        for served in before.into_iter().flatten() {
            ledger.retire(served);
        }
        is_other
    }

    /// How much work holds a generation. Work that takes or drops it in this moment may be counted or not.
    pub(crate) fn held(&self, generation: Generation) -> usize {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner).held(generation)
    }

    /// Whether no work holds a generation, and none can take it.
    pub(crate) fn is_idle(&self, generation: Generation) -> bool {
        let ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        let retired = |retired: &Retired| retired.mint.generation != generation || retired.end.has_come();
        ledger.serves(generation).is_none() && ledger.retired.iter().all(retired)
    }

    /// Forgets of what is retired everything but these.
    pub(crate) fn retain(&self, mentioned: &[Option<Mint>]) {
        let mut ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        ledger.retired.retain(|retired| mentioned.contains(&Some(retired.mint)));
    }

    /// The place of a name among the counts: the first, where nothing is counted apart, when all others are taken.
    pub(crate) fn name(&self, name: &str) -> usize {
        let name = name.char_indices().nth(LONGEST_NAME).map_or(name, |(end, _)| &name[..end]);
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let known = names.iter().skip(1).position(|known| **known == *name);
        if let Some(place) = known {
            return place + 1;
        }
        if names.len() == NAMES {
            return 0;
        }
        names.push(name.into());
        names.len() - 1
    }

    /// Who holds a generation.
    pub(crate) fn holders(&self, generation: Generation) -> Holders {
        let ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        let total = ledger.held(generation);
        let Some(slot) = ledger.find(generation) else { return Holders::default() };
        drop(ledger);
        let names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let counts = names.iter().enumerate().skip(1).map(|(place, name)| (name.to_string(), slot.held_by(place)));
        Holders { total, named: counts.filter(|(_, count)| *count > 0).collect() }
    }

    /// The mint that serves.
    pub(crate) fn serving(&self) -> Result<Mint, NotReady> {
        self.take().map(|lane| lane.slot.credential.mint)
    }

    /// The generation on one side of a trial, if that is open.
    pub(crate) fn generation(&self, Tried { trial, side }: Tried) -> Option<Generation> {
        let ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        let served = match side {
            Side::Current => &ledger.current,
            Side::Candidate => &ledger.candidate,
        };
        let is_open = ledger.candidate.is_some() && ledger.trials == trial;
        served.as_ref().filter(|_| is_open).map(|served| served.slot.credential.mint.generation)
    }
}

impl Ledger {
    fn serving(&self) -> impl Iterator<Item = &Arc<Served>> {
        self.current.iter().chain(&self.candidate)
    }

    fn serves(&self, generation: Generation) -> Option<&Arc<Served>> {
        self.serving().find(|served| served.slot.credential.mint.generation == generation)
    }

    /// The slot of a credential: the one that it has, as long as anybody holds it.
    fn slot(&mut self, credential: &Arc<Credential>, bell: &Arc<Bell>) -> Arc<Served> {
        let serving = self.serves(credential.mint.generation);
        if let Some(served) = serving.filter(|_| !is_sown(Sown::ServesAnew)) {
            return Arc::clone(served);
        }
        let retired = self.retired.iter().position(|retired| retired.mint == credential.mint);
        let held = retired.and_then(|at| self.retired.swap_remove(at).slot.upgrade());
        let slot = held.filter(|_| !is_sown(Sown::ServesAnew)).unwrap_or_else(|| Slot::new(Arc::clone(credential), bell));
        Arc::new(Served::new(slot))
    }

    /// Lets go of a slot, unless it still serves.
    fn retire(&mut self, served: Arc<Served>) {
        if self.serving().any(|serving| Arc::ptr_eq(serving, &served)) {
            return;
        }
        let Served { slot, .. } = &*served;
        let end = Arc::clone(&slot.end);
        if is_sown(Sown::ToldAtOnce) {
            end.tell();
        }
        self.retired.push(Retired { mint: slot.credential.mint, slot: Strong::downgrade(slot), end });
        drop(served);
    }

    fn held(&self, generation: Generation) -> usize {
        let retired = || self.find(generation).map_or(0, |slot| slot.held());
        self.serves(generation).map_or_else(retired, |served| served.held())
    }

    fn find(&self, generation: Generation) -> Option<Strong<Slot>> {
        let retired = || self.retired.iter().find(|retired| retired.mint.generation == generation)?.slot.upgrade();
        self.serves(generation).map(|served| served.slot.clone()).or_else(retired)
    }
}

fn same(one: Option<&Arc<Served>>, other: Option<&Arc<Served>>) -> bool {
    one.map(Arc::as_ptr) == other.map(Arc::as_ptr)
}

impl Trial {
    /// The number must fit a report.
    const NUMBERS: u32 = (1 << 29) - 1;

    const fn after(number: u32) -> u32 {
        if number < Self::NUMBERS { number + 1 } else { 1 }
    }

    /// Zero is none: the number is above zero.
    fn word(self) -> u64 {
        u64::from(self.number) << 16 | u64::from(self.share)
    }

    fn of(word: u64) -> Option<Self> {
        let number = u32::try_from(word >> 16).ok().filter(|number| *number > 0)?;
        Some(Self { number, share: u16::try_from(word & 0xffff).ok()? })
    }
}
