//! The world around the machine: provider, disk, network, clock, readers, and death at any instruction.
//!
//! The machine in it is `turquoise_core::Rotation` as shipped. Every fault is an action that the explorers may take at
//! any time, within the budgets of the [`Config`]. What the world cannot do is in `docs/assumptions.md`.

use std::time::Duration;

use turquoise_core::{
    Applied, AtStop, BootId, Color, Consumers, Effect, Generation, Held, Illegal, Input, Instant, Ledger, Lsn, Mint, OpId,
    Outcome, Output, Phase, PhaseKind, Record, Refusal, Resolution, Rotation, Step, StepKind,
};

use crate::config::{Assumption, Config, Hostility};
use crate::invariant::Invariant;

/// Where the clock of every normalised state stands.
pub const NOW: Instant = Instant(1_000);

const INCARNATION: u32 = 1;
/// The boot that every normalised journal is of.
pub(crate) const BOOT: BootId = BootId(1);
/// So long no process stays down even where nobody restarts it in time.
const LONG: u64 = 12;
/// What nobody knows.
pub(crate) const STRANGER: Generation = Generation { incarnation: 666, number: 0 };
/// The boot after it.
const REBOOT: BootId = BootId(2);

/// A state of the world.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct World {
    /// The process, or how long it has been down.
    pub process: Process,
    /// The journal: what its durable records come to.
    pub journal: Ledger,
    /// A record that was handed to the disk and not acknowledged.
    pub writing: Option<Record>,
    /// The provider's truth: credentials that live, in order of minting.
    pub live: Vec<Credential>,
    /// Requests under way, to the provider and to the survivor store.
    pub flight: Vec<Request>,
    /// The survivor store.
    pub slots: Held,
    /// What readers of the sink would find.
    pub published: Option<Generation>,
    /// A reader that took the credential from the sink.
    pub reader: Option<Reader>,
    /// Work that was given a credential by the handle.
    pub work: Option<Generation>,
    /// Truth that only the judge needs.
    pub ghost: Ghost,
    /// Deaths of the process that may still come.
    pub crashes: u8,
    /// Other faults that may still come.
    pub faults: u8,
    /// Things that an operator may still ask for.
    pub operator: u8,
    /// The clock; always [`NOW`] in a normalised state.
    pub now: Instant,
    /// The first invariant that was broken on the way here.
    pub violated: Option<Invariant>,
}

/// The process that runs the machine.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::large_enum_variant, reason = "nearly every state has a machine")]
pub enum Process {
    /// It runs.
    Up(Rotation),
    /// It died, so many ticks ago.
    Down(u64),
}

/// A credential that lives at the provider.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Credential {
    /// Which.
    pub generation: Generation,
    /// When it dies by itself.
    pub expires: Instant,
    /// It was given too few rights: every probe is refused.
    pub useless: bool,
    /// A probe with it was accepted.
    pub proven: bool,
    /// New work was given it.
    pub served: bool,
    /// Until then its last acceptance, by this process, is recent.
    pub accepted: Instant,
}

/// A request that was sent.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Request {
    /// Who waits for the answer; nobody, if its process died or lost patience.
    pub op: Option<OpId>,
    /// What is asked.
    pub effect: Effect,
    /// When it was sent.
    pub sent: Instant,
    /// It was applied, but the reply is lost.
    pub swallowed: bool,
}

/// A legacy program that reads the sink.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Reader {
    /// What it read last.
    pub holds: Generation,
    /// Before then it reads again: within the grace, as its contract says.
    pub again: Option<Instant>,
}

/// What is kept from the journal by the judge itself, not by the code that is judged.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Ghost {
    /// The mint that was announced and neither committed nor given up.
    pub announced: Option<Generation>,
    /// The generation that was made current last, by a durable record.
    pub committed: Option<Generation>,
    /// The one that was current before it, during its grace.
    pub previous: Option<Generation>,
    /// The durable end of that grace.
    pub deadline: Option<Instant>,
    /// What was revoked by others: nobody can keep that alive.
    pub excused: Vec<Generation>,
    /// What an operator durably declared compromised.
    pub compromised: Vec<Generation>,
    /// An operator durably ended the identity.
    pub waived: bool,
    /// The last durable step, if it announces anything.
    pub last: Option<StepKind>,
}

