//! The world around the machine: provider, disk, network, clock, readers, and death at any instruction.
//!
//! The machine in it is `turquoise_core::Rotation` as shipped. Every fault is an action that the explorers may take at
//! any time, within the budgets of the [`Config`]. What the world cannot do is in `docs/assumptions.md`.

use std::time::Duration;

use turquoise_core::{
    Applied, AtStop, BootId, Certainty, Color, Consumers, Drained, Effect, Generation, Held, Illegal, Input, Instant, Lease,
    Ledger, Lsn, Mint, NeedsOperator, OpId, Outcome, Output, Phase, PhaseKind, Privileges, Record, Refusal, Resolution, Rest,
    Rewrite, Rotation, Step, StepKind, Tally, Trigger, Verdict, Writer,
};

use crate::config::{Assumption, Config, Hostility, LEASE, SLEEP};
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

/// A state of the world.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct World {
    /// The process, or how long it has been down.
    pub process: Process,
    /// A process that was deposed in its sleep, and will wake up.
    pub rival: Option<Rotation>,
    /// Until when the coordinator's lease is the process's.
    pub mandate: Option<Instant>,
    /// The provider refuses every secret of the identity, until somebody mends it.
    pub disabled: bool,
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
    /// So many probes with it were accepted, of two at most.
    pub proven: u8,
    /// New work was given it.
    pub served: bool,
    /// The provider gives it no more life.
    pub capped: bool,
    /// No process has its secret.
    pub lost: bool,
    /// The last renewal of it was refused, because the provider refused everything.
    pub starved: bool,
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
    /// Work that tried the candidate may hold it until then, as was durably recorded.
    pub spared: Option<Instant>,
    /// What served, and died while everything slept: whoever wakes up had better ask.
    pub slept: Option<Generation>,
    /// The candidate that work was refused with.
    pub blamed: Option<Generation>,
    /// What was durably recorded as a debt.
    pub debt: Option<Generation>,
    /// Requests to the provider in this tick and the two before it, where they are limited.
    pub sent: [u8; 3],
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
    /// Work that may be replayed is given the candidate.
    Try,
    /// The work with the candidate, or with the current one beside it, is served.
    Served,
    /// The work with the candidate is refused, and then served with the current one.
    Refused,
    /// *Fault.* Everything sleeps.
    Gap,
    /// *Fault.* The provider refuses every secret of the identity.
    Disable,
    /// It is mended.
    Enable,
    /// *Fault.* The provider gives this credential no more life.
    Cap(u8),
    /// The coordinator renews its lease.
    Mandate,
    /// The process sleeps and its lease has run out: another one takes over.
    Depose,
    /// The deposed one wakes up, does what it had in mind, and sees that it is deposed.
    RivalWakes,
    /// *Fault.* While the process is dead, this slot loses its secret.
    Lose(Color),
    /// *Broken assumption.* It is applied and answered, and an intermediary will send it again.
    AnswerAndRepeat(u8),
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
        /// The machine was booted anew: its clock then is far behind that of before, or far ahead.
        rebooted: Option<Clock>,
    },
}

