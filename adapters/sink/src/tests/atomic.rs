//! Old or new, never torn, never empty: wherever a change stops.

use std::fs::{self, OpenOptions};
use std::io::{self, BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::{env, thread};

use turquoise_runtime::core::Color;
use turquoise_runtime::port::{Store, StoreError};

use super::{blue, credential, green, loaded, open, place, words};
use crate::FileSink;
use crate::folder::Step;

const WRITE: [Step; 7] =
    [Step::Create, Step::SetMode, Step::Write, Step::SyncFile, Step::Rename, Step::SyncFolder, Step::ReadBack];

/// How a change is stopped.
#[derive(Clone, Copy, Debug)]
enum Stop {
    /// The system refuses the step.
    Error,
    /// The disk is full in the middle of the content.
    HalfWritten,
    /// The process dies: nothing that follows is done, not even the cleaning up.
    Death,
}

/// Lets a sink stop before a step.
fn stop_before(sink: &mut FileSink, at: Step, how: Stop, temporary: &Path) {
    let temporary = temporary.to_owned();
    super::watch(sink, move |step| match how {
        _ if step != at => Ok(()),
        Stop::Error => Err(io::ErrorKind::PermissionDenied.into()),
        Stop::HalfWritten => {
            OpenOptions::new().write(true).open(&temporary)?.set_len(10)?;
            Err(io::ErrorKind::StorageFull.into())
        }
        Stop::Death => resume_unwind(Box::new("killed")),
    });
}

/// Each step of a write and each way to stop there.
fn stops() -> impl Iterator<Item = (Step, Stop)> {
    let anywhere = WRITE.into_iter().flat_map(|step| [(step, Stop::Error), (step, Stop::Death)]);
    anywhere.chain([(Step::SyncFile, Stop::HalfWritten)])
}

fn happened(step: Step) -> bool {
    matches!(step, Step::SyncFolder | Step::ReadBack)
}

/// Does what must not succeed, and dies where it has to.
fn fails(act: impl FnOnce() -> Result<(), StoreError>) {
    let result = catch_unwind(AssertUnwindSafe(act));
    assert!(!matches!(result, Ok(Ok(()))), "it was stopped, and said that it was done");
}

#[test]
fn the_steps_of_a_write_are_these() {
    let (_folder, path) = place();
    let (mut sink, (seen, steps)) = (open(&path), std::sync::mpsc::channel());
    super::watch(&mut sink, move |step| seen.send(step).map_err(io::Error::other));
    sink.publish(&blue()).expect("it is published");
    sink.persist(&blue()).expect("it is persisted");
    sink.clear(blue().mint).expect("it is cleared");
    drop(sink);
    let expected = [&WRITE[..], &WRITE, &[Step::Remove, Step::SyncFolder]].concat();
    assert_eq!(steps.iter().collect::<Vec<_>>(), expected);
}

#[test]
fn publishing_that_stops_at_any_step_leaves_the_old_secret_or_the_new_one() {
    for (step, how) in stops() {
        let (folder, path) = place();
        let mut sink = open(&path);
        sink.publish(&blue()).expect("it is published");
        stop_before(&mut sink, step, how, &folder.path().join(".token.new.tmp"));
        fails(|| sink.publish(&green()));
        let expected = if happened(step) { words(&green()).2 } else { words(&blue()).2 };
        assert_eq!(fs::read_to_string(&path).expect("it is read"), expected, "{step:?} {how:?}");
        open(&path).publish(&green()).expect("it is published");
        assert_eq!(fs::read_to_string(&path).expect("it is read"), words(&green()).2);
        assert_eq!(fs::read_dir(folder.path()).expect("the folder is read").count(), 1, "{step:?} {how:?}");
    }
}

#[test]
fn persisting_that_stops_at_any_step_leaves_the_slot_empty_or_whole_and_the_other_one_alone() {
    for (step, how) in stops() {
        let (folder, path) = place();
        let mut sink = open(&path);
        sink.persist(&blue()).expect("it is persisted");
        stop_before(&mut sink, step, how, &folder.path().join(".token.green.tmp"));
        fails(|| sink.persist(&green()));
        let mut sink = open(&path);
        let expected = if happened(step) { vec![words(&blue()), words(&green())] } else { vec![words(&blue())] };
        assert_eq!(loaded(&mut sink), expected, "{step:?} {how:?}");
        sink.persist(&green()).expect("it is persisted");
        assert_eq!(loaded(&mut sink), [words(&blue()), words(&green())]);
        assert_eq!(fs::read_dir(folder.path()).expect("the folder is read").count(), 2, "{step:?} {how:?}");
    }
}

#[test]
fn clearing_that_stops_at_any_step_can_be_done_again() {
    for (step, how) in [Step::Remove, Step::SyncFolder].into_iter().flat_map(|step| [(step, Stop::Error), (step, Stop::Death)]) {
        let (_folder, path) = place();
        let mut sink = open(&path);
        for credential in [blue(), green()] {
            sink.persist(&credential).expect("it is persisted");
        }
        stop_before(&mut sink, step, how, &path);
        fails(|| sink.clear(blue().mint));
        let mut sink = open(&path);
        let kept = if step == Step::Remove { vec![words(&blue()), words(&green())] } else { vec![words(&green())] };
        assert_eq!(loaded(&mut sink), kept, "{step:?} {how:?}");
        sink.clear(blue().mint).expect("it is cleared");
        assert_eq!(loaded(&mut sink), [words(&green())]);
    }
}

#[test]
fn what_reads_back_otherwise_is_an_error() {
    let (_folder, path) = place();
    let (mut sink, file) = (open(&path), path.clone());
    super::watch(&mut sink, move |step| if step == Step::ReadBack { fs::write(&file, "hvs.other") } else { Ok(()) });
    assert!(super::refused(sink.publish(&blue())).contains("does not read back"));
}

#[test]
fn a_reader_never_sees_anything_but_a_whole_secret() {
    let (_folder, path) = place();
    let mut sink = open(&path);
    sink.publish(&blue()).expect("it is published");
    let (done, legal) = (AtomicBool::new(false), [words(&blue()).2, words(&green()).2]);
    thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut reads = 0;
            while !done.load(Ordering::Relaxed) {
                let seen = fs::read_to_string(&path).expect("the published file is always there");
                assert!(legal.contains(&seen), "a reader saw {seen:?}");
                reads += 1;
            }
            reads
        });
        for n in 0..200 {
            let next = if n % 2 == 0 { green() } else { blue() };
            sink.publish(&next).expect("it is published");
        }
        done.store(true, Ordering::Relaxed);
        assert!(reader.join().expect("the reader ends") > 0);
    });
}

