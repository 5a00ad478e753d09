//! The file journal keeps the contract of its port, with a head and without one.

use tempfile::TempDir;
use turquoise_journal::{Bound, FileJournal, Head, Options};
use turquoise_runtime::conformance::journal::{Place, test_all};
use turquoise_runtime::port::History;

struct Folder {
    options: Options,
    // Removed with it.
    _folder: TempDir,
}

impl Place for Folder {
    type Journal = FileJournal;

    fn open(&self) -> Result<(FileJournal, History), String> {
        let opened = self.options.open().map_err(|error| error.to_string())?;
        Ok((opened.journal, opened.history))
    }
}

fn folder(bound: Bound, head: Option<&str>) -> Folder {
    let folder = tempfile::tempdir().expect("a folder is made");
    let head = head.map(|name| Head::File(folder.path().join(name)));
    let options = Options { bound, head, ..Options::new(folder.path().join("journal")) };
    Folder { options, _folder: folder }
}

const SHORT: Bound = Bound { lines: 10, archives: 2 };

#[test]
fn a_journal_without_a_head_conforms() {
    test_all(|| folder(SHORT, None));
}

#[test]
fn a_journal_with_a_head_conforms() {
    test_all(|| folder(SHORT, Some("head")));
}

#[test]
fn a_journal_that_is_never_long_enough_conforms() {
    test_all(|| folder(Bound::default(), None));
}
