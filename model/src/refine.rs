//! The abstract specification: what a rotation is, told of three sets only, and that every step of the world is such a step
//! or changes none of them. It shares no function with the machine, and knows nothing of phases, journals and timers.

use turquoise_core::{Arrival, Effect, Generation, Instant, Lease, Phase, Step, Vacant};

use crate::world::{Process, World};

/// A set of credentials, by the number of their generation: a normalised world has only a few.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Set(u64);

impl Set {
    /// What is in this set and not in the other.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// What is in either.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of it is in the other.
    #[must_use]
    pub const fn is_in(self, other: Self) -> bool {
        self.without(other).is_empty()
    }

    /// Whether nothing is in it.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// How many are in it.
    #[must_use]
    pub const fn len(self) -> u32 {
        self.0.count_ones()
    }

    /// Whether all of it is newer than all of the other.
    #[must_use]
    pub const fn is_newer_than(self, other: Self) -> bool {
        self.0.trailing_zeros() + other.0.leading_zeros() >= u64::BITS
    }
}

impl FromIterator<Generation> for Set {
    fn from_iter<I: IntoIterator<Item = Generation>>(generations: I) -> Self {
        let bit = |generation: Generation| 1u64.checked_shl(generation.number).expect("a normalised world has few names");
        Self(generations.into_iter().fold(0, |set, generation| set | bit(generation)))
    }
}

/// The whole state of the abstract specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Abstract {
    /// Credentials that live, or that a mint without answer may yet make.
    pub may: Set,
    /// Credentials that certainly live, whichever of the requests without answer are applied.
    pub must: Set,
    /// Credentials that somebody relies on: new work, readers of the sink, whoever reads it next.
    pub serving: Set,
}

/// What a step of the abstract specification does to one credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Move {
    /// A mint is asked for: it may live from now on.
    Mint,
    /// It certainly lives: it was minted, or what endangered it was not applied.
    Settle,
    /// Somebody begins to rely on it.
    Serve,
    /// Nobody relies on it any more.
    Release,
    /// It may be dead any time: its end was sent.
    Doom,
    /// It is gone for ever.
    Die,
}

/// A rule of the abstract specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// What somebody relies on certainly lives, before and after.
    NeverDark,
    /// Nothing is relied on that was not certain before.
    ServeOnlyCertain,
    /// Nothing is ended, nor its end sent, while somebody relies on it.
    EndOnlyReleased,
    /// A mint is asked for only if there is room beside what lives.
    AtMostTwo,
    /// A mint is asked for only while none is unresolved.
    OneMintAtATime,
    /// What is gone does not come back: what newly may live is newer than all that is known.
    NoReturn,
    /// Nothing certainly lives that could not have lived before.
    NoBirthWithoutMint,
    /// What the machine counts on for life certainly lives, and what it counts on for death cannot live.
    BoundsAreTrue,
}

impl Move {
    /// All of them: an exploration must have seen each.
    pub const ALL: [Self; 6] = [Self::Mint, Self::Settle, Self::Serve, Self::Release, Self::Doom, Self::Die];
}

impl Rule {
    /// What it says.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::NeverDark => "what somebody relies on certainly lives",
            Self::ServeOnlyCertain => "nothing is relied on that was not certain to live before",
            Self::EndOnlyReleased => "nothing is ended, nor its end sent, while somebody relies on it",
            Self::AtMostTwo => "a mint is asked for only if at most two may live with it",
            Self::OneMintAtATime => "a mint is asked for only while none is unresolved",
            Self::NoReturn => "what is gone does not come back",
            Self::NoBirthWithoutMint => "nothing lives that was not asked for",
            Self::BoundsAreTrue => "what the machine counts on for life lives, and what it counts on for death does not",
        }
    }
}

/// So many may live beside each other.
const MOST: u32 = 2;

/// The abstract specification: what may happen between two states. `known` are all whose names were ever heard, as far as
/// anything still bears them. No move at all is a stutter.
///
/// # Errors
///
/// The first rule that is broken.
pub fn step(before: Abstract, after: Abstract, known: Set) -> Result<Moves, Rule> {
    let minted = after.may.without(before.may);
    let settled = after.must.without(before.must);
    let served = after.serving.without(before.serving);
    let released = before.serving.without(after.serving);
    let doomed = before.must.without(after.must);
    let died = before.may.without(after.may);
    let rules = [
        (Rule::NeverDark, after.serving.is_in(after.must)),
        (Rule::ServeOnlyCertain, served.is_in(before.must)),
        (Rule::EndOnlyReleased, doomed.with(died).without(before.serving) == doomed.with(died)),
        (Rule::AtMostTwo, minted.is_empty() || after.may.len() <= MOST),
        (Rule::OneMintAtATime, minted.is_empty() || minted.len() == 1 && before.may == before.must),
        (Rule::NoReturn, minted.is_newer_than(known.with(before.may))),
        (Rule::NoBirthWithoutMint, settled.is_in(before.may)),
    ];
    match rules.into_iter().find(|(_, holds)| !holds) {
        Some((rule, _)) => Err(rule),
        None => Ok(Moves::of([minted, settled, served, released, doomed, died])),
    }
}

