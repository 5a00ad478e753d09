//! The socket over an identity that rotates keys of a service in memory.

#![expect(clippy::unwrap_used, reason = "a test ends with what it did not expect")]

mod alarms;
mod api;
mod metrics;
mod service;
mod socket;
