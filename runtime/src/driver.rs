//! The task that runs one machine.
//!
//! One loop, as the machine's documentation has it: drain what it wants, wait for what comes first, tell it, go on. An effect
//! is performed when the machine gives it out, and the machine does so only after it was told that the announcing record is
//! durable. Whatever may wait — the disk, the provider — waits in a task of its own, so that renewals go on beside it.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::task::{self, JoinError, JoinSet};
use tokio::time::{Instant, sleep};
use tracing::{Instrument as _, Span};
use turquoise_core::{
    self as core, Abandoning, AfterEnd, Applied, Arrival, Closing, Draining, Effect, Event, Generation, Going, Illegal, Input,
    Ledger, Mint, OpId, Outcome, Output, Phase, Record, Refusal, Rotation, Serving, Steady, Step, Vacant,
};

use crate::calls::Calls;
use crate::clock::{Clock, is_gap};
use crate::credentials::{NotReady, Sample, Switch};
use crate::identity::{Progress, Recorded, Status, second};
use crate::load::{Metered, Urgency};
use crate::perform::{Ended, Secrets, Situation, append, ask, compact, is_stored, keep};
use crate::port::{Base, Ending, Entry, Handle, Holders, Journal, Provider, Reason, Store};
use crate::tell;

/// Timers stand still while the machine is suspended: the clock, which does not, is looked at this often.
const NAP: Duration = Duration::from_secs(10);

/// What the public face asks of the task.
#[derive(Debug)]
pub(crate) enum Command {
    /// Tell the machine, and answer what it says.
    Ask(Input, oneshot::Sender<Result<(), Illegal>>),
    /// End the process.
    Stop,
}

/// The outside.
pub(crate) struct Ports<P, J, S> {
    pub(crate) provider: Arc<Metered<P>>,
    pub(crate) journal: Arc<Mutex<J>>,
    pub(crate) store: Arc<Mutex<S>>,
    pub(crate) clock: Arc<dyn Clock>,
}

/// The other ends of what the public face holds.
pub(crate) struct Face {
    pub(crate) switch: Switch,
    pub(crate) commands: mpsc::Receiver<Command>,
    pub(crate) progress: broadcast::Sender<Progress>,
    pub(crate) status: watch::Sender<Status>,
}

/// What a task is at.
enum Flight {
    Append { entry: Entry, reason: Option<Reason> },
    Effect { op: OpId, effect: Effect, since: core::Instant },
    Compaction,
}

/// A rotation under way.
struct Round {
    span: Span,
    since: core::Instant,
}

/// Everything that one identity owns.
pub(crate) struct Driver<P, J, S> {
    machine: Rotation,
    /// The fold of what is durable, and of nothing else.
    ledger: Ledger,
    ports: Ports<P, J, S>,
    secrets: Secrets,
    face: Face,
    tasks: JoinSet<Ended>,
    /// What each task is at: also one that panics is answered for.
    flights: HashMap<task::Id, Flight>,
    /// Why the last effect of the phase was not simply done: the words for the setback that it leads to.
    duty_words: Option<Reason>,
    /// Why anything last went wrong.
    last_words: Option<Reason>,
    /// What serves certainly is dead: nothing is given out.
    expired: bool,
    /// What was made or set anew last, and until when a refusal of it says nothing.
    young: Option<(Generation, Instant)>,
    /// The rotation under way.
    round: Option<Round>,
    /// When the last record of this process was decided.
    last_record: Option<core::Instant>,
    /// How far the clocks had drifted apart when the machine was told something last.
    drift: Duration,
    /// How its effects ended.
    calls: Calls,
}

impl<P: Provider, J: Journal, S: Store> Driver<P, J, S> {
    #[expect(clippy::large_types_passed_by_value, reason = "it is moved in, once")]
    pub(crate) fn new(machine: Rotation, ledger: Ledger, ports: Ports<P, J, S>, secrets: Secrets, face: Face) -> Self {
        let drift = ports.clock.drift();
        Self {
            machine,
            ledger,
            ports,
            drift,
            secrets,
            face,
            tasks: JoinSet::new(),
            flights: HashMap::new(),
            duty_words: None,
            last_words: None,
            expired: false,
            young: None,
            round: None,
            last_record: None,
            calls: Calls::default(),
        }
    }

