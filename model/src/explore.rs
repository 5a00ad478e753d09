//! Our own explorer: breadth first, so that the first story of a broken invariant is a shortest one.
//!
//! It shares nothing with stateright but the world, and must agree with it on every count and verdict. States are numbered
//! in the order in which a single thread would find them, however many threads there are: nothing that is found depends on
//! timing.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use turquoise_core::{PhaseKind, StepKind};
use twox_hash::XxHash3_128;

use crate::config::Config;
use crate::graph::{Choice, Edge, Graph, Mood, Part, State, actions};
use crate::invariant::Invariant;
use crate::liveness::{mood, part};
use crate::refine::{Moves, Rule, View};
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
    /// For each broken rule of the abstract specification a shortest way there.
    pub unrefined: BTreeMap<Rule, Vec<Action>>,
    /// What the world's steps were in the abstract.
    pub moves: Moves,
    /// What was seen on the way.
    pub seen: BTreeSet<Sight>,
    /// The rows that were taken.
    pub rows: BTreeSet<Row>,
    /// Every state and step.
    pub graph: Graph,
    /// What remembering the states took; each state in the frontier, a few per cent of them, takes about 2 KB besides.
    pub bytes: usize,
}

/// Walks every reachable state, on all processors. `progress` is called with the states and the depth reached, once a level.
pub fn explore(config: &Config, progress: impl FnMut(usize, usize)) -> Explored {
    explore_on(config, thread::available_parallelism().unwrap_or(NonZeroUsize::MIN), progress)
}

/// [`explore`] on so many threads.
pub fn explore_on(config: &Config, threads: NonZeroUsize, mut progress: impl FnMut(usize, usize)) -> Explored {
    let initial = World::initial(config);
    let mut walk = Walk { config, threads, known: Known::default(), found: Explored::default(), firsts: Firsts::default() };
    walk.known.insert(Fingerprinter::default().of(&initial));
    let mut level = Frontier(vec![vec![Box::new(initial)]]);
    while !level.0.is_empty() {
        let mut next = Frontier::default();
        for block in level.0 {
            walk.expand(&block, &mut next);
        }
        walk.found.states = walk.known.fingerprints.len();
        walk.found.depth += usize::from(!next.0.is_empty());
        progress(walk.found.states, walk.found.depth);
        level = next;
    }
    walk.finish()
}

/// States that are expanded by one thread without asking the others.
const CHUNK: usize = 64;
/// States that are expanded before what they lead to is numbered.
const BLOCK: usize = 128 * CHUNK;

/// The states to expand next, block by block, so that the memory of a block is free as soon as it is expanded.
#[derive(Default)]
#[expect(clippy::vec_box, reason = "a world is moved from list to list, and is more than a kilobyte")]
struct Frontier(Vec<Vec<Box<World>>>);

impl Frontier {
    fn push(&mut self, world: Box<World>) {
        match self.0.last_mut() {
            Some(block) if block.len() < BLOCK => block.push(world),
            _ => self.0.push(vec![world]),
        }
    }
}

/// An exploration under way.
struct Walk<'a> {
    config: &'a Config,
    threads: NonZeroUsize,
    known: Known,
    found: Explored,
    firsts: Firsts,
}

/// Where something was first found.
#[derive(Default)]
struct Firsts {
    broken: BTreeMap<Invariant, State>,
    unrefined: BTreeMap<Rule, (State, Choice)>,
}

