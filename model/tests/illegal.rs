//! Any input in any state: it is taken, or it is refused, changes nothing, and the refusal says what was legal.
//!
//! Every reachable state of five pinned configurations is asked every input: of each kind with what is under way, with
//! what is not, with what is long over; at this instant, earlier, and as late as there is.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt::Write as _;
use std::hash::{Hash, Hasher};
use std::thread;
use std::time::Duration;

use turquoise_core::{
    Applied, AtStop, Certainty, Generation, Illegal, Input, Instant, Lsn, OpId, Outcome, PhaseKind, Refusal, Resolution,
    Rotation, Verdict,
};
use turquoise_model::{Config, Process, SINK, STANDARD, World};

/// No machine has this many outputs after one input: beyond it, it would never end.
const OUTPUTS: usize = 16;
/// An adapter may believe a provider that promises a hundred years.
const CENTURY: Duration = Duration::from_hours(100 * 366 * 24);

/// What became of inputs, by the phase and the kind of the input.
type Table = BTreeMap<(PhaseKind, &'static str), (u64, u64)>;

fn named(name: &str) -> Config {
    *STANDARD.iter().find(|config| config.name == name).expect("it is pinned")
}

/// Two hashes with nothing in common make a name that no two states share.
fn fingerprint(world: &World) -> (u64, u64) {
    let hash = |salt: u64| {
        let mut hasher = DefaultHasher::new();
        salt.hash(&mut hasher);
        world.hash(&mut hasher);
        hasher.finish()
    };
    (hash(0), hash(1))
}

/// Walks every reachable state, by means of its own.
fn walk(config: &Config, mut visit: impl FnMut(&World)) -> usize {
    let first = World::initial(config);
    let mut met = HashSet::from([fingerprint(&first)]);
    let mut level = vec![Box::new(first)];
    while !level.is_empty() {
        let mut next = Vec::new();
        for world in level {
            visit(&world);
            for action in world.actions(config) {
                next.extend(world.step(config, action).filter(|world| met.insert(fingerprint(world))).map(Box::new));
            }
        }
        level = next;
    }
    met.len()
}

const fn kind(input: Input) -> &'static str {
    match input {
        Input::Durable(_) => "durable",
        Input::NotDurable(_) => "not durable",
        Input::Completed { .. } => "completed",
        Input::Idle(_) => "idle",
        Input::Begin => "begin",
        Input::Abort => "abort",
        Input::Rollback => "rollback",
        Input::Compromise(_) => "compromise",
        Input::Resolve(_) => "resolve",
        Input::Shutdown(_) => "shutdown",
        Input::Timeout => "timeout",
        Input::Sample { .. } => "sample",
        Input::Gap => "gap",
        Input::Mandate(_) => "mandate",
        Input::BreakGlass(_) => "break the glass",
        Input::Pause(_) => "pause",
        Input::Retry => "retry",
    }
}

/// Every generation that anybody has heard of, and one that nobody has.
fn generations(world: &World) -> Vec<Generation> {
    let mut known: Vec<_> = world.live.iter().map(|credential| credential.generation).collect();
    known.extend([world.slots.blue, world.slots.green, world.published, world.ghost.announced].into_iter().flatten());
    known.extend(world.phase().current().map(|lease| lease.mint.generation));
    known.extend(world.phase().going().map(|going| going.mint.generation));
    known.push(Generation { incarnation: u32::MAX, number: u32::MAX });
    known.sort_unstable();
    known.dedup();
    known
}

fn outcomes() -> Vec<Outcome> {
    let alive = [Duration::ZERO, Duration::from_millis(9), CENTURY].map(|remaining| Applied::Alive { remaining });
    let applied = [Applied::Done, Applied::Dead].into_iter().chain(alive).map(Outcome::Applied);
    let refused = [Refusal::Refused, Refusal::Unavailable, Refusal::NoSecret].map(Outcome::NotApplied);
    applied.chain(refused).chain([Outcome::Unknown]).collect()
}

/// What this machine may be told, sensible or not.
fn inputs(world: &World, machine: &Rotation) -> Vec<Input> {
    let mut inputs = vec![Input::Begin, Input::Abort, Input::Rollback, Input::Timeout, Input::Gap, Input::Retry];
    inputs.extend([world.now, Instant(u64::MAX)].map(Input::Mandate));
    inputs.extend([Instant(0), Instant(u64::MAX)].map(Input::Pause));
    inputs.extend([Certainty::WithLogin, Certainty::Confirmed].map(Input::BreakGlass));
    let verdicts = [Verdict::Served { took: CENTURY }, Verdict::Refused, Verdict::Slow];
    for generation in generations(world) {
        inputs.extend(verdicts.map(|verdict| Input::Sample { generation, verdict }));
    }
    inputs.extend([Resolution::Keep, Resolution::Forget].map(Input::Resolve));
    inputs.extend([AtStop::Keep, AtStop::Revoke].map(Input::Shutdown));
    let due = machine.awaited().map(|record| record.lsn);
    for lsn in due.into_iter().chain([Lsn(0), Lsn(77), Lsn(u64::MAX)]) {
        inputs.extend([Input::Durable(lsn), Input::NotDurable(lsn)]);
    }
    let flying = world.flight.iter().filter_map(|request| request.op);
    for op in flying.chain([OpId(0), OpId(77), OpId(u64::MAX)]) {
        inputs.extend(outcomes().into_iter().map(|outcome| Input::Completed { op, outcome }));
    }
    inputs.extend(generations(world).into_iter().flat_map(|generation| [Input::Idle(generation), Input::Compromise(generation)]));
    inputs
}

