//! Scenarios as text: a command a line, and below it what the machine asked for and what was true then. Nobody needs Rust
//! to read one, or to write one. `tests/golden/README.md` has the commands.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use turquoise_core::{AtStop, Input, OpId, PhaseKind, Policy, Relogin, Resolution};

use crate::config::{Config, Hostility, SINK};
use crate::spec::phases;
use crate::story::{name, truth};
use crate::world::{Action, Demand, Event, Process, Request, World};

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

/// Plays the commands of a text. What comes back is the text with what happened; for a good scenario it is the same.
#[must_use]
pub fn play(text: &str) -> String {
    let mut stage = Stage::new(&ANYTHING);
    let mut told = String::new();
    for line in text.lines() {
        if let Some(command) = line.strip_prefix("> ") {
            let _ = writeln!(told, "\n> {command}");
            stage.obey(command, &mut told);
        } else if line.starts_with("# ") {
            let gap = if told.is_empty() { "" } else { "\n\n" };
            let _ = writeln!(told, "{gap}{line}");
            stage = Stage::new(&ANYTHING);
        } else if line.starts_with("## ") {
            let _ = writeln!(told, "{line}");
        }
    }
    told
}

type Verb = (&'static str, fn(u8) -> Event);

/// What can become of a request that somebody waits for.
const REQUESTS: [Verb; 7] = [
    ("answer ", Event::Answer),
    ("twice: ", Event::AnswerTwice),
    ("refuse ", Event::Reject),
    ("too few rights for ", Event::AnswerUseless),
    ("a lagging node answers ", Event::AnswerNoop),
    ("lose the reply to ", Event::Swallow),
    ("give up ", Event::GiveUp),
];

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
                    self.happen(Event::Tick, told);
                }
            }
            _ => match self.event(command) {
                Some(event) => self.happen(event, told),
                None => _ = writeln!(told, "  no such command, or nothing that it could be about"),
            },
        }
        let _ = writeln!(told, "  = {}", truth(&self.world));
        if let Some(invariant) = self.world.violated {
            let _ = writeln!(told, "  {invariant} is BROKEN: {}", invariant.sentence());
        }
    }

    fn event(&self, command: &str) -> Option<Event> {
        Some(match command {
            "journal acknowledges" => Event::Synced,
            "journal fails" => Event::SyncFails,
            "timer" => Event::Timer,
            "reader reads" => Event::Read,
            "crash" => Event::Die,
            "the process is ended" => Event::Restarted,
            "restart" => Event::Restart { kept: false, rebooted: None },
            "restart, and it was written" => Event::Restart { kept: true, rebooted: None },
            _ => return self.event_about(command),
        })
    }

    fn event_about(&self, command: &str) -> Option<Event> {
        if let Some(words) = command.strip_prefix("operator: ") {
            return self.demand(words).map(Event::Operator);
        }
        if let Some(generation) = command.strip_prefix("others revoke ") {
            return self.live(generation).map(Event::RevokedByOthers);
        }
        if let Some(what) = command.strip_prefix("too late: ") {
            return self.request(what, |request| request.op.is_none()).map(Event::ApplyLate);
        }
        let (what, event) = REQUESTS.iter().find_map(|(verb, event)| Some((command.strip_prefix(verb)?, event)))?;
        self.request(what, |request| request.op.is_some()).map(event)
    }

    fn demand(&self, words: &str) -> Option<Demand> {
        Some(match words {
            "rotate" => Demand::Begin,
            "abort" => Demand::Abort,
            "roll back" => Demand::Rollback,
            "keep" => Demand::Resolve(Resolution::Keep),
            "forget" => Demand::Resolve(Resolution::Forget),
            "break the glass" => Demand::BreakGlass,
            "stop and keep" => Demand::Shutdown(AtStop::Keep),
            "stop and revoke" => Demand::Shutdown(AtStop::Revoke),
            _ => Demand::Compromise(self.live(words.strip_suffix(" is compromised")?)?),
        })
    }

    /// Which of those that live is called so.
    fn live(&self, generation: &str) -> Option<u8> {
        let number: u32 = generation.strip_prefix('g')?.parse().ok()?;
        let i = self.world.live.iter().position(|credential| credential.generation.number == number)?;
        u8::try_from(i).ok()
    }

    /// Which request is told so.
    fn request(&self, what: &str, fits: impl Fn(&Request) -> bool) -> Option<u8> {
        let i = self.world.flight.iter().position(|request| fits(request) && name(&request.effect).starts_with(what))?;
        u8::try_from(i).ok()
    }

    fn happen(&mut self, event: Event, told: &mut String) {
        let action = Action { event, dies_after: None };
        let possible = self.world.actions(&self.config).contains(&action);
        match possible.then(|| self.world.step_raw(&self.config, action)).flatten() {
            Some(next) => {
                asked(&self.world, &next, told);
                self.world = next;
            }
            None => _ = writeln!(told, "  {}", self.refusal(event)),
        }
    }

    /// What the machine says of a request that it does not take.
    fn refusal(&self, event: Event) -> String {
        let input = match event {
            Event::Operator(Demand::Begin) => Input::Begin,
            Event::Operator(Demand::Abort) => Input::Abort,
            Event::Operator(Demand::Rollback) => Input::Rollback,
            Event::Operator(Demand::Compromise(i)) => Input::Compromise(self.world.live[usize::from(i)].generation),
            Event::Operator(Demand::Resolve(resolution)) => Input::Resolve(resolution),
            Event::Operator(Demand::Shutdown(how)) => Input::Shutdown(how),
            _ => return "cannot happen here".to_owned(),
        };
        let Process::Up(machine) = &self.world.process else { return "cannot happen: the process is down".to_owned() };
        match { *machine }.handle(self.world.now, input) {
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
            self.happen(event, told);
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
    match &world.process {
        Process::Up(machine) => machine.serving().map(|generation| generation.number),
        Process::Down(_) => None,
    }
}
