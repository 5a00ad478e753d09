//! Tokens on a real server.

#![expect(clippy::unwrap_used, reason = "a test ends with what it did not expect")]

mod adopting;
mod certify;
mod conforming;
mod doctoring;
mod ending;
mod hashing;
mod kubernetes;
mod living;
mod logging_in;
mod methods;
mod minting;
mod policy;
mod probing;
mod reaching;
mod secrecy;
mod secret_ids;
mod support;
