//! The generated specification is what it was when somebody last looked at it, and the pages that embed it agree.

use crate::page;

use turquoise_model::spec::{self, InputKind, Legality, Matrix};
use turquoise_model::{Assumption, STANDARD};

#[test]
fn the_specification_is_as_it_was_reviewed() {
    let matrix = Matrix::ask();
    assert!(matrix.states > 100_000, "asked in only {} states", matrix.states);
    for phase in spec::phases() {
        assert_eq!(matrix.legality(phase, InputKind::Timeout), Some(Legality::Always), "{phase:?} was never asked");
    }
    insta::assert_snapshot!("markdown", spec::markdown(&matrix));
    insta::assert_snapshot!("json", spec::json(&matrix));
    page::holds("spec.md", "properties", &spec::property_table());
    page::holds("spec.md", "transitions", &spec::transition_table());
    page::holds("spec.md", "inputs", &matrix.markdown());
}

#[test]
fn the_pages_explain_every_assumption_and_all_that_worlds_can_do() {
    for assumption in Assumption::ALL {
        assert!(page::has("assumptions.md", &format!("(`{assumption:?}`) |")), "{assumption:?} has no line");
    }
    for hostility in STANDARD.iter().flat_map(|config| config.hostility) {
        assert!(page::has("spec.md", &format!("*{hostility:?}*")), "{hostility:?} is not explained");
    }
}

#[test]
fn the_diagram_is_as_it_was_reviewed() {
    insta::assert_snapshot!("dot", spec::dot());
    insta::assert_snapshot!("svg", spec::svg());
    page::is("phases.svg", &spec::svg());
}