/// What can happen next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Action {
    /// What happens.
    pub event: Event,
    /// The process dies after it has acted on so many of the outputs that follow.
    pub dies_after: Option<u8>,
}

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// A tick passes. A *fault* if anything is under way: it is slow.
    Tick,
    /// The machine's timer fires.
    Timer,
    /// An operator asks for something.
    Operator(Demand),
    /// Work takes the current credential from the handle.
    Work,
    /// The work is done.
    Done,
    /// The driver sees that no work holds a credential that is no longer given out.
    Idle,
    /// *Fault.* Somebody else revokes this credential.
    RevokedByOthers(u8),
    /// *Fault.* Nobody knows whether the record is durable.
    SyncFails,
    /// *Fault.* It is answered and not done.
    AnswerNoop(u8),
    /// *Fault.* While the process is dead, this empty slot gets what nobody knows.
    Tamper(Color),
    /// The disk acknowledges the record.
    Synced,
    /// The request is applied and its reply delivered.
    Answer(u8),
    /// *Fault.* It is not applied, and the machine is told so: refused or not connected.
    Reject(u8),
    /// *Fault.* The provider mints, but with too few rights.
    AnswerUseless(u8),
    /// *Fault.* It is applied and its reply lost.
    Swallow(u8),
    /// The driver loses patience. A *fault* if the request has not been applied: it may still be.
    GiveUp(u8),
    /// A request that nobody waits for is applied after all.
    ApplyLate(u8),
    /// *Fault.* The completion is delivered, and then delivered again.
    AnswerTwice(u8),
    /// The reader of the sink reads again.
    Read,
    /// The process dies between two inputs.
    Die,
    /// A process that can do nothing more is ended, to be started again.
    Restarted,
    /// The process is started again. What was being written to the disk is there, or is not.
    Restart {
        /// Whether it is.
        kept: bool,
        /// The machine was booted anew.
        rebooted: bool,
    },
}

/// What an operator asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Demand {
    /// A rotation.
    Begin,
    /// Call it off.
    Abort,
    /// Go back.
    Rollback,
    /// This credential is known to others.
    Compromise(u8),
    /// Go on after a contradiction.
    Resolve(Resolution),
    /// End.
    Shutdown(AtStop),
}

impl World {
    /// The beginning: no journal, no credential, a process that has just been started.
    #[must_use]
    pub fn initial(config: &Config) -> Self {
        let journal = Ledger::new(INCARNATION, BOOT, NOW);
        let mut world = Self {
            process: Process::Down(0),
            journal,
            writing: None,
            live: Vec::new(),
            flight: Vec::new(),
            slots: Held::default(),
            published: None,
            reader: None,
            work: None,
            ghost: Ghost::default(),
            crashes: config.crashes,
            faults: config.faults,
            operator: config.operator,
            now: NOW,
            violated: None,
        };
        world.start(config, BOOT);
        world.drain(None);
        world.normalise(config);
        world
    }

    /// Everything that can happen next. A world with a broken invariant stands still.
    #[must_use]
    pub fn actions(&self, config: &Config) -> Vec<Action> {
        let mut events = Vec::with_capacity(16);
        if self.violated.is_some() {
            return Vec::new();
        }
        match &self.process {
            Process::Up(machine) => self.events_while_up(config, machine, &mut events),
            Process::Down(ticks) => self.events_while_down(config, *ticks, &mut events),
        }
        for (i, request) in (0..).zip(&self.flight) {
            if request.op.is_none() && !is_local(&request.effect) {
                events.push(Event::ApplyLate(i));
            }
        }
        if self.reader.as_ref().is_some_and(|reader| Some(reader.holds) != self.published) {
            events.push(Event::Read);
        }
        let mut actions: Vec<_> = events.iter().map(|&event| Action { event, dies_after: None }).collect();
        if self.crashes > 0 && matches!(self.process, Process::Up(_)) {
            actions.push(Action { event: Event::Die, dies_after: None });
            let deadly = events.iter().filter(|event| reaches_machine(**event));
            actions.extend(deadly.flat_map(|&event| (0..3).map(move |n| Action { event, dies_after: Some(n) })));
        }
        actions
    }

    /// Whether anything is under way that somebody waits for.
    fn pending(&self) -> bool {
        self.writing.is_some() || self.flight.iter().any(|request| request.op.is_some())
    }

