//! What the journal costs beside the disk: an append against a bare write and `fdatasync` of the same bytes, in one run, and
//! a recovery from 100 000 records: `cargo bench -p turquoise-journal`.
//!
//! The disk's own time varies more than what is measured, so appends and bare writes are done in turn and compared by their
//! medians; one after the other, as criterion does it, would compare the disk with itself.

use std::fs::{File, OpenOptions};
use std::hint::black_box;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use criterion::Criterion;
use turquoise_journal::{Bound, FileJournal, Head, Options};
use turquoise_runtime::core::{BootId, Color, Generation, Life, Lsn, Mint, Record, Step, Trigger, Via};
use turquoise_runtime::port::{Entry, Handle, Journal as _};

/// Appends of each kind that are compared.
const APPENDS: u64 = 2_000;
/// Records that a recovery reads.
const RECORDS: u64 = 100_000;

/// The entries of rotations without end, as far as their size goes.
fn entry(lsn: u64) -> Entry {
    let at = turquoise_runtime::core::Instant(1_000_000 + lsn);
    let life = Life { lb: at, ub: at };
    let mint = Mint { generation: Generation { incarnation: 0x0123_abcd, number: 1 }, slot: Color::Green };
    let step = match lsn % 8 {
        0 => Step::IssueIntent { mint, trigger: Trigger::Schedule, via: Via::Current },
        1 => Step::Issued { life },
        2 => Step::Persisted,
        3 => Step::ExtendIntent,
        4 => Step::Promoted { life },
        5 => Step::ShortenIntent { deadline: at },
        6 => Step::Ready,
        _ => Step::Cleared,
    };
    let handle = matches!(step, Step::Issued { .. }).then(|| Handle("Vn0x8kQmDbL2cT7wYfRz1sHa".to_owned()));
    Entry { record: Record { lsn: Lsn(lsn), boot: BootId(u128::MAX / 3), at, step }, handle, holders: None }
}

fn open(options: &Options) -> FileJournal {
    options.open().unwrap_or_else(|error| panic!("{error}")).journal
}

/// A write that is there when it returns.
fn bare(file: &mut File, line: &[u8]) {
    file.write_all(line).expect("there is room");
    file.sync_data().expect("the disk works");
}

fn new_file(path: &Path) -> File {
    OpenOptions::new().create(true).append(true).open(path).expect("a file is made")
}

/// As long as the lines of these entries are on the average.
fn usual_line(folder: &Path) -> Vec<u8> {
    let path = folder.join("measured");
    let mut journal = open(&Options::new(&path));
    (1..=80).for_each(|lsn| journal.append(&entry(lsn)).expect("an entry is appended"));
    let length = std::fs::metadata(&path).expect("the journal is there").len() / 80;
    vec![b'x'; usize::try_from(length).expect("a line")]
}

fn timed(work: impl FnOnce()) -> Duration {
    let started = Instant::now();
    work();
    started.elapsed()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// Each way in turn, so that what the disk does at the time meets all of them.
fn compare(folder: &Path, line: &[u8]) {
    let mut file = new_file(&folder.join("bare"));
    let mut journal = open(&Options::new(folder.join("plain")));
    let head = Some(Head::File(folder.join("head")));
    let mut guarded = open(&Options { head, ..Options::new(folder.join("guarded")) });
    let mut times = [const { Vec::new() }; 3];
    for lsn in 1..=APPENDS {
        times[0].push(timed(|| bare(&mut file, line)));
        times[1].push(timed(|| journal.append(&entry(lsn)).expect("an entry is appended")));
        times[2].push(timed(|| guarded.append(&entry(lsn)).expect("an entry is appended")));
    }
    let [bare, plain, guarded] = times.map(median);
    let ratio = |time: Duration| time.as_secs_f64() / bare.as_secs_f64();
    report(&format!("{} bytes, {APPENDS} of each in turn, medians:", line.len()));
    report(&format!("bare write and fdatasync  {bare:>10.1?}"));
    report(&format!("append                    {plain:>10.1?}  {:.2} times the bare write", ratio(plain)));
    report(&format!("append, a head in a file  {guarded:>10.1?}  {:.2} times the bare write", ratio(guarded)));
}

#[expect(clippy::print_stdout, reason = "it is what the bench is for")]
fn report(line: &str) {
    println!("{line}");
}

fn main() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder is made");
    let mut criterion = Criterion::default().configure_from_args();

    let long = long_journal(folder.path());
    let mut group = criterion.benchmark_group("recovery");
    group.sample_size(10);
    group.bench_function("open a journal of 100 000 records", |bencher| {
        bencher.iter(|| black_box(long.open().unwrap_or_else(|error| panic!("{error}")).history.entries.len()));
    });
    group.finish();
    compare(folder.path(), &usual_line(folder.path()));
    criterion.final_summary();
}

/// Written by the journal itself, in memory: 100 000 syncs are not what is measured.
fn long_journal(folder: &Path) -> Options {
    let options = Options { bound: Bound { lines: u64::MAX, archives: 1 }, ..Options::new(folder.join("long")) };
    let memory = tempfile::tempdir_in("/dev/shm").expect("there is a folder in memory");
    let path = memory.path().join("long");
    let mut journal = open(&Options { path: path.clone(), ..options.clone() });
    (1..=RECORDS).for_each(|lsn| journal.append(&entry(lsn)).expect("an entry is appended"));
    drop(journal);
    std::fs::copy(path, &options.path).expect("the journal is copied");
    options
}
