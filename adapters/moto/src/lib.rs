//! An AWS IAM of one's own, as strict as the real one: fetched, started, stopped.
//!
//! For the demo and for tests. It is `moto`, an emulator that checks signatures and policies, with what it lacks put right by a
//! script (`strict.py`): an inactive key is refused, a new one is unknown for a while, a deleted one is honoured for a while.
//! Requests can be throttled, and requests and replies lost.
//!
//! [`Emulator::start`] makes a Python environment in the user's cache folder, once, of nothing but files with a pinned hash, and
//! runs the emulator in it on a free loopback port. It dies with the process that started it, however that process ends.
//!
//! Everything blocks. Needs `python3` (3.11 or later) with `venv` and pip, and a package registry that pip reaches.

mod emulator;
mod python;

pub use emulator::{Call, Emulator, EmulatorError, Fault, Key, KeyState, Loss, User};
pub use python::{InstallError, Python};
