//! Vault and OpenBao behind the provider port.
//!
//! [`TokenProvider`] rotates a token by minting parentless siblings of it through a token role: no power over anybody
//! else's tokens is needed, only what [`policy`] prints. A rotation costs five requests and the probes:
//! create, lookup-self, renew-self to extend, renew-self to shorten, revoke-self. A sixth, lookup, is needed only where the
//! last was not answered.
//!
//! One pool of connections serves all tokens; no redirect is followed and nothing is taken from the environment, proxies
//! included. Plain HTTP only, so far.
//!
//! # Where secrets are
//!
//! Tokens are wiped when dropped wherever this crate holds them: in requests, replies and results. The HTTP library's own
//! read and write buffers are beyond our reach: a program that wants those wiped too sets a wiping global allocator.

mod config;

mod reply;
mod request;
mod token;
mod transport;

pub use config::{ConfigError, Path, Probe, Role, TokenConfig, policy};
pub use token::TokenProvider;
