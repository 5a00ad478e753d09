//! Tokens on a real server.

#![expect(clippy::unwrap_used, reason = "a test ends with what it did not expect")]

mod adopting;
mod conforming;
mod ending;
mod living;
mod minting;
mod policy;
mod probing;
mod secrecy;
mod support;