    /// Runs until the machine has stopped, it is told to stop, or nobody is left who could tell. Dropped, it leaves every
    /// effect under way in doubt, as a crash does.
    pub(crate) async fn run(mut self) {
        let mut going_on = self.wait_to_start().await;
        if going_on.is_continue() {
            self.settle();
        }
        let mut doubts = self.face.switch.doubts();
        while going_on.is_continue() && !self.has_stopped() {
            let now = self.ports.clock.now();
            let nap = self.machine.poll_timeout().map_or(NAP, |at| at.since(now).min(NAP));
            tokio::select! {
                biased;
                Some(ended) = self.tasks.join_next_with_id() => self.ended(ended),
                () = sleep(nap) => self.input(Input::Timeout),
                () = self.face.switch.idle() => self.settle(),
                command = self.face.commands.recv() => going_on = self.command(command),
                Ok(()) = doubts.changed() => {
                    let doubted = *doubts.borrow_and_update();
                    self.doubted(doubted);
                }
                Sample { generation, verdict } = self.face.switch.sample() => self.sampled(Input::Sample { generation, verdict }),
            }
        }
        self.tasks.shutdown().await;
        tell::stopped(self.machine.phase());
        // The journal is closed before anybody learns of the end.
        drop(self.ports);
        drop(self.face);
    }

    /// Many that are started together without a credential do not log in together. Whoever asks for anything ends the wait.
    async fn wait_to_start(&mut self) -> ControlFlow<()> {
        let cold = matches!(self.machine.phase(), Phase::Vacant(Vacant { stage: Arrival::Waiting { .. } }));
        let wait = self.ports.provider.start_wait(self.machine.policy().jitter);
        if !cold || wait.is_zero() {
            return ControlFlow::Continue(());
        }
        tokio::select! {
            () = sleep(wait) => ControlFlow::Continue(()),
            command = self.face.commands.recv() => self.command(command),
        }
    }

    /// What the public face asks for; nothing, if nobody is left who could.
    fn command(&mut self, command: Option<Command>) -> ControlFlow<()> {
        match command {
            Some(Command::Ask(input, reply)) => {
                // Whoever asked may have gone meanwhile.
                let _ = reply.send(self.ask(input));
                return ControlFlow::Continue(());
            }
            Some(Command::Stop) => {}
            None => tell::dropped(),
        }
        ControlFlow::Break(())
    }

    /// Whether the machine has ended as it was asked to: a successor that takes over first leaves a record.
    fn has_stopped(&self) -> bool {
        matches!(self.machine.phase(), Phase::Stopped(_)) && self.machine.awaited().is_none()
    }

    /// Tells the machine, and does what it then wants.
    fn input(&mut self, input: Input) {
        self.hear(input);
        self.settle();
    }

    /// A report on a canary. One that comes too late says nothing any more.
    fn sampled(&mut self, input: Input) {
        if self.inform(input).is_ok() {
            self.settle();
        }
    }

    /// Work says that what serves is refused: another one is wanted, as when an operator asks for one.
    fn doubted(&mut self, doubted: Option<Mint>) {
        if doubted.is_some_and(|mint| self.machine.serving() == Some(mint.generation)) {
            // Where it is illegal a rotation is under way already, or has just failed.
            let _ = self.ask(Input::Begin);
        }
    }

    fn hear(&mut self, input: Input) {
        if let Err(illegal) = self.inform(input) {
            tell::illegal(input, illegal);
        }
    }

    fn ask(&mut self, input: Input) -> Result<(), Illegal> {
        let handled = self.inform(input);
        self.settle();
        handled
    }

    /// Whatever wakes the driver after time was lost, the machine hears of that first: what it asks for before is no
    /// evidence to it afterwards.
    fn inform(&mut self, input: Input) -> Result<(), Illegal> {
        let (now, drift) = (self.ports.clock.now(), self.ports.clock.drift());
        if is_gap(self.drift, drift) {
            self.drift = drift;
            self.machine.handle(now, Input::Gap)?;
        }
        self.machine.handle(now, input)
    }

