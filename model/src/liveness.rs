//! L1 over the explicit graph of an exploration: after the last fault and the last request of an operator the world comes
//! to rest. Stateright's `eventually` is unsound on graphs with cycles, so this pass is our own.
//!
//! A fault, or an operator's request, happens finitely often. So the edges that count are the others, from *every* state:
//! each may be the one in which the last fault has just happened. Two things are judged over them: from every state a
//! quiet one can be reached; and no way that is weakly fair goes on for ever without one.

use std::fmt::Write as _;

use turquoise_core::{Effect, Phase, Steady, Stopped};

use crate::config::Config;
use crate::graph::{Choice, Edge, Graph, Mood, Part, State, actions};
use crate::story::tell;
use crate::world::{Action, Demand, Event, Process, World};

/// Whether everything is done: one credential lives and serves, and nothing is under way or owed.
#[must_use]
pub fn is_quiet(world: &World) -> bool {
    let Process::Up(machine) = &world.process else { return has_stopped_well(world) };
    let Phase::Steady(Steady { current, .. }) = machine.phase() else { return false };
    let alone = world.live.iter().map(|credential| credential.generation).eq([current.mint.generation]);
    let kept = world.slots.has(current.mint) && world.slots.slot(current.mint.slot.other()).is_none();
    let calm = machine.debt().is_none() && !machine.is_waking() && !world.disabled;
    alone && kept && calm && world.writing.is_none() && world.flight.is_empty() && !machine.asked()
}

/// Whether the process ended as it was asked to, with what it was asked to keep.
fn has_stopped_well(world: &World) -> bool {
    let Phase::Stopped(Stopped { kept, .. }) = world.journal.phase() else { return false };
    let kept = kept.map(|lease| lease.mint.generation);
    world.live.iter().map(|credential| credential.generation).eq(kept) && world.writing.is_none() && world.flight.is_empty()
}

pub(crate) fn mood(world: &World) -> Mood {
    match world.violated {
        Some(_) => Mood::Broken,
        None if is_quiet(world) => Mood::Quiet,
        None => Mood::Busy,
    }
}

/// What an action is to a liveness argument. The classes are finer than *apply, reply, tick* but coarser than single
/// requests, so whatever is fair to each request is fair here.
pub(crate) fn part(before: &World, action: Action, after: &World) -> Part {
    let budgets = |world: &World| (world.crashes, world.faults, world.operator);
    if budgets(before) != budgets(after) {
        return Part::Finite;
    }
    match action.event {
        // A request that nobody waits for may as well be lost, and a reader may sleep until its time is over.
        // Work may never end.
        Event::ApplyLate(_)
        | Event::Read
        | Event::Work
        | Event::Done
        | Event::Try
        | Event::Served
        | Event::Refused
        | Event::RivalWakes => Part::Free,
        Event::Enable => Part::Fair(19),
        Event::Mandate => Part::Fair(20),
        Event::Tick => Part::Fair(0),
        Event::Timer => Part::Fair(1),
        Event::Synced => Part::Fair(2),
        Event::Restart { .. } => Part::Fair(3),
        Event::GiveUp(_) => Part::Fair(4),
        Event::Answer(i) => before.flight.get(usize::from(i)).map_or(Part::Free, |request| Part::Fair(class(&request.effect))),
        Event::Operator(Demand::Resolve(_)) => Part::Fair(16),
        Event::Idle => Part::Fair(17),
        Event::Restarted => Part::Fair(18),
        // A rotation that is asked for, or what takes from a budget.
        _ => Part::Finite,
    }
}

const fn class(effect: &Effect) -> u8 {
    match effect {
        Effect::Login { .. } => 5,
        Effect::Issue { .. } => 6,
        Effect::Persist(_) => 7,
        Effect::Probe(_) => 8,
        Effect::Renew { .. } => 9,
        Effect::Extend { .. } => 10,
        Effect::Publish(_) => 11,
        Effect::Shorten { .. } => 12,
        Effect::Revoke { .. } => 13,
        Effect::Observe { .. } => 14,
        Effect::Clear(_) => 15,
        Effect::Discover { .. } => 21,
    }
}

/// What the liveness pass came to. A graph without cycles, or without quiet states, says nothing: see [`Self::failures`].
#[derive(Clone, Debug, Default)]
pub struct Liveness {
    /// States.
    pub states: usize,
    /// Edges that count.
    pub edges: usize,
    /// Quiet states.
    pub quiet: usize,
    /// Strongly connected parts that have a cycle.
    pub cycles: usize,
    /// Those left when quiet states are taken away: each had better be unfair.
    pub detours: usize,
    /// States from which no quiet one can be reached.
    pub stranded: usize,
    /// A story of how it never ends.
    pub endless: Option<Endless>,
}

