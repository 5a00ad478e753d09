//! The world as it is behind the ports of a driver whose machine is its own: what the driver asks for is judged, and done,
//! by the functions that the explorers judge and act by.
//!
//! What an explorer reads off the machine is seen from outside here: what new work is given, which requests arrive, which
//! records are durable. A request names no witness, so whoever is committed is taken for it. Time is the driver's clock.

use std::time::Duration;

use turquoise_core::{
    Color, Effect, Generation, Held, Instant, Ledger, Mint, OpId, Outcome, PhaseKind, Record, RecoverError, Resolution, Step,
};

use super::{Ask, BOOT, Ghost, NOW, Process, Request, Seen, World};
use crate::config::Config;
use crate::invariant::{Deed, Invariant};

/// So long after a sleep a driver may not yet have looked at its clock.
const UNNOTICED: Duration = Duration::from_secs(10);
/// So many requests the judge of a budget looks back.
const REMEMBERED: usize = 64;

/// A world that a driver acts on, and its judge.
#[derive(Clone, Debug)]
pub struct Outside {
    config: Config,
    world: World,
    /// What work holds that is not left to fail.
    held: Vec<Generation>,
    /// When requests were sent.
    sent: Vec<Instant>,
    /// What was done since the last announcement of a change.
    granted: Vec<Ask>,
    /// When everything woke up last, unless the provider has accepted what serves since.
    woken: Option<Instant>,
    /// The end of what serves was asked for.
    leaving: bool,
    /// When the grace began last, or the glass was broken: a renewal of before may have waited for its turn.
    graced: Option<Instant>,
}

impl Outside {
    /// Nothing has happened yet, and no process runs.
    #[must_use]
    pub fn new(mut config: Config, now: Instant) -> Self {
        // What was recent when the machine looked at it may have waited for its turn since.
        config.policy.evidence += config.policy.patience / 2;
        let world = World {
            process: Process::Down(0),
            boot: BOOT,
            rival: None,
            mandate: None,
            disabled: false,
            journal: Ledger::new(0, BOOT, NOW),
            writing: None,
            live: Vec::new(),
            flight: Vec::new(),
            slots: Held::default(),
            published: None,
            reader: None,
            work: None,
            ghost: Ghost::default(),
            crashes: 0,
            faults: u8::MAX,
            operator: 0,
            now,
            violated: None,
        };
        let (held, sent, granted) = (Vec::new(), Vec::new(), Vec::new());
        Self { config, world, held, sent, granted, woken: None, leaving: false, graced: None }
    }

    /// What is true.
    #[must_use]
    pub const fn world(&self) -> &World {
        &self.world
    }

