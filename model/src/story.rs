//! Ways through the world, told so that no Rust is needed to read them.

use std::fmt::Write as _;

use turquoise_core::{Effect, Generation, Mint};

use crate::config::Config;
use crate::world::{Action, Clock, Demand, Event, Process, World};

/// Tells what happens on a way from the beginning: an action a line, and what is true after it.
#[must_use]
pub fn tell(config: &Config, way: &[Action]) -> String {
    let mut world = World::initial(config);
    let mut story = format!("{}: {} crashes, {} other faults\n", config.name, config.crashes, config.faults);
    for (n, &action) in way.iter().enumerate() {
        let what = describe(&world, action);
        let Some(next) = world.step(config, action) else {
            let _ = writeln!(story, "{:>3}  {what}: cannot happen here", n + 1);
            return story;
        };
        world = next;
        let _ = writeln!(story, "{:>3}  {what:<58} {}", n + 1, truth(&world));
    }
    if let Some(invariant) = world.violated {
        let _ = writeln!(story, "{invariant} is broken: {}", invariant.sentence());
    }
    story
}

pub(crate) fn describe(world: &World, action: Action) -> String {
    let request = |i: u8| world.flight.get(usize::from(i)).map_or_else(|| "nothing".to_owned(), |request| name(&request.effect));
    let what = match action.event {
        Event::Tick => "a tick passes".to_owned(),
        Event::Timer => "the machine's timer fires".to_owned(),
        Event::Operator(demand) => format!("an operator: {}", demanded(world, demand)),
        Event::Work => "work takes the current credential".to_owned(),
        Event::Done => "the work is done".to_owned(),
        Event::Idle => "no work holds what is no longer given out".to_owned(),
        Event::RevokedByOthers(i) => {
            let number = world.live.get(usize::from(i)).map_or(0, |credential| credential.generation.number);
            format!("FAULT somebody else revokes g{number}")
        }
        Event::SyncFails => format!("FAULT nobody knows whether the journal has {}", record(world)),
        Event::AnswerNoop(i) => format!("FAULT answered and not done: {}", request(i)),
        Event::Tamper(color) => format!("FAULT somebody tampers with the {color} slot"),
        Event::Try => "work that may be replayed is given the candidate".to_owned(),
        Event::Served => "the work is served".to_owned(),
        Event::Refused => "the work is refused, and then served with the current credential".to_owned(),
        Event::Gap => "FAULT everything sleeps for a while".to_owned(),
        Event::Disable => "FAULT the provider refuses every secret of the identity".to_owned(),
        Event::Enable => "the provider is mended".to_owned(),
        Event::Cap(i) => {
            let number = world.live.get(usize::from(i)).map_or(0, |credential| credential.generation.number);
            format!("FAULT the provider gives g{number} no more life")
        }
        Event::Mandate => "the coordinator renews the lease".to_owned(),
        Event::Depose => "its lease runs out in its sleep: another one takes over".to_owned(),
        Event::RivalWakes => "the deposed process wakes up".to_owned(),
        Event::Lose(color) => format!("FAULT the {color} slot loses its secret"),
        Event::AnswerAndRepeat(i) => format!("FAULT done, and will be repeated: {}", request(i)),
        Event::Restarted => "the process is ended, for it can do nothing more".to_owned(),
        Event::Synced => format!("the journal has {}", record(world)),
        Event::Answer(i) => format!("done: {}", request(i)),
        Event::Reject(i) => format!("FAULT refused: {}", request(i)),
        Event::AnswerUseless(i) => format!("FAULT done, but with too few rights: {}", request(i)),
        Event::Swallow(i) => format!("FAULT done, but the reply is lost: {}", request(i)),
        Event::GiveUp(i) if world.flight.get(usize::from(i)).is_some_and(|request| request.swallowed) => {
            format!("no reply: {}", request(i))
        }
        Event::GiveUp(i) => format!("FAULT no reply, and not done yet: {}", request(i)),
        Event::ApplyLate(i) => format!("done late, for nobody: {}", request(i)),
        Event::AnswerTwice(i) => format!("FAULT done, and told twice: {}", request(i)),
        Event::Read => "the reader reads the sink".to_owned(),
        Event::Die => "CRASH".to_owned(),
        Event::Restart { kept, rebooted } => {
            let how = match rebooted {
                None => "restart",
                Some(Clock::Ahead) => "reboot, and the clock is far ahead",
                Some(Clock::Behind) => "reboot, and the clock is far behind",
            };
            match (kept, world.writing) {
                (true, Some(_)) => format!("{how}; the journal has {}", record(world)),
                (true, None) => format!("{how}; what was under way to the disk is there"),
                (false, _) => how.to_owned(),
            }
        }
    };
    match action.dies_after {
        None => what,
        Some(0) => format!("{what}; CRASH at once"),
        Some(n) => format!("{what}; CRASH after {n} of what follows"),
    }
}

fn demanded(world: &World, demand: Demand) -> String {
    match demand {
        Demand::Begin => "rotate".to_owned(),
        Demand::BreakGlass => "break the glass".to_owned(),
        Demand::Retry => "try again".to_owned(),
        Demand::Abort => "abort".to_owned(),
        Demand::Rollback => "roll back".to_owned(),
        Demand::Compromise(i) => {
            format!("g{} is compromised", world.live.get(usize::from(i)).map_or(0, |credential| credential.generation.number))
        }
        Demand::Resolve(resolution) => format!("resolve: {resolution:?}").to_lowercase(),
        Demand::Shutdown(how) => format!("stop and {how:?}").to_lowercase(),
    }
}

pub(crate) fn record(world: &World) -> String {
    world.writing.map_or_else(|| "nothing new".to_owned(), |record| format!("{:?}", record.step.kind()))
}

pub(crate) fn name(effect: &Effect) -> String {
    let of = |generation: Generation| format!("g{}", generation.number);
    let at = |mint: Mint| format!("g{} ({})", mint.generation.number, mint.slot);
    match *effect {
        Effect::Login { mint } => format!("log in as {}", at(mint)),
        Effect::Issue { mint, by, .. } => format!("mint {} with {}", at(mint), of(by)),
        Effect::Persist(mint) => format!("persist {}", at(mint)),
        Effect::Probe(generation) => format!("probe {}", of(generation)),
        Effect::Renew { generation, life } => format!("renew {} to {}", of(generation), life.as_millis()),
        Effect::Extend { generation, life } => format!("extend {} to {}", of(generation), life.as_millis()),
        Effect::Publish(mint) => format!("publish {}", at(mint)),
        Effect::Shorten { generation, life, .. } => format!("shorten {} to {}", of(generation), life.as_millis()),
        Effect::Revoke { generation, .. } => format!("revoke {}", of(generation)),
        Effect::Discover { generation, witness } => format!("search for {} with {}", of(generation), of(witness.by())),
        Effect::Observe { generation, witness } => format!("look for {} with {}", of(generation), of(witness.by())),
        Effect::Clear(mint) => format!("clear {}", at(mint)),
    }
}

/// What is true now: the phase, and what lives for how many ticks.
pub(crate) fn truth(world: &World) -> String {
    let process = if matches!(world.process, Process::Up(_)) { "" } else { "down, " };
    let mut told = format!("{process}{:?}; live:", world.phase().kind());
    for credential in &world.live {
        let _ = write!(told, " g{} {}", credential.generation.number, credential.expires.since(world.now).as_millis());
    }
    if let Some(published) = world.published {
        let _ = write!(told, "; sink: g{}", published.number);
    }
    if let Some(reader) = &world.reader {
        let _ = write!(told, "; reader: g{}", reader.holds.number);
    }
    told
}