/// A way on which nothing is ever quiet again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endless {
    /// How it comes to that.
    pub way: Vec<Choice>,
    /// What goes on for ever from there; empty if from there quiet can no more be reached.
    pub cycle: Vec<Choice>,
}

impl Liveness {
    /// Why L1 does not hold, or was not seen to.
    pub fn failures(&self) -> impl Iterator<Item = &'static str> {
        let endless = self.endless.as_ref().map(|endless| {
            if endless.cycle.is_empty() {
                "L1 is broken: there are states from which quiet cannot be reached"
            } else {
                "L1 is broken: a fair way goes on for ever without ever being quiet"
            }
        });
        let vacuous = (self.cycles == 0).then_some("liveness says nothing: the graph has no cycle");
        let restless = (self.quiet == 0).then_some("liveness says nothing: no state is quiet");
        [endless, vacuous, restless].into_iter().flatten()
    }
}

impl Endless {
    /// The story: what leads there, and what then repeats.
    #[must_use]
    pub fn tell(&self, config: &Config) -> String {
        let choices: Vec<_> = self.way.iter().chain(&self.cycle).copied().collect();
        let mut story = tell(config, &actions(config, &choices));
        let (from, to) = (self.way.len() + 1, choices.len());
        let _ = if self.cycle.is_empty() {
            writeln!(story, "L1 is broken: from here on it can never be quiet again")
        } else {
            writeln!(story, "L1 is broken: {from} to {to} may go on for ever, and it is never quiet")
        };
        story
    }
}

/// Judges L1 of a graph.
#[must_use]
pub fn liveness(graph: &Graph) -> Liveness {
    let all = judge_reach(graph);
    let (detours, entry) = judge_detours(graph);
    let endless = match (entry, all.first_stranded) {
        (Some(entry), _) => Some(Endless { way: graph.way_to(entry), cycle: fair_cycle(graph, entry) }),
        (None, Some(state)) => Some(Endless { way: graph.way_to(state), cycle: Vec::new() }),
        (None, None) => None,
    };
    Liveness {
        states: graph.len(),
        edges: graph.states().map(|state| graph.edges(state).iter().filter(|edge| counts(**edge)).count()).sum(),
        quiet: graph.states().filter(|state| graph.mood(*state) == Mood::Quiet).count(),
        cycles: all.cycles,
        detours,
        stranded: all.stranded,
        endless,
    }
}

fn counts(edge: Edge) -> bool {
    edge.part != Part::Finite
}

#[derive(Default)]
struct Reach {
    cycles: usize,
    stranded: usize,
    first_stranded: Option<State>,
}

/// From which states can quiet be reached? A component comes after all that it leads to, so one pass tells.
fn judge_reach(graph: &Graph) -> Reach {
    let mut found = Reach::default();
    let mut rests = vec![false; graph.len()];
    components(
        graph,
        |_| true,
        |component, _| {
            found.cycles += usize::from(has_cycle(graph, component));
            let mut leads = component.iter().flat_map(|state| graph.edges(*state)).filter(|edge| counts(**edge));
            let comes_to_rest =
                component.iter().any(|state| graph.mood(*state) != Mood::Busy) || leads.any(|edge| rests[edge.to.index()]);
            for state in component {
                rests[state.index()] = comes_to_rest;
            }
            if !comes_to_rest {
                found.stranded += component.len();
                let first = component.iter().min().copied();
                found.first_stranded = [found.first_stranded, first].into_iter().flatten().min();
            }
        },
    );
    found
}

/// How many components without quiet states have a cycle, and the first state of one in which a fair way can stay.
fn judge_detours(graph: &Graph) -> (usize, Option<State>) {
    let (mut detours, mut entry) = (0, None::<State>);
    components(
        graph,
        |state| graph.mood(state) == Mood::Busy,
        |component, inside| {
            if has_cycle(graph, component) {
                detours += 1;
                if !is_unfair(graph, component, inside) {
                    entry = entry.into_iter().chain(component.iter().copied()).min();
                }
            }
        },
    );
    (detours, entry)
}

/// A cycle is a component with more than one state, or one that leads to itself.
fn has_cycle(graph: &Graph, component: &[State]) -> bool {
    match component {
        [state] => graph.edges(*state).iter().any(|edge| counts(*edge) && edge.to == *state),
        _ => true,
    }
}

