//! The specification as text, made from the data that the machine itself obeys: the table of transitions, which input is
//! legal in which phase, and the diagram of the phases.

mod diagram;
mod matrix;

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::{Value, json};
use turquoise_core::{PhaseKind, StepKind, TRANSITIONS};

use crate::config::{Config, STANDARD};
use crate::invariant::Invariant;

pub use diagram::{dot, svg};
pub use matrix::{InputKind, Legality, Matrix};

/// The phases, in the order of a rotation.
#[must_use]
pub fn phases() -> BTreeSet<PhaseKind> {
    TRANSITIONS.iter().flat_map(|row| [row.from, row.to]).collect()
}

/// The steps.
#[must_use]
pub fn steps() -> BTreeSet<StepKind> {
    TRANSITIONS.iter().map(|row| row.step).collect()
}

/// The table of transitions in Markdown.
#[must_use]
pub fn transition_table() -> String {
    let mut table = String::from("| from | step | to | announces | when |\n| --- | --- | --- | --- | --- |\n");
    for row in TRANSITIONS {
        let to = if row.to == row.from { String::from("–") } else { format!("{:?}", row.to) };
        let _ = writeln!(table, "| {:?} | `{:?}` | {to} | {} | {} |", row.from, row.step, row.announces, row.when);
    }
    table
}

/// The properties in Markdown.
#[must_use]
pub fn property_table() -> String {
    let mut table = String::from("| id | what it says |\n| --- | --- |\n");
    for invariant in Invariant::ALL {
        let _ = writeln!(table, "| {invariant} | {} |", invariant.sentence());
    }
    table
}

/// The pinned configurations in Markdown.
#[must_use]
pub fn configuration_table() -> String {
    let mut table = String::from(
        "| configuration | crashes | other faults | operator | what else can happen |\n| --- | --- | --- | --- | --- |\n",
    );
    for config in &STANDARD {
        let Config { name, crashes, faults, operator, .. } = config;
        let hostility: Vec<_> = config.hostility.iter().map(|hostility| format!("{hostility:?}")).collect();
        let _ = writeln!(table, "| {name} | {crashes} | {faults} | {operator} | {} |", hostility.join(", "));
    }
    table
}

/// All of it in Markdown.
#[must_use]
pub fn markdown(matrix: &Matrix) -> String {
    let (properties, transitions) = (property_table(), transition_table());
    format!("# Properties\n\n{properties}\n# Transitions\n\n{transitions}\n# Inputs\n\n{}", matrix.markdown())
}

/// All of it as JSON.
#[must_use]
pub fn json(matrix: &Matrix) -> String {
    let name = |kind: &dyn std::fmt::Debug| format!("{kind:?}");
    let transition = |row: &turquoise_core::Transition| {
        let announces: Vec<_> = row.announces.split(", ").filter(|effect| !effect.is_empty()).collect();
        json!({
            "from": name(&row.from), "step": name(&row.step), "to": name(&row.to), "announces": announces, "when": row.when,
        })
    };
    let property = |invariant: Invariant| json!({ "id": invariant.id(), "sentence": invariant.sentence() });
    let all: Value = json!({
        "phases": phases().iter().map(|phase| name(phase)).collect::<Vec<_>>(),
        "steps": steps().iter().map(|step| name(step)).collect::<Vec<_>>(),
        "transitions": TRANSITIONS.iter().map(transition).collect::<Vec<_>>(),
        "properties": Invariant::ALL.map(property),
        "inputs": matrix.json(),
    });
    format!("{all:#}\n")
}
