//! The layer over a client that notes what it is sent, and over hyper.

#![expect(clippy::unwrap_used, reason = "a test ends with what it did not expect")]

mod bears_the_credential_that_serves;
mod common;
mod holds_it_until_the_body_has_ended;
mod sends_nothing_without_a_credential;
mod sends_through_hyper;
mod tries_candidates_on_what_can_be_sent_again;
