//! Scenarios as text: a command a line, and below it what the machine asked for and what was true then. Nobody needs Rust
//! to read one, or to write one. `tests/golden/README.md` has the commands.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use turquoise_core::{OpId, PhaseKind, Policy, Relogin};

use crate::config::{Config, Hostility, SINK};
use crate::head;
use crate::spec::phases;
use crate::story::{name, truth};
use crate::words::hear;
use crate::world::{Action, Event, Process, World};

/// In a scenario everything can happen, as often as it likes.
const ANYTHING: Config = Config {
    name: "a scenario",
    crashes: u8::MAX,
    faults: u8::MAX,
    operator: u8::MAX,
    hostility: &[Hostility::Outside, Hostility::Disk, Hostility::Lag],
    downtime: 3,
    ..SINK
};

/// So many steps at most are taken at one command.
const PATIENCE: usize = 200;

/// What playing a scenario came to.
#[derive(Clone, Debug)]
pub struct Played {
    /// The text, with what happened; for a good scenario it is the text that was played.
    pub transcript: String,
    /// The world at the end, under the names of its own history.
    pub world: World,
}

/// Plays the commands of a text. What comes back is the text with what happened; for a good scenario it is the same.
#[must_use]
pub fn play(text: &str) -> String {
    replay(text).transcript
}

/// Plays the commands of a text, and tells in what world its last scenario ends.
#[must_use]
pub fn replay(text: &str) -> Played {
    let mut stage = Stage::new(&ANYTHING);
    let mut begun = false;
    let mut told = String::new();
    for line in text.lines() {
        if let Some(command) = line.strip_prefix("> ") {
            let _ = writeln!(told, "\n> {command}");
            stage.obey(command, &mut told);
            begun = true;
        } else if line.starts_with("# ") {
            let gap = if told.is_empty() { "" } else { "\n\n" };
            let _ = writeln!(told, "{gap}{line}");
            (stage, begun) = (Stage::new(&ANYTHING), false);
        } else if line.starts_with("## ") {
            let _ = writeln!(told, "\n{line}");
        } else if !begun && let Some(known) = head::read(&mut stage.config, line) {
            let _ = writeln!(told, "{line}");
            told.push_str(if known { "" } else { "  there is no such thing in this build\n" });
            stage = Stage::new(&stage.config);
        }
    }
    Played { transcript: told, world: stage.world }
}

/// What an action leads to, under the names and at the instant of the world's own history. Requests stand in the order of a
/// normal form, so that an action means the same here as in the exploration.
pub(crate) fn onward(world: &World, config: &Config, action: Action) -> Option<World> {
    let mut next = world.step_raw(config, action)?;
    next.sort();
    Some(next)
}

/// A world, and what can happen in it.
struct Stage {
    config: Config,
    world: World,
}

impl Stage {
    fn new(config: &Config) -> Self {
        Self { config: *config, world: World::initial(config) }
    }

    fn obey(&mut self, command: &str, told: &mut String) {
        let (verb, rest) = command.split_once(' ').unwrap_or((command, ""));
        match (verb, rest) {
            ("given", "a login that can be repeated") => {
                let policy = Policy { relogin: Relogin::Possible, ..self.config.policy };
                *self = Self::new(&Config { policy, ..self.config });
            }
            ("until", phase) => self.go_on(phase, told),
            ("tick", times) => {
                for _ in 0..times.parse().unwrap_or(1) {
                    self.happen(happens(Event::Tick), told);
                }
            }
            _ => match hear(&self.world, command) {
                Some(action) => self.happen(action, told),
                None => _ = writeln!(told, "  no such command, or nothing that it could be about"),
            },
        }
        let _ = writeln!(told, "  = {}", truth(&self.world));
        if let Some(invariant) = self.world.violated {
            let _ = writeln!(told, "  {invariant} is BROKEN: {}", invariant.sentence());
        }
    }