    fn events_while_down(&self, config: &Config, ticks: u64, events: &mut Vec<Event>) {
        let unsure = self.writing.is_some() || self.flight.iter().any(|request| is_local(&request.effect));
        for rebooted in [false, true] {
            if !rebooted || config.can(Hostility::Reboot) {
                events.push(Event::Restart { kept: false, rebooted });
                events.extend(unsure.then_some(Event::Restart { kept: true, rebooted }));
            }
        }
        let in_time = ticks < config.downtime || config.broken == Some(Assumption::RestartIsTimely);
        if in_time && ticks < LONG && !self.reader_is_due() {
            events.push(Event::Tick);
        }
        if self.faults > 0 && config.can(Hostility::Slots) {
            let empty = |color: &Color| self.slots.slot(*color).is_none();
            events.extend([Color::Blue, Color::Green].into_iter().filter(empty).map(Event::Tamper));
        }
    }

    fn events_while_up(&self, config: &Config, machine: &Rotation, events: &mut Vec<Event>) {
        self.events_of_time(config, machine, events);
        self.events_of_people(config, machine, events);
        if machine.stalled() {
            // Whoever watches it starts it again: that is no fault of its own.
            events.push(Event::Restarted);
        } else if self.writing.is_some() {
            events.push(Event::Synced);
            if self.faults > 0 && config.can(Hostility::Disk) {
                events.push(Event::SyncFails);
            }
        }
        if self.faults > 0 && config.can(Hostility::Outside) {
            events.extend((0..).zip(&self.live).map(|(i, _)| Event::RevokedByOthers(i)));
        }
        for (i, request) in (0..).zip(&self.flight).filter(|(_, request)| request.op.is_some()) {
            self.events_of_request(config, i, request, events);
        }
    }

    fn events_of_time(&self, config: &Config, machine: &Rotation, events: &mut Vec<Event>) {
        let untimely = config.broken == Some(Assumption::DriverIsTimely);
        let due = machine.poll_timeout().is_some_and(|at| at <= self.now);
        let overdue = |request: &Request| request.op.is_some() && self.now >= request.sent + machine.policy().patience;
        let writing = self.writing.filter(|_| !machine.stalled());
        let late = self.flight.iter().any(overdue) || writing.is_some_and(|record| record.at < self.now);
        if due {
            events.push(Event::Timer);
        }
        if due && !untimely {
            return;
        }
        if !late && !self.reader_is_due() && (self.faults > 0 || !self.pending()) {
            events.push(Event::Tick);
        }
    }

    fn events_of_people(&self, config: &Config, machine: &Rotation, events: &mut Vec<Event>) {
        let takes = |input| {
            let mut asked = *machine;
            asked.handle(self.now, input).is_ok() && asked != *machine
        };
        let mut demands = vec![Demand::Begin];
        if self.operator > 0 {
            demands.extend([Demand::Abort, Demand::Rollback]);
            demands.extend((0..).zip(&self.live).map(|(i, _)| Demand::Compromise(i)));
            demands.extend([AtStop::Keep, AtStop::Revoke].map(Demand::Shutdown));
        }
        // An operator who is needed comes, and tells the truth: what is kept lives, what is given up is dead.
        let current = machine.phase().current().map(|lease| lease.mint.generation);
        if current.is_some_and(|generation| self.alive(generation).is_some()) {
            demands.push(Demand::Resolve(Resolution::Keep));
        } else if self.live.is_empty() {
            demands.push(Demand::Resolve(Resolution::Forget));
        }
        events.extend(demands.into_iter().filter(|demand| takes(self.input(*demand))).map(Event::Operator));
        if config.policy.consumers == Consumers::Counted {
            events.extend(machine.serving().filter(|_| self.work.is_none()).map(|_| Event::Work));
            events.extend(self.work.map(|_| Event::Done));
            events.extend(self.idle(machine).filter(|generation| takes(Input::Idle(*generation))).map(|_| Event::Idle));
        }
    }

    /// A credential that is no longer given out and that no work holds.
    fn idle(&self, machine: &Rotation) -> Option<Generation> {
        let free = |generation: &Generation| Some(*generation) != machine.serving() && Some(*generation) != self.work;
        self.live.iter().map(|credential| credential.generation).filter(|credential| credential.number > 0).find(free)
    }

