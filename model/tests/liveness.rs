//! L1: the world comes to rest; and the pass that says so would see it if it did not.

use turquoise_model::{Choice, Edge, Graph, Liveness, Mood, Part, SINK, State, explore, liveness};

const FAIR: Part = Part::Fair(0);
const OTHER: Part = Part::Fair(1);

/// A graph by its states, each with its mood and its edges.
fn graph(states: &[(Mood, &[(u32, Part)])]) -> Graph {
    let mut graph = Graph::default();
    for (mood, edges) in states {
        graph.push(*mood, edges.iter().zip(0..).map(|(&(to, part), n)| Edge { to: State(to), choice: Choice(n), part }));
    }
    graph
}

fn judge(states: &[(Mood, &[(u32, Part)])]) -> Liveness {
    liveness(&graph(states))
}

fn failures(states: &[(Mood, &[(u32, Part)])]) -> Vec<&'static str> {
    judge(states).failures().collect()
}

/// The same graph, each edge changed or left out.
fn edited(of: &Graph, mood: impl Fn(Mood) -> Mood, edit: impl Fn(Edge) -> Option<Edge>) -> Graph {
    let mut graph = Graph::default();
    for state in of.states() {
        graph.push(mood(of.mood(state)), of.edges(state).iter().filter_map(|edge| edit(*edge)));
    }
    graph
}

#[test]
fn the_world_comes_to_rest_after_the_last_fault() {
    let judged = liveness(&explore(&SINK, |_, _| {}).graph);
    assert_eq!(judged.failures().collect::<Vec<_>>(), Vec::<&str>::new());
    assert!(judged.cycles > 0 && judged.quiet > 0, "{judged:?}");
}

#[test]
fn rest_that_comes_again_and_again_is_rest() {
    assert_eq!(failures(&[(Mood::Busy, &[(1, FAIR)]), (Mood::Quiet, &[(0, FAIR)])]), Vec::<&str>::new());
}

#[test]
fn a_fair_cycle_without_rest_breaks_it_with_a_story_of_what_repeats() {
    // 1 → 2 → 1 is fair: there it may always go to 3, and never does, but not by a class that was not also taken.
    let judged = judge(&[
        (Mood::Busy, &[(1, FAIR)]),
        (Mood::Busy, &[(3, FAIR), (2, FAIR)]),
        (Mood::Busy, &[(1, FAIR)]),
        (Mood::Quiet, &[(3, FAIR)]),
    ]);
    assert_eq!((judged.detours, judged.stranded), (1, 0));
    let endless = judged.endless.expect("it is seen");
    assert_eq!(endless.way, [Choice(0)]);
    assert_eq!(endless.cycle, [Choice(1), Choice(0)]);
}

#[test]
fn a_cycle_that_starves_what_is_always_possible_is_unfair_and_breaks_nothing() {
    let judged =
        judge(&[(Mood::Busy, &[(1, FAIR), (2, OTHER)]), (Mood::Busy, &[(0, FAIR), (2, OTHER)]), (Mood::Quiet, &[(2, FAIR)])]);
    assert_eq!((judged.detours, judged.failures().next()), (1, None));
}

#[test]
fn a_cycle_in_which_the_way_out_is_sometimes_impossible_is_fair() {
    let judged = judge(&[(Mood::Busy, &[(1, FAIR), (2, OTHER)]), (Mood::Busy, &[(0, FAIR)]), (Mood::Quiet, &[(2, FAIR)])]);
    assert_eq!(judged.endless.map(|endless| endless.cycle), Some(vec![Choice(0), Choice(0)]));
}

#[test]
fn a_cycle_that_goes_on_only_by_what_nobody_promises_is_no_excuse() {
    let judged = judge(&[(Mood::Busy, &[(0, Part::Free), (1, Part::Free)]), (Mood::Quiet, &[(1, FAIR)])]);
    assert!(judged.endless.is_some(), "{judged:?}");
}

#[test]
fn a_state_that_rests_only_through_another_fault_is_stranded() {
    let judged = judge(&[(Mood::Quiet, &[(0, FAIR), (1, Part::Finite)]), (Mood::Busy, &[(0, Part::Finite)])]);
    assert_eq!(judged.stranded, 1);
    let endless = judged.endless.expect("it is seen");
    assert_eq!((endless.way, endless.cycle), (vec![Choice(1)], vec![]));
}

#[test]
fn what_breaks_an_invariant_is_not_judged_twice() {
    assert_eq!(failures(&[(Mood::Quiet, &[(0, FAIR), (1, FAIR)]), (Mood::Broken, &[])]), Vec::<&str>::new());
}

#[test]
fn a_graph_without_cycles_or_without_rest_says_nothing() {
    assert_eq!(failures(&[(Mood::Quiet, &[])]), ["liveness says nothing: the graph has no cycle"]);
    assert_eq!(failures(&[(Mood::Broken, &[(0, FAIR)])]), ["liveness says nothing: no state is quiet"]);
}

#[test]
fn a_world_that_never_clears_a_slot_is_stranded() {
    let explored = explore(&SINK, |_, _| {});
    let cleared = explored.graph.states().flat_map(|state| explored.graph.edges(state)).filter(|edge| edge.part == CLEAR);
    assert!(cleared.count() > 0);
    let judged = liveness(&edited(&explored.graph, |mood| mood, |edge| (edge.part != CLEAR).then_some(edge)));
    assert!(judged.stranded > 0, "{judged:?}");
    let story = judged.endless.expect("it is seen").tell(&SINK);
    assert!(story.contains("from here on it can never be quiet again"), "{story}");
}

/// The class of the answer to a clearing.
const CLEAR: Part = Part::Fair(15);

#[test]
fn a_story_without_end_can_be_told() {
    // Were rest no rest, then renewing for ever would be a fair way without it.
    let restless = |mood| if mood == Mood::Quiet { Mood::Busy } else { mood };
    let judged = liveness(&edited(&explore(&SINK, |_, _| {}).graph, restless, Some));
    let story = judged.endless.expect("renewals never end").tell(&SINK);
    insta::assert_snapshot!(story);
}
