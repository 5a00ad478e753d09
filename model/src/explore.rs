//! Our own explorer: breadth first, so that the first story of a broken invariant is a shortest one.
//!
//! It shares nothing with stateright but the world, and must agree with it on every count and verdict.

use std::collections::{BTreeMap, BTreeSet, HashMap, hash_map::Entry};
use std::hash::{DefaultHasher, Hash, Hasher};

use turquoise_core::{PhaseKind, StepKind};

use crate::config::Config;
use crate::invariant::Invariant;
use crate::sight::Sight;
use crate::world::{Action, Event, World};

/// A transition that was taken: a row of the specification.
pub type Row = (PhaseKind, StepKind, PhaseKind);

/// What an exploration came to.
#[derive(Clone, Debug, Default)]
pub struct Explored {
    /// Distinct states.
    pub states: usize,
    /// Steps taken, to states old and new.
    pub steps: usize,
    /// The longest shortest way to a state.
    pub depth: usize,
    /// For each broken invariant a shortest way there.
    pub broken: BTreeMap<Invariant, Vec<Action>>,
    /// What was seen on the way.
    pub seen: BTreeSet<Sight>,
    /// The rows that were taken.
    pub rows: BTreeSet<Row>,
}

/// Walks every reachable state. `progress` is called with the states and the depth reached, once a level.
pub fn explore(config: &Config, mut progress: impl FnMut(usize, usize)) -> Explored {
    let initial = World::initial(config);
    let mut found = Explored { states: 1, ..Explored::default() };
    // For each state that was seen the state it was first reached from, and by which action.
    let mut reached: HashMap<u128, Option<(u128, Action)>> = HashMap::new();
    reached.insert(fingerprint(&initial), None);
    let mut level = vec![initial];
    while !level.is_empty() {
        let mut next = Vec::new();
        for world in &level {
            found.seen.extend(Sight::all_in(world));
            let from = fingerprint(world);
            if let Some(invariant) = world.violated {
                found.broken.entry(invariant).or_insert_with(|| way_to(&reached, from));
            }
            for action in world.actions(config) {
                let Some(successor) = world.step(config, action) else { continue };
                found.steps += 1;
                found.rows.extend(row(world, action, &successor));
                if let Entry::Vacant(entry) = reached.entry(fingerprint(&successor)) {
                    entry.insert(Some((from, action)));
                    next.push(successor);
                }
            }
        }
        found.states += next.len();
        found.depth += usize::from(!next.is_empty());
        level = next;
        progress(found.states, found.depth);
    }
    found
}

/// The transition that became durable between two states.
fn row(before: &World, action: Action, after: &World) -> Option<Row> {
    let durable = matches!(action.event, Event::Synced | Event::Restart { kept: true, .. });
    let record = before.writing.filter(|_| durable)?;
    Some((before.journal.phase().kind(), record.step.kind(), after.journal.phase().kind()))
}

/// 128 bits of two independent hashes: that two states share one by chance is not to be expected in any exploration.
fn fingerprint(world: &World) -> u128 {
    let mut low = DefaultHasher::new();
    world.hash(&mut low);
    let low = low.finish();
    let mut high = DefaultHasher::new();
    (low, world).hash(&mut high);
    (u128::from(high.finish()) << 64) | u128::from(low)
}

fn way_to(reached: &HashMap<u128, Option<(u128, Action)>>, mut state: u128) -> Vec<Action> {
    let mut way = Vec::new();
    while let Some(Some((before, action))) = reached.get(&state) {
        way.push(*action);
        state = *before;
    }
    way.reverse();
    way
}
