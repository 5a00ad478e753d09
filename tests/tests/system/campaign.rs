//! What a campaign found.

use crate::document;

/// Shows it, and with `UPDATE_DOCS=1` in the environment writes it between `<!-- NAME -->` and `<!-- /NAME -->` of a file of
/// `docs/`. It is not compared: it depends on how quick the machine is, and what must hold was judged before.
#[expect(clippy::print_stderr, reason = "a campaign shows what it found")]
pub(crate) fn report(file: &str, name: &str, found: &str) {
    eprintln!("{found}");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        document::check(file, name, found);
    }
}