/// The refusal is of the kind that was to be expected, and says what was legal.
fn helps(illegal: Illegal, input: Input, machine: &Rotation) -> bool {
    let message = illegal.to_string();
    let of_its_kind = match (illegal, input) {
        (Illegal::Acknowledgement { awaited }, Input::Durable(_) | Input::NotDurable(_)) => {
            awaited.is_none_or(|lsn| message.contains(&lsn.0.to_string()))
        }
        (Illegal::StaleCompletion { op: named }, Input::Completed { op, .. }) => named == op && message.contains(&op.to_string()),
        (Illegal::NotIdle { going }, Input::Idle(_)) => going.is_none_or(|going| message.contains(&going.to_string())),
        (
            Illegal::NotHere { asked, phase, legal },
            Input::Begin
            | Input::Abort
            | Input::Rollback
            | Input::Compromise(_)
            | Input::Sample { .. }
            | Input::BreakGlass(_)
            | Input::Retry
            | Input::Resolve(_)
            | Input::Shutdown(_),
        ) => {
            let says_it_all = message.contains(asked) && message.contains(legal) && message.contains(&format!("{phase:?}"));
            !asked.is_empty() && legal.starts_with("only ") && phase == machine.phase().kind() && says_it_all
        }
        _ => false,
    };
    of_its_kind && !message.is_empty()
}

/// Drains; whether it came to an end.
fn drains(machine: &mut Rotation) -> bool {
    (0..OUTPUTS).any(|_| machine.poll_output().is_none()) && machine.poll_output().is_none()
}

/// Tells the machine everything, at every time.
fn ask_everything(world: &World, table: &mut Table) {
    let Process::Up(machine) = &world.process else { return };
    let Instant(now) = world.now;
    for input in inputs(world, machine) {
        for earlier in [Instant(0), Instant(now - 1)] {
            let mut after = *machine;
            let refused = after.handle(earlier, input);
            assert_eq!(refused, Err(Illegal::Clock { latest: world.now }), "{input:?} at {earlier:?} in\n{world:?}");
            assert_eq!(&after, machine, "{input:?} came from the past and changed something");
        }
        for at in [now, now + 1, now + 1_000_000, u64::MAX] {
            let mut after = *machine;
            let told = after.handle(Instant(at), input);
            let (taken, refused) = table.entry((machine.phase().kind(), kind(input))).or_default();
            match told {
                Ok(()) => {
                    *taken += 1;
                    assert!(drains(&mut after), "{input:?} at {at} makes outputs without end in\n{world:?}");
                }
                Err(illegal) => {
                    *refused += 1;
                    assert_eq!(&after, machine, "{input:?} at {at} was refused and changed something");
                    assert!(helps(illegal, input, machine), "{input:?} was refused with {illegal:?}: {illegal}");
                }
            }
        }
    }
}

/// Every state of a configuration, and that it was every one.
fn every_state(config: &Config) -> Table {
    let mut table = Table::new();
    let states = walk(config, |world| ask_everything(world, &mut table));
    let pinned = config.pins.map(|pins| pins.states);
    assert_eq!(Some(states), pinned, "{}: other states than the pinned ones", config.name);
    table
}

/// Phases by kinds of input: `taken`, `refused`, or `both` where it depends on more than the phase.
fn matrix(table: &Table) -> String {
    let phases: BTreeSet<_> = table.keys().map(|(phase, _)| *phase).collect();
    let kinds: BTreeSet<_> = table.keys().map(|(_, kind)| *kind).collect();
    let mut text = format!("{:14}", "");
    for kind in &kinds {
        let _ = write!(text, "{kind:>12}");
    }
    for phase in phases {
        let _ = write!(text, "\n{:14}", format!("{phase:?}"));
        for kind in &kinds {
            let cell = match table.get(&(phase, *kind)) {
                Some((0, _)) => "refused",
                Some((_, 0)) => "taken",
                Some(_) => "both",
                None => "-",
            };
            let _ = write!(text, "{cell:>12}");
        }
    }
    text
}

#[test]
fn any_input_in_any_state_is_taken_or_refused_without_a_trace() {
    let configs = ["an operator with two requests", "lagging replies", "a canary", "a gap, or refused for a while"].map(named);
    let configs = [SINK].into_iter().chain(configs);
    let tables: Vec<_> = thread::scope(|scope| {
        let walks: Vec<_> = configs.map(|config| scope.spawn(move || every_state(&config))).collect();
        walks.into_iter().map(|walk| walk.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    });
    let mut all = Table::new();
    for (key, (taken, refused)) in tables.into_iter().flatten() {
        let sum = all.entry(key).or_default();
        *sum = (sum.0 + taken, sum.1 + refused);
    }
    let kinds: BTreeSet<_> = all.keys().map(|(_, kind)| *kind).collect();
    for one in kinds {
        assert!(all.iter().any(|((_, kind), (taken, _))| *kind == one && *taken > 0), "{one} was never taken");
        let refused = all.iter().any(|((_, kind), (_, refused))| *kind == one && *refused > 0);
        assert!(refused || ["timeout", "gap", "mandate", "pause"].contains(&one), "{one} was never refused");
    }
    insta::assert_snapshot!(matrix(&all));
}

#[test]
fn a_life_without_end_is_no_reason_to_panic() {
    let mut told = 0;
    walk(&Config { crashes: 0, faults: 0, ..SINK }, |world| {
        let Process::Up(machine) = &world.process else { return };
        for op in world.flight.iter().filter_map(|request| request.op) {
            let outcome = Outcome::Applied(Applied::Alive { remaining: Duration::MAX });
            let mut after = *machine;
            told += usize::from(after.handle(world.now, Input::Completed { op, outcome }).is_ok() && drains(&mut after));
        }
    });
    assert!(told > 0, "nothing was told");
}
