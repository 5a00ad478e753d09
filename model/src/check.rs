//! The one way to check a configuration. It cannot pass vacuously: two explorers that share nothing but the world must
//! agree on counts and verdicts, the counts must be the pinned ones, every situation that an invariant is about must
//! have been seen, every transition must have been taken or be declared out of reach, every move of the abstract
//! specification must have been made, and liveness must have been judged of a graph that has cycles.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use stateright::{Checker, Model, Property};
use turquoise_core::TRANSITIONS;

use crate::config::{Config, Pins};
use crate::explore::{Explored, Row, explore};
use crate::invariant::Invariant;
use crate::liveness::{Liveness, liveness};
use crate::refine::Move;
use crate::sight::Sight;
use crate::world::{Action, World};

/// What a check came to.
#[derive(Clone, Debug)]
pub struct Report {
    /// What was checked.
    pub config: Config,
    /// What our own explorer found.
    pub explored: Explored,
    /// How long it took.
    pub took: Duration,
    /// Whether the world comes to rest.
    pub liveness: Liveness,
    /// How long it took to see that.
    pub liveness_took: Duration,
    /// What stateright found.
    pub second: SecondOpinion,
    /// Everything that keeps this check from counting as passed.
    pub failures: Vec<String>,
}

/// What stateright found.
#[derive(Clone, Debug)]
pub struct SecondOpinion {
    /// Distinct states.
    pub states: usize,
    /// The longest shortest way to a state.
    pub depth: usize,
    /// The invariants that it saw broken.
    pub broken: BTreeSet<Invariant>,
    /// The situations that it saw.
    pub seen: BTreeSet<Sight>,
    /// How long it took.
    pub took: Duration,
}

/// Which explorer is at work, and how far it is.
#[derive(Clone, Copy, Debug)]
pub enum Progress {
    /// Our own: states and depth so far.
    Exploring(usize, usize),
    /// The liveness pass has begun.
    Liveness,
    /// Stateright has begun; it does not say how far it is.
    SecondOpinion,
}

/// Explores a configuration twice and judges the result.
pub fn check(config: &Config, mut progress: impl FnMut(Progress)) -> Report {
    let started = Instant::now();
    let explored = explore(config, |states, depth| progress(Progress::Exploring(states, depth)));
    let took = started.elapsed();
    progress(Progress::Liveness);
    let started = Instant::now();
    let liveness = liveness(&explored.graph);
    let liveness_took = started.elapsed();
    progress(Progress::SecondOpinion);
    let second = second_opinion(config, NonZeroUsize::MIN);
    let mut failures = judge(config, &explored, &second);
    failures.extend(liveness.failures().map(str::to_owned));
    failures.extend(judge_refinement(&explored));
    Report { config: *config, explored, took, liveness, liveness_took, second, failures }
}

/// Has stateright explore a configuration. On more than one thread the depth that it tells is only a bound.
#[must_use]
pub fn second_opinion(config: &Config, threads: NonZeroUsize) -> SecondOpinion {
    let started = Instant::now();
    let checker = Stateright(*config).checker().threads(threads.get()).spawn_bfs().join();
    let found = checker.discoveries();
    let broken = Invariant::ALL.into_iter().filter(|invariant| found.contains_key(invariant.id()));
    let seen = Sight::REQUIRED.into_iter().zip(SIGHT_NAMES).filter(|(_, name)| found.contains_key(name));
    SecondOpinion {
        states: checker.unique_state_count(),
        depth: checker.max_depth() - 1,
        broken: broken.collect(),
        seen: seen.map(|(sight, _)| sight).collect(),
        took: started.elapsed(),
    }
}

fn judge_refinement(own: &Explored) -> impl Iterator<Item = String> {
    let broken = own.unrefined.keys().map(|rule| format!("the abstract specification is broken: {}", rule.sentence()));
    let unseen = Move::ALL.into_iter().filter(|one| !own.moves.has(*one));
    broken.chain(unseen.map(|one| format!("never made in the abstract: {one:?}")))
}

fn judge(config: &Config, own: &Explored, second: &SecondOpinion) -> Vec<String> {
    let mut failures = Vec::new();
    let mut require = |holds: bool, what: String| {
        if !holds {
            failures.push(what);
        }
    };
    for invariant in own.broken.keys() {
        require(false, format!("{invariant} is broken: {}", invariant.sentence()));
    }
    let agree = own.states == second.states && own.depth == second.depth;
    let counts = format!("{} states to depth {} and {} to {}", own.states, own.depth, second.states, second.depth);
    require(agree, format!("the explorers disagree: {counts}"));
    let verdicts = own.broken.keys().copied().collect::<BTreeSet<_>>() == second.broken && own.seen == second.seen;
    require(verdicts, "the explorers disagree on what is broken or on what they saw".to_owned());
    let size = Pins { states: own.states, depth: own.depth, rows: own.rows.len() };
    if let Some(pins) = config.pins {
        require(size == pins, format!("the state space has changed: {size:?}, expected {pins:?}"));
    }
    for sight in Sight::required(config) {
        require(own.seen.contains(&sight), format!("never seen: {sight:?}"));
    }
    failures
}

/// The transitions that none of these explorations has taken.
pub fn holes<'a>(all: impl IntoIterator<Item = &'a Explored>) -> Vec<String> {
    let taken: BTreeSet<Row> = all.into_iter().flat_map(|explored| explored.rows.iter().copied()).collect();
    let rows = TRANSITIONS.iter().map(|row| (row.from, row.step, row.to));
    let holes = rows.filter(|row| !taken.contains(row));
    holes.map(|(from, step, to)| format!("a hole in the coverage: {from:?} --{step:?}--> {to:?}")).collect()
}

/// The world as stateright wants it.
struct Stateright(Config);

impl Model for Stateright {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        vec![World::initial(&self.0)]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        actions.extend(world.actions(&self.0));
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        world.step(&self.0, action)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        invariants().chain(sights()).collect()
    }
}

type Condition = fn(&Stateright, &World) -> bool;

const fn keeps<const I: usize>(_: &Stateright, world: &World) -> bool {
    match world.violated {
        Some(invariant) => invariant as usize != Invariant::ALL[I] as usize,
        None => true,
    }
}

fn shows<const I: usize>(_: &Stateright, world: &World) -> bool {
    Sight::REQUIRED[I].is_in(world)
}

macro_rules! conditions {
    ($function:ident, [$($i:literal)*]) => { [$($function::<$i> as Condition),*] };
}

/// One for each invariant and one for each sight: the compiler counts.
const KEEPS: [Condition; Invariant::ALL.len()] = conditions!(keeps, [0 1 2 3 4 5 6 7 8 9 10 11]);
const SHOWS: [Condition; Sight::REQUIRED.len()] =
    conditions!(shows, [0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23]);
const SIGHT_NAMES: [&str; Sight::REQUIRED.len()] = [
    "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15", "16", "17", "18", "19", "20", "21",
    "22", "23",
];

fn invariants() -> impl Iterator<Item = Property<Stateright>> {
    Invariant::ALL.into_iter().zip(KEEPS).map(|(invariant, condition)| Property::always(invariant.id(), condition))
}

fn sights() -> impl Iterator<Item = Property<Stateright>> {
    SIGHT_NAMES.into_iter().zip(SHOWS).map(|(name, condition)| Property::sometimes(name, condition))
}