    /// Drains the machine. What it serves is switched by then, so whether work still holds the leaving one can be judged.
    fn settle(&mut self) {
        self.drain();
        if let Some(leaving) = self.leaving()
            && self.face.switch.is_idle(leaving)
        {
            self.hear(Input::Idle(leaving));
            self.drain();
        }
        self.expire();
        let (stalled, reason) = (self.machine.stalled(), self.last_words.clone());
        let (debt, debt_ends) = self.machine.debt().map(|debt| (debt.mint, debt.ub)).unzip();
        let (calls, lost_reports) = (self.calls, self.face.switch.lost_reports());
        let (status, paused) = (Status::of(self.machine.phase()), self.machine.paused());
        self.face.status.send_replace(Status { debt, debt_ends, paused, calls, lost_reports, stalled, reason, ..status });
    }

    /// What certainly is dead is given to nobody, until the provider says otherwise.
    fn expire(&mut self) {
        let now = self.ports.clock.now();
        let current = self.machine.phase().current().filter(|lease| self.machine.serving() == Some(lease.mint.generation));
        let dead = current.is_some_and(|lease| lease.life.ub + self.machine.policy().skew <= now);
        match (std::mem::replace(&mut self.expired, dead), current) {
            (false, _) if dead => self.face.switch.expired(),
            (true, Some(current)) if !dead => {
                self.serve(Serving { current: current.mint.generation, canary: self.machine.canary() });
            }
            _ => {}
        }
    }

    /// The credential whose work the machine waits for: the retiring one, or the last one when nothing is to be left.
    fn leaving(&self) -> Option<Generation> {
        match self.machine.phase() {
            Phase::Draining(Draining { retiring, idle: false, .. }) => Some(retiring.mint.generation),
            Phase::Abandoning(Abandoning { going: Going { mint, held: Some(_), .. }, .. }) => Some(mint.generation),
            // After a gap nothing serves until the provider has been asked.
            Phase::Steady(_) if self.machine.is_waking() => None,
            // Before a recovery is on record, a current credential whose secret is gone does not serve either.
            Phase::Steady(Steady { current, .. }) if self.machine.serving().is_none() && self.machine.awaited().is_none() => {
                Some(current.mint.generation)
            }
            _ => None,
        }
    }

    fn drain(&mut self) {
        while let Some(output) = self.machine.poll_output() {
            match output {
                Output::Append(record) => self.append(record),
                Output::Perform { op, effect } => self.perform(op, effect),
                Output::Serve(serving) => self.serve(serving),
                Output::Withdraw => self.withdraw(),
                Output::Notify(event) => self.notice(event),
            }
        }
    }

    fn append(&mut self, record: Record) {
        let entry = Entry { record, handle: self.handle_of_new(record.step), holders: self.holders(record.step) };
        let reason = if tell::is_setback(record.step) { self.duty_words.take() } else { None };
        let (journal, written) = (Arc::clone(&self.ports.journal), entry.clone());
        let span = self.span();
        let task = self.tasks.spawn_blocking(move || span.in_scope(|| append(&journal, &written)));
        self.flights.insert(task.id(), Flight::Append { entry, reason });
    }

    /// Each call to the provider ends within the policy's patience. A write to the store ends when the disk lets it: it
    /// cannot be called off, and a late one must not overtake the next.
    fn perform(&mut self, op: OpId, effect: Effect) {
        let (secrets, span) = (self.secrets.clone(), self.span());
        let task = if is_stored(&effect) {
            let store = Arc::clone(&self.ports.store);
            self.tasks.spawn_blocking(move || span.in_scope(|| keep(&store, effect, &secrets)))
        } else {
            let (provider, patience) = (Arc::clone(&self.ports.provider), self.machine.policy().patience);
            let situation = self.situation(&effect);
            let urgency = Urgency::of(&effect, situation.serving);
            let (clock, drift) = (Arc::clone(&self.ports.clock), self.drift);
            let in_time = move || !is_gap(drift, clock.drift());
            let call = async move { ask(&provider, urgency, patience, effect, &secrets, situation, in_time).await };
            self.tasks.spawn(call.instrument(span))
        };
        self.flights.insert(task.id(), Flight::Effect { op, effect, since: self.ports.clock.now() });
    }