    /// Whether everything is done: one credential lives and serves, and nothing is under way or owed.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        let world = &self.world;
        let Some(current) = world.journal.phase().current().map(|lease| lease.mint) else { return false };
        let steady = world.journal.phase().kind() == PhaseKind::Steady && world.journal.debt().is_none();
        let alone = world.live.iter().map(|credential| credential.generation).eq([current.generation]);
        let kept = world.slots.has(current) && world.slots.slot(current.slot.other()).is_none();
        let calm = !self.leaving && self.woken.is_none() && !world.disabled;
        steady && alone && kept && calm && world.flight.is_empty() && world.published == Some(current.generation)
    }

    /// How an operator who tells the truth resolves a contradiction, if it can be resolved now: only what has its secret
    /// in a slot can be kept.
    #[must_use]
    pub fn truth(&self) -> Option<Resolution> {
        let World { live, slots, .. } = &self.world;
        let usable = live.iter().any(|one| [slots.blue, slots.green].contains(&Some(one.generation)));
        self.world.truth().filter(|resolution| *resolution == Resolution::Forget || usable)
    }

    /// A fault: what serves and can be renewed no more may not be replaced in time.
    pub fn hinders(&mut self) {
        let committed = self.world.ghost.committed;
        let capped = |one: &Generation| self.world.alive(*one).is_some_and(|credential| credential.capped);
        if let Some(generation) = committed.filter(capped) {
            self.world.starve(generation);
        }
    }

    /// Keeps what was seen to be broken, unless something was before.
    pub fn breaks(&mut self, invariant: Invariant) {
        self.world.violate(invariant);
    }

    /// Work was refused with this candidate, and then served with the current credential; the driver has been told.
    pub fn blames(&mut self, candidate: Generation) {
        self.world.ghost.blamed = Some(candidate).filter(|_| self.world.ghost.announced == Some(candidate));
    }

    /// Whether the provider accepts a secret.
    #[must_use]
    pub fn accepts(&self, generation: Generation) -> bool {
        !self.world.disabled && self.world.alive(generation).is_some_and(|credential| !credential.useless)
    }

    /// Time has passed: what came in between happens in its order.
    pub fn at(&mut self, now: Instant) {
        loop {
            let reads = self.world.reader.as_ref().and_then(|reader| reader.again).map(|at| Instant(at.0.saturating_sub(1)));
            let ends = self.world.live.iter().map(|credential| credential.expires).min();
            let Some(next) = reads.into_iter().chain(ends).min().filter(|next| *next <= now) else { break };
            self.world.now = self.world.now.max(next);
            if reads.is_some_and(|at| at <= next) {
                self.world.read();
            }
            self.world.expire();
            self.judge();
        }
        self.world.now = self.world.now.max(now);
        let (now, delta) = (self.world.now, self.config.policy.delta);
        self.world.flight.retain(|request| now < request.sent + delta);
    }

    /// A process begins: it has asked for nothing yet, and nothing was accepted from it.
    pub fn start(&mut self, now: Instant) {
        self.at(now);
        for credential in &mut self.world.live {
            credential.accepted = now;
        }
        self.leaving = false;
        self.woken = None;
        self.world.process = self.unseen();
        self.judge();
    }

    /// The process is gone, and its work with it.
    pub fn die(&mut self, now: Instant) {
        self.at(now);
        self.world.ghost.slept = None;
        self.world.process = Process::Down(0);
        self.held.clear();
        self.judge();
    }

    /// The end of what serves is asked for: from now on the process may give nothing.
    pub const fn leaves(&mut self) {
        self.leaving = true;
    }

    /// What new work is given now, and what work that may be replayed tries: the invariant that this breaks, if any.
    #[must_use]
    pub fn look(&mut self, now: Instant, serving: Option<Generation>, tried: Option<Generation>) -> Option<Invariant> {
        self.at(now);
        // Nobody can tell a driver that slept before it looks at its clock.
        let unnoticed = self.woken.is_some_and(|woken| now < woken + UNNOTICED);
        let slept = self.world.ghost.slept.filter(|_| unnoticed);
        let serving = serving.filter(|given| slept != Some(*given));
        let seen = Seen { serving, tried, dim: self.leaving || self.woken.is_some(), probes: self.config.policy.probes };
        self.world.process = Process::Outside(seen);
        let broken = self.broken();
        self.world.process = self.unseen();
        broken
    }

    /// Work takes a credential that it was given.
    pub fn takes(&mut self, generation: Generation) {
        self.held.push(generation);
    }

    /// Work lets go of one.
    pub fn releases(&mut self, generation: Generation) {
        if let Some(i) = self.held.iter().position(|held| *held == generation) {
            self.held.swap_remove(i);
        }
    }

    /// A reader of the sink reads again.
    pub fn reads(&mut self, now: Instant) {
        self.at(now);
        if self.world.reader.is_some() {
            self.world.read();
        }
    }

    /// A record is on its way to the disk.
    pub fn decides(&mut self, now: Instant, record: &Record) {
        self.at(now);
        self.world.judge_begin(&self.config.policy, record);
    }

    /// A record is durable.
    ///
    /// # Errors
    ///
    /// It does not follow from the ones before.
    pub fn records(&mut self, now: Instant, record: &Record) -> Result<(), RecoverError> {
        self.at(now);
        if self.world.journal.is_empty() {
            self.world.journal = Ledger::new(0, record.boot, record.at);
        }
        let ended = self.world.journal.phase().going().or(self.world.journal.debt()).map(|going| going.mint);
        self.is_backed(record.step, ended);
        self.world.journal.apply(record, &self.config.policy)?;
        // Then the end is asked for no more.
        self.leaving &= !matches!(self.world.journal.phase().kind(), PhaseKind::Closing | PhaseKind::NeedsOperator);
        let previous = self.world.ghost.previous;
        self.world.work = None;
        self.world.note(record);
        match record.step {
            Step::Ready | Step::Promoted { .. } | Step::RolledBack { .. } => {
                let committed = self.world.ghost.committed;
                self.world.live.iter_mut().filter(|one| Some(one.generation) == committed).for_each(|one| one.served = true);
            }
            Step::ShortenIntent { .. } => self.graced = Some(now),
            // Work that still holds it is named in the journal and left to fail.
            Step::RevokeIntent { .. } => {
                self.held.retain(|held| Some(*held) != previous);
                // The grace of what gets no more life ends with that life: readers may come too late.
                let capped = |one: &Generation| self.world.alive(*one).is_some_and(|credential| credential.capped);
                let short = previous.filter(capped);
                self.world.ghost.excused.extend(short);
            }
            Step::Waived { .. } | Step::CloseIntent { .. } => {
                self.held.clear();
                self.graced = Some(now);
            }
            Step::ExtendIntent | Step::RollbackIntent | Step::LoginIntent { .. } | Step::IssueIntent { .. } => {
                self.granted.clear();
            }
            _ => {}
        }
        self.judge();
        Ok(())
    }

    /// S9, as far as it is seen from outside: what a record says was done has been done; no late or repeated completion was
    /// taken for another one's. And L2: what is said to be dead is.
    fn is_backed(&mut self, step: Step, ended: Option<Mint>) {
        let world = &self.world;
        let (announced, committed, previous) = (world.ghost.announced, world.ghost.committed, world.ghost.previous);
        let set = |one: Option<Generation>| {
            self.granted.iter().any(|ask| matches!(ask, Ask::SetLife { generation, .. } if Some(*generation) == one))
        };
        // A slot may have lost its secret before what was written is found.
        let lost = |one: Option<Generation>| one.is_some_and(|one| world.ghost.excused.contains(&one));
        let kept = |one: Option<Generation>| one.is_some() && [world.slots.blue, world.slots.green].contains(&one) || lost(one);
        let made = || self.granted.iter().any(|ask| ask.makes().map(|mint| mint.generation) == announced);
        let backed = match step {
            Step::LoggedIn { .. } | Step::Issued { .. } => made(),
            Step::Persisted => kept(announced),
            Step::Ready => kept(announced) && world.published == announced,
            Step::Promoted { .. } => set(announced),
            Step::RolledBack { .. } => set(previous),
            Step::ShortenIntent { .. } => world.published == committed,
            Step::Cleared => ended.is_none_or(|mint| !world.slots.has(mint)),
            _ => true,
        };
        let survives = ended.is_some_and(|mint| world.alive(mint.generation).is_some());
        if matches!(step, Step::Died { .. }) && survives {
            self.world.violate(Invariant::L2);
        }
        if !backed {
            self.world.violate(Invariant::S9);
        }
    }

    /// The driver sends a request to the provider: it is judged now, whatever becomes of it.
    pub fn asks(&mut self, now: Instant, ask: Ask) {
        self.at(now);
        self.meter();
        self.does(self.deed(ask));
        let effect = match ask {
            Ask::Login { mint } => Effect::Login { mint },
            Ask::Issue { mint, by, life } => Effect::Issue { mint, by, life },
            _ => return,
        };
        self.world.flight.push(Request { op: Some(OpId(0)), effect, sent: now, swallowed: false });
    }

    /// The request has come to the provider, which does what it does.
    pub fn grants(&mut self, now: Instant, ask: Ask, useless: bool) -> Outcome {
        self.at(now);
        self.ends(ask);
        if self.world.disabled
            && let Ask::SetLife { generation, .. } = ask
        {
            self.world.starve(generation);
        }
        let outcome = self.world.grant(&self.config, ask, useless);
        if matches!(outcome, Outcome::Applied(_)) {
            self.granted.push(ask);
        }
        self.judge();
        outcome
    }

    /// The driver is told that the request which it sent then was done: after a sleep it knows now that what serves is accepted.
    pub fn answers(&mut self, sent: Instant, ask: Ask) {
        let anew = matches!(ask, Ask::SetLife { .. } | Ask::Probe(_)) && ask.secret() == self.world.ghost.committed;
        self.woken = self.woken.filter(|woken| !anew || sent < *woken);
    }

    /// What a node answers that lags, and does nothing.
    #[must_use]
    pub const fn lags(ask: Ask) -> Outcome {
        World::lagging(ask)
    }

    /// The request will never be done: it was refused on its way.
    pub fn ends(&mut self, ask: Ask) {
        if let Some(mint) = ask.makes() {
            let makes = |effect: &Effect| super::provider::makes(effect) == Some(mint.generation);
            self.world.flight.retain(|request| !makes(&request.effect));
        }
    }

    /// The survivor store is to keep a secret.
    pub fn persists(&mut self, now: Instant, mint: Mint) -> Outcome {
        self.stores(now, Deed::Persist, &Effect::Persist(mint))
    }

    /// Readers are to see a credential.
    pub fn publishes(&mut self, now: Instant, mint: Mint) -> Outcome {
        self.stores(now, Deed::Publish, &Effect::Publish(mint))
    }

    /// A slot is to be emptied.
    pub fn clears(&mut self, now: Instant, mint: Mint) -> Outcome {
        self.stores(now, Deed::Clear(mint), &Effect::Clear(mint))
    }

    fn stores(&mut self, now: Instant, deed: Deed, effect: &Effect) -> Outcome {
        self.at(now);
        self.does(deed);
        let outcome = self.world.apply(&self.config, effect, false);
        self.judge();
        outcome
    }

    /// Somebody else revokes a credential.
    pub fn others_revoke(&mut self, now: Instant, generation: Generation) {
        self.at(now);
        if let Some(i) = self.world.find(generation) {
            self.world.live.remove(i);
            self.world.ghost.excused.push(generation);
        }
    }

    /// The provider refuses every secret of the identity, or no longer does.
    pub fn disable(&mut self, now: Instant, disabled: bool) {
        self.at(now);
        self.world.disabled = disabled;
    }

    /// The provider gives what lives no more life.
    pub fn cap(&mut self, generation: Generation) {
        if let Some(i) = self.world.find(generation) {
            self.world.live[i].capped = true;
        }
    }

    /// While no process runs, a slot loses its secret.
    pub fn lose(&mut self, color: Color) {
        self.world.ghost.excused.extend(self.world.slots.slot(color));
        self.world.set_slot(color, None);
    }

    /// Everything sleeps. What was under way never arrives.
    pub fn sleep(&mut self, now: Instant, time: Duration) {
        self.at(now);
        self.world.sleep_for(&self.config, time);
        self.woken = Some(self.world.now);
        self.judge();
    }

    /// The deed that is seen in a request: a life is lengthened or cut, whatever that is called.
    fn deed(&self, ask: Ask) -> Deed {
        let (world, ghost) = (&self.world, &self.world.ghost);
        match ask {
            Ask::Probe(_) | Ask::Observe { .. } | Ask::Discover { .. } => Deed::Exempt,
            Ask::Login { .. } => Deed::Login,
            Ask::Issue { .. } => Deed::Issue,
            Ask::Revoke(generation) | Ask::RevokeNamed { generation, .. } => Deed::Revoke(generation),
            Ask::SetLife { generation, life } => {
                let until = world.now + life;
                let Some(credential) = world.alive(generation) else { return Deed::Exempt };
                let retiring = ghost.previous == Some(generation);
                // A call may have waited for its turn since the machine wanted it, with the life that was right then.
                let patience = self.config.policy.patience;
                let queued = self.graced.is_some_and(|graced| world.now <= graced + patience);
                let by_deadline = retiring && ghost.deadline.is_some_and(|deadline| until <= deadline + patience);
                if until < credential.expires || by_deadline {
                    Deed::Shorten { generation, life }
                } else if ghost.committed == Some(generation) || retiring && ghost.deadline.is_none() || queued {
                    Deed::Exempt
                } else {
                    Deed::Extend
                }
            }
        }
    }

    /// Judges a deed, whatever work holds.
    fn does(&mut self, deed: Deed) {
        let witness = self.world.ghost.committed;
        let holding = self.held.iter().copied().map(Some).chain([None]);
        let mut broken = None;
        for held in holding {
            self.world.work = held;
            broken = broken.or_else(|| Invariant::broken_by_deed(&self.world, deed, witness));
        }
        self.world.work = None;
        if let Some(broken) = broken {
            self.world.violate(broken);
        }
    }

    /// S10: no stretch of time sees more requests than the burst, and one for each interval in it.
    fn meter(&mut self) {
        let Some(budget) = self.config.policy.budget else { return };
        let now = self.world.now;
        self.sent.push(now);
        for (count, first) in (1u128..).zip(self.sent.iter().rev().take(REMEMBERED)) {
            let saved = now.since(*first).as_millis() / budget.every.as_millis().max(1);
            if count > u128::from(budget.burst) + saved {
                self.world.violate(Invariant::S10);
            }
        }
    }

    /// Keeps the first invariant that this state breaks.
    fn judge(&mut self) {
        if let Some(broken) = self.broken() {
            self.world.violate(broken);
        }
    }

    /// The invariant that this state breaks, whatever work holds.
    fn broken(&mut self) -> Option<Invariant> {
        let holding = self.held.iter().copied().map(Some).chain([None]);
        let mut broken = None;
        for held in holding {
            self.world.work = held;
            broken = broken.or_else(|| Invariant::broken_in(&self.world));
        }
        self.world.work = None;
        broken
    }

    /// A process that nobody looks at: nothing is said of what it gives.
    const fn unseen(&self) -> Process {
        Process::Outside(Seen { serving: None, tried: None, dim: true, probes: self.config.policy.probes })
    }
}
