//! The proxy before a server that answers as it is told, for what no real one can be brought to do on demand.

#![expect(clippy::unwrap_used, reason = "a test ends with what it did not expect")]

mod answers_for_tokens_itself;
mod bears_the_credential_that_serves;
mod common;
mod keeps_to_its_limits;
mod listens;
mod sends_nothing_without_a_credential;
mod stands_by_what_hangs_from_a_credential;
mod tries_candidates;
