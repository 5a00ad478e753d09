//! What the wire can do to a call, and what is then known.

#![expect(clippy::unwrap_used, reason = "a test ends with what it did not expect")]

mod consistency;
mod doctoring;
mod faults;
mod leases;
mod nodes;
mod secret_ids;
mod stub;
