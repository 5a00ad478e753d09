//! The rotation of one credential as a pure state machine: no clock, no randomness, no I/O, no allocation, no secrets.
//!
//! [`Rotation`] is the machine; its documentation says how to run it. [`Phase`] is where a rotation stands, [`TRANSITIONS`]
//! is every step it can take, [`Record`] is what a journal holds, [`Effect`] what the machine asks of the world. The same
//! code that runs in production is explored exhaustively by the crate `turquoise-model`.
#![no_std]

mod budget;
mod canary;
mod checkpoint;
mod fold;
mod lease;
mod machine;
mod message;
mod normal;
mod phase;
mod policy;
mod record;
mod seed;
mod transition;
mod vocabulary;

pub use budget::{Bucket, Budget};
pub use canary::{Shortage, Tally, Trial, Verdict};
pub use checkpoint::Checkpoint;
pub use fold::{Ledger, RecoverError};
pub use lease::{Flight, Lease};
pub use machine::{Illegal, Rotation};
pub use message::{Applied, Canary, Certainty, Effect, Event, Input, Outcome, Output, Refusal, Serving, Witness};
pub use normal::Rewrite;
pub use phase::{
    Abandoning, AfterEnd, Arrival, Closing, Draining, End, Going, Issuing, NeedsOperator, Phase, Rest, Revoking, Rollback,
    Secret, Steady, Stopped, Tryout, Vacant, Validating,
};
pub use policy::{Consumers, Jitter, Policy, PolicyError, Privileges, Relogin, Writer};
pub use record::{AbandonReason, AtStop, Drained, Proof, Record, Resolution, Step, StuckReason, Trigger, Via};
pub use seed::{SeededBug, Sown};
pub use transition::{PhaseKind, StepKind, TRANSITIONS, Transition, legal_steps};
pub use vocabulary::{BootId, Color, Generation, Held, Instant, Life, Lsn, Mint, OpId};