impl Walk<'_> {
    /// Expands the next states, and numbers those that are new.
    fn expand(&mut self, block: &[Box<World>], next: &mut Frontier) {
        let unseen: Vec<_> = Sight::REQUIRED.into_iter().filter(|sight| !self.found.seen.contains(sight)).collect();
        let chunks: Vec<_> = block.chunks(CHUNK).collect();
        let taken = AtomicUsize::new(0);
        let work = || {
            let mut scout = Scout { config: self.config, known: &self.known, fingerprinter: Fingerprinter::default() };
            let take = || taken.fetch_add(1, Ordering::Relaxed);
            let mine = std::iter::repeat_with(take).map_while(|n| chunks.get(n).map(|chunk| (n, *chunk)));
            mine.map(|(n, chunk)| (n, scout.explore(chunk, &unseen))).collect::<Vec<_>>()
        };
        let helpers = self.threads.get().min(chunks.len()) - 1;
        let mut reports = thread::scope(|scope| {
            let others: Vec<_> = (0..helpers).map(|_| scope.spawn(work)).collect();
            let mut reports = work();
            for other in others {
                reports.extend(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
            }
            reports
        });
        reports.sort_unstable_by_key(|(n, _)| *n);
        for (_, report) in reports {
            self.take(report, next);
        }
    }

    /// Takes what was found in a chunk.
    fn take(&mut self, report: Report, next: &mut Frontier) {
        let first = self.found.graph.len();
        let number = |(world, fingerprint): (Box<World>, u128)| {
            let (state, is_new) = self.known.insert(fingerprint);
            if is_new {
                next.push(world);
            }
            state
        };
        let numbers: Vec<_> = report.fresh.into_iter().zip(report.names.fingerprints).map(number).collect();
        let mut steps = report.steps.into_iter().map(|Step { to, choice, part }| {
            let to = match to {
                Target::Known(state) => state,
                Target::Fresh(nth) => numbers[nth.index()],
            };
            Edge { to, choice, part }
        });
        for (mood, count) in report.states {
            self.found.graph.push(mood, steps.by_ref().take(count));
        }
        let found = &mut self.found;
        found.moves = found.moves.and(report.moves);
        found.seen.extend(report.seen);
        found.rows.extend(report.rows);
        for (invariant, nth) in report.broken {
            self.firsts.broken.entry(invariant).or_insert_with(|| State::nth(first + nth));
        }
        for (rule, (nth, choice)) in report.unrefined {
            self.firsts.unrefined.entry(rule).or_insert_with(|| (State::nth(first + nth), choice));
        }
    }

    /// Adds the stories.
    fn finish(self) -> Explored {
        let Self { config, mut found, firsts, known, .. } = self;
        let tell = |state: State, last: Option<Choice>| {
            let way: Vec<_> = found.graph.way_to(state).into_iter().chain(last).collect();
            actions(config, &way)
        };
        found.broken = firsts.broken.into_iter().map(|(invariant, state)| (invariant, tell(state, None))).collect();
        found.unrefined = firsts.unrefined.into_iter().map(|(rule, (state, last))| (rule, tell(state, Some(last)))).collect();
        found.steps = found.graph.steps();
        found.bytes = known.bytes() + found.graph.bytes();
        found
    }
}

/// What one thread knows.
struct Scout<'a> {
    config: &'a Config,
    /// The states of this level and of those before, and some of the next one.
    known: &'a Known,
    fingerprinter: Fingerprinter,
}

/// What a chunk of states leads to.
#[derive(Default)]
struct Report {
    /// For each state what it is, and how many steps lead from it.
    states: Vec<(Mood, usize)>,
    steps: Vec<Step>,
    /// States that were not known when the chunk was begun; another chunk may have found them too.
    #[expect(clippy::vec_box, reason = "a world is moved from list to list, and is more than a kilobyte")]
    fresh: Vec<Box<World>>,
    /// Their fingerprints.
    names: Known,
    seen: BTreeSet<Sight>,
    rows: BTreeSet<Row>,
    moves: Moves,
    broken: BTreeMap<Invariant, usize>,
    unrefined: BTreeMap<Rule, (usize, Choice)>,
}

struct Step {
    to: Target,
    choice: Choice,
    part: Part,
}

enum Target {
    Known(State),
    /// By its place among the fresh ones of the report.
    Fresh(State),
}

