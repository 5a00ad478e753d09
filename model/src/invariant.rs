//! The invariants, by their names in the specification. Explorers, tests and stories all judge by these functions.

use std::fmt;

use std::time::Duration;

use turquoise_core::{Applied, Effect, End, Generation, Input, Mint, OpId, Outcome, Phase, Steady, StepKind};

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
    /// no-expiry-race
    S7,
    /// single-writer
    S8,
    /// no-resurrection
    S9,
    /// bounded-load
    S10,
    /// no-survivor, its safe half
    L2,
    /// canary-proven: rule 4
    R4,
    /// compromised-never-again: rule 6
    R6,
}

impl Invariant {
    /// All that are checked.
    pub const ALL: [Self; 12] =
        [Self::S1, Self::S2, Self::S3, Self::S4, Self::S5, Self::S7, Self::S8, Self::S9, Self::S10, Self::L2, Self::R4, Self::R6];

    /// Its name in the specification.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Self::S1 => "S1",
            Self::S2 => "S2",
            Self::S3 => "S3",
            Self::S4 => "S4",
            Self::S5 => "S5",
            Self::S7 => "S7",
            Self::S8 => "S8",
            Self::S9 => "S9",
            Self::S10 => "S10",
            Self::L2 => "L2",
            Self::R4 => "R4",
            Self::R6 => "R6",
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
            Self::S4 => {
                "beside a recorded debt at most two credentials live at the provider, in Steady only the current one, and none is minted while another mint is unresolved"
            }
            Self::S5 => {
                "what serves is what was committed last, before a crash and after it; recovering twice is recovering once"
            }
            Self::S7 => "a rotation that nothing hurries begins only if what serves outlives its worst case",
            Self::S8 => "a process that was deposed sends nothing that changes anything",
            Self::S10 => "no stretch of time sees more requests to the provider than the budget gives",
            Self::R4 => {
                "new work tries only a candidate that passed its probes, and one that work was refused with is never promoted"
            }
            Self::S9 => "a late or repeated completion is refused and changes nothing",
            Self::R6 => "a rollback never makes a compromised credential current again",
            Self::L2 => "a slot is cleared only when its credential is dead at the provider",
        }
    }

    /// The invariant that this state breaks, if any.
    #[must_use]
    pub fn broken_in(world: &World) -> Option<Self> {
        let broken = |invariant: Self| match invariant {
            Self::S1 => !lit(world),
            Self::S4 => !at_most_two(world) || !alone_in_steady(world),
            Self::S5 => !serves_the_committed(world),
            Self::S9 => !refuses_stale_completions(world),
            Self::R4 => !tried_once_proven(world),
            Self::S2 | Self::S3 | Self::S7 | Self::S8 | Self::S10 | Self::L2 | Self::R6 => false,
        };
        Self::ALL.into_iter().find(|invariant| broken(*invariant))
    }

    /// The invariant that sending this effect in this state breaks, if any.
    #[must_use]
    pub fn broken_by(world: &World, effect: &Effect) -> Option<Self> {
        let witness = match effect {
            Effect::Revoke { witness, .. } => witness.map(turquoise_core::Witness::by),
            Effect::Shorten { witness, .. } => Some(witness.by()),
            _ => None,
        };
        Self::broken_by_deed(world, Deed::of(effect), witness)
    }

    /// The invariant that doing this in this state breaks, if any; who is said to stay behind is named.
    pub(crate) fn broken_by_deed(world: &World, deed: Deed, witness: Option<Generation>) -> Option<Self> {
        if !announced(world, deed) {
            return Some(Self::S3);
        }
        match deed {
            Deed::Login | Deed::Issue if world.is_minting() => Some(Self::S4),
            Deed::Revoke(_) | Deed::Shorten { .. } if !permits(world, deed, witness) => Some(Self::S2),
            Deed::Clear(mint) if world.alive(mint.generation).is_some() => Some(Self::L2),
            _ => None,
        }
    }
}

/// What an effect does, as far as an invariant asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    /// It changes nothing, or only lengthens a life that serves.
    Exempt,
    Login,
    Issue,
    Persist,
    Extend,
    Publish,
    Shorten {
        generation: Generation,
        life: Duration,
    },
    Revoke(Generation),
    Clear(Mint),
}

