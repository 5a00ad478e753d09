//! The one way to check a configuration. It cannot pass vacuously: two explorers that share nothing but the world must
//! agree on counts and verdicts, the counts must be the pinned ones, every situation that an invariant is about must
//! have been seen, every transition must have been taken or be declared out of reach, every move of the abstract
//! specification must have been made, and liveness must have been judged of a graph that has cycles.

use std::borrow::Borrow;
use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::sync::LazyLock;
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
    let seen = Sight::REQUIRED.into_iter().filter(|sight| found.contains_key(called(*sight)));
    SecondOpinion {
        states: checker.unique_state_count(),
        depth: checker.max_depth() - 1,
        broken: broken.collect(),
        seen: seen.collect(),
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
        let invariants = kept().map(|(invariant, condition)| Property::always(invariant.id(), condition));
        invariants.chain(shown().map(|(sight, condition)| Property::sometimes(called(sight), condition))).collect()
    }
}

/// What stateright calls a sight.
fn called(sight: Sight) -> &'static str {
    static NAMES: LazyLock<[String; Sight::REQUIRED.len()]> = LazyLock::new(|| Sight::REQUIRED.map(|sight| format!("{sight:?}")));
    let place = Sight::REQUIRED.iter().position(|other| *other == sight);
    place.map_or("", |place| &NAMES[place])
}

type Condition<M> = fn(&M, &<M as Model>::State) -> bool;

fn keeps<const I: usize, M: Model<State: Borrow<World>>>(_: &M, state: &M::State) -> bool {
    state.borrow().violated != Some(Invariant::ALL[I])
}

fn shows<const I: usize, M: Model<State: Borrow<World>>>(_: &M, state: &M::State) -> bool {
    Sight::REQUIRED[I].is_in(state.borrow())
}

macro_rules! conditions {
    ($function:ident, [$($i:literal)*]) => { [$($function::<$i, M> as Condition<M>),*] };
}

/// The invariants, each with the condition that it is not broken: the compiler counts.
pub(crate) fn kept<M: Model<State: Borrow<World>>>() -> impl Iterator<Item = (Invariant, Condition<M>)> {
    let keeps: [Condition<M>; Invariant::ALL.len()] = conditions!(keeps, [0 1 2 3 4 5 6 7 8 9 10 11]);
    Invariant::ALL.into_iter().zip(keeps)
}

/// The sights, each with the condition that it is there.
fn shown<M: Model<State: Borrow<World>>>() -> impl Iterator<Item = (Sight, Condition<M>)> {
    let shows: [Condition<M>; Sight::REQUIRED.len()] =
        conditions!(shows, [0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23]);
    Sight::REQUIRED.into_iter().zip(shows)
}
