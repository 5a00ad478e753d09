//! Bytes as a way through the world: each chooses what happens next.

use turquoise_core::{
    Applied, AtStop, BootId, Generation, Held, Input, Instant, Lsn, OpId, Outcome, PhaseKind, Record, Refusal, Resolution,
    Rotation, Step,
};
use turquoise_model::{Config, Process, SINK, STANDARD, World};

/// Longer ways than this are cut.
const LONGEST: usize = 4_096;
/// No machine has this many outputs after one input: beyond it, it would never end.
const OUTPUTS: usize = 16;

/// The first byte chooses a pinned configuration, each further one what happens next, and from time to time what the
/// machine is asked on the way. Faults, crashes and an operator's patience are given anew whenever the world is at rest: so
/// there is no end to them.
///
/// # Panics
///
/// If an invariant is broken, if stepping with and without normal forms comes to different worlds, if recovering twice is
/// not recovering once, or if an input that is refused changes something.
pub fn walk(bytes: &[u8]) {
    let Some((&first, way)) = bytes.split_first() else { return };
    let config = STANDARD.get(usize::from(first) % STANDARD.len()).copied().unwrap_or(SINK);
    let mut world = World::initial(&config);
    // The same history under names and a clock that go on: what the machine that ships has.
    let mut raw = world.clone();
    for (n, &byte) in way.iter().take(LONGEST).enumerate() {
        let actions = raw.actions(&config);
        let Some(&action) = actions.get(usize::from(byte) % actions.len().max(1)) else { break };
        let stepped = world.step(&config, raw.renamed(action));
        let next = raw.step_raw(&config, action);
        assert_eq!(next.as_ref().map(|next| next.normal(&config)), stepped, "{action:?} in\n{raw:?}");
        if let (Some(next), Some(form)) = (next, stepped) {
            (raw, world) = (next, form);
        }
        assert_eq!(world.violated, None, "after {action:?} in\n{world:?}");
        if n % 8 == usize::from(first) % 8 {
            recovers_alike(&raw, &config);
            drill(&raw, byte);
        }
        if at_rest(&world, &config) {
            for world in [&mut world, &mut raw] {
                (world.crashes, world.faults, world.operator) = (config.crashes, config.faults, config.operator);
            }
        }
    }
}

/// Nothing is under way, and what lives has been renewed: what happens from here on is another story.
fn at_rest(world: &World, config: &Config) -> bool {
    let fresh = world.live.iter().all(|credential| credential.expires >= world.now + 3 * config.policy.full / 4);
    world.phase().kind() == PhaseKind::Steady && world.flight.is_empty() && fresh
}

/// Wherever the process died: recovering is the same when it dies again as soon as it has recovered.
fn recovers_alike(world: &World, config: &Config) {
    let boot = BootId(1);
    let recover = |ledger| Rotation::resume(config.policy, ledger, boot, world.now, world.slots);
    let Ok(first) = recover(world.journal) else {
        assert_ne!(world.slots, Held::default(), "a journal without secrets is refused: {:?}", world.journal);
        return;
    };
    let recovery = |record: &&Record| matches!(record.step, Step::Recovered { .. });
    let Some(record) = first.awaited().filter(recovery) else { return };
    let mut once = world.journal;
    assert_eq!(once.apply(record, &config.policy), Ok(()), "{record:?} after\n{:?}", world.journal);
    let again = recover(once).expect("what was recovered can be recovered");
    let mut twice = once;
    let record = again.awaited().expect("a recovery is on record");
    assert_eq!(twice.apply(record, &config.policy), Ok(()), "{record:?} after\n{once:?}");
    assert_eq!(once.phase(), twice.phase(), "recovering twice is not recovering once");
}

/// Any input at any time: taken, or refused without a trace.
fn drill(world: &World, byte: u8) {
    let Process::Up(machine) = &world.process else { return };
    let Instant(now) = world.now;
    let input = input(world, machine, byte);
    for at in [now.saturating_sub(1), now, now + u64::from(byte), u64::MAX] {
        let mut after = *machine;
        match after.handle(Instant(at), input) {
            Ok(()) => assert!((0..OUTPUTS).any(|_| after.poll_output().is_none()), "{input:?} makes outputs without end"),
            Err(illegal) => {
                assert_eq!(&after, machine, "{input:?} was refused and changed something");
                assert!(!illegal.to_string().is_empty(), "{illegal:?} says nothing");
            }
        }
    }
}

fn input(world: &World, machine: &Rotation, byte: u8) -> Input {
    let alive = |n: u64| Applied::Alive { remaining: core::time::Duration::from_millis(n) };
    let outcomes = [
        Outcome::Applied(Applied::Done),
        Outcome::Applied(Applied::Dead),
        Outcome::Applied(alive(u64::from(byte))),
        Outcome::Applied(alive(u64::MAX)),
        Outcome::NotApplied(Refusal::Refused),
        Outcome::NotApplied(Refusal::Unavailable),
        Outcome::NotApplied(Refusal::NoSecret),
        Outcome::Unknown,
    ];
    let outcome = outcomes[usize::from(byte / 16) % outcomes.len()];
    let lsn = machine.awaited().map_or(Lsn(u64::from(byte)), |record| record.lsn);
    let op = world.flight.iter().find_map(|request| request.op).unwrap_or(OpId(u64::from(byte)));
    let nobody = Generation { incarnation: 9, number: byte.into() };
    let known = world.live.get(usize::from(byte & 1)).map_or(nobody, |credential| credential.generation);
    match byte % 16 {
        0 => Input::Durable(lsn),
        1 => Input::NotDurable(lsn),
        2 => Input::Durable(Lsn(u64::from(byte))),
        3..=5 => Input::Completed { op, outcome },
        6 => Input::Completed { op: OpId(byte.into()), outcome },
        7 => Input::Idle(known),
        8 => Input::Begin,
        9 => Input::Abort,
        10 => Input::Rollback,
        11 => Input::Compromise(known),
        12 => Input::Compromise(nobody),
        13 => Input::Resolve(if byte < 128 { Resolution::Keep } else { Resolution::Forget }),
        14 => Input::Shutdown(if byte < 128 { AtStop::Keep } else { AtStop::Revoke }),
        _ => Input::Timeout,
    }
}
