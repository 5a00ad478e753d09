//! The diagram of the phases. Where each stands, and the way of each line, is a table; what is written comes from the
//! transitions. A line that the transitions do not have, or the other way round, is a test's failure.

use std::fmt::Write as _;

use turquoise_core::{PhaseKind, StepKind, TRANSITIONS, Transition};

use super::phases;

/// Why one goes this way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    /// A rotation that goes well.
    Well,
    /// A candidate that fails.
    Failure,
    /// The world contradicts the journal.
    Contradiction,
    /// The process is asked to end, and a successor begins.
    End,
}

impl Why {
    const ALL: [Self; 4] = [Self::Well, Self::Failure, Self::Contradiction, Self::End];

    /// Name, colour, dashes.
    const fn style(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Well => ("it goes well", "#0f8b8d", "none"),
            Self::Failure => ("the candidate fails", "#c8553d", "6 4"),
            Self::Contradiction => ("the world contradicts the journal", "#7d5ba6", "3 3"),
            Self::End => ("the process ends, a successor begins", "#5c6770", "none"),
        }
    }
}

/// A line from one phase to another; if the way back is not a line of its own, it has two heads.
struct Line {
    from: PhaseKind,
    to: PhaseKind,
    why: Why,
    way: &'static [(i32, i32)],
    /// Where its label begins, and how it is aligned.
    label: (i32, i32, &'static str),
}

macro_rules! lines {
    ($($from:ident -> $to:ident, $why:ident, $way:expr, $label:expr;)*) => {
        &[$(Line { from: PhaseKind::$from, to: PhaseKind::$to, why: Why::$why, way: &$way, label: $label }),*]
    };
}

const LINES: &[Line] = lines! {
    Vacant -> Steady, Well, [(190, 130), (278, 130)], (234, 122, "middle");
    Steady -> Issuing, Well, [(420, 115), (508, 115)], (464, 107, "middle");
    Issuing -> Validating, Well, [(650, 130), (738, 130)], (694, 122, "middle");
    Validating -> Draining, Well, [(880, 130), (968, 130)], (924, 122, "middle");
    Draining -> Revoking, Well, [(1110, 130), (1198, 130)], (1154, 122, "middle");
    Revoking -> Steady, Well, [(1270, 90), (1270, 50), (350, 50), (350, 88)], (810, 29, "middle");

    Issuing -> Steady, Failure, [(510, 145), (422, 145)], (464, 162, "middle");
    Issuing -> Abandoning, Failure, [(610, 170), (665, 288)], (626, 224, "end");
    Validating -> Abandoning, Failure, [(780, 170), (725, 288)], (764, 224, "start");
    Abandoning -> Steady, Failure, [(625, 330), (490, 330), (490, 220), (390, 220), (390, 172)], (575, 309, "middle");

    Vacant -> NeedsOperator, Contradiction, [(50, 130), (24, 130), (24, 478)], (31, 430, "start");
    Steady -> NeedsOperator, Contradiction, [(410, 172), (445, 200), (445, 478)], (452, 430, "start");
    Issuing -> NeedsOperator, Contradiction, [(524, 170), (524, 478)], (531, 430, "start");
    Validating -> NeedsOperator, Contradiction, [(850, 170), (850, 478)], (857, 430, "start");
    Draining -> NeedsOperator, Contradiction, [(1040, 172), (1040, 478)], (1047, 430, "start");
    Revoking -> NeedsOperator, Contradiction, [(1270, 172), (1270, 478)], (1263, 430, "end");
    Abandoning -> NeedsOperator, Contradiction, [(695, 372), (695, 478)], (702, 430, "start");
    Stopped -> NeedsOperator, Contradiction, [(120, 370), (120, 478)], (127, 430, "start");

    Vacant -> Stopped, End, [(100, 172), (100, 288)], (107, 232, "start");
    Steady -> Stopped, End, [(290, 172), (175, 288)], (286, 194, "start");
    Steady -> Closing, End, [(370, 170), (370, 288)], (377, 262, "start");
    Closing -> NeedsOperator, Contradiction, [(310, 372), (310, 478)], (317, 430, "start");
    Closing -> Stopped, End, [(280, 330), (192, 330)], (236, 322, "middle");
    Closing -> Vacant, End, [(300, 290), (155, 172)], (276, 262, "start");
};

/// Left, top, width and height.
const fn place(phase: PhaseKind) -> (i32, i32, i32, i32) {
    let (x, y) = match phase {
        PhaseKind::Vacant => (50, 90),
        PhaseKind::Steady => (280, 90),
        PhaseKind::Issuing => (510, 90),
        PhaseKind::Validating => (740, 90),
        PhaseKind::Draining => (970, 90),
        PhaseKind::Revoking => (1200, 90),
        PhaseKind::Stopped => (50, 290),
        PhaseKind::Closing => (280, 290),
        PhaseKind::Abandoning => (625, 290),
        PhaseKind::NeedsOperator => return (10, 480, 1340, 36),
    };
    (x, y, 140, 80)
}

/// The steps that lead to a phase from every one that has a credential: they are told and not drawn.
const FROM_ALL: [(StepKind, PhaseKind); 2] = [(StepKind::Waived, PhaseKind::Closing), (StepKind::Recovered, PhaseKind::Vacant)];

fn is_drawn(row: &Transition) -> bool {
    let has_credential = !matches!(row.from, PhaseKind::Vacant | PhaseKind::Closing | PhaseKind::Stopped);
    !(has_credential && FROM_ALL.contains(&(row.step, row.to)))
}

/// The steps from one phase to another.
fn between(from: PhaseKind, to: PhaseKind) -> Vec<StepKind> {
    let rows = TRANSITIONS.iter().filter(|row| (row.from, row.to) == (from, to) && is_drawn(row));
    let mut steps: Vec<_> = rows.map(|row| row.step).collect();
    steps.dedup();
    steps
}

/// The steps that stay in a phase, but for those that are everywhere.
fn within(phase: PhaseKind) -> Vec<StepKind> {
    let everywhere = [StepKind::Recovered, StepKind::Compromised];
    between(phase, phase).into_iter().filter(|step| !everywhere.contains(step)).collect()
}

/// Whether a line stands for the way back as well.
fn is_double(line: &Line) -> bool {
    !between(line.to, line.from).is_empty() && !LINES.iter().any(|other| (other.from, other.to) == (line.to, line.from))
}

/// The diagram as a picture.
#[must_use]
pub fn svg() -> String {
    let mut out = String::from(HEAD);
    for why in Why::ALL {
        let (_, colour, _) = why.style();
        let _ = writeln!(
            out,
            "  <marker id=\"{why:?}\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"8\" markerHeight=\"8\" \
             orient=\"auto-start-reverse\"><path d=\"M0 0 8 4 0 8z\" fill=\"{colour}\"/></marker>"
        );
    }
    for line in LINES {
        draw(&mut out, line);
    }
    for phase in phases() {
        draw_phase(&mut out, phase);
    }
    for (why, x) in Why::ALL.into_iter().zip([60, 250, 490, 810]) {
        let (name, colour, dashes) = why.style();
        let _ = writeln!(
            out,
            "  <path class=\"line\" d=\"M{x} 560h40\" stroke=\"{colour}\" stroke-dasharray=\"{dashes}\"/>\n  \
             <text class=\"step\" x=\"{}\" y=\"564\">{name}</text>",
            x + 50
        );
    }
    let _ = writeln!(
        out,
        "  <text class=\"step\" x=\"436\" y=\"386\" text-anchor=\"end\">Waived: from every phase with a credential</text>\n  \
         <text class=\"step\" x=\"50\" y=\"80\">Recovered: from every such phase, where nothing survives</text>"
    );
    out.push_str("</svg>\n");
    out
}

const HEAD: &str = "\
<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 1360 580\" role=\"img\" aria-label=\"The phases of a rotation\">
  <style>
    text { font: 12px sans-serif; fill: #24292f }
    .phase { font-weight: bold; font-size: 14px }
    .step { font-size: 11px }
    .line { fill: none; stroke-width: 1.6 }
  </style>
  <rect width=\"1360\" height=\"580\" fill=\"#ffffff\"/>
";

fn draw(out: &mut String, line: &Line) {
    let (_, colour, dashes) = line.why.style();
    let way: Vec<_> = line.way.iter().map(|(x, y)| format!("{x} {y}")).collect();
    let double = if is_double(line) { format!(" marker-start=\"url(#{:?})\"", line.why) } else { String::new() };
    let _ = writeln!(
        out,
        "  <path class=\"line\" d=\"M{}\" stroke=\"{colour}\" stroke-dasharray=\"{dashes}\" marker-end=\"url(#{:?})\"{double}/>",
        way.join(" L"),
        line.why
    );
    let back = if is_double(line) { between(line.to, line.from) } else { Vec::new() };
    let there = between(line.from, line.to).into_iter().map(|step| format!("{step:?}"));
    let words = there.chain(back.into_iter().map(|step| format!("↑ {step:?}")));
    let (x, y, anchor) = line.label;
    for (word, n) in words.zip(0..) {
        let y = y + 13 * n;
        let _ = writeln!(out, "  <text class=\"step\" x=\"{x}\" y=\"{y}\" text-anchor=\"{anchor}\">{word}</text>");
    }
}

fn draw_phase(out: &mut String, phase: PhaseKind) {
    let (x, y, width, height) = place(phase);
    let middle = x + width / 2;
    let _ = writeln!(
        out,
        "  <rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"8\" fill=\"#eef7f7\" stroke=\"#24292f\"/>\n  \
         <text class=\"phase\" x=\"{middle}\" y=\"{}\" text-anchor=\"middle\">{phase:?}</text>",
        y + 20
    );
    for (step, n) in within(phase).into_iter().zip(0..) {
        let y = y + 36 + 13 * n;
        let _ = writeln!(out, "  <text class=\"step\" x=\"{middle}\" y=\"{y}\" text-anchor=\"middle\">{step:?}</text>");
    }
}

/// The diagram for Graphviz.
#[must_use]
pub fn dot() -> String {
    let mut out =
        String::from("digraph rotation {\n  rankdir=LR;\n  node [shape=box, style=rounded, fontname=\"sans-serif\"];\n");
    for phase in phases() {
        let steps: Vec<_> = within(phase).iter().map(|step| format!("\\n{step:?}")).collect();
        let _ = writeln!(out, "  {phase:?} [label=\"{phase:?}{}\"];", steps.concat());
    }
    for line in LINES {
        let back = is_double(line).then_some((line.to, line.from));
        for (from, to) in [(line.from, line.to)].into_iter().chain(back) {
            let (_, colour, dashes) = line.why.style();
            let style = if dashes == "none" { "solid" } else { "dashed" };
            let label: Vec<_> = between(from, to).into_iter().map(|step| format!("{step:?}")).collect();
            let _ = writeln!(out, "  {from:?} -> {to:?} [label=\"{}\", color=\"{colour}\", style={style}];", label.join("\\n"));
        }
    }
    out.push_str("  all [label=\"every phase with a credential\", shape=plaintext];\n");
    for (step, to) in FROM_ALL {
        let _ = writeln!(out, "  all -> {to:?} [label=\"{step:?}\"];");
    }
    out.push_str("}\n");
    out
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_diagram_has_the_lines_that_the_transitions_have() {
        let drawn = TRANSITIONS.iter().filter(|row| is_drawn(row));
        let there = drawn.map(|row| (row.from, row.to)).filter(|(from, to)| from != to);
        let forth = LINES.iter().map(|line| (line.from, line.to));
        let back = LINES.iter().filter(|line| is_double(line)).map(|line| (line.to, line.from));
        assert_eq!(forth.chain(back).collect::<BTreeSet<_>>(), there.collect());
    }
}
