//! Vault and OpenBao behind the provider port.
//!
//! [`TokenProvider`] rotates a token by minting parentless siblings of it through a token role: no power over anybody
//! else's tokens is needed, only what [`policy`] prints. A good rotation costs five requests and the
//! probes: create, renew-self to extend, renew-self to shorten, revoke-self, and the lookup by which the new one sees that the
//! old one is dead. A probe is a request for each path that it reads, and a lookup-self.
//!
//! One pool of connections serves all tokens; a redirect is followed by a read to a configured address and else never, and
//! nothing is taken from the environment, proxies included.
//!
//! # Where secrets are
//!
//! Tokens are wiped when dropped wherever this crate holds them: in requests, replies and results. The HTTP library's own
//! read and write buffers are beyond our reach: a program that wants those wiped too sets a wiping global allocator.

#[cfg(feature = "client")]
mod client;
mod config;
mod connect;
mod entity;
mod failure;
mod file;
mod fit;
mod holder;
mod index;
mod lockout;
mod login;
mod method;
mod name;
mod reply;
mod request;
mod secret_id;
mod server;
mod tls;
mod token;
mod transport;

#[cfg(feature = "client")]
pub use client::{ClientGuard, RotatingClient};
pub use config::{ACCESSOR_POLICY, Probe, TokenConfig, login_policy, policy};
pub use lockout::Retry;
pub use login::{LoginConfig, LoginProvider};
pub use method::Method;
pub use name::{App, Mount, Namespace, Path, Role};
pub use secret_id::{Issued, SecretIdConfig, SecretIdProvider, secret_id_policy};
pub use server::{Address, ClientCertificate, ConfigError, Tls, Upstream};
pub use token::TokenProvider;
