//! No locked secret is in a core file, and of a hardened process there is none.

use std::fs;
use std::path::Path;
use std::process;

use rustix::process::{DumpableBehavior, Resource, Rlimit, dumpable_behavior, getrlimit, setrlimit};

use super::{Process, canary, command, pieces, role, room, writes_cores_here};
use crate::harden;
use crate::page::Kind;

const PLAIN: u64 = 11;
const LOCKED: u64 = 12;
const HIDDEN: u64 = 13;

#[test]
fn no_locked_secret_is_in_a_core_file() {
    const TEST: &str = "tests::core_file::no_locked_secret_is_in_a_core_file";
    if role().is_some() {
        crash(|| ());
    }
    let Some(core) = writes_cores_here().then(|| core_of(TEST)) else { return };
    let core = core.expect("a process that may leave a core leaves one");
    assert!(pieces(&core, &canary(PLAIN)) >= 1, "what is not protected is found");
    assert_eq!([LOCKED, HIDDEN].map(|number| pieces(&core, &canary(number))), [0, 0]);
}

#[test]
fn a_hardened_process_leaves_no_core_file() {
    const TEST: &str = "tests::core_file::a_hardened_process_leaves_no_core_file";
    match role().as_deref() {
        Some("hardened") => crash(|| {
            harden().expect("nothing speaks against it");
            assert_eq!(getrlimit(Resource::Core), Rlimit { current: Some(0), maximum: Some(0) });
            assert_eq!(dumpable_behavior(), Ok(DumpableBehavior::NotDumpable));
        }),
        // Cores that are piped into a program do not heed the limit, so this alone must do.
        Some("undumpable") => crash(|| {
            harden().expect("nothing speaks against it");
            allow_cores();
        }),
        Some(_) => crash(|| ()),
        None => {}
    }
    if writes_cores_here() {
        let cores = ["hardened", "undumpable", "as it is"].map(|role| core_as(TEST, role).is_some());
        assert_eq!(cores, [false, false, true]);
    }
}

/// Dies with secrets in memory.
fn crash(prepare: impl FnOnce()) -> ! {
    allow_cores();
    prepare();
    let secrets = [(Kind::Locked, LOCKED), (Kind::Hidden, HIDDEN)];
    let held = secrets.map(|(kind, number)| room(kind).map(|room| room.hold(canary(number)).expect("it fits")));
    let plain = canary(PLAIN);
    let _both = std::hint::black_box((&held, &plain));
    process::abort()
}

/// As far as the hard limit lets us, which the superuser may raise again.
fn allow_cores() {
    let most = Rlimit { current: None, maximum: None };
    if setrlimit(Resource::Core, most).is_err() {
        let maximum = getrlimit(Resource::Core).maximum;
        setrlimit(Resource::Core, Rlimit { current: maximum, maximum }).expect("up to the hard limit");
    }
}

fn core_of(test: &str) -> Option<Vec<u8>> {
    core_as(test, "as it is")
}

/// What the kernel writes when this test dies in this role.
fn core_as(test: &str, role: &str) -> Option<Vec<u8>> {
    use std::os::unix::process::ExitStatusExt as _;
    let folder = tempfile::tempdir().expect("a folder is made");
    let (status, words) = Process::start(command(test, role).current_dir(folder.path())).end();
    assert_eq!(status.signal(), Some(6), "it aborts: {words}");
    let core = find(folder.path());
    assert_eq!(status.core_dumped(), core.is_some(), "{role}");
    core
}

fn find(folder: &Path) -> Option<Vec<u8>> {
    let mut files = fs::read_dir(folder).expect("it can be listed");
    files.next().map(|file| fs::read(file.expect("an entry").path()).expect("it can be read"))
}