const KILLED: &str = "TURQUOISE_SINK_OF_A_KILLED_PROCESS";

/// Not a test of its own: the process that `a_process_killed_at_any_moment…` kills. It writes as fast as it can and says
/// so, a line for every round.
#[test]
#[ignore = "the process that another test kills"]
fn a_process_that_writes_until_it_is_killed() {
    let Some(path) = env::var_os(KILLED) else { return };
    let mut sink = open(path.as_ref());
    for number in 1..100_000 {
        let credential = credential(Color::Green, number, &format!("hvs.{number:0>300}"));
        let done = sink.persist(&credential).and_then(|()| sink.publish(&credential)).and_then(|()| sink.clear(credential.mint));
        done.unwrap_or_else(|StoreError(error)| panic!("{error}"));
        io::Write::write_all(&mut io::stderr(), b"round\n").expect("the other test listens");
    }
}

#[test]
fn a_process_killed_at_any_moment_leaves_whole_secrets() {
    let (_folder, path) = place();
    let mut sink = open(&path);
    sink.persist(&blue()).expect("it is persisted");
    for rounds in 1..=20 {
        let mut child = Command::new(env::current_exe().expect("the test has a path"))
            .args(["--ignored", "--exact", "--nocapture", "tests::atomic::a_process_that_writes_until_it_is_killed"])
            .env(KILLED, &path)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the process starts");
        // Kept until the process is dead: it must die of the kill, not of an output that nobody reads.
        let mut said = BufReader::new(child.stderr.take().expect("it has an output")).lines();
        let heard = said.by_ref().map_while(Result::ok).filter(|line| line == "round").take(rounds).count();
        child.kill().expect("the process is killed");
        let status = child.wait().expect("the process ends");
        assert_eq!(status.signal(), Some(9), "the process died by itself");
        assert_eq!(heard, rounds, "the process died by itself");
        let mut sink = open(&path);
        let found = loaded(&mut sink);
        assert_eq!(found[0], words(&blue()));
        let published = fs::read_to_string(&path).expect("it is read");
        assert!(published.len() == 304 && published.starts_with("hvs.0"), "readers were left with {published:?}");
        if let [_, (mint, _, secret)] = &found[..] {
            assert_eq!(*secret, format!("hvs.{:0>300}", mint.generation.number));
            sink.clear(*mint).expect("it is cleared");
        }
    }
}
