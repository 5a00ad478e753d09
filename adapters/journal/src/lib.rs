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
//! - After the step there may be a `handle`, which names what was made, and `holders`: the work that held what this record ends,
//!   how many and by which names.
//! - `boot` and `at` (milliseconds of `CLOCK_BOOTTIME`) say when. Every version of the format keeps `v` first and `sum`
//!   last, so that *newer* and *damaged* can be told apart.
//!
//! # How it stays short
//!
//! When a file has more lines than its [`Bound`], and the rotation is at rest, the next one begins: its first line is a
//! `checkpoint`, the fold of all records up to its `seq`, and the old file is kept as `<journal>.archive-<n>`. The chain goes
//! on through it, as the `prev` of that line is the hash of the archive's last one: `tail -n 1 ARCHIVE | sha256sum`. Dying
//! anywhere leaves the old file or the new one under the journal's name. The oldest archive goes when there are too many, and
//! whoever asked for the compaction is told its name.
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
//! # What is lost at the end
//!
//! A journal cut at the end of a line is a shorter journal, and sound in itself. That acknowledged records are lost this way
//! (a restored copy, a removed file, a disk that lied about a flush) is noticed if the [`Head`] is kept elsewhere: it is
//! written after the line is durable and before the line is acknowledged. So it may be one line behind after a crash, which
//! is brought up to date; a journal *behind its head*, or without the line that its head is of, is refused, and nothing is
//! changed. It costs one more `fdatasync` for each append, or one run of a command. A head that is missing while there is a
//! journal is taken from the journal: it has begun to be kept, or whoever took both had to know of it.
//!
//! The lock is between processes of one host; on a network file system it is only as good as that file system.

mod boot;
mod codec;
mod command;
mod compact;
mod disk;
mod error;
mod file;
mod head;
mod lock;
mod open;
mod read;
mod scan;
#[cfg(test)]
mod tests;

pub use command::HeadCommand;
pub use error::OpenError;
pub use file::{Bound, FileJournal, Opened, Options};
pub use head::{Head, HeadError};
pub use read::{ReadError, Torn, Written, read};
pub use scan::Damage;