    pub(crate) fn input(&self, demand: Demand) -> Input {
        match demand {
            Demand::Begin => Input::Begin,
            Demand::Abort => Input::Abort,
            Demand::Rollback => Input::Rollback,
            Demand::Compromise(i) => Input::Compromise(self.live[usize::from(i)].generation),
            Demand::Resolve(resolution) => Input::Resolve(resolution),
            Demand::Shutdown(how) => Input::Shutdown(how),
        }
    }

    fn events_of_request(&self, config: &Config, i: u8, request: &Request, events: &mut Vec<Event>) {
        if request.swallowed {
            return events.push(Event::GiveUp(i));
        }
        events.push(Event::Answer(i));
        if self.faults == 0 {
            return;
        }
        events.extend([Event::Reject(i), Event::AnswerTwice(i)]);
        if !is_local(&request.effect) {
            events.extend([Event::Swallow(i), Event::GiveUp(i)]);
        }
        let candidate = self.phase().kind() == PhaseKind::Issuing;
        if candidate && matches!(request.effect, Effect::Issue { .. } | Effect::Login { .. }) {
            events.push(Event::AnswerUseless(i));
        }
        let lags = match request.effect {
            Effect::Revoke { .. } => true,
            Effect::Probe(generation) => self.alive(generation).is_none(),
            _ => false,
        };
        if lags && config.can(Hostility::Lag) {
            events.push(Event::AnswerNoop(i));
        }
    }

    fn reader_is_due(&self) -> bool {
        self.reader.as_ref().and_then(|reader| reader.again).is_some_and(|at| at <= self.now + Duration::from_millis(1))
    }

    /// The world after an action, normalised; `None` if the process would not have lived to die there.
    #[must_use]
    pub fn step(&self, config: &Config, action: Action) -> Option<Self> {
        let mut world = self.step_raw(config, action)?;
        world.normalise(config);
        Some(world)
    }

    /// [`step`](Self::step) without the normalising: names and clock still are those of the state before.
    #[must_use]
    pub fn step_raw(&self, config: &Config, action: Action) -> Option<Self> {
        let mut world = self.clone();
        // As its driver does, the world asks the machine for outputs only after it has taken an input.
        let drained = !world.happen(config, action.event) || world.drain(action.dies_after);
        if action.dies_after.is_some() {
            if drained {
                return None;
            }
            world.crashes -= 1;
            world.die();
        } else if world.has_stopped() {
            world.die();
        }
        if world.violated.is_none() {
            world.violated = Invariant::broken_in(&world);
        }
        Some(world)
    }

    fn has_stopped(&self) -> bool {
        match &self.process {
            Process::Up(machine) => machine.phase().kind() == PhaseKind::Stopped && machine.awaited().is_none(),
            Process::Down(_) => false,
        }
    }

