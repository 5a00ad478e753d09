//! What is compared, and how.

mod cost;
mod failures;

use turquoise_tests::comparison::Row;

use crate::Fault;
use crate::scene::Scene;

/// A part of the table.
#[derive(Clone, Copy)]
pub(crate) struct Experiment {
    pub(crate) name: &'static str,
    /// How it is done, for whoever reads the table.
    pub(crate) method: &'static str,
    pub(crate) when: When,
    pub(crate) run: fn(&Scene) -> Result<Vec<Row>, Fault>,
}

/// Whether others may work at the same time.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    /// Nothing else may: it is about time or memory.
    Alone,
    /// It waits more than it works.
    Together,
}

/// All of them, in the order of the table.
pub(crate) static ALL: [Experiment; 8] = [
    cost::SPEED,
    cost::MEMORY,
    cost::START,
    failures::BAD,
    failures::REVOKED,
    failures::RESTART,
    failures::NEIGHBOUR,
    failures::READERS,
];
