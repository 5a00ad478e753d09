//! Vault and OpenBao behind the provider port.
//!
//! | provider | the next credential is | a good rotation costs, without probes |
//! | --- | --- | --- |
//! | [`LoginProvider`] | another login with the same [`Method`]; nothing to set up on the server | five requests; six if the role gives more than a probation |
//! | [`TokenProvider`] | a parentless sibling, minted with the present one | five requests |
//! | [`SecretIdProvider`] | another secret id of an AppRole, made with a token that the present one logs in for | some logins |
//!
//! None needs power over anybody else's tokens, only what [`login_policy`], [`policy`] and [`secret_id_policy`] print
//! ([`Issued::End`] and the accessor privileges are the exceptions, by choice). A probe is a request for each path that it reads,
//! and a lookup. [`doctor`] tries all that on the server before it matters.
//!
//! # When something counts as dead
//!
//! A standby that lags behind its leader says of living tokens that they are unknown. So every answer to a write gives an index,
//! later calls bear the highest with the wish that a node which is behind passes them on, and only then its word counts. Before the
//! first write only a node that is known to lead, by its own word before and after and at its own address, is believed.
//!
//! One pool of connections serves all tokens; a redirect is followed by a read to a configured address and else never, and
//! nothing is taken from the environment, proxies included.
//!
//! # Where secrets are
//!
//! Tokens are wiped when dropped wherever this crate holds them: in requests, replies and results. The HTTP library's own
//! read and write buffers are beyond our reach: a program that wants those wiped too sets a wiping global allocator.

mod audit_hash;
#[cfg(feature = "client")]
mod client;
mod config;
mod dependents;
pub mod doctor;
mod entity;
mod failure;
mod file;
mod fit;
mod holder;
mod index;
mod kept;
mod lease;
mod lockout;
mod login;
mod method;
mod name;
mod policy;
mod reader;
mod reply;
mod request;
mod secret_id;
mod server;
mod token;
mod transport;

pub use audit_hash::AuditHash;
#[cfg(feature = "client")]
pub use client::{ClientGuard, RotatingClient};
pub use config::{Probe, Through, TokenConfig};
pub use dependents::{Dependents, Full};
pub use kept::Kept;
pub use lease::{Due, Lease, LeaseError, Leases, User};
pub use lockout::Retry;
pub use login::{LoginConfig, LoginProvider};
pub use method::Method;
pub use name::{App, LeaseId, Mount, Namespace, Path, Role};
pub use policy::{Rule, Rules, login_policy, policy, secret_id_policy};
pub use reader::Reader;
pub use secret_id::{Issued, SecretIdConfig, SecretIdProvider};
pub use server::{Address, ConfigError, Upstream};
pub use token::TokenProvider;
pub use transport::{Node, Reach};
pub use turquoise_http::{ClientCertificate, Tls, TlsError};
