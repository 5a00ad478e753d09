//! The world around the machine: provider, disk, network, clock, readers, and death at any instruction.
//!
//! The machine in it is `turquoise_core::Rotation` as shipped. Every fault is an action that the explorers may take at
//! any time, within the budgets of the [`Config`]. What the world cannot do is in `docs/assumptions.md`.

use std::time::Duration;

use turquoise_core::{
    Applied, BootId, Color, Effect, Generation, Held, Illegal, Input, Instant, Ledger, Lsn, Mint, OpId, Outcome, Output, Phase,
    PhaseKind, Record, Refusal, Rotation, Step, StepKind,
};

use crate::config::Config;
use crate::invariant::Invariant;

/// Where the clock of every normalised state stands.
pub const NOW: Instant = Instant(1_000);

const INCARNATION: u32 = 1;
const BOOT: BootId = BootId(1);

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
    /// Truth that only the judge needs.
    pub ghost: Ghost,
    /// Deaths of the process that may still come.
    pub crashes: u8,
    /// Other faults that may still come.
    pub faults: u8,
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
    /// The durable end of the grace of the one before.
    pub deadline: Option<Instant>,
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
    /// An operator asks for a rotation.
    Begin,
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
    /// The process is started again. What was being written to the disk is there, or is not.
    Restart {
        /// Whether it is.
        kept: bool,
    },
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
            ghost: Ghost::default(),
            crashes: config.crashes,
            faults: config.faults,
            now: NOW,
            violated: None,
        };
        world.start(config);
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
            Process::Up(machine) => self.events_while_up(machine, &mut events),
            Process::Down(ticks) => {
                events.push(Event::Restart { kept: false });
                if self.writing.is_some() || self.flight.iter().any(|request| is_local(&request.effect)) {
                    events.push(Event::Restart { kept: true });
                }
                if *ticks < config.downtime && !self.reader_is_due() {
                    events.push(Event::Tick);
                }
            }
        }
        for (i, request) in (0..).zip(&self.flight) {
            if request.op.is_none() && !is_local(&request.effect) {
                events.push(Event::ApplyLate(i));
            }
        }
        if self.reader.as_ref().map(|reader| reader.holds) != self.published {
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

    fn events_while_up(&self, machine: &Rotation, events: &mut Vec<Event>) {
        let due = machine.poll_timeout().is_some_and(|at| at <= self.now);
        let overdue = |request: &Request| request.op.is_some() && self.now >= request.sent + machine.policy().patience;
        let late = self.flight.iter().any(overdue) || self.writing.is_some_and(|record| record.at < self.now);
        if due {
            events.push(Event::Timer);
        } else if !late && !self.reader_is_due() && (self.faults > 0 || !self.pending()) {
            events.push(Event::Tick);
        }
        if machine.phase().kind() == PhaseKind::Steady && !machine.asked() && machine.awaited().is_none() {
            events.push(Event::Begin);
        }
        if self.writing.is_some() {
            events.push(Event::Synced);
        }
        for (i, request) in (0..).zip(&self.flight) {
            if request.op.is_none() {
                continue;
            }
            if request.swallowed {
                events.push(Event::GiveUp(i));
                continue;
            }
            events.push(Event::Answer(i));
            if self.faults == 0 {
                continue;
            }
            events.extend([Event::Reject(i), Event::AnswerTwice(i)]);
            if !is_local(&request.effect) {
                events.extend([Event::Swallow(i), Event::GiveUp(i)]);
            }
            if matches!(request.effect, Effect::Issue { .. }) {
                events.push(Event::AnswerUseless(i));
            }
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
        }
        if world.violated.is_none() {
            world.violated = Invariant::broken_in(&world);
        }
        Some(world)
    }

    /// Whether the machine took an input.
    fn happen(&mut self, config: &Config, event: Event) -> bool {
        match event {
            Event::Tick => self.tick(config),
            Event::Timer => return self.tell(Input::Timeout),
            Event::Begin => return self.tell(Input::Begin),
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
            Event::Restart { kept } => {
                self.restart(config, kept);
                return true;
            }
        }
        false
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
                Some(Output::Notify(_)) => {}
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
        self.flight.retain(|request| request.op.is_some() || is_local(&request.effect) || now < request.sent + delta);
        if let Process::Down(ticks) = &mut self.process {
            *ticks += 1;
        }
    }

    /// The record is durable; the machine, if it lives, is told. Whether it took that.
    fn synced(&mut self, config: &Config, acknowledged: bool) -> bool {
        let Some(record) = self.writing.take() else { return false };
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
                ghost.committed = ghost.announced.take();
                ghost.deadline = None;
            }
            Step::ShortenIntent { deadline } => ghost.deadline = Some(deadline),
            Step::IssueRefused | Step::LoginFailed { .. } | Step::Died { .. } => ghost.announced = None,
            Step::Cleared => ghost.deadline = None,
            _ => {}
        }
        ghost.last = match (record.step.kind(), ghost.last) {
            (StepKind::Ready | StepKind::Cleared | StepKind::IssueRefused | StepKind::LoginFailed, _) => None,
            (StepKind::Recovered, Some(before)) if precedes_the_commit_point(before) => Some(StepKind::AbandonIntent),
            (StepKind::Recovered, before) => before,
            (step, _) => Some(step),
        };
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
        let done = Outcome::Applied(Applied::Done);
        match *effect {
            Effect::Login { mint } => self.mint(mint, config.policy.login_life, useless),
            Effect::Issue { mint, by, life } => {
                if self.find(by).is_none() {
                    return Outcome::NotApplied(Refusal::Refused);
                }
                self.mint(mint, life, useless)
            }
            Effect::Probe(generation) => match self.find(generation) {
                Some(i) if !self.live[i].useless => {
                    self.live[i].proven = true;
                    Outcome::Applied(Applied::Alive { remaining: self.live[i].expires.since(self.now) })
                }
                _ => Outcome::NotApplied(Refusal::Refused),
            },
            Effect::Renew { generation, life }
            | Effect::Extend { generation, life }
            | Effect::Shorten { generation, life, .. } => {
                let Some(i) = self.find(generation) else { return Outcome::NotApplied(Refusal::Refused) };
                self.live[i].expires = self.now + life;
                Outcome::Applied(Applied::Alive { remaining: life })
            }
            Effect::Revoke { generation, .. } => match self.find(generation) {
                Some(i) => {
                    self.live.remove(i);
                    done
                }
                None => Outcome::Unknown,
            },
            Effect::Observe { generation, witness } => match (self.find(witness.by()), self.find(generation)) {
                (None, _) => Outcome::NotApplied(Refusal::Refused),
                (_, None) => Outcome::Applied(Applied::Dead),
                (_, Some(i)) => Outcome::Applied(Applied::Alive { remaining: self.live[i].expires.since(self.now) }),
            },
            Effect::Persist(mint) => {
                self.set_slot(mint.slot, Some(mint.generation));
                done
            }
            Effect::Publish(mint) => {
                self.publish(config, mint.generation);
                done
            }
            Effect::Clear(mint) => {
                self.set_slot(mint.slot, None);
                done
            }
        }
    }

    fn mint(&mut self, mint: Mint, life: Duration, useless: bool) -> Outcome {
        let expires = self.now + life;
        let credential = Credential { generation: mint.generation, expires, useless, proven: false, served: false };
        self.live.push(credential);
        self.live.sort_by_key(|credential| credential.generation);
        Outcome::Applied(Applied::Alive { remaining: life })
    }

    fn find(&self, generation: Generation) -> Option<usize> {
        self.live.iter().position(|credential| credential.generation == generation)
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
        if self.published != Some(generation) {
            self.published = Some(generation);
            match &mut self.reader {
                Some(reader) => reader.again = Some(self.now + config.policy.grace),
                None => self.read(),
            }
        }
    }

    fn read(&mut self) {
        self.reader = self.published.map(|holds| Reader { holds, again: None });
    }

    /// The process is gone: nobody waits for its requests any more, and they may still be applied.
    fn die(&mut self) {
        self.process = Process::Down(0);
        self.flight.retain(|request| !request.swallowed);
        self.flight.iter_mut().for_each(|request| request.op = None);
    }

    fn restart(&mut self, config: &Config, kept: bool) {
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
        self.start(config);
    }

    fn start(&mut self, config: &Config) {
        match Rotation::resume(config.policy, self.journal, BOOT, self.now, self.slots) {
            Ok(machine) => {
                if !recovers_alike(config, self.journal, &machine, self.slots) {
                    self.violate(Invariant::S5);
                }
                self.process = Process::Up(machine);
            }
            Err(_) => self.violate(Invariant::S5),
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
fn recovers_alike(config: &Config, journal: Ledger, machine: &Rotation, held: Held) -> bool {
    let Some(first) = machine.awaited().copied().filter(|record| matches!(record.step, Step::Recovered { .. })) else {
        return true;
    };
    let second = Record { lsn: Lsn(first.lsn.0 + 1), step: Step::Recovered { held }, ..first };
    let mut once = journal;
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
            | Event::Begin
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
