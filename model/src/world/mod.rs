//! The world around the machine: provider, disk, network, clock, readers, and death at any instruction.
//!
//! The machine in it is `turquoise_core::Rotation` as shipped. Every fault is an action that the explorers may take at
//! any time, within the budgets of the [`Config`]. What the world cannot do is in `docs/assumptions.md`.

mod books;
mod can;
mod happen;
mod outside;
mod provider;

use turquoise_core::{
    AtStop, BootId, Color, Effect, Generation, Held, Instant, Ledger, OpId, Phase, PhaseKind, Record, Resolution, Rotation,
    StepKind,
};

use crate::config::Config;
use crate::invariant::Invariant;
pub use outside::Outside;
pub use provider::Ask;

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
    /// What the kernel says of its boot to whoever is started now.
    pub boot: BootId,
    /// A process that was deposed in its sleep, and will wake up.
    pub rival: Option<Rotation>,
    /// Until when the coordinator's lease is the process's, or that of the one that was deposed.
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
    /// It runs, and its machine is its own: only what is seen of it from outside is known. Explorers never meet one.
    Outside(Seen),
}

/// What is seen of a process whose machine is its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Seen {
    /// What it gives new work.
    pub serving: Option<Generation>,
    /// The candidate that it gives to work which may be replayed.
    pub tried: Option<Generation>,
    /// It may well give nothing: its end was asked for, or time was lost.
    pub dim: bool,
    /// So many probes a candidate must have passed that is tried.
    pub probes: u16,
}

impl Process {
    /// What new work is given.
    #[must_use]
    pub fn serving(&self) -> Option<Generation> {
        match self {
            Self::Up(machine) => machine.serving(),
            Self::Outside(seen) => seen.serving,
            Self::Down(_) => None,
        }
    }

    /// The candidate that work tries, and how many probes it must have passed.
    pub(crate) fn tried(&self) -> Option<(Generation, u16)> {
        match self {
            Self::Up(machine) => machine.canary().map(|canary| (canary.candidate, machine.policy().probes)),
            Self::Outside(seen) => seen.tried.map(|candidate| (candidate, seen.probes)),
            Self::Down(_) => None,
        }
    }

    /// Whether it may well give nothing: its end was asked for, or time was lost.
    pub(crate) fn is_dim(&self) -> bool {
        match self {
            Self::Up(machine) => machine.asked() || machine.is_waking(),
            Self::Outside(seen) => seen.dim,
            Self::Down(_) => true,
        }
    }

    pub(crate) const fn is_down(&self) -> bool {
        matches!(self, Self::Down(_))
    }
}

/// A credential that lives at the provider.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fault of its own")]
pub struct Credential {
    /// Which.
    pub generation: Generation,
    /// When it dies by itself.
    pub expires: Instant,
    /// It was given too few rights: every probe is refused.
    pub useless: bool,
    /// So many probes with it were accepted, of those that it needs.
    pub proven: u8,
    /// New work was given it.
    pub served: bool,
    /// The provider gives it no more life.
    pub capped: bool,
    /// No process has its secret.
    pub lost: bool,
    /// The last renewal of it was refused because the provider refused everything, or was due while everything slept.
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
    /// What was durably recorded as a debt, in order.
    pub debts: Vec<Generation>,
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
    /// Try again to end what could not be ended.
    Retry,
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
            boot: BOOT,
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
        world.start(config);
        world.drain(None);
        world.normalise(config);
        world
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
            Process::Down(_) | Process::Outside(_) => false,
        }
    }

    /// The phase of the machine, or of the journal while it is down.
    #[must_use]
    pub const fn phase(&self) -> &Phase {
        match &self.process {
            Process::Up(machine) => machine.phase(),
            Process::Down(_) | Process::Outside(_) => self.journal.phase(),
        }
    }
}

/// Whether an effect is the survivor store's and not the provider's.
pub(crate) const fn is_local(effect: &Effect) -> bool {
    matches!(effect, Effect::Persist(_) | Effect::Publish(_) | Effect::Clear(_))
}
