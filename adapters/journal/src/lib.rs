//! The crash-recovery journal: an append-only file of JSON lines.
//!
//! [`FileJournal`] implements the runtime's `Journal` port. The file opens with `less` and `jq` and is checked with
//! `sha256sum` alone:
//!
//! ```json
//! {"v":1,"seq":7,"prev":"<64 hex>","boot":"<uuid>","at":123456,"step":"persisted","sum":"<64 hex>"}
//! ```
//!
//! - `seq` counts from 1 without gaps; `prev` is the SHA-256 of the whole line before, its newline included (64 zeros on
//!   the first): `sed -n 6p FILE | sha256sum` gives the `prev` of line 7.
//! - `sum` is the SHA-256 of its own line up to the comma before `"sum"`. The chain guards every line but the last; this
//!   guards the last: `sed -n 7p FILE | sed 's/,"sum":.*//' | tr -d '\n' | sha256sum`.
//! - `boot` and `at` (milliseconds of `CLOCK_BOOTTIME`) say when. Every version of the format keeps `v` first and `sum`
//!   last, so that *newer* and *damaged* can be told apart.
//!
//! # What is tolerated
//!
//! Only a torn tail. An append is one write and one `fdatasync`; what the write left when the power went was never
//! acknowledged, so it may go. It is still kept, beside the journal, as `<journal>.torn-<seq>-<n>`. But a damaged last line
//! may just as well be an acknowledged one that rotted, and that must never be dropped. So the last line counts as torn only
//! if it is what an interrupted write leaves behind: byte for byte the start of the line that was due (its `seq` and its
//! `prev` included), where a byte may also be NUL because its block never reached the disk (blocks arrive in any order, so a
//! newline may be there while what precedes it is not), and
//!
//! - it has no NUL, ends before its newline, and is the beginning of a JSON object or all of it; or
//! - it ends in NUL, or has a run of at least two NULs. JSON has none; one alone might be a flipped bit in a space.
//!
//! Everything else — a flipped bit, a missing or foreign line, a complete last line that makes no sense — fails closed: the
//! error names the line, and nothing is changed.
//!
//! # What is not noticed
//!
//! A journal cut at the end of a line is a shorter journal, and sound. Acknowledged records that are lost this way (a
//! restored backup, a deleted file, a disk that lied about a flush) are noticed only by who kept the last `sum` elsewhere.
//! The lock is between processes of one host; on a network file system it is only as good as that file system.

mod boot;
mod codec;
mod file;
mod lock;
mod scan;
#[cfg(test)]
mod tests;

pub use file::{FileJournal, OpenError, Opened};
pub use scan::Damage;
