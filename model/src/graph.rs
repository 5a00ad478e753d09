//! The explicit graph of an exploration: for each state what it is to a liveness argument, and where its actions lead.

use std::collections::VecDeque;

use crate::config::Config;
use crate::world::{Action, World};

/// A state, by the order in which it was found; the initial one is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct State(pub u32);

impl State {
    pub(crate) const fn index(self) -> usize {
        self.0 as usize
    }

    /// The state found after so many others.
    pub(crate) fn nth(index: usize) -> Self {
        Self(u32::try_from(index).expect("an exploration ends long before four thousand million states"))
    }
}

/// Which of a state's actions, in the order of [`World::actions`]. Stories are kept as choices: two bytes a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Choice(pub u16);

/// What a state is to a liveness argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mood {
    /// Something is still to be done.
    Busy,
    /// Everything is done.
    Quiet,
    /// An invariant is broken: this state stands still, and is judged elsewhere.
    Broken,
}

/// What an action is to a liveness argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// It happens finitely often: a fault, or a request of an operator. Liveness is about what comes after the last one.
    Finite,
    /// Nobody promises that it ever happens.
    Free,
    /// Weakly fair: what is of this class does not stay possible for ever without happening.
    Fair(u8),
}

/// An action that can be taken in a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Edge {
    /// Where it leads.
    pub to: State,
    /// Which action it is.
    pub choice: Choice,
    /// What it is to a liveness argument.
    pub part: Part,
}

/// States and edges, eight bytes an edge and five a state.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Graph {
    moods: Vec<Mood>,
    /// For each state where its edges end; they begin where those of the one before end.
    ends: Vec<u32>,
    edges: Vec<Edge>,
}

impl Graph {
    /// Adds the next state, with everything that can happen in it.
    pub fn push(&mut self, mood: Mood, edges: impl IntoIterator<Item = Edge>) {
        self.moods.push(mood);
        self.edges.extend(edges);
        self.ends.push(State::nth(self.edges.len()).0);
    }

    /// How many states there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.moods.len()
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.moods.is_empty()
    }

    /// How many edges there are.
    #[must_use]
    pub const fn steps(&self) -> usize {
        self.edges.len()
    }

    /// Every state.
    pub fn states(&self) -> impl Iterator<Item = State> + use<> {
        (0..State::nth(self.len()).0).map(State)
    }

    /// What a state is to a liveness argument.
    #[must_use]
    pub fn mood(&self, state: State) -> Mood {
        self.moods[state.index()]
    }

    /// What can happen in a state.
    #[must_use]
    pub fn edges(&self, state: State) -> &[Edge] {
        let begin = state.index().checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.edges[begin as usize..self.ends[state.index()] as usize]
    }

    /// What it takes to hold this graph.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.moods.capacity() + self.ends.capacity() * size_of::<u32>() + self.edges.capacity() * size_of::<Edge>()
    }

    /// A shortest way from one state to another of those that `goal` asks for, over the edges that `along` admits. It has
    /// at least one edge, so that from a state to itself it is a cycle.
    pub(crate) fn way(
        &self,
        from: State,
        along: impl Fn(State, &Edge) -> bool,
        goal: impl Fn(State, &Edge) -> bool,
    ) -> Option<(Vec<Choice>, State)> {
        // For each state that was met the one before it and the choice made there.
        let mut met: Vec<Option<(State, Choice)>> = vec![None; self.len()];
        let mut queue = VecDeque::from([from]);
        while let Some(state) = queue.pop_front() {
            for edge in self.edges(state).iter().filter(|edge| along(state, edge)) {
                if goal(state, edge) {
                    let mut way = vec![edge.choice];
                    way.extend(back(&met, from, state));
                    way.reverse();
                    return Some((way, edge.to));
                }
                if edge.to != from && met[edge.to.index()].is_none() {
                    met[edge.to.index()] = Some((state, edge.choice));
                    queue.push_back(edge.to);
                }
            }
        }
        None
    }

    /// A shortest way from the initial state.
    pub(crate) fn way_to(&self, target: State) -> Vec<Choice> {
        if target == State(0) {
            return Vec::new();
        }
        self.way(State(0), |_, _| true, |_, edge| edge.to == target).map_or_else(Vec::new, |(way, _)| way)
    }
}

/// The choices from `from` to `state`, the last one first.
fn back(met: &[Option<(State, Choice)>], from: State, mut state: State) -> Vec<Choice> {
    let mut choices = Vec::new();
    while state != from
        && let Some((before, choice)) = met[state.index()]
    {
        choices.push(choice);
        state = before;
    }
    choices
}

/// The actions that choices, made one after the other from the beginning, stand for.
pub(crate) fn actions(config: &Config, choices: &[Choice]) -> Vec<Action> {
    let mut world = World::initial(config);
    let mut actions = Vec::with_capacity(choices.len());
    for choice in choices {
        let Some(&action) = world.actions(config).get(usize::from(choice.0)) else { break };
        actions.push(action);
        let Some(next) = world.step(config, action) else { break };
        world = next;
    }
    actions
}
