//! What an exploration must have seen, lest its invariants hold of nothing.

use turquoise_core::{Abandoning, Consumers, End, Phase, PhaseKind, Relogin, Secret};

use crate::config::{Config, Hostility};
use crate::world::{Process, World};

/// A situation that some invariant is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Sight {
    /// The machine runs and is in this phase.
    In(PhaseKind),
    /// The process is dead and its journal is in this phase.
    DeadIn(PhaseKind),
    /// A reader still holds the retiring credential.
    ReaderBehind,
    /// A mint whose secret is lost is waited out.
    LostMint,
    /// A candidate with too few rights is being abandoned.
    BadCandidate,
    /// A request that nobody waits for any more is still under way while the machine runs.
    LateRequest,
    /// A retiring credential was revoked and is dead, but its slot is not yet clear.
    Ended,
    /// Two credentials live.
    TwoLive,
    /// Work tries a candidate.
    Tried,
    /// A credential whose end could not be confirmed lives beside the current one.
    Owed,
    /// After a gap nothing is served yet.
    Waking,
    /// A deposed process is about to wake up.
    Deposed,
}

impl Sight {
    /// Whether this world shows it.
    #[must_use]
    pub fn is_in(self, world: &World) -> bool {
        let up = matches!(world.process, Process::Up(_));
        let phase = world.phase();
        match self {
            Self::In(kind) => up && phase.kind() == kind,
            Self::DeadIn(kind) => !up && phase.kind() == kind,
            Self::ReaderBehind => match phase {
                Phase::Draining(draining) => {
                    world.reader.as_ref().is_some_and(|reader| reader.holds == draining.retiring.mint.generation)
                }
                _ => false,
            },
            Self::LostMint => {
                let journal = world.journal.debt();
                journal.is_some_and(|debt| debt.secret == Secret::Lost)
                    || matches!(phase, Phase::Abandoning(Abandoning { going, .. }) if going.secret == Secret::Lost && going.end != End::Clear)
            }
            Self::BadCandidate => phase.kind() == PhaseKind::Abandoning && world.live.iter().any(|credential| credential.useless),
            Self::LateRequest => up && world.flight.iter().any(|request| request.op.is_none()),
            Self::Ended => phase.kind() == PhaseKind::Revoking && phase.going().is_some_and(|going| going.end == End::Clear),
            Self::TwoLive => world.live.len() == 2,
            Self::Tried => matches!((&world.process, world.work), (Process::Up(machine), Some(held))
                if machine.canary().is_some_and(|canary| canary.candidate == held)),
            Self::Owed => up && world.ghost.debts.iter().any(|debt| world.alive(*debt).is_some()),
            Self::Waking => matches!(&world.process, Process::Up(machine) if machine.is_waking()),
            Self::Deposed => up && world.rival.is_some(),
        }
    }

    /// All of them.
    pub const REQUIRED: [Self; 24] = [
        Self::In(PhaseKind::Vacant),
        Self::In(PhaseKind::Steady),
        Self::In(PhaseKind::Issuing),
        Self::In(PhaseKind::Validating),
        Self::In(PhaseKind::Draining),
        Self::In(PhaseKind::Revoking),
        Self::In(PhaseKind::Abandoning),
        Self::DeadIn(PhaseKind::Vacant),
        Self::DeadIn(PhaseKind::Steady),
        Self::DeadIn(PhaseKind::Issuing),
        Self::DeadIn(PhaseKind::Validating),
        Self::DeadIn(PhaseKind::Draining),
        Self::DeadIn(PhaseKind::Revoking),
        Self::DeadIn(PhaseKind::Abandoning),
        Self::ReaderBehind,
        Self::LostMint,
        Self::BadCandidate,
        Self::LateRequest,
        Self::Ended,
        Self::TwoLive,
        Self::Tried,
        Self::Owed,
        Self::Waking,
        Self::Deposed,
    ];

    /// Those that a configuration must show.
    pub fn required(config: &Config) -> impl Iterator<Item = Self> {
        let (crashes, faults) = (config.crashes > 0, config.faults > 0);
        let survives = config.policy.relogin != Relogin::EachStart;
        let readers = config.policy.consumers == Consumers::Uncounted && survives;
        let fails = faults || config.operator > 0;
        Self::REQUIRED.into_iter().filter(move |sight| match sight {
            Self::In(PhaseKind::Abandoning) => fails || crashes && survives,
            Self::DeadIn(PhaseKind::Abandoning) => crashes && fails || config.crashes > 1 && survives,
            Self::DeadIn(_) => crashes,
            Self::BadCandidate => faults && !config.can(Hostility::Alone),
            Self::ReaderBehind => readers,
            Self::LostMint | Self::Owed => crashes || faults,
            Self::Tried => config.policy.canary.is_some(),
            Self::Waking => config.can(Hostility::Suspend),
            Self::Deposed => config.can(Hostility::Rival),
            _ => true,
        })
    }

    /// Those that this world shows.
    pub fn all_in(world: &World) -> impl Iterator<Item = Self> + '_ {
        Self::REQUIRED.into_iter().filter(|sight| sight.is_in(world))
    }
}
