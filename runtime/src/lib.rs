//! The async driver, the credentials handle and the ports.
//!
//! [`Identity::start`] takes what implements the ports — a [`Provider`](port::Provider), a [`Journal`](port::Journal), a
//! [`Store`](port::Store) — and runs one task that keeps one identity's credential alive and rotates it. Work takes the
//! credential from [`Credentials`]; people follow [`Identity::progress`]. What is decided, and in which order, is the core's
//! business: this crate adds nothing to it and loses nothing of it. Identities that go to one provider are given clones of one
//! [`Load`]: then they ask it no more together than that allows.
//!
//! # What it says
//!
//! Everything goes through `tracing`, under the caller's span: a span `rotation` from the announcement of a mint to the end
//! of the round, one event for each durable record (`lsn`, `step`, `phase`, `current`, `second`, `debt`, `handle`, `reason`,
//! `took_ms`, `round_ms`), one for each effect (`op`, `effect`, `outcome`, `reason`, `took_ms`). WARN is a setback that heals by
//! itself, ERROR is for a person; both bear the provider's own words and a `next`. Work that outlives a grace is counted
//! (`held`) and named (`holders`, as it was by [`Credentials::named`]), here as in the journal. `docs/telemetry.md` lists it
//! all. No secret has a type that could be printed.

mod board;
mod calls;
mod clock;
#[cfg(feature = "conformance")]
pub mod conformance;
mod contract;
mod credentials;
mod driver;
mod history;
mod identity;
mod inbox;
mod load;
mod operator;
mod perform;
pub mod port;
mod post;
mod sync;
mod tell;

pub use calls::Calls;
pub use clock::{BootClock, Clock};
pub use credentials::{Credentials, Guard, NotReady, Report};
pub use identity::{AskError, Identity, Progress, Recorded, Setup, ShutdownError, StartError, Status};
pub use load::{Load, jitter};
pub use operator::{Operator, Wish};
/// What it runs on, for programs that have no other need of it.
pub use tokio;
pub use turquoise_core as core;
pub use turquoise_memory as memory;