    fn situation(&self, effect: &Effect) -> Situation {
        let compromised = matches!(effect, Effect::Revoke { generation, .. } if self.ledger.is_compromised(*generation));
        let ending = if compromised { Ending::Compromised } else { Ending::Ordinary };
        Situation { serving: self.machine.phase().current().map(|lease| lease.mint.generation), ending }
    }

    /// Where the records have come to rest and no other is on its way, the journal may begin anew.
    fn compact(&mut self, last: Record) {
        let policy = self.machine.policy();
        let applied = self.ledger.apply(&last, policy);
        debug_assert!(applied.is_ok(), "a record is durable that does not follow: {last:?}");
        let at_rest = self.machine.awaited().is_none();
        let Some(checkpoint) = self.ledger.checkpoint(last.at, policy).filter(|_| at_rest) else { return };
        let base = Base { checkpoint, handle: self.handle(checkpoint.current.generation) };
        let (journal, span) = (Arc::clone(&self.ports.journal), self.span());
        let task = self.tasks.spawn_blocking(move || span.in_scope(|| compact(&journal, &base)));
        self.flights.insert(task.id(), Flight::Compaction);
    }

    fn serve(&self, Serving { current: generation, canary }: Serving) {
        let tried = canary.and_then(|canary| Some((self.secrets.find(canary.candidate)?, canary.share)));
        if let Some(credential) = self.secrets.find(generation) {
            self.face.switch.serve(credential, tried);
        } else {
            tell::missing(generation);
        }
    }

    /// What served is to go, and another one comes only where a login is next.
    fn withdraw(&self) {
        let vacant = match self.machine.phase() {
            Phase::Vacant(_) | Phase::Closing(Closing { then: AfterEnd::LogIn, .. }) => true,
            _ => self.machine.is_waking(),
        };
        self.face.switch.withdraw(if vacant { NotReady::Vacant } else { NotReady::Closing });
    }

    fn notice(&self, event: Event) {
        let reason = self.last_words.clone();
        self.span().in_scope(|| tell::noticed(event, reason.as_ref()));
        // Nobody may be listening.
        let _ = self.face.progress.send(Progress::Noticed { event, reason });
    }

    fn ended(&mut self, ended: Result<(task::Id, Ended), JoinError>) {
        let (id, ended) = match ended {
            Ok((id, ended)) => (id, ended),
            // What it said may hold anything, so it is not repeated here.
            Err(error) => (error.id(), Ended::unknown("the adapter panicked")),
        };
        match self.flights.remove(&id) {
            Some(Flight::Append { entry, reason }) => self.appended(entry, reason, ended),
            Some(Flight::Effect { op, effect, since }) => self.performed(op, effect, since, ended),
            Some(Flight::Compaction) => {}
            None => debug_assert!(false, "a task that nobody sent off has ended"),
        }
    }

    fn appended(&mut self, entry: Entry, reason: Option<Reason>, ended: Ended) {
        let lsn = entry.record.lsn;
        if ended.outcome != Outcome::Applied(Applied::Done) {
            self.last_words = ended.reason;
            return self.input(Input::NotDurable(lsn));
        }
        self.hear(Input::Durable(lsn));
        self.compact(entry.record);
        let phase = *self.machine.phase();
        let (current, second) = (phase.current().map(|lease| lease.mint), second(&phase));
        let debt = self.machine.debt().map(|debt| debt.mint);
        let Entry { record, handle, holders } = entry;
        let recorded = Recorded { record, phase, current, second, debt, handle, reason, holders };
        self.tell(&recorded);
        self.settle();
        self.forget(&recorded);
        // Nobody may be listening.
        let _ = self.face.progress.send(Progress::Recorded(Box::new(recorded)));
    }

