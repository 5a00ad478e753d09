//! The rotation machine: pure, `no_std`, secret-free.
#![no_std]
#![forbid(unsafe_code)]

mod message;
mod policy;
mod record;
mod seed;
mod vocabulary;

pub use message::{Applied, Effect, Event, Input, Outcome, Output, Refusal, Witness};
pub use policy::{Consumers, Jitter, Policy, PolicyError};
pub use record::{AbandonReason, Drained, Proof, Record, Step, StuckReason, Trigger};
pub use seed::SeededBug;
pub use vocabulary::{BootId, Color, Generation, Held, Instant, Life, Lsn, Mint, OpId};
