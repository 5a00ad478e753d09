//! What the audit log of a Vault or `OpenBao` server says of a rotation, judged from outside.
//!
//! The journal is our own word. The server's audit log is somebody else's: this crate shares no function with the machine, the
//! driver or the adapters, and judges from the log alone whether the properties of the specification were kept.
//!
//! 1. [`Log::read`] reads the log, or those of all nodes of a cluster, line by line.
//! 2. [`Log::identities`] tells whose rotations it shows.
//! 3. [`Log::judge`] judges one, by what it is [`Told`]: nothing of it has to be, but what is not told is not judged, and
//!    [`Judgement::not_judged`] says so.
//!
//! # How it tells credentials apart
//!
//! By the hash that the server writes in place of each secret, which is the same wherever the secret was: in the answer that
//! handed it out, in the requests that bore it, also in those that were refused because it was dead. So it makes no difference
//! whether the server hashes accessors (`hmac_accessor`, which it does unless told otherwise). Only two things need more: an
//! end *by accessor* where the other accessors are in clear, and the handles of a journal where they are hashed. For both the
//! server hashes what it is asked to, by `sys/audit-hash`: see [`Told::hash`].
//!
//! A generation is known by the header `X-Rotation-Id`, which the server must be told to write down, or by a token's metadata.
//!
//! # What cannot be seen from there
//!
//! A natural end leaves no line; it is reckoned from the lives that the server answered with. Nor does what dies with a token,
//! but for the refusals that follow. Which records were durable when is seen only beside a journal (S3). Whether a process was
//! up, whether work was warned and what was kept where is not seen at all, nor are S5, S7, S8, S9 and S11.
//!
//! No secret is kept or shown: where a log has secrets in clear (`log_raw`) they are hashed as they are read.

mod book;
mod entry;
#[cfg(feature = "journal")]
mod journal;
mod judge;
mod log;
mod report;

pub use book::{Beginning, By, Credential, End, Kind};
pub use entry::{Answer, Entry, Made, Named, Print};
pub use judge::{Announced, Budget, Rest, Told};
pub use log::{Limits, Log, LogError, Tally, Whose};
pub use report::{Fate, Finding, Judgement, Property};