    /// Whether the machine took an input.
    fn happen(&mut self, config: &Config, event: Event) -> bool {
        match event {
            Event::Tick => self.tick(config),
            Event::Timer => return self.tell(Input::Timeout),
            Event::Operator(demand) => {
                self.operator -= u8::from(!matches!(demand, Demand::Begin | Demand::Resolve(_)));
                if matches!(demand, Demand::Resolve(_)) {
                    self.move_strangers_away();
                }
                return self.tell(self.input(demand));
            }
            Event::Work => {
                if let Process::Up(machine) = &self.process {
                    self.work = machine.serving();
                }
            }
            Event::Done => self.work = None,
            Event::Idle => {
                if let Process::Up(machine) = &self.process
                    && let Some(generation) = self.idle(machine)
                {
                    return self.tell(Input::Idle(generation));
                }
            }
            Event::RevokedByOthers(i) => {
                self.faults -= 1;
                self.ghost.excused.push(self.live.remove(usize::from(i)).generation);
            }
            Event::SyncFails => {
                self.faults -= 1;
                if let Some(record) = self.writing {
                    return self.tell(Input::NotDurable(record.lsn));
                }
            }
            Event::AnswerNoop(i) => {
                self.faults -= 1;
                let request = self.flight.remove(usize::from(i));
                let remaining = Duration::from_millis(1);
                let alive = matches!(request.effect, Effect::Probe(_));
                let outcome = Outcome::Applied(if alive { Applied::Alive { remaining } } else { Applied::Done });
                return self.tell(Input::Completed { op: request.op.unwrap_or(OpId(0)), outcome });
            }
            Event::Tamper(color) => {
                self.faults -= 1;
                self.set_slot(color, Some(STRANGER));
            }
            Event::Restarted => self.die(),
            Event::Synced => return self.synced(config, true),
            Event::Answer(i) => {
                let (op, outcome) = self.answer(config, i, false);
                return self.tell(Input::Completed { op, outcome });
            }
            Event::AnswerUseless(i) => {
                self.faults -= 1;
                let (op, outcome) = self.answer(config, i, true);
                return self.tell(Input::Completed { op, outcome });
            }
            Event::Reject(i) => return self.reject(i),
            Event::Swallow(i) => {
                self.faults -= 1;
                let effect = self.flight[usize::from(i)].effect;
                self.apply(config, &effect, false);
                self.flight[usize::from(i)].swallowed = true;
            }
            Event::GiveUp(i) => return self.give_up(i),
            Event::ApplyLate(i) => {
                let request = self.flight.remove(usize::from(i));
                self.apply(config, &request.effect, false);
            }
            Event::AnswerTwice(i) => {
                self.faults -= 1;
                let (op, outcome) = self.answer(config, i, false);
                // Between the two the driver drains: only a repetition that the machine refuses is harmless.
                if self.tell(Input::Completed { op, outcome }) {
                    self.drain(None);
                }
                self.repeat(Input::Completed { op, outcome });
            }
            Event::Read => self.read(),
            Event::Die => {
                self.crashes -= 1;
                self.die();
            }
            Event::Restart { kept, rebooted } => {
                self.restart(config, kept, rebooted);
                return true;
            }
        }
        false
    }

    fn move_strangers_away(&mut self) {
        for color in [Color::Blue, Color::Green] {
            if self.slots.slot(color) == Some(STRANGER) {
                self.set_slot(color, None);
            }
        }
    }

    /// Whether the machine took it.
    fn tell(&mut self, input: Input) -> bool {
        let Process::Up(machine) = &mut self.process else { return false };
        match machine.handle(self.now, input) {
            Ok(()) => true,
            // A renewal may outlast the phase that kept the credential alive.
            Err(Illegal::StaleCompletion { .. }) => false,
            Err(illegal) => panic!("the world told the machine {input:?}: {illegal}"),
        }
    }

    /// A completion that was delivered before: it must be refused and change nothing.
    fn repeat(&mut self, input: Input) {
        let Process::Up(machine) = &mut self.process else { return };
        let before = *machine;
        if machine.handle(self.now, input).is_ok() || *machine != before {
            self.violate(Invariant::S9);
        }
    }

    /// Acts on the machine's outputs, on at most `limit` of them; whether there were no more.
    fn drain(&mut self, limit: Option<u8>) -> bool {
        for _ in 0..limit.unwrap_or(u8::MAX) {
            let Process::Up(machine) = &mut self.process else { return true };
            match machine.poll_output() {
                None => return true,
                Some(Output::Append(record)) => self.writing = Some(record),
                Some(Output::Perform { op, effect }) => self.perform(op, effect),
                Some(Output::Serve(generation)) => {
                    self.live.iter_mut().filter(|c| c.generation == generation).for_each(|c| c.served = true);
                }
                Some(Output::Withdraw | Output::Notify(_)) => {}
            }
        }
        let Process::Up(machine) = &mut self.process else { return true };
        machine.poll_output().is_none()
    }

    fn perform(&mut self, op: OpId, effect: Effect) {
        if let Some(invariant) = Invariant::broken_by(self, &effect) {
            self.violate(invariant);
        }
        self.flight.push(Request { op: Some(op), effect, sent: self.now, swallowed: false });
    }

    pub(crate) fn violate(&mut self, invariant: Invariant) {
        self.violated.get_or_insert(invariant);
    }

    fn tick(&mut self, config: &Config) {
        if self.pending() && matches!(self.process, Process::Up(_)) {
            self.faults -= 1;
        }
        self.now = self.now + Duration::from_millis(1);
        let now = self.now;
        self.live.retain(|credential| now < credential.expires);
        let delta = config.policy.delta;
        let delta = if config.broken == Some(Assumption::DeltaHolds) { 3 * delta } else { delta };
        self.flight.retain(|request| request.op.is_some() || is_local(&request.effect) || now < request.sent + delta);
        if let Process::Down(ticks) = &mut self.process {
            *ticks += 1;
        }
    }

