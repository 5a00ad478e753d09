//! The conformance kit fails whoever breaks a clause, and names it: one broken journal and one broken provider for each.
#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

mod journals;
mod providers;