    fn happen(&mut self, action: Action, told: &mut String) {
        let possible = self.world.actions(&self.config).contains(&action);
        match possible.then(|| onward(&self.world, &self.config, action)).flatten() {
            Some(next) => {
                asked(&self.world, &next, told);
                self.world = next;
            }
            None => _ = writeln!(told, "  {}", self.refusal(action.event)),
        }
    }

    /// What the machine says of a request that it does not take.
    fn refusal(&self, event: Event) -> String {
        let Event::Operator(demand) = event else { return "cannot happen here".to_owned() };
        let Process::Up(machine) = &self.world.process else { return "cannot happen: the process is down".to_owned() };
        match { *machine }.handle(self.world.now, self.world.input(demand)) {
            Err(illegal) => format!("refused: {illegal}"),
            Ok(()) => "cannot happen here".to_owned(),
        }
    }

    /// Everything goes well until the phase is this one.
    fn go_on(&mut self, phase: &str, told: &mut String) {
        let Some(goal) = phases().into_iter().find(|kind| format!("{kind:?}") == phase) else {
            told.push_str("  there is no such phase\n");
            return;
        };
        for _ in 0..PATIENCE {
            if self.world.phase().kind() == goal {
                return;
            }
            let Some(event) = self.next() else { break };
            if event == Event::Tick {
                told.push_str("  a tick passes\n");
            }
            self.happen(happens(event), told);
        }
        let _ = writeln!(told, "  it does not come to that");
    }

    /// What comes next when nothing goes wrong.
    fn next(&self) -> Option<Event> {
        let well = |event: &Event| match event {
            Event::Synced => Some(0),
            Event::Answer(_) => Some(1),
            Event::Timer => Some(2),
            Event::GiveUp(i) if self.world.flight[usize::from(*i)].swallowed => Some(3),
            Event::Restarted | Event::Restart { kept: false, .. } => Some(4),
            Event::Tick => Some(5),
            Event::Read => Some(6),
            _ => None,
        };
        let events = self.world.actions(&self.config).into_iter().filter(|action| action.dies_after.is_none());
        let ranked = events.filter_map(|action| well(&action.event).map(|rank| (rank, action.event)));
        ranked.min_by_key(|(rank, _)| *rank).map(|(_, event)| event)
    }
}

const fn happens(event: Event) -> Action {
    Action { event, dies_after: None }
}

/// Writes what the machine has asked for between two states.
fn asked(before: &World, after: &World, told: &mut String) {
    let (was, is): (PhaseKind, PhaseKind) = (before.phase().kind(), after.phase().kind());
    if was != is {
        let _ = writeln!(told, "  {was:?} -> {is:?}");
    }
    let (serving, now_serving) = (serving(before), serving(after));
    if let Some(generation) = now_serving.filter(|_| now_serving != serving) {
        let _ = writeln!(told, "  serve g{generation}");
    }
    if is_up(after) && serving.is_some() && now_serving.is_none() {
        let _ = writeln!(told, "  withdraw");
    }
    if let Some(record) = after.writing.filter(|record| before.writing != Some(*record)) {
        let _ = writeln!(told, "  append {:?}", record.step.kind());
    }
    let known: BTreeSet<OpId> = before.flight.iter().filter_map(|request| request.op).collect();
    for request in after.flight.iter().filter(|request| request.op.is_some_and(|op| !known.contains(&op))) {
        let _ = writeln!(told, "  perform {}", name(&request.effect));
    }
    let stalled = |world: &World| matches!(&world.process, Process::Up(machine) if machine.stalled());
    if stalled(after) && !stalled(before) {
        let _ = writeln!(told, "  stalled: nothing is changed any more, renewal goes on");
    }
}

const fn is_up(world: &World) -> bool {
    matches!(world.process, Process::Up(_))
}

/// What new work is given.
fn serving(world: &World) -> Option<u32> {
    world.process.serving().map(|generation| generation.number)
}
