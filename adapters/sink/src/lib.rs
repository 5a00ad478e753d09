//! The survivor stores: where secrets outlive the process in two slots, and where readers find the current one.
//!
//! [`FileSink`] implements the runtime's `Store` port with three files in one folder. For a sink at `/run/app/token`:
//!
//! | file | holds | mode |
//! | --- | --- | --- |
//! | `token` | the current secret and nothing else, not even a newline, or what its [`Form`] says: what readers open | as configured |
//! | `.token.blue`, `.token.green` | one credential each, as a line of JSON that names itself and has a checksum | 0600 |
//! | `.token.blue.tmp`, `.token.green.tmp`, `.token.new.tmp` | one of them while it is being written; wiped away at open | as the file's |
//!
//! Every write goes to the temporary file — made anew, its mode set before it has content — which is synced, renamed into
//! place, the folder synced, and the result read back. So a reader, or a successor of a process that was killed, sees the
//! old content or the new one, never a part and never nothing. A slot whose checksum does not match is an error, never empty.
//!
//! A file system that has no sync at all is made do with, and named once in the log.
//!
//! Where several files are published they switch as a set: each is written aside and synced before the first is renamed, and when the
//! last one is, a manifest beside the first, `.token.set`, says which generation the set is at. What a process that dies in
//! between leaves is brought to that generation when the store is loaded, and so is a file that is new in the set; the generation
//! lives, for nothing is ended before all files are published.
//!
//! [`SealedStore`] is for who has no readers, behind the proxy or the handle: the same two slots, encrypted
//! (XChaCha20-Poly1305, a random nonce each time), and no published file. A slot is `turquoise sealed 1`, the name of its key — a
//! part of a hash — and a newline, then the nonce, then the line that a sink's slot has; the first line and the slot's colour are
//! under the seal too. So who reads the disk, or a copy of it, learns nothing, and who changes it is noticed; who puts back an
//! older state of a slot is noticed by the journal. The key is read from a file that only its owner may read, in another folder.
//! To change it: stop and revoke, and start with the new one and empty slots.
//!
//! One process at a time may write a store; the journal's lock sees to that. Secrets are kept in buffers that are wiped.
//! One trace is beyond our reach: a secret with characters that JSON escapes (quotes, backslashes, control characters) passes
//! through a buffer of the parser that is freed without being wiped. Clearing a slot removes its file; on a journalling or
//! copy-on-write file system overwriting it first would wipe nothing, so put the sink on a `tmpfs` where disks are read by others.

mod error;
mod folder;
mod form;
mod outlets;
mod seal;
mod sealed;
mod sink;
mod slot;
mod slots;
#[cfg(test)]
mod tests;

pub use error::SinkError;
pub use form::{Form, NoProfile, Profile};
pub use outlets::{Outlet, Owner};
pub use sealed::SealedStore;
pub use sink::{FileSink, Mode, ModeError, PublishedOnly};