    /// The record is durable; the machine, if it lives, is told. Whether it took that.
    fn synced(&mut self, config: &Config, acknowledged: bool) -> bool {
        let Some(record) = self.writing.take() else { return false };
        if acknowledged && self.crashes > 0 && config.broken == Some(Assumption::AcknowledgedIsDurable) {
            self.tell(Input::Durable(record.lsn));
            self.drain(None);
            self.crashes -= 1;
            self.die();
            return false;
        }
        let applied = self.journal.apply(&record, &config.policy);
        assert!(applied.is_ok(), "the journal refuses {record:?}: {applied:?}");
        self.note(&record);
        acknowledged && self.tell(Input::Durable(record.lsn))
    }

    /// What the judge keeps of a durable record.
    fn note(&mut self, record: &Record) {
        let ghost = &mut self.ghost;
        match record.step {
            Step::LoginIntent { mint } | Step::IssueIntent { mint, .. } => ghost.announced = Some(mint.generation),
            Step::Ready | Step::Promoted { .. } => {
                ghost.previous = ghost.committed;
                ghost.committed = ghost.announced.take();
                ghost.deadline = None;
                ghost.waived = false;
            }
            Step::RolledBack { .. } => {
                if ghost.previous.is_some_and(|generation| ghost.compromised.contains(&generation)) {
                    self.violated.get_or_insert(Invariant::R6);
                }
                core::mem::swap(&mut ghost.previous, &mut ghost.committed);
                ghost.deadline = None;
            }
            Step::ShortenIntent { deadline } => ghost.deadline = Some(deadline),
            Step::Compromised { generation } => ghost.compromised.push(generation),
            // The override: work that still holds it is named in the journal and left to fail.
            Step::RevokeIntent { .. } => self.work = self.work.filter(|held| Some(*held) != ghost.previous),
            Step::CloseIntent { .. } | Step::Resolved { resolution: Resolution::Forget } => {
                (ghost.committed, ghost.waived) = (None, true);
                self.reader = None;
            }
            Step::IssueRefused | Step::LoginFailed { .. } | Step::Died { .. } => ghost.announced = None,
            Step::Cleared => (ghost.deadline, ghost.previous) = (None, None),
            _ => {}
        }
        ghost.last = match (record.step.kind(), ghost.last) {
            (StepKind::Ready | StepKind::Cleared | StepKind::IssueRefused | StepKind::LoginFailed | StepKind::Stopped, _) => None,
            (StepKind::Recovered, Some(before)) if precedes_the_commit_point(before) => Some(StepKind::AbandonIntent),
            (StepKind::Recovered, Some(StepKind::RollbackIntent)) => Some(StepKind::RollbackFailed),
            (StepKind::Recovered | StepKind::Compromised | StepKind::Stuck, before) => before,
            (step, _) => Some(step),
        };
        self.forget_the_dead();
    }

    /// Nothing depends any more on what was true of a credential that nobody has or names.
    fn forget_the_dead(&mut self) {
        let named = [self.ghost.committed, self.ghost.previous, self.ghost.announced, self.work, self.published];
        let reader = self.reader.as_ref().map(|reader| reader.holds);
        let known = |generation: &Generation| {
            named.contains(&Some(*generation)) || reader == Some(*generation) || self.find(*generation).is_some()
        };
        let (mut excused, mut compromised) = (self.ghost.excused.clone(), self.ghost.compromised.clone());
        excused.retain(known);
        compromised.retain(known);
        (self.ghost.excused, self.ghost.compromised) = (excused, compromised);
    }

    fn answer(&mut self, config: &Config, i: u8, useless: bool) -> (OpId, Outcome) {
        let request = self.flight.remove(usize::from(i));
        let op = request.op.unwrap_or(OpId(0));
        (op, self.apply(config, &request.effect, useless))
    }

    fn reject(&mut self, i: u8) -> bool {
        self.faults -= 1;
        let request = self.flight.remove(usize::from(i));
        let refusal = match request.effect {
            Effect::Issue { .. } | Effect::Login { .. } => Refusal::Refused,
            _ => Refusal::Unavailable,
        };
        let op = request.op.unwrap_or(OpId(0));
        self.tell(Input::Completed { op, outcome: Outcome::NotApplied(refusal) })
    }