    /// A rotation's span lasts from the announcement of its mint, or from a restart in its midst, to the end of its round.
    fn tell(&mut self, recorded: &Recorded) {
        let under_way = match recorded.phase {
            Phase::Vacant(_) | Phase::Steady(_) | Phase::NeedsOperator(_) | Phase::Closing(_) | Phase::Stopped(_) => None,
            Phase::Draining(_) | Phase::Revoking(_) => recorded.current,
            Phase::Issuing(_) | Phase::Validating(_) | Phase::Abandoning(_) => recorded.second,
        };
        let at = recorded.record.at;
        if let Some(mint) = under_way.filter(|_| self.round.is_none()) {
            self.round = Some(Round { span: tell::rotation(mint), since: at });
        }
        let about = match recorded.record.step {
            Step::Owed { generation, .. } => Some(generation),
            _ => recorded.second.or(recorded.current).map(|mint| mint.generation),
        };
        let handle = about.and_then(|generation| self.handle(generation));
        let took = tell::Took {
            step: self.last_record.replace(at).map(|last| at.since(last)),
            round: self.round.as_ref().map(|round| at.since(round.since)),
        };
        self.span().in_scope(|| tell::recorded(recorded, handle.as_ref(), &took));
        if under_way.is_none() {
            self.round = None;
        }
    }

    /// The rotation under way, or else whatever the identity was started in.
    fn span(&self) -> Span {
        self.round.as_ref().map_or_else(Span::current, |round| round.span.clone())
    }

    /// Lets go of every secret that the phase no longer mentions: it is wiped once no call and no guard holds it.
    fn forget(&mut self, recorded: &Recorded) {
        let third = match recorded.phase {
            Phase::Closing(Closing { next, .. }) => next,
            _ => None,
        };
        let mentioned = [recorded.current, recorded.second, third.map(|going| going.mint), recorded.debt];
        self.secrets.retain(&mentioned);
        self.face.switch.retain(&mentioned);
    }

    /// What a provider does not know everywhere yet may be refused by a part of it: such a refusal is not the credential's.
    fn judged(&mut self, effect: Effect, outcome: Outcome) -> Outcome {
        let (now, propagation) = (Instant::now(), self.ports.provider.contract().propagation);
        match (effect, outcome) {
            (
                Effect::Issue { mint: Mint { generation, .. }, .. }
                | Effect::Login { mint: Mint { generation, .. } }
                | Effect::Extend { generation, .. },
                Outcome::Applied(_),
            ) => self.young = Some((generation, now + propagation)),
            (Effect::Probe(generation), Outcome::NotApplied(Refusal::Refused))
                if self.young.is_some_and(|(young, until)| young == generation && now < until) =>
            {
                return Outcome::NotApplied(Refusal::Unavailable);
            }
            _ => {}
        }
        outcome
    }

    fn performed(&mut self, op: OpId, effect: Effect, since: core::Instant, ended: Ended) {
        let Ended { outcome, reason, minted, named, .. } = ended;
        let outcome = self.judged(effect, outcome);
        self.calls.count(&effect, outcome);
        let took = self.ports.clock.now().since(since);
        self.span().in_scope(|| tell::performed(op, &effect, outcome, reason.as_ref(), took));
        if let Some(credential) = minted {
            self.secrets.insert(credential);
        }
        if let Some((generation, handle)) = named {
            self.secrets.learn(generation, handle);
        }
        if reason.is_some() {
            self.last_words.clone_from(&reason);
        }
        if !matches!(effect, Effect::Renew { .. }) {
            self.duty_words = reason;
        }
        self.input(Input::Completed { op, outcome });
    }

    fn handle(&self, generation: Generation) -> Option<Handle> {
        self.secrets.find(generation).map(|credential| credential.handle.clone())
    }

    fn handle_of_new(&self, step: Step) -> Option<Handle> {
        match step {
            Step::LoggedIn { .. } | Step::Issued { .. } => {
                second(self.machine.phase()).and_then(|mint| self.handle(mint.generation))
            }
            _ => None,
        }
    }

    /// The work that holds what is ended all the same: a retiring credential or the last one when that is announced, a
    /// candidate that was tried when it is over.
    fn holders(&self, step: Step) -> Option<Holders> {
        let phase = self.machine.phase();
        let (current, second) = (phase.current().map(|lease| lease.mint), second(phase));
        let ended = match (step, phase) {
            (Step::RevokeIntent { .. }, _) | (Step::Died { .. } | Step::Owed { .. }, Phase::Abandoning(_)) => [second, None],
            (Step::CloseIntent { .. }, _) => [current, None],
            (Step::Waived { .. }, _) => [current, second],
            _ => return None,
        };
        let holders = ended.into_iter().flatten().map(|mint| self.face.switch.holders(mint.generation)).reduce(Holders::and)?;
        (holders.total > 0).then_some(holders)
    }
}
