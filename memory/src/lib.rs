//! Memory for secrets, and the only `unsafe` of the workspace.
//!
//! A [`Secret`] that is locked lives in a page of its own: never swapped out, in no core file, empty in a forked child,
//! between two pages that nobody may touch, and wiped when it is dropped. Where the kernel has `memfd_secret(2)` the page
//! is out of everybody else's reach too, the superuser's and a debugger's included. `docs/memory.md` says what is claimed,
//! what is not, and how each claim is tested.
//!
//! The room for a secret is had *before* the secret is ([`WhenLockingFails::room`]), so that nobody makes a secret that then
//! has nowhere to live:
//!
//! ```
//! use secrecy::ExposeSecret as _;
//! use turquoise_memory::WhenLockingFails;
//!
//! let room = WhenLockingFails::Warn.room()?;
//! let secret = room.hold(String::from("hvs.an-example"))?; // the string is wiped
//! assert_eq!(secret.expose_secret(), "hvs.an-example");
//! # Ok::<(), turquoise_memory::LockError>(())
//! ```
//!
//! Outside Linux a page is locked, guarded and wiped, but it does appear in core files and in forked children.

mod error;
mod harden;
mod page;
mod secret;
#[cfg(all(test, target_os = "linux"))]
mod tests;

pub use error::LockError;
pub use harden::{HardenError, harden};
pub use secrecy::ExposeSecret;
pub use secret::{Room, Secret, WhenLockingFails};
