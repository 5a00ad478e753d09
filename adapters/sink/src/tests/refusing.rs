//! What a real system refuses: a disk that takes no more, a folder that is read-only.

use std::env;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

use turquoise_runtime::port::{Store, StoreError};

use super::{blue, green, loaded, open, place, refused, watch, words};
use crate::folder::Step;

const FULL: &str = "TURQUOISE_SINK_ON_A_FULL_DISK";

/// Not a test of its own: the process that may write no byte to any file.
#[test]
#[ignore = "the process that another test starts"]
fn a_process_that_may_write_nothing() {
    let Some(path) = env::var_os(FULL) else { return };
    let mut sink = open(path.as_ref());
    for refusal in [refused(sink.publish(&green())), refused(sink.persist(&green()))] {
        assert!(refusal.contains("cannot write"), "{refusal}");
    }
}

/// In a shell that lets no file grow. A signal would end the process then, unless it is ignored.
fn run_full(path: &Path, signal: &str) -> ExitStatus {
    let test = "tests::refusing::a_process_that_may_write_nothing";
    let script = format!("{signal} ulimit -f 0; exec \"$0\" --ignored --exact --test-threads=1 {test}");
    let mut command = Command::new("sh");
    command.arg("-c").arg(script).arg(env::current_exe().expect("the test has a path")).env(FULL, path);
    // A pipe has no limit.
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("a shell starts");
    let output = child.wait_with_output().expect("it ends");
    output.status
}

#[test]
fn a_disk_that_takes_no_more_leaves_the_old_secret_whole() {
    // Refused, with an error; or killed for it in the very write.
    for (signal, expected) in [("trap '' XFSZ;", None), ("", Some(25))] {
        let (folder, path) = place();
        let mut sink = open(&path);
        sink.persist(&blue()).expect("it is persisted");
        sink.publish(&blue()).expect("it is published");
        let status = run_full(&path, signal);
        assert!(status.signal() == expected && (expected.is_some() || status.success()), "{status:?}");
        assert_eq!(fs::read_to_string(&path).expect("it is read"), words(&blue()).2);
        assert_eq!(loaded(&mut open(&path)), [words(&blue())]);
        assert_eq!(fs::read_dir(folder.path()).expect("the folder is read").count(), 2);
    }
}

#[test]
fn a_file_system_that_cannot_sync_is_made_do_with_and_a_disk_that_fails_is_not() {
    let publish = |errno: i32| {
        let (_folder, path) = place();
        let mut sink = open(&path);
        watch(&mut sink, move |step| match step {
            Step::SyncFile | Step::SyncFolder => Err(io::Error::from_raw_os_error(errno)),
            _ => Ok(()),
        });
        sink.publish(&blue()).map(|()| fs::read_to_string(&path).expect("it is read"))
    };
    let [invalid, failed] = [22, 5];
    assert_eq!(publish(invalid).map_err(|StoreError(why)| why), Ok(words(&blue()).2));
    assert!(refused(publish(failed)).contains("cannot write"));
}

#[test]
fn a_read_only_folder_leaves_the_old_secret_whole() {
    let (folder, path) = place();
    let mut sink = open(&path);
    sink.persist(&blue()).expect("it is persisted");
    sink.publish(&blue()).expect("it is published");
    let allow = |mode| fs::set_permissions(folder.path(), Permissions::from_mode(mode)).expect("it is ours");
    allow(0o500);
    // The superuser is not refused: then there is nothing to see here.
    if fs::write(folder.path().join("probe"), "").is_err() {
        refused(sink.publish(&green()));
        refused(sink.persist(&green()));
        refused(sink.clear(blue().mint));
    }
    allow(0o700);
    assert_eq!(fs::read_to_string(&path).expect("it is read"), words(&blue()).2);
    assert_eq!(loaded(&mut open(&path)), [words(&blue())]);
}
