//! A real `OpenBao` server of one's own: fetched, started, stopped.
//!
//! For the demo and for tests, which are worth nothing against an imitation. Three steps:
//!
//! 1. [`Binary::obtain`] finds the server program: the one [`TURQUOISE_BAO`] names, else `OpenBao` from the user's cache folder,
//!    fetched there once and checked against a pinned hash.
//! 2. [`Server::start`] runs it on free loopback ports in a folder of its own, with integrated storage and a file audit device,
//!    initialised and unsealed. The server dies with the process that started it, however that process ends.
//! 3. [`Server::admin`] and the helpers beside it set up what a rotation needs; [`Server::audit_log`] is where the server
//!    writes down what it saw, which `turquoise-audit` reads.
//!
//! [`Guarded`] is how they are run, for other processes that must not outlive the one that started them.
//!
//! [`Cluster`] is three such servers that keep one store between them. [`Database`] is a `PostgreSQL` for a server to make users of.
//!
//! Everything blocks. Nothing here is fit for production: plain HTTP, one key share, and the root token kept in memory.
//! Unix only.

mod admin;
mod binary;
mod cluster;
mod database;
mod guard;
mod server;

pub use admin::{Accessor, AdminError, Minted, Root};
pub use binary::{Binary, ObtainError, TURQUOISE_BAO};
pub use cluster::Cluster;
pub use database::{Database, DatabaseError};
pub use guard::Guarded;
pub use server::{Accessors, Options, Server, ServerError, TlsFiles};