    fn give_up(&mut self, i: u8) -> bool {
        let i = usize::from(i);
        let Some(op) = self.flight[i].op.take() else { return false };
        if self.flight[i].swallowed {
            self.flight.remove(i);
        } else {
            self.faults -= 1;
        }
        self.tell(Input::Completed { op, outcome: Outcome::Unknown })
    }

    /// What the provider, or the survivor store, does.
    fn apply(&mut self, config: &Config, effect: &Effect, useless: bool) -> Outcome {
        match *effect {
            Effect::Persist(mint) => self.persist(config, mint),
            Effect::Publish(mint) => {
                self.publish(config, mint.generation);
                Outcome::Applied(Applied::Done)
            }
            Effect::Clear(mint) => {
                self.set_slot(mint.slot, None);
                Outcome::Applied(Applied::Done)
            }
            _ => self.provide(config, effect, useless),
        }
    }

    fn persist(&mut self, config: &Config, mint: Mint) -> Outcome {
        match self.slots.slot(mint.slot) {
            Some(other) if other != mint.generation => Outcome::NotApplied(Refusal::Unavailable),
            _ => {
                if config.broken != Some(Assumption::PersistedIsDurable) {
                    self.set_slot(mint.slot, Some(mint.generation));
                }
                Outcome::Applied(Applied::Done)
            }
        }
    }

    /// What the provider does.
    fn provide(&mut self, config: &Config, effect: &Effect, useless: bool) -> Outcome {
        let refused = Outcome::NotApplied(Refusal::Refused);
        match *effect {
            Effect::Login { mint } => self.mint(mint, config.policy.login_life, useless),
            Effect::Issue { mint, by, life } => match self.accept(config, by) {
                None => refused,
                Some(_) => self.mint(mint, life, useless),
            },
            Effect::Probe(generation) => match self.accept(config, generation) {
                Some(i) if !self.live[i].useless => {
                    self.live[i].proven = true;
                    Outcome::Applied(Applied::Alive { remaining: self.live[i].expires.since(self.now) })
                }
                _ => refused,
            },
            Effect::Renew { generation, life }
            | Effect::Extend { generation, life }
            | Effect::Shorten { generation, life, .. } => {
                let Some(i) = self.accept(config, generation) else { return refused };
                let lies = config.broken == Some(Assumption::AnswersAreTrue);
                self.live[i].expires = self.now + life / if lies { 3 } else { 1 };
                Outcome::Applied(Applied::Alive { remaining: life })
            }
            Effect::Revoke { generation, .. } => match self.find(generation) {
                Some(i) => {
                    self.live.remove(i);
                    if config.broken == Some(Assumption::SiblingsAreOrphans) {
                        self.live.retain(|credential| credential.generation < generation);
                    }
                    Outcome::Applied(Applied::Done)
                }
                None => Outcome::Unknown,
            },
            Effect::Observe { generation, witness } => match (self.accept(config, witness.by()), self.find(generation)) {
                (None, _) => refused,
                (_, Some(i)) if config.broken != Some(Assumption::DeadIsDead) => {
                    Outcome::Applied(Applied::Alive { remaining: self.live[i].expires.since(self.now) })
                }
                _ => Outcome::Applied(Applied::Dead),
            },
            Effect::Persist(_) | Effect::Publish(_) | Effect::Clear(_) => Outcome::Unknown,
        }
    }

    /// The provider accepts a secret, if its credential lives.
    fn accept(&mut self, config: &Config, generation: Generation) -> Option<usize> {
        let i = self.find(generation)?;
        self.live[i].accepted = self.now + config.policy.evidence;
        Some(i)
    }

    fn mint(&mut self, mint: Mint, life: Duration, useless: bool) -> Outcome {
        let expires = self.now + life;
        let credential =
            Credential { generation: mint.generation, expires, useless, proven: false, served: false, accepted: self.now };
        self.live.push(credential);
        self.live.sort_by_key(|credential| credential.generation);
        Outcome::Applied(Applied::Alive { remaining: life })
    }

    fn find(&self, generation: Generation) -> Option<usize> {
        self.live.iter().position(|credential| credential.generation == generation)
    }