/// Whether some class is possible in every state of a component and happens nowhere inside: who stays there is unfair to it.
fn is_unfair(graph: &Graph, component: &[State], inside: &dyn Fn(State) -> bool) -> bool {
    let mut starved = u32::MAX;
    for state in component {
        let (mut possible, mut happens) = (0, 0);
        for edge in graph.edges(*state) {
            let Part::Fair(class) = edge.part else { continue };
            possible |= 1 << class;
            happens |= if inside(edge.to) { 1 << class } else { 0 };
        }
        starved &= possible & !happens;
    }
    starved != 0
}

/// A cycle through `entry` that is fair to every class: it comes by an edge of that class, or by a state where there is none.
fn fair_cycle(graph: &Graph, entry: State) -> Vec<Choice> {
    let mut component = Vec::new();
    components(
        graph,
        |state| graph.mood(state) == Mood::Busy,
        |states, _| {
            if states.contains(&entry) {
                component = states.to_vec();
            }
        },
    );
    component.sort_unstable();
    let inside = |state: State| component.binary_search(&state).is_ok();
    let stays = |_: State, edge: &Edge| counts(*edge) && inside(edge.to);
    let mut cycle = Vec::new();
    let mut at = entry;
    for class in 0..32 {
        let of_class = |edge: &Edge| edge.part == Part::Fair(class);
        let impossible = |state: State| !graph.edges(state).iter().any(of_class);
        if impossible(at) {
            continue;
        }
        if let Some((way, to)) = graph.way(at, stays, |_, edge| of_class(edge) || impossible(edge.to)) {
            cycle.extend(way);
            at = to;
        }
    }
    if at != entry || cycle.is_empty() {
        cycle.extend(graph.way(at, stays, |_, edge| edge.to == entry).map_or_else(Vec::new, |(way, _)| way));
    }
    cycle
}

/// The strongly connected components of the states that `belongs` admits, over the edges that count, each after all that
/// it leads to (Tarjan's algorithm, without recursion). The visitor is also told how to ask whether a state is inside.
fn components(graph: &Graph, belongs: impl Fn(State) -> bool, mut visit: impl FnMut(&[State], &dyn Fn(State) -> bool)) {
    let mut search =
        Tarjan { order: vec![0; graph.len()], low: vec![0; graph.len()], met: 0, open: Vec::new(), path: Vec::new() };
    for root in graph.states().filter(|state| belongs(*state)) {
        if search.order[root.index()] == 0 {
            search.meet(root);
        }
        while let Some((state, done)) = search.path.pop() {
            match graph.edges(state).get(done as usize) {
                Some(edge) => {
                    search.path.push((state, done + 1));
                    if counts(*edge) && belongs(edge.to) {
                        search.follow(state, edge.to);
                    }
                }
                None => search.leave(state, &mut visit),
            }
        }
    }
}

/// What Tarjan's algorithm keeps.
struct Tarjan {
    /// When a state was met, from 1.
    order: Vec<u32>,
    /// The earliest met state of an open component that it is known to lead to; [`CLOSED`] once its component is known.
    low: Vec<u32>,
    met: u32,
    /// States whose component is not yet known.
    open: Vec<State>,
    /// The way to the state at hand, and for each state on it how many of its edges were followed.
    path: Vec<(State, u32)>,
}

const CLOSED: u32 = u32::MAX;

impl Tarjan {
    fn meet(&mut self, state: State) {
        self.met += 1;
        self.order[state.index()] = self.met;
        self.low[state.index()] = self.met;
        self.open.push(state);
        self.path.push((state, 0));
    }

    fn follow(&mut self, from: State, to: State) {
        if self.order[to.index()] == 0 {
            self.meet(to);
        } else if self.low[to.index()] != CLOSED {
            self.low[from.index()] = self.low[from.index()].min(self.order[to.index()]);
        }
    }

    /// All edges of a state were followed.
    fn leave(&mut self, state: State, visit: &mut impl FnMut(&[State], &dyn Fn(State) -> bool)) {
        let (order, low) = (self.order[state.index()], self.low[state.index()]);
        if low == order {
            let begin = self.open.iter().rposition(|open| *open == state).unwrap_or(0);
            let component = &self.open[begin..];
            // What was met since and is still open is in this very component.
            let inside = |other: State| self.order[other.index()] >= order && self.low[other.index()] != CLOSED;
            visit(component, &inside);
            for member in component {
                self.low[member.index()] = CLOSED;
            }
            self.open.truncate(begin);
        }
        if let Some((before, _)) = self.path.last() {
            let before = before.index();
            self.low[before] = self.low[before].min(self.low[state.index()]);
        }
    }
}
