//! The provider against an emulator that is as strict as AWS: one for all of these tests, each with a user of its own.

#![expect(clippy::unwrap_used, reason = "a test ends with what it did not expect")]

mod boto;
mod conforming;
mod container;
mod dying;
mod faulting;
mod gate;
mod losing;
mod minding;
mod probing;
mod process;
mod reading;
mod rotating;
mod secrecy;
mod support;