    /// Whether nothing is promised yet, or others, or an operator's word, have ended a credential that served: nobody can
    /// keep such a one alive.
    #[must_use]
    pub fn is_pardoned(&self) -> bool {
        self.ghost.committed.is_none()
            || self.ghost.waived
            || !self.ghost.excused.is_empty()
            || !self.ghost.compromised.is_empty()
    }

    /// The credential, if it lives.
    #[must_use]
    pub fn alive(&self, generation: Generation) -> Option<&Credential> {
        self.find(generation).map(|i| &self.live[i])
    }

    const fn set_slot(&mut self, slot: Color, content: Option<Generation>) {
        match slot {
            Color::Blue => self.slots.blue = content,
            Color::Green => self.slots.green = content,
        }
    }

    fn publish(&mut self, config: &Config, generation: Generation) {
        let slow = config.broken == Some(Assumption::ReadersReadAgain);
        let grace = config.policy.grace * if slow { 2 } else { 1 };
        if self.published != Some(generation) {
            self.published = Some(generation);
            match &mut self.reader {
                Some(reader) => reader.again = (reader.holds != generation).then(|| self.now + grace),
                None if config.policy.consumers == Consumers::Uncounted => self.read(),
                None => {}
            }
        }
    }

    fn read(&mut self) {
        self.reader = self.published.map(|holds| Reader { holds, again: None });
    }

    /// The process is gone: nobody waits for its requests any more, and they may still be applied.
    fn die(&mut self) {
        self.process = Process::Down(0);
        self.work = None;
        self.flight.retain(|request| !request.swallowed);
        self.flight.iter_mut().for_each(|request| request.op = None);
    }

    fn restart(&mut self, config: &Config, kept: bool, rebooted: bool) {
        let local = |request: &Request| is_local(&request.effect);
        if kept {
            let effects: Vec<_> = self.flight.iter().filter(|r| local(r)).map(|r| r.effect).collect();
            for effect in effects {
                self.apply(config, &effect, false);
            }
            self.synced(config, false);
        }
        self.flight.retain(|request| !local(request));
        self.writing = None;
        self.live.iter_mut().for_each(|credential| credential.accepted = self.now);
        self.start(config, if rebooted { REBOOT } else { BOOT });
    }

    fn start(&mut self, config: &Config, boot: BootId) {
        match Rotation::resume(config.policy, self.journal, boot, self.now, self.slots) {
            Ok(machine) => {
                if !recovers_alike(config, &self.journal, &machine, self.slots) {
                    self.violate(Invariant::S5);
                }
                self.process = Process::Up(machine);
            }
            // Refused at the start, with the remedy: who reads it moves the strange secret away.
            Err(_) => self.move_strangers_away(),
        }
    }

    /// The phase of the machine, or of the journal while it is down.
    #[must_use]
    pub const fn phase(&self) -> &Phase {
        match &self.process {
            Process::Up(machine) => machine.phase(),
            Process::Down(_) => self.journal.phase(),
        }
    }
}

/// S5(a): the journal means the same after one recovery and after two.
fn recovers_alike(config: &Config, journal: &Ledger, machine: &Rotation, held: Held) -> bool {
    let Some(first) = machine.awaited().copied().filter(|record| matches!(record.step, Step::Recovered { .. })) else {
        return true;
    };
    let second = Record { lsn: Lsn(first.lsn.0 + 1), step: Step::Recovered { held }, ..first };
    let mut once = *journal;
    if once.apply(&first, &config.policy).is_err() {
        return false;
    }
    let mut twice = once;
    twice.apply(&second, &config.policy).is_ok() && once.phase() == twice.phase()
}

/// Whether an effect is the survivor store's and not the provider's.
pub(crate) const fn is_local(effect: &Effect) -> bool {
    matches!(effect, Effect::Persist(_) | Effect::Publish(_) | Effect::Clear(_))
}

const fn reaches_machine(event: Event) -> bool {
    matches!(
        event,
        Event::Timer
            | Event::Operator(_)
            | Event::Idle
            | Event::Synced
            | Event::Answer(_)
            | Event::Reject(_)
            | Event::AnswerUseless(_)
            | Event::GiveUp(_)
    )
}

const fn precedes_the_commit_point(step: StepKind) -> bool {
    matches!(step, StepKind::IssueIntent | StepKind::Issued | StepKind::Persisted | StepKind::ExtendIntent)
}
