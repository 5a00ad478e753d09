//! A kit that tests whoever implements a port against the port's contract, and a provider against its own declaration.
//!
//! Call [`journal::test_all`] and [`provider::test_all`] in a test. Each check has a name, and one that fails says which
//! clause of the contract is broken. What the kit cannot see is not in it: whether an acknowledged entry survives a loss of
//! power, and how long a request may still be applied after its sender has died.

pub mod journal;
pub mod provider;

use std::fmt;

/// A clause of a contract that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breach {
    /// The check that found it.
    pub check: &'static str,
    /// The clause, and what was found instead.
    pub says: String,
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.check, self.says)
    }
}

/// What a check answers: nothing, or the clause that is broken.
type Outcome = Result<(), String>;

/// Fails unless something holds, with the clause that says so.
macro_rules! clause {
    ($holds:expr, $($says:tt)*) => {
        if !$holds {
            return Err(format!($($says)*));
        }
    };
}
use clause;

#[expect(clippy::panic, reason = "a test fails by that")]
fn fail_on(breaches: &[Breach]) {
    if !breaches.is_empty() {
        let list: Vec<String> = breaches.iter().map(Breach::to_string).collect();
        panic!("clauses of the contract that do not hold: {}\n- {}", breaches.len(), list.join("\n- "));
    }
}
