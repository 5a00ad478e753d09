//! Which input is legal in which phase. Nobody writes it down: the machine is asked, in every state of a small exploration.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write as _;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

use serde_json::{Map, Value, json};
use turquoise_core::{
    Applied, AtStop, Certainty, Generation, Illegal, Input, Lsn, OpId, Outcome, PhaseKind, Resolution, Rotation, Verdict,
};

use super::phases;
use crate::config::{Config, Hostility, SINK, STANDARD};
use crate::world::{Process, World};

/// The names of the inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each is the input of the same name")]
pub enum InputKind {
    Durable,
    NotDurable,
    Completed,
    Idle,
    Begin,
    Abort,
    Rollback,
    Compromise,
    Sample,
    BreakGlass,
    Retry,
    Pause,
    Resolve,
    Shutdown,
    Gap,
    Mandate,
    Timeout,
}

impl InputKind {
    /// All of them.
    pub const ALL: [Self; 17] = [
        Self::Durable,
        Self::NotDurable,
        Self::Completed,
        Self::Idle,
        Self::Begin,
        Self::Abort,
        Self::Rollback,
        Self::Compromise,
        Self::Sample,
        Self::BreakGlass,
        Self::Retry,
        Self::Pause,
        Self::Resolve,
        Self::Shutdown,
        Self::Gap,
        Self::Mandate,
        Self::Timeout,
    ];

    /// What the machine does not say itself when it refuses.
    const fn condition(self) -> &'static str {
        match self {
            Self::Durable | Self::NotDurable => "only of the record that waits for the disk, and once",
            Self::Completed => "only of an effect that is under way, and once",
            Self::Idle => "only of a credential that new work no longer gets: the retiring one, or the last one at a stop",
            Self::Pause => "always: what is due waits until then; a past instant ends the pause",
            Self::Gap => "always: a sleep, or a clock that cannot be trusted",
            Self::Mandate => "always: the lease that a coordinator gives",
            Self::Timeout => "always: nothing but the passing of time",
            _ => "",
        }
    }

    /// This input with every argument that could be legal, and with at least one.
    fn inputs(self, world: &World, machine: &Rotation) -> Vec<Input> {
        let nobody = Generation { incarnation: 0, number: 0 };
        let generations = || world.live.iter().map(|credential| credential.generation).chain([nobody]);
        let lsn = machine.awaited().map_or(Lsn(0), |record| record.lsn);
        match self {
            Self::Durable => vec![Input::Durable(lsn)],
            Self::NotDurable => vec![Input::NotDurable(lsn)],
            Self::Completed => {
                let ops = world.flight.iter().filter_map(|request| request.op).chain([OpId(0)]);
                ops.map(|op| Input::Completed { op, outcome: Outcome::Applied(Applied::Done) }).collect()
            }
            Self::Idle => generations().map(Input::Idle).collect(),
            Self::Begin => vec![Input::Begin],
            Self::Abort => vec![Input::Abort],
            Self::Rollback => vec![Input::Rollback],
            Self::Compromise => generations().map(Input::Compromise).collect(),
            Self::Sample => {
                let verdict = Verdict::Refused;
                generations().map(|generation| Input::Sample { generation, verdict }).collect()
            }
            Self::BreakGlass => vec![Input::BreakGlass(Certainty::Confirmed)],
            Self::Retry => vec![Input::Retry],
            Self::Pause => vec![Input::Pause(world.now)],
            Self::Gap => vec![Input::Gap],
            Self::Mandate => vec![Input::Mandate(world.now)],
            Self::Resolve => [Resolution::Keep, Resolution::Forget].map(Input::Resolve).to_vec(),
            Self::Shutdown => [AtStop::Keep, AtStop::Revoke].map(Input::Shutdown).to_vec(),
            Self::Timeout => vec![Input::Timeout],
        }
    }
}

/// Whether an input is legal in a phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Legality {
    /// In every state that was asked.
    Always,
    /// In some of them.
    Sometimes,
    /// In none of them.
    Never,
}

impl Legality {
    const fn word(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::Sometimes => "sometimes",
            Self::Never => "never",
        }
    }
}

