//! Lines for people, beside what a command writes.

use std::fmt::Display;
use std::io::Write as _;

/// A line on standard error, where a failure to write leaves nothing to do.
pub(crate) fn complain(text: impl Display) {
    drop(writeln!(anstream::stderr(), "{text}"));
}
