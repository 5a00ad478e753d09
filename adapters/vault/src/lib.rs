//! Vault and OpenBao behind the provider port.
//!
//! [`TokenProvider`] rotates a token by minting parentless siblings of it through a token role: no power over anybody
//! else's tokens is needed, only what [`policy`] prints. A good rotation costs five requests and the
//! probes: create, renew-self to extend, renew-self to shorten, revoke-self, and the lookup by which the new one sees that the
//! old one is dead. A probe is a request for each path that it reads, and a lookup-self.
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