/// Where a clock that began anew stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Clock {
    /// What was recorded seems to be long past.
    Ahead,
    /// What was recorded seems to be far in the future.
    Behind,
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
    /// End everything, and begin anew.
    BreakGlass,
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
            rival: None,
            mandate: None,
            disabled: false,
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
        events.extend(self.disabled.then_some(Event::Enable));
        let taken_over = matches!(self.process, Process::Up(_));
        events.extend(self.rival.filter(|_| taken_over).map(|_| Event::RivalWakes));
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
        let leased = self.mandate.is_some_and(|until| self.now < until);
        for rebooted in [None, Some(Clock::Ahead), Some(Clock::Behind)] {
            if !leased && (rebooted.is_none() || config.can(Hostility::Reboot)) {
                events.push(Event::Restart { kept: false, rebooted });
                events.extend(unsure.then_some(Event::Restart { kept: true, rebooted }));
            }
        }
        let in_time = leased || ticks < config.downtime || config.broken == Some(Assumption::RestartIsTimely);
        if in_time && ticks < LONG && !self.reader_is_due() {
            events.push(Event::Tick);
        }
        if self.faults > 0 && ticks == 0 && config.can(Hostility::Slots) {
            let empty = |color: &Color| self.slots.slot(*color).is_none();
            let (empty, full): (Vec<_>, Vec<_>) = [Color::Blue, Color::Green].into_iter().partition(empty);
            events.extend(empty.into_iter().map(Event::Tamper).chain(full.into_iter().map(Event::Lose)));
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
        if self.faults > 0 {
            self.events_of_misfortune(config, machine, events);
        }
        if config.policy.writer == Writer::Mandate {
            let lasts = |span| self.mandate.is_some_and(|until| self.now + span <= until);
            events.extend((!lasts(2 * Duration::from_millis(1))).then_some(Event::Mandate));
            let free = self.crashes > 0 && self.rival.is_none() && config.can(Hostility::Rival);
            events.extend((free && self.mandate.is_some() && !self.pending()).then_some(Event::Depose));
        }
        if self.faults > 0 && config.can(Hostility::Outside) {
            events.extend((0..).zip(&self.live).map(|(i, _)| Event::RevokedByOthers(i)));
        }
        for (i, request) in (0..).zip(&self.flight).filter(|(_, request)| request.op.is_some()) {
            self.events_of_request(config, i, request, events);
        }
    }

    fn events_of_misfortune(&self, config: &Config, machine: &Rotation, events: &mut Vec<Event>) {
        if config.can(Hostility::Suspend) && !self.pending() && !machine.stalled() {
            events.push(Event::Gap);
        }
        if config.can(Hostility::Disabled) && !self.disabled {
            events.push(Event::Disable);
        }
        if config.can(Hostility::Capped) {
            let free = (0..).zip(&self.live).filter(|(_, credential)| !credential.capped);
            events.extend(free.map(|(i, _)| Event::Cap(i)));
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
        let lapses = self.mandate.is_some_and(|until| self.now >= until)
            || self.mandate.is_none() && machine.policy().writer == Writer::Mandate;
        if !late && !lapses && !self.reader_is_due() && (self.faults > 0 || !self.pending()) {
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
            demands.extend([Demand::Abort, Demand::Rollback, Demand::BreakGlass]);
            demands.extend((0..).zip(&self.live).map(|(i, _)| Demand::Compromise(i)));
            demands.extend([AtStop::Keep, AtStop::Revoke].map(Demand::Shutdown));
        }
        // An operator who is needed comes, and tells the truth: what is kept lives, what is given up is dead.
        let current = machine.phase().current().map(|lease| lease.mint.generation);
        let old = match machine.phase() {
            Phase::NeedsOperator(NeedsOperator { rest: Rest::Draining { retiring, .. }, .. }) => Some(retiring.mint.generation),
            _ => None,
        };
        if current.into_iter().chain(old).any(|generation| self.alive(generation).is_some()) {
            demands.push(Demand::Resolve(Resolution::Keep));
        } else if self.live.is_empty() {
            demands.push(Demand::Resolve(Resolution::Forget));
        }
        events.extend(demands.into_iter().filter(|demand| takes(self.input(*demand))).map(Event::Operator));
        if config.policy.consumers == Consumers::Counted {
            events.extend(machine.serving().filter(|_| self.work.is_none()).map(|_| Event::Work));
            events.extend(self.work.map(|_| Event::Done));
            events.extend(self.idle(machine).map(|_| Event::Idle));
            self.events_of_canary(machine, events);
        }
    }

    fn events_of_canary(&self, machine: &Rotation, events: &mut Vec<Event>) {
        let Some(canary) = machine.canary() else { return };
        match self.work {
            None => events.push(Event::Try),
            Some(held) if held == canary.candidate => events.extend([Event::Served, Event::Refused]),
            Some(held) if Some(held) == machine.serving() => events.push(Event::Served),
            Some(_) => {}
        }
    }

    /// A credential that is no longer given out and that no work holds, as far as the machine wants to know.
    fn idle(&self, machine: &Rotation) -> Option<Generation> {
        let given = |generation| {
            Some(generation) == machine.serving() || machine.canary().is_some_and(|canary| canary.candidate == generation)
        };
        let wanted = |generation: &Generation| {
            let mut told = *machine;
            told.handle(self.now, Input::Idle(*generation)).is_ok() && told != *machine
        };
        let live = self.live.iter().map(|credential| credential.generation);
        live.filter(|generation| !given(*generation) && Some(*generation) != self.work).find(wanted)
    }

    pub(crate) fn input(&self, demand: Demand) -> Input {
        match demand {
            Demand::Begin => Input::Begin,
            Demand::Abort => Input::Abort,
            Demand::Rollback => Input::Rollback,
            Demand::Compromise(i) => Input::Compromise(self.live[usize::from(i)].generation),
            Demand::Resolve(resolution) => Input::Resolve(resolution),
            Demand::BreakGlass => Input::BreakGlass(Certainty::Confirmed),
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
        let changes = matches!(
            request.effect,
            Effect::Renew { .. } | Effect::Extend { .. } | Effect::Shorten { .. } | Effect::Revoke { .. }
        );
        if changes && config.broken == Some(Assumption::NothingIsRepeated) {
            events.push(Event::AnswerAndRepeat(i));
        }
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
                if matches!(demand, Demand::Resolve(_) | Demand::BreakGlass) {
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
            Event::Try => {
                if let Process::Up(machine) = &self.process {
                    self.work = machine.canary().map(|canary| canary.candidate);
                }
            }
            Event::Served => return self.report(Verdict::Served { took: Duration::ZERO }),
            Event::Refused => {
                let late = self.writing.is_some_and(|record| matches!(record.step, Step::Promoted { .. }));
                self.ghost.blamed = self.work.filter(|_| !late);
                return self.report(Verdict::Refused);
            }
            Event::Gap => return self.sleep(),
            Event::Disable => {
                self.faults -= 1;
                self.disabled = true;
            }
            Event::Enable => self.disabled = false,
            Event::Cap(i) => {
                self.faults -= 1;
                self.live[usize::from(i)].capped = true;
            }
            Event::Mandate => {
                let until = self.now + LEASE;
                self.mandate = Some(until);
                return self.tell(Input::Mandate(until));
            }
            Event::Depose => {
                self.crashes -= 1;
                if let Process::Up(machine) = self.process {
                    self.rival = Some(machine);
                }
                self.die();
            }
            Event::RivalWakes => self.wake_rival(),
            Event::Lose(color) => {
                self.faults -= 1;
                self.ghost.excused.extend(self.slots.slot(color));
                self.set_slot(color, None);
            }
            Event::AnswerAndRepeat(i) => {
                self.faults -= 1;
                let again = Request { op: None, ..self.flight[usize::from(i)].clone() };
                let (op, outcome) = self.answer(config, i, false);
                self.flight.push(again);
                return self.tell(Input::Completed { op, outcome });
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

    /// The work that is done with the credential it was given is reported.
    fn report(&mut self, verdict: Verdict) -> bool {
        let Some(generation) = self.work.take() else { return false };
        self.tell(Input::Sample { generation, verdict })
    }

    /// Everything sleeps, programs that read the sink too; what dies meanwhile nobody could have kept alive.
    fn sleep(&mut self) -> bool {
        self.faults -= 1;
        self.now = self.now + SLEEP;
        let now = self.now;
        let gone = self.live.extract_if(.., |credential| now >= credential.expires);
        let gone: Vec<_> = gone.map(|credential| credential.generation).collect();
        self.ghost.slept = self.ghost.committed.filter(|served| gone.contains(served));
        self.ghost.excused.extend(gone);
        self.flight.clear();
        if let Some(reader) = &mut self.reader {
            let soon = now + 2 * Duration::from_millis(1);
            reader.again = reader.again.map(|at| at.max(soon));
        }
        self.tell(Input::Gap)
    }

    /// What a deposed process sends when it wakes up; its records reach no journal.
    fn wake_rival(&mut self) {
        let Some(mut rival) = self.rival.take() else { return };
        if rival.handle(self.now, Input::Timeout).is_err() {
            return;
        }
        while let Some(output) = rival.poll_output() {
            match output {
                Output::Append(_) => return,
                Output::Perform { effect, .. } if !is_local(&effect) => {
                    if !matches!(effect, Effect::Probe(_) | Effect::Observe { .. } | Effect::Discover { .. }) {
                        self.violate(Invariant::S8);
                    }
                    self.flight.push(Request { op: None, effect, sent: self.now, swallowed: false });
                }
                _ => {}
            }
        }
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
                Some(Output::Append(record)) => {
                    self.judge_begin(&record);
                    self.writing = Some(record);
                }
                Some(Output::Perform { op, effect }) => self.perform(op, effect),
                Some(Output::Serve(serving)) => {
                    self.live.iter_mut().filter(|c| c.generation == serving.current).for_each(|c| c.served = true);
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
        self.meter(&effect);
        self.flight.push(Request { op: Some(op), effect, sent: self.now, swallowed: false });
    }

    /// S10: no stretch of time sees more requests than the burst, and one for each interval in it.
    fn meter(&mut self, effect: &Effect) {
        let Process::Up(machine) = &self.process else { return };
        let Some(budget) = machine.policy().budget.filter(|_| !is_local(effect)) else { return };
        self.ghost.sent[0] += 1;
        let mut sum = 0;
        for (ticks, sent) in (0u64..).zip(self.ghost.sent) {
            sum += u64::from(sent);
            let whole = u64::try_from(budget.every.as_millis()).unwrap_or(u64::MAX).max(1);
            if sum > u64::from(budget.burst) + ticks / whole {
                self.violate(Invariant::S10);
            }
        }
    }

    /// S7: a rotation that nothing hurries is begun only if what serves outlives its worst case.
    fn judge_begin(&mut self, record: &Record) {
        let Process::Up(machine) = &self.process else { return };
        let policy = machine.policy();
        let calm = matches!(record.step, Step::IssueIntent { trigger: Trigger::Schedule | Trigger::Operator, .. });
        let worst = policy.validate_for + 4 * policy.patience;
        let current = self.ghost.committed.and_then(|generation| self.alive(generation));
        if calm && current.is_some_and(|current| current.expires < self.now + worst) {
            self.violate(Invariant::S7);
        }
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
        // What the provider gives no more life is excused, but for the one that serves: it must be replaced in time.
        let over = self.live.extract_if(.., |credential| now >= credential.expires);
        let ghost = &mut self.ghost;
        let replaced = |credential: &Credential| credential.capped && ghost.committed != Some(credential.generation);
        let replaced =
            over.filter(|credential| credential.starved || replaced(credential)).map(|credential| credential.generation);
        ghost.excused.extend(replaced.collect::<Vec<_>>());
        ghost.sent = [0, ghost.sent[0], ghost.sent[1]];
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
            Step::LoginIntent { mint } | Step::IssueIntent { mint, .. } => {
                (ghost.announced, ghost.spared, ghost.blamed) = (Some(mint.generation), None, None);
            }
            Step::Ready | Step::Promoted { .. } => {
                if ghost.blamed.is_some() && ghost.blamed == ghost.announced {
                    self.violated.get_or_insert(Invariant::R4);
                }
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
            Step::AbandonIntent { held_until, .. } => ghost.spared = held_until,
            Step::Owed { generation, .. } => {
                ghost.debt = Some(generation);
                ghost.announced = None;
                (ghost.deadline, ghost.previous) = (None, None);
            }
            Step::Waived { .. } => {
                (ghost.committed, ghost.waived, ghost.previous, ghost.deadline) = (None, true, None, None);
                (self.reader, self.work) = (None, None);
            }
            // The override: work that still holds it is named in the journal and left to fail.
            Step::RevokeIntent { drained: Drained::Overridden, .. } => {
                if !ghost.committed.is_some_and(|generation| ghost.compromised.contains(&generation)) {
                    self.violated.get_or_insert(Invariant::S2);
                }
                ghost.excused.extend(ghost.previous);
                self.work = self.work.filter(|held| Some(*held) != ghost.previous);
            }
            Step::RevokeIntent { .. } => self.work = self.work.filter(|held| Some(*held) != ghost.previous),
            Step::CloseIntent { .. } | Step::Resolved { resolution: Resolution::Forget } => {
                (ghost.committed, ghost.waived) = (None, true);
                self.reader = None;
            }
            Step::Died { .. } if self.journal.phase().kind() == PhaseKind::Steady => {
                let debt = ghost.debt;
                if debt.is_some_and(|debt| self.live.iter().any(|credential| credential.generation == debt)) {
                    self.violated.get_or_insert(Invariant::L2);
                }
            }
            Step::IssueRefused | Step::LoginFailed { .. } | Step::Died { .. } => ghost.announced = None,
            Step::Cleared => (ghost.deadline, ghost.previous, ghost.spared, ghost.blamed) = (None, None, None, None),
            _ => {}
        }
        ghost.last = match (record.step.kind(), ghost.last) {
            (StepKind::Cleared, _) if self.journal.phase().kind() == PhaseKind::Closing => Some(StepKind::Waived),
            (StepKind::Ready | StepKind::Cleared | StepKind::IssueRefused | StepKind::LoginFailed | StepKind::Stopped, _) => None,
            (StepKind::Recovered, Some(before)) if precedes_the_commit_point(before) => Some(StepKind::AbandonIntent),
            (StepKind::Recovered, Some(StepKind::RollbackIntent)) => Some(StepKind::RollbackFailed),
            (StepKind::Recovered | StepKind::Compromised | StepKind::Stuck, before) => before,
            (StepKind::Owed, _) => Some(StepKind::Owed),
            (step, _) => Some(step),
        };
        self.forget_the_dead();
    }

    /// Nothing depends any more on what was true of a credential that nobody has or names.
    fn forget_the_dead(&mut self) {
        let minting = |generation| self.flight.iter().any(|request| makes(&request.effect) == Some(generation));
        let owed = self.journal.debt().map(|debt| debt.mint.generation);
        self.ghost.debt = self.ghost.debt.filter(|debt| self.alive(*debt).is_some() || minting(*debt) || owed == Some(*debt));
        let named = [self.ghost.committed, self.ghost.previous, self.ghost.announced, self.work, self.published];
        let reader = self.reader.as_ref().map(|reader| reader.holds);
        let known = |generation: &Generation| {
            named.contains(&Some(*generation)) || reader == Some(*generation) || self.find(*generation).is_some()
        };
        let (mut excused, mut compromised) = (self.ghost.excused.clone(), self.ghost.compromised.clone());
        excused.retain(known);
        compromised.retain(known);
        (self.ghost.excused, self.ghost.compromised) = (excused, compromised);
        self.ghost.slept = self.ghost.slept.filter(|_| self.ghost.slept == self.ghost.committed);
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
            Effect::Clear(mint) if self.slots.slot(mint.slot).is_some_and(|other| other != mint.generation) => {
                Outcome::NotApplied(Refusal::Unavailable)
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
        if secret_for(config, effect).and_then(|generation| self.alive(generation)).is_some_and(|credential| credential.lost) {
            return Outcome::NotApplied(Refusal::NoSecret);
        }
        if self.disabled {
            if let Effect::Renew { generation, .. } = *effect
                && let Some(i) = self.find(generation)
            {
                self.live[i].starved = true;
            }
            return refused;
        }
        match *effect {
            Effect::Login { mint } => self.mint(mint, config.policy.login_life, useless),
            Effect::Issue { mint, by, life } => match self.accept(config, by) {
                None => refused,
                Some(_) => self.mint(mint, life, useless),
            },
            Effect::Probe(generation) => match self.accept(config, generation) {
                Some(i) if !self.live[i].useless => {
                    self.live[i].proven = (self.live[i].proven + 1).min(2);
                    Outcome::Applied(Applied::Alive { remaining: self.live[i].expires.since(self.now) })
                }
                _ => refused,
            },
            Effect::Renew { generation, life }
            | Effect::Extend { generation, life }
            | Effect::Shorten { generation, life, .. } => {
                let Some(i) = self.accept(config, generation) else { return refused };
                let lies = config.broken == Some(Assumption::AnswersAreTrue);
                let asked = self.now + life / if lies { 3 } else { 1 };
                let credential = &mut self.live[i];
                credential.starved = false;
                credential.expires = if credential.capped { asked.min(credential.expires) } else { asked };
                let remaining = if lies { life } else { credential.expires.since(self.now) };
                Outcome::Applied(Applied::Alive { remaining })
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
            Effect::Discover { generation, witness } => match (self.accept(config, witness.by()), self.find(generation)) {
                (None, _) => refused,
                (_, Some(_)) => Outcome::Applied(Applied::Done),
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
        let credential = Credential {
            generation: mint.generation,
            expires,
            useless,
            proven: 0,
            served: false,
            capped: false,
            lost: false,
            starved: false,
            accepted: self.now,
        };
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
            || self.disabled
            || !self.ghost.excused.is_empty()
            || !self.ghost.compromised.is_empty()
    }

    /// Whether a mint is under way that may still be applied.
    pub(crate) fn is_minting(&self) -> bool {
        self.flight.iter().any(|request| !request.swallowed && makes(&request.effect).is_some())
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

    fn restart(&mut self, config: &Config, kept: bool, rebooted: Option<Clock>) {
        self.mandate = None;
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
        for credential in &mut self.live {
            credential.accepted = self.now;
            credential.lost = ![self.slots.blue, self.slots.green].contains(&Some(credential.generation));
        }
        if let Some(clock) = rebooted {
            self.journal.rewrite(&mut Reset(clock, self.now));
        }
        if self.journal.is_empty() {
            self.journal = Ledger::new(INCARNATION, BOOT, self.now);
        }
        let BootId(boot) = self.journal.boot();
        self.start(config, BootId(boot + u128::from(rebooted.is_some())));
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

/// Moves every recorded instant to where another boot's clock has it.
struct Reset(Clock, Instant);

impl Rewrite for Reset {
    fn deadline(&mut self, at: &mut Instant) {
        *at = match self.0 {
            Clock::Ahead => Instant(0),
            Clock::Behind => self.1 + Duration::from_hours(1),
        };
    }

    fn bound(&mut self, at: &mut Instant) {
        self.deadline(at);
    }

    fn origin(&mut self, at: &mut Instant) {
        self.deadline(at);
    }

    fn boot(&mut self, _: &mut BootId) {}
    // Recorded lives are forgotten at once.
    fn lease(&mut self, _: &mut Lease) {}
    fn generation(&mut self, _: &mut Generation) {}
    fn op(&mut self, _: &mut OpId) {}
    fn counters(&mut self, _: &mut u32, _: &mut u64) {}
    fn failures(&mut self, _: &mut u8) {}
    fn tries(&mut self, _: &mut u8) {}
    fn tally(&mut self, _: &mut Tally) {}
    fn next_op(&mut self, _: &mut u64) {}
}

/// Whose secret an effect needs.
const fn secret_for(config: &Config, effect: &Effect) -> Option<Generation> {
    match (effect, config.policy.privileges) {
        (Effect::Revoke { witness: Some(witness), .. }, Privileges::Accessor) => Some(witness.by()),
        (Effect::Observe { witness, .. } | Effect::Discover { witness, .. }, _) => Some(witness.by()),
        (
            Effect::Issue { by: generation, .. }
            | Effect::Probe(generation)
            | Effect::Renew { generation, .. }
            | Effect::Extend { generation, .. }
            | Effect::Shorten { generation, .. }
            | Effect::Revoke { generation, .. },
            _,
        ) => Some(*generation),
        _ => None,
    }
}

/// What an effect makes.
const fn makes(effect: &Effect) -> Option<Generation> {
    match effect {
        Effect::Login { mint } | Effect::Issue { mint, .. } => Some(mint.generation),
        _ => None,
    }
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
            | Event::Served
            | Event::Refused
            | Event::Gap
            | Event::Mandate
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
