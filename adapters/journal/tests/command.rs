//! The head of a journal kept by a command of the operator.
//!
//! In a program of its own: for the moment between its fork and its exec a child shares the locks of its parent.
#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::fs;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tempfile::TempDir;
use turquoise_journal::{Head, HeadCommand, OpenError, Options};
use turquoise_runtime::core::{BootId, Color, Generation, Instant, Lsn, Mint, Record, Step};
use turquoise_runtime::port::{Entry, Journal};

/// One at a time, for the same reason.
fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn entry(lsn: u64) -> Entry {
    let mint = Mint { generation: Generation { incarnation: 7, number: 1 }, slot: Color::Blue };
    let record = Record { lsn: Lsn(lsn), boot: BootId(5), at: Instant(lsn), step: Step::LoginIntent { mint } };
    Entry { record, handle: None, holders: None }
}

/// A journal whose head this script keeps; it is given a path in a folder of its own, and the verb.
fn with(folder: &TempDir, script: &str) -> Options {
    let [journal, kept] = ["journal", "kept"].map(|name| folder.path().join(name));
    let arguments = ["-c", script, "head", kept.to_str().unwrap()].map(Into::into).to_vec();
    let head = HeadCommand { program: PathBuf::from("/bin/sh"), arguments, patience: Duration::from_secs(20) };
    Options { head: Some(Head::Command(head)), ..Options::new(journal) }
}

const KEEPS: &str = r#"case "$2" in keep) cat >"$1" ;; show) if [ -e "$1" ]; then cat "$1"; fi ;; esac"#;

#[test]
fn a_journal_behind_what_a_command_has_kept_is_refused() {
    let _alone = alone();
    let folder = TempDir::new().unwrap();
    let options = with(&folder, KEEPS);
    let mut opened = options.open().unwrap();
    for lsn in 1..=3 {
        opened.journal.append(&entry(lsn)).unwrap();
    }
    drop(opened);
    assert_eq!(options.open().unwrap().history.entries, [1, 2, 3].map(entry));
    let text = fs::read_to_string(&options.path).unwrap();
    fs::write(&options.path, text.split_inclusive('\n').take(2).collect::<String>()).unwrap();
    let error = options.open().err().unwrap();
    assert!(matches!(error, OpenError::Truncated { last: 2, acknowledged: 3, .. }), "{error}");
}

#[test]
fn a_command_that_fails_or_says_what_it_was_not_told_or_hangs_is_named() {
    let _alone = alone();
    let folder = TempDir::new().unwrap();
    for (script, patience, says) in [
        ("exit 3", 20_000, "the command /bin/sh ended its `show` with exit status: 3; put that right and start again"),
        ("echo {}", 20_000, "the command /bin/sh printed for `show` what is not the line that it was given"),
        ("sleep 60", 50, "the command /bin/sh did not end its `show` within 50ms"),
    ] {
        let mut options = with(&folder, script);
        if let Some(Head::Command(head)) = &mut options.head {
            head.patience = Duration::from_millis(patience);
        }
        let error = options.open().err().unwrap().to_string();
        assert!(error.starts_with(says), "{error}");
    }
}

#[test]
fn a_line_whose_head_could_not_be_kept_is_durable_and_not_acknowledged() {
    let _alone = alone();
    let folder = TempDir::new().unwrap();
    let once = r#"case "$2" in keep) test ! -e "$1" && cat >"$1" ;; show) if [ -e "$1" ]; then cat "$1"; fi ;; esac"#;
    let mut opened = with(&folder, once).open().unwrap();
    let error = opened.journal.append(&entry(1)).unwrap_err();
    assert!(error.to_string().contains("ended its `keep` with"), "{error}");
    assert!(opened.journal.append(&entry(2)).is_err(), "a journal that failed took another entry");
    drop(opened);
    assert_eq!(with(&folder, KEEPS).open().unwrap().history.entries, [entry(1)]);
}