/// The moves of one step, or of many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Moves(u8);

impl Moves {
    /// Those of which something is in the set at their place.
    fn of(sets: [Set; Move::ALL.len()]) -> Self {
        Self(sets.iter().zip(0..).fold(0, |moves, (set, place)| moves | u8::from(!set.is_empty()) << place))
    }

    /// These and others.
    #[must_use]
    pub const fn and(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// Whether this one is among them.
    #[must_use]
    pub fn has(self, one: Move) -> bool {
        Move::ALL.into_iter().zip(0..).any(|(other, place)| other == one && self.0 & 1 << place != 0)
    }
}

impl Abstract {
    /// What there is of a world in the abstract: the provider's truth and what is under way to it.
    #[must_use]
    pub fn of(world: &World) -> Self {
        let under_way = || world.flight.iter().filter(|request| !request.swallowed).map(|request| request.effect);
        let minting = under_way().filter_map(|effect| match effect {
            Effect::Login { mint } | Effect::Issue { mint, .. } => Some(mint.generation),
            _ => None,
        });
        let doomed = |live: &Generation| {
            under_way().any(|effect| matches!(effect, Effect::Revoke { generation, .. } if generation == *live))
        };
        // What is owed has left the rotation: it only has to die.
        let live = || world.live.iter().map(|credential| credential.generation).filter(|one| !world.ghost.debts.contains(one));
        let new_work = match &world.process {
            Process::Up(machine) => machine.serving(),
            Process::Down(_) => None,
        };
        Self {
            may: live().chain(minting).collect(),
            must: live().filter(|generation| !doomed(generation)).collect(),
            serving: new_work
                .into_iter()
                .chain(world.published)
                .chain(world.reader.as_ref().map(|reader| reader.holds))
                .collect(),
        }
    }
}

/// Whether the machine's bounds on lives are true of the provider.
fn bounds_are_true(world: &World, truth: Abstract) -> bool {
    let Process::Up(machine) = &world.process else { return true };
    let over = |ub: Instant| ub + machine.policy().skew <= world.now;
    let may_live = |generation: Generation| Set::from_iter([generation]).is_in(truth.may);
    let true_of = |lease: &Lease| {
        let generation = lease.mint.generation;
        let lives = lease.life.lb <= world.now || world.alive(generation).is_some_and(|is| is.expires >= lease.life.lb);
        lives && !(over(lease.life.ub) && may_live(generation))
    };
    let phase = machine.phase();
    // Until a new process has said so, what is recorded bounds nothing.
    let awaits_recovery = machine.awaited().is_some_and(|record| matches!(record.step, Step::Recovered { .. }));
    phase.current().into_iter().chain(second(phase)).all(true_of)
        && phase
            .going()
            .into_iter()
            .chain(machine.debt())
            .all(|going| awaits_recovery || !(over(going.ub) && may_live(going.mint.generation)))
}

/// The lease beside the current one.
const fn second(phase: &Phase) -> Option<&Lease> {
    match phase {
        Phase::Issuing(issuing) => issuing.issued.as_ref(),
        Phase::Validating(validating) => Some(&validating.candidate),
        Phase::Draining(draining) => Some(&draining.retiring),
        Phase::Vacant(Vacant { stage: Arrival::Settling { lease, .. } }) => Some(lease),
        _ => None,
    }
}

/// A state of the world in the abstract, with all whose names it still bears.
#[derive(Clone, Copy, Debug)]
pub struct View {
    state: Abstract,
    known: Set,
}

impl View {
    /// That of a normalised world.
    #[must_use]
    pub fn of(world: &World) -> Self {
        let kept = [world.slots.blue, world.slots.green, world.published, world.ghost.committed];
        Self { state: Abstract::of(world), known: kept.into_iter().flatten().collect() }
    }

    /// Judges a step from this state. `after` must bear the names of the world before: it is not normalised.
    ///
    /// # Errors
    ///
    /// The first rule that is broken.
    pub fn refined_by(self, after: &World) -> Result<Moves, Rule> {
        let state = Abstract::of(after);
        if !bounds_are_true(after, state) {
            return Err(Rule::BoundsAreTrue);
        }
        step(self.state, state, self.known)
    }
}