impl Deed {
    const fn of(effect: &Effect) -> Self {
        match *effect {
            Effect::Probe(_) | Effect::Renew { .. } | Effect::Observe { .. } | Effect::Discover { .. } => Self::Exempt,
            Effect::Login { .. } => Self::Login,
            Effect::Issue { .. } => Self::Issue,
            Effect::Persist(_) => Self::Persist,
            Effect::Extend { .. } => Self::Extend,
            Effect::Publish(_) => Self::Publish,
            Effect::Shorten { generation, life, .. } => Self::Shorten { generation, life },
            Effect::Revoke { generation, .. } => Self::Revoke(generation),
            Effect::Clear(mint) => Self::Clear(mint),
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
    let ghost = &world.ghost;
    let excused = |generation| ghost.waived || world.disabled || ghost.excused.contains(&generation);
    let alive = |generation| world.alive(generation).is_some() || excused(generation);
    let over =
        |generation| ghost.compromised.contains(&generation) || ghost.deadline.is_some_and(|deadline| world.now >= deadline);
    let served = world.process.serving().is_none_or(|given| alive(given) && ghost.slept != Some(given));
    let survives = ghost.committed.is_none_or(|generation| {
        let kept = [world.slots.blue, world.slots.green].contains(&Some(generation));
        excused(generation) || kept && (world.process.is_down() || alive(generation))
    });
    // Before the first credential is ready nothing is promised to readers.
    let reads = |generation| alive(generation) || ghost.compromised.contains(&generation) || ghost.committed.is_none();
    // Work that tries a candidate can be replayed with the current one.
    let tries = |generation| ![ghost.committed, ghost.previous].contains(&Some(generation));
    let works = |generation| alive(generation) || over(generation) || tries(generation);
    served && survives && world.reader.as_ref().is_none_or(|reader| reads(reader.holds)) && world.work.is_none_or(works)
}

/// S2: the conditions under which a credential may be ended or cut short.
fn permits(world: &World, deed: Deed, witness: Option<Generation>) -> bool {
    let (generation, until) = match deed {
        Deed::Revoke(generation) => (generation, world.now),
        Deed::Shorten { generation, life } => (generation, world.now + life),
        _ => return true,
    };
    let ghost = &world.ghost;
    let sound = |other: Generation| world.alive(other).is_some() || ghost.excused.contains(&other);
    let Some(witness) = witness else { return ghost.waived };
    let recent = world.alive(witness).is_none_or(|credential| world.now < credential.accepted);
    if witness == generation || !sound(witness) || !recent {
        return false;
    }
    if !world.alive(generation).is_some_and(|credential| credential.served) {
        let spared = world.work != Some(generation) || ghost.spared.is_some_and(|until| world.now >= until);
        return spared || ghost.compromised.contains(&generation);
    }
    if ghost.debts.contains(&generation) {
        return true;
    }
    let successor = ghost.committed.filter(|successor| *successor != generation);
    let proven = |other| world.alive(other).is_none_or(|credential| credential.proven > 0) && sound(other);
    let ready = successor.is_some_and(proven) && world.published == successor;
    let unheld = world.reader.is_none() && world.work != Some(generation) && matches!(deed, Deed::Revoke(_));
    let over = ghost.deadline.is_some_and(|deadline| until >= deadline || unheld);
    let overridden = |one: Option<Generation>| one.is_some_and(|one| ghost.compromised.contains(&one));
    ready && (over || overridden(Some(generation)) || overridden(successor))
}

/// S3: the last durable record announces it.
fn announced(world: &World, deed: Deed) -> bool {
    use StepKind as Last;
    let last = |kinds: &[Last]| world.ghost.last.is_some_and(|last| kinds.contains(&last));
    match deed {
        Deed::Exempt => true,
        Deed::Login => last(&[Last::LoginIntent, Last::IssueIntent]),
        Deed::Issue => last(&[Last::IssueIntent]),
        Deed::Persist => last(&[Last::LoggedIn, Last::Issued]),
        Deed::Extend => last(&[Last::ExtendIntent, Last::RollbackIntent, Last::Resolved]),
        Deed::Publish => last(&[Last::LoggedIn, Last::Promoted, Last::RolledBack, Last::RollbackFailed, Last::Resolved]),
        Deed::Shorten { .. } => last(&[Last::ShortenIntent, Last::RollbackFailed, Last::Resolved]),
        // Before a debt was one it was announced that it goes.
        Deed::Revoke(generation) => {
            let announced = [Last::RevokeIntent, Last::AbandonIntent, Last::CloseIntent, Last::Waived, Last::Resolved];
            last(&announced) || world.ghost.debts.contains(&generation)
        }
        Deed::Clear(mint) => {
            // A debt that died is cleared in Steady, by a successor too.
            let debt = world.journal.debt().is_some_and(|debt| debt.end == End::Clear && debt.mint == mint);
            last(&[Last::Died, Last::Resolved, Last::Waived]) || debt
        }
    }
}

/// S5: (b) what serves is what the last durable commit made current.
fn serves_the_committed(world: &World) -> bool {
    if world.process.is_down() {
        return true;
    }
    let lost = world.ghost.committed.is_some_and(|generation| world.ghost.excused.contains(&generation));
    match world.process.serving() {
        // Before the last credential goes it is given to nobody any more; and nobody can give what is lost.
        None => world.ghost.committed.is_none() || world.process.is_dim() || lost,
        serving => serving == world.ghost.committed,
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

/// S4: (a) beside a debt at most two live.
fn at_most_two(world: &World) -> bool {
    world.live.iter().filter(|credential| !world.ghost.debts.contains(&credential.generation)).count() <= 2
}

/// Rule 4: a candidate that is given to new work has been accepted.
fn tried_once_proven(world: &World) -> bool {
    let Some((candidate, probes)) = world.process.tried() else { return true };
    world.alive(candidate).is_none_or(|candidate| u16::from(candidate.proven) >= probes)
}

/// S4: (b) when a round is over, nothing is left of it.
fn alone_in_steady(world: &World) -> bool {
    match world.phase() {
        Phase::Steady(Steady { current, .. }) if !world.process.is_down() => {
            let owed = |one| world.ghost.debts.contains(&one);
            let mut live = world.live.iter().map(|credential| credential.generation);
            live.all(|one| one == current.mint.generation || owed(one))
        }
        _ => true,
    }
}
