//! The invariants, by their names in the specification. Explorers, tests and stories all judge by these functions.

use std::fmt;

use turquoise_core::{Applied, Effect, Input, OpId, Outcome, Phase, Steady, StepKind, Witness};

use crate::world::{Process, World};

/// A property that holds in every reachable state, or on every step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Invariant {
    /// never-dark
    S1,
    /// no-early-revoke
    S2,
    /// intent-first
    S3,
    /// at-most-two
    S4,
    /// same-after-crash
    S5,
    /// no-resurrection
    S9,
    /// no-survivor, its safe half
    L2,
}

impl Invariant {
    /// All that are checked.
    pub const ALL: [Self; 7] = [Self::S1, Self::S2, Self::S3, Self::S4, Self::S5, Self::S9, Self::L2];

    /// Its name in the specification.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Self::S1 => "S1",
            Self::S2 => "S2",
            Self::S3 => "S3",
            Self::S4 => "S4",
            Self::S5 => "S5",
            Self::S9 => "S9",
            Self::L2 => "L2",
        }
    }

    /// What it says.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::S1 => {
                "what work and readers are given is accepted, and what a crash would leave behind outlives the time to start again"
            }
            Self::S2 => {
                "nothing that served is revoked or cut short before its successor is proven, kept and published, and the grace is over"
            }
            Self::S3 => "no effect is performed before the record that announces it is durable",
            Self::S4 => "at most two credentials live at the provider",
            Self::S5 => {
                "what serves is what was committed last, before a crash and after it; recovering twice is recovering once"
            }
            Self::S9 => "a late or repeated completion is refused and changes nothing",
            Self::L2 => "a slot is cleared only when its credential is dead, and in Steady nothing lives but the current one",
        }
    }

    /// The invariant that this state breaks, if any.
    #[must_use]
    pub fn broken_in(world: &World) -> Option<Self> {
        let broken = |invariant: Self| match invariant {
            Self::S1 => !lit(world),
            Self::S4 => world.live.len() > 2,
            Self::S5 => !serves_the_committed(world),
            Self::S9 => !refuses_stale_completions(world),
            Self::L2 => !alone_in_steady(world),
            Self::S2 | Self::S3 => false,
        };
        Self::ALL.into_iter().find(|invariant| broken(*invariant))
    }

    /// The invariant that sending this effect in this state breaks, if any.
    #[must_use]
    pub fn broken_by(world: &World, effect: &Effect) -> Option<Self> {
        if !announced(world, effect) {
            return Some(Self::S3);
        }
        match *effect {
            Effect::Revoke { witness, .. } | Effect::Shorten { witness, .. } if !permits(world, effect, witness) => {
                Some(Self::S2)
            }
            Effect::Clear(mint) if world.alive(mint.generation).is_some() => Some(Self::L2),
            _ => None,
        }
    }
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

/// S1: (a) what serves is accepted, by work and by readers; (b) what a crash leaves behind can serve again.
fn lit(world: &World) -> bool {
    let alive = |generation| world.alive(generation).is_some();
    let served = match &world.process {
        Process::Up(machine) => machine.serving().is_none_or(alive),
        Process::Down(_) => true,
    };
    let survives = world.ghost.committed.is_none_or(|generation| {
        let kept = [world.slots.blue, world.slots.green].contains(&Some(generation));
        kept && (matches!(world.process, Process::Down(_)) || alive(generation))
    });
    served && survives && world.reader.as_ref().is_none_or(|reader| alive(reader.holds))
}

/// S2: the conditions under which a credential may be ended or cut short.
fn permits(world: &World, effect: &Effect, witness: Witness) -> bool {
    let (generation, until) = match *effect {
        Effect::Revoke { generation, .. } => (generation, world.now),
        Effect::Shorten { generation, life, .. } => (generation, world.now + life),
        _ => return true,
    };
    if witness.by() == generation || world.alive(witness.by()).is_none() {
        return false;
    }
    match world.alive(generation) {
        Some(credential) if credential.served => {
            let successor = world.ghost.committed.filter(|successor| *successor != generation);
            let ready = successor.and_then(|successor| world.alive(successor)).is_some_and(|credential| credential.proven);
            ready && world.published == successor && world.ghost.deadline.is_some_and(|deadline| until >= deadline)
        }
        _ => true,
    }
}

/// S3: the last durable record announces it.
fn announced(world: &World, effect: &Effect) -> bool {
    let Some(last) = world.ghost.last else {
        return matches!(effect, Effect::Probe(_) | Effect::Renew { .. } | Effect::Observe { .. });
    };
    match effect {
        Effect::Probe(_) | Effect::Renew { .. } | Effect::Observe { .. } => true,
        Effect::Login { .. } => last == StepKind::LoginIntent,
        Effect::Issue { .. } => last == StepKind::IssueIntent,
        Effect::Persist(_) => matches!(last, StepKind::LoggedIn | StepKind::Issued),
        Effect::Extend { .. } => last == StepKind::ExtendIntent,
        Effect::Publish(_) => matches!(last, StepKind::LoggedIn | StepKind::Promoted),
        Effect::Shorten { .. } => last == StepKind::ShortenIntent,
        Effect::Revoke { .. } => matches!(last, StepKind::RevokeIntent | StepKind::AbandonIntent),
        Effect::Clear(_) => last == StepKind::Died,
    }
}

/// S5: (b) what serves is what the last durable commit made current.
fn serves_the_committed(world: &World) -> bool {
    match &world.process {
        Process::Up(machine) => machine.serving() == world.ghost.committed,
        Process::Down(_) => true,
    }
}

/// S9: its local lemma. Completions of operations that are not under way are refused, whatever they say.
fn refuses_stale_completions(world: &World) -> bool {
    let Process::Up(machine) = &world.process else { return true };
    [Outcome::Applied(Applied::Done), Outcome::Applied(Applied::Dead), Outcome::Unknown].into_iter().all(|outcome| {
        let mut again = *machine;
        again.handle(world.now, Input::Completed { op: OpId(0), outcome }).is_err() && again == *machine
    })
}

/// L2: when a round is over, nothing is left of it.
fn alone_in_steady(world: &World) -> bool {
    match (&world.process, world.phase()) {
        (Process::Up(_), Phase::Steady(Steady { current, .. })) => {
            world.live.iter().all(|credential| credential.generation == current.mint.generation)
        }
        _ => true,
    }
}