impl Scout<'_> {
    fn explore(&mut self, chunk: &[Box<World>], unseen: &[Sight]) -> Report {
        let mut report = Report::default();
        let mut unseen = unseen.to_vec();
        for (nth, world) in chunk.iter().enumerate() {
            report.seen.extend(unseen.extract_if(.., |sight| sight.is_in(world)));
            if let Some(invariant) = world.violated {
                report.broken.entry(invariant).or_insert(nth);
            }
            let before = report.steps.len();
            let view = View::of(world);
            for (action, choice) in world.actions(self.config).into_iter().zip((0..).map(Choice)) {
                let Some(successor) = world.step_raw(self.config, action) else { continue };
                // The abstract specification knows nothing of others, nor of operators who end what serves.
                if !world.is_pardoned() && !successor.is_pardoned() {
                    match view.refined_by(&successor) {
                        Ok(moves) => report.moves = report.moves.and(moves),
                        Err(rule) => _ = report.unrefined.entry(rule).or_insert((nth, choice)),
                    }
                }
                report.rows.extend(row(world, action, &successor));
                let part = part(world, action, &successor);
                let to = self.locate(successor, &mut report);
                report.steps.push(Step { to, choice, part });
            }
            report.states.push((mood(world), report.steps.len() - before));
        }
        report
    }

    fn locate(&mut self, mut world: World, report: &mut Report) -> Target {
        world.normalise(self.config);
        let fingerprint = self.fingerprinter.of(&world);
        if let Some(state) = self.known.find(fingerprint) {
            return Target::Known(state);
        }
        let (nth, is_new) = report.names.insert(fingerprint);
        if is_new {
            report.fresh.push(Box::new(world));
        }
        Target::Fresh(nth)
    }
}

/// The transition that became durable between two states.
fn row(before: &World, action: Action, after: &World) -> Option<Row> {
    let durable = matches!(action.event, Event::Synced | Event::Restart { kept: true, .. });
    let record = before.writing.filter(|_| durable)?;
    Some((before.journal.phase().kind(), record.step.kind(), after.journal.phase().kind()))
}

/// States by their fingerprints, numbered in the order in which they came.
#[derive(Default)]
struct Known {
    fingerprints: Vec<u128>,
    numbers: HashTable<State>,
}

impl Known {
    fn find(&self, fingerprint: u128) -> Option<State> {
        self.numbers.find(short(fingerprint), |state| self.fingerprints[state.index()] == fingerprint).copied()
    }

    /// The state's number, and whether it is new.
    fn insert(&mut self, fingerprint: u128) -> (State, bool) {
        let Self { fingerprints, numbers } = self;
        let same = |state: &State| fingerprints[state.index()] == fingerprint;
        match numbers.entry(short(fingerprint), same, |state| short(fingerprints[state.index()])) {
            Entry::Occupied(entry) => (*entry.get(), false),
            Entry::Vacant(entry) => {
                let state = State::nth(fingerprints.len());
                entry.insert(state);
                fingerprints.push(fingerprint);
                (state, true)
            }
        }
    }

    fn bytes(&self) -> usize {
        self.fingerprints.capacity() * size_of::<u128>() + self.numbers.allocation_size()
    }
}

/// Half of a fingerprint is a good hash.
#[expect(clippy::cast_possible_truncation, reason = "half of it is what is wanted")]
const fn short(fingerprint: u128) -> u64 {
    fingerprint as u64
}

/// Makes fingerprints: XXH3's 128 bits over all that the derived `Hash` feeds. That two states share one by chance is not
/// to be expected in any exploration.
#[derive(Default)]
struct Fingerprinter {
    fed: Vec<u8>,
}

impl Fingerprinter {
    fn of(&mut self, world: &World) -> u128 {
        self.fed.clear();
        world.hash(self);
        XxHash3_128::oneshot(&self.fed)
    }
}

/// Everything is kept, numbers shortened where that is unambiguous: nearly all fit two bytes.
impl Hasher for Fingerprinter {
    fn write(&mut self, bytes: &[u8]) {
        self.fed.extend_from_slice(bytes);
    }

    fn write_u64(&mut self, n: u64) {
        match u16::try_from(n) {
            Ok(n) if n < u16::MAX => self.fed.extend_from_slice(&n.to_le_bytes()),
            _ => {
                self.fed.extend_from_slice(&u16::MAX.to_le_bytes());
                self.fed.extend_from_slice(&n.to_le_bytes());
            }
        }
    }

    fn write_usize(&mut self, n: usize) {
        self.write_u64(n as u64);
    }

    fn write_isize(&mut self, n: isize) {
        self.write_u64(n.cast_unsigned() as u64);
    }

    fn finish(&self) -> u64 {
        short(XxHash3_128::oneshot(&self.fed))
    }
}