/// Which input is legal in which phase.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Matrix {
    /// In how many states the machine was asked.
    pub states: usize,
    /// In how many it accepted and refused.
    answers: BTreeMap<(PhaseKind, InputKind), Answers>,
    /// When it is legal, as the machine says.
    conditions: BTreeMap<InputKind, &'static str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
struct Answers {
    accepted: usize,
    refused: usize,
}

/// Small budgets that come to every phase: nothing is judged here, the machine is only asked.
const ASKED: Config = Config { crashes: 0, faults: 1, operator: 1, hostility: &[Hostility::Outside, Hostility::Disk], ..SINK };

impl Matrix {
    /// Asks the machine. It takes a second or two.
    #[must_use]
    pub fn ask() -> Self {
        let mut matrix = Self::default();
        let canaries = STANDARD.iter().filter(|config| config.policy.canary.is_some());
        let canaries = canaries.map(|config| Config { faults: 0, ..*config });
        for config in canaries.chain([ASKED]) {
            walk(&config, |world| matrix.add(world));
        }
        matrix
    }

    fn add(&mut self, world: &World) {
        let Process::Up(machine) = &world.process else { return };
        self.states += 1;
        for kind in InputKind::ALL {
            let accepts = |input| match { *machine }.handle(world.now, input) {
                Ok(()) => Ok(()),
                Err(Illegal::NotHere { legal, .. }) => Err(legal),
                Err(_) => Err(kind.condition()),
            };
            let answers: Vec<_> = kind.inputs(world, machine).into_iter().map(accepts).collect();
            self.conditions.entry(kind).or_insert(kind.condition());
            self.conditions.extend(answers.iter().filter_map(|answer| answer.err()).map(|legal| (kind, legal)));
            let counts = self.answers.entry((machine.phase().kind(), kind)).or_default();
            let accepted = answers.iter().any(Result::is_ok);
            *(if accepted { &mut counts.accepted } else { &mut counts.refused }) += 1;
        }
    }

    /// Whether this input is legal in this phase; `None` if the phase was never seen.
    #[must_use]
    pub fn legality(&self, phase: PhaseKind, input: InputKind) -> Option<Legality> {
        self.answers.get(&(phase, input)).map(|answers| match answers {
            Answers { refused: 0, .. } => Legality::Always,
            Answers { accepted: 0, .. } => Legality::Never,
            _ => Legality::Sometimes,
        })
    }

    fn word(&self, phase: PhaseKind, input: InputKind) -> &'static str {
        self.legality(phase, input).map_or("not seen", Legality::word)
    }

    /// A row for each phase, a column for each input; then what *sometimes* means.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut table = String::from("| |");
        for input in InputKind::ALL {
            let _ = write!(table, " {input:?} |");
        }
        let _ = writeln!(table, "\n| --- |{}", " --- |".repeat(InputKind::ALL.len()));
        for phase in phases() {
            let cells = InputKind::ALL.map(|input| match self.word(phase, input) {
                "never" => "–",
                word => word,
            });
            let _ = writeln!(table, "| **{phase:?}** | {} |", cells.join(" | "));
        }
        let _ = writeln!(table, "\n| input | legal |\n| --- | --- |");
        for (input, condition) in &self.conditions {
            let _ = writeln!(table, "| {input:?} | {condition} |");
        }
        table
    }

    /// The same as JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        let row = |phase| InputKind::ALL.map(|input| (format!("{input:?}"), json!(self.word(phase, input))));
        let rows: Map<_, _> =
            phases().into_iter().map(|phase| (format!("{phase:?}"), row(phase).into_iter().collect())).collect();
        let conditions: Map<_, _> = self.conditions.iter().map(|(input, legal)| (format!("{input:?}"), json!(legal))).collect();
        json!({ "legal": rows, "conditions": conditions })
    }
}

/// Visits every reachable state. Two states with the same 64-bit fingerprint count as one: here nothing hangs on it.
fn walk(config: &Config, mut visit: impl FnMut(&World)) {
    let hasher = BuildHasherDefault::<DefaultHasher>::default();
    let initial = World::initial(config);
    let mut known = HashSet::from([hasher.hash_one(&initial)]);
    let mut open = vec![initial];
    while let Some(world) = open.pop() {
        visit(&world);
        for action in world.actions(config) {
            open.extend(world.step(config, action).filter(|next| known.insert(hasher.hash_one(next))));
        }
    }
}
