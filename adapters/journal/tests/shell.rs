//! A journal is checked with the tools that every machine has, by nothing but the commands in the crate's documentation.
#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::path::Path;
use std::process::Command;

use turquoise_journal::{Bound, FileJournal, Options};
use turquoise_runtime::core::{BootId, Checkpoint, Generation, Instant, Life, Lsn, Mint, Record, Step};
use turquoise_runtime::port::{Base, Entry, Handle, Journal};

const LINES: u64 = 6;

/// A journal of some lines, one of them with a handle that would trip a careless reader.
fn begin(path: &Path) {
    let mint = Mint { generation: Generation { incarnation: 7, number: 1 }, slot: turquoise_runtime::core::Color::Blue };
    let mut journal = FileJournal::open(path).unwrap().journal;
    for lsn in 1..=LINES {
        let step = if lsn == 1 { Step::LoginIntent { mint } } else { Step::LoginFailed { not_before: Instant(lsn) } };
        let record = Record { lsn: Lsn(lsn), boot: BootId(5), at: Instant(100 + lsn), step };
        let handle = (lsn == 3).then(|| Handle("\"sum\":\n é \\".to_owned()));
        journal.append(&Entry { record, handle, holders: None }).unwrap();
    }
}

/// What a pipeline prints, `$1` being the journal and `$2` the number of a line.
fn shell(pipeline: &str, path: &Path, line: u64) -> String {
    let done = Command::new("sh").args(["-c", pipeline, "sh"]).arg(path).arg(line.to_string()).output().unwrap();
    assert!(done.status.success(), "{pipeline}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap().split_whitespace().next().unwrap_or_default().to_owned()
}

#[test]
fn sed_and_sha256sum_follow_the_chain() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    begin(&path);
    for line in 1..LINES {
        let hash = shell(r#"sed -n "$2"p "$1" | sha256sum"#, &path, line);
        let prev = shell(r#"sed -n "$2"p "$1" | sed 's/.*,"prev":"\([0-9a-f]*\)",.*/\1/'"#, &path, line + 1);
        assert_eq!(hash.len(), 64);
        assert_eq!(hash, prev, "line {} names another line than {line}", line + 1);
    }
}

#[test]
fn sed_and_sha256sum_check_every_line_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    begin(&path);
    for line in 1..=LINES {
        let hash = shell(r#"sed -n "$2"p "$1" | sed 's/,"sum":"[0-9a-f]*"}$//' | tr -d '\n' | sha256sum"#, &path, line);
        let sum = shell(r#"sed -n "$2"p "$1" | sed 's/.*,"sum":"\([0-9a-f]*\)"}$/\1/'"#, &path, line);
        assert_eq!(hash, sum, "line {line}");
    }
}

#[test]
fn the_chain_goes_on_from_the_last_line_of_an_archive() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    begin(&path);
    let options = Options { bound: Bound { lines: 1, archives: 1 }, ..Options::new(&path) };
    let mint = Mint { generation: Generation { incarnation: 7, number: 1 }, slot: turquoise_runtime::core::Color::Blue };
    let at = Instant(100 + LINES);
    let checkpoint = Checkpoint {
        lsn: Lsn(LINES),
        boot: BootId(5),
        at,
        mints: 1,
        misses: 0,
        current: mint,
        life: Life { lb: at, ub: at },
        renew_at: at,
        accepted_until: at,
        unsettled_until: at,
        unsettled_ub: at,
        rotate_at: None,
        cool_until: at,
    };
    let compacted = options.open().unwrap().journal.compact(&Base { checkpoint, handle: None }).unwrap().unwrap();
    let hash = shell(r#"tail -n 1 "$1" | sha256sum"#, Path::new(&compacted.archive), 0);
    let prev = shell(r#"head -n 1 "$1" | sed 's/.*,"prev":"\([0-9a-f]*\)",.*/\1/'"#, &path, 0);
    assert_eq!(hash, prev);
}

#[test]
fn every_line_is_one_json_object_that_says_which_when_and_what() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    begin(&path);
    let text = std::fs::read_to_string(&path).unwrap();
    for (seq, line) in (1..).zip(text.lines()) {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(line["v"], 1);
        assert_eq!(line["seq"], seq);
        assert_eq!(line["boot"], "00000000-0000-0000-0000-000000000005");
        assert_eq!(line["at"], 100 + seq);
        assert!(line["step"].is_string());
    }
    assert_eq!(text.lines().count(), usize::try_from(LINES).unwrap());
}
