//! What is held is locked in memory, and where that is not permitted the policy decides: before anything is made.
//!
//! The limit is that of a whole process, so what lowers it runs in a process of its own: the same test of the same program.

use std::env;
use std::process::Command;

use rustix::param::page_size;
use rustix::process::{Resource, Rlimit, setrlimit};
use rustix::thread::{CapabilitySet, capabilities, set_capabilities};
use turquoise_runtime::core::{Consumers, PhaseKind, StepKind};
use turquoise_runtime::memory::{LockError, WhenLockingFails};
use turquoise_runtime::{Identity, StartError};

use crate::common::{Sim, rotate, until};

#[tokio::test(start_paused = true)]
async fn what_serves_is_locked_after_login_rotation_and_restart() {
    let mut sim = Sim::new();
    let identity = sim.ready(Consumers::Counted).await;
    assert!(serves_locked(&identity), "after the login");
    rotate(&identity).await;
    assert!(serves_locked(&identity), "after the rotation");
    identity.stop().await;
    let identity = sim.start(Consumers::Counted).await;
    identity.credentials().ready().await.expect("it serves what was kept");
    assert!(serves_locked(&identity), "after the restart");
    identity.stop().await;
}

#[tokio::test(start_paused = true)]
async fn where_nothing_may_be_locked_refuse_does_not_start_and_warn_does() {
    const TEST: &str = "locks_its_secrets::where_nothing_may_be_locked_refuse_does_not_start_and_warn_does";
    if !is_child(TEST) {
        return;
    }
    limit_to(0);
    let mut sim = Sim::new();
    let refused = sim.try_start(Consumers::Counted).await.expect_err("it does not start");
    assert!(matches!(refused, StartError::Memory(LockError::Limit { limit: 0, .. })), "{refused}");
    assert_eq!(sim.log_from(0), [] as [String; 0], "nothing was done");
    sim.memory = WhenLockingFails::Warn;
    let identity = sim.ready(Consumers::Counted).await;
    assert!(!serves_locked(&identity));
    rotate(&identity).await;
    sim.assert_quiet(&identity, "with secrets in common memory");
    identity.stop().await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_minted_that_there_is_no_room_for() {
    const TEST: &str = "locks_its_secrets::nothing_is_minted_that_there_is_no_room_for";
    if !is_child(TEST) {
        return;
    }
    let mut sim = Sim::new();
    let identity = sim.ready(Consumers::Counted).await;
    limit_to(1);
    let asked = sim.world().log.len();
    let mut progress = identity.progress();
    identity.rotate().await.expect("a rotation may begin");
    until(&mut progress, StepKind::IssueRefused).await;
    assert!(!sim.log_from(asked).iter().any(|call| call.starts_with("issue")), "{:?}", sim.log_from(asked));
    let reason = identity.status().reason.expect("it says why").0;
    assert!(reason.contains("RLIMIT_MEMLOCK"), "{reason}");
    assert_eq!(identity.status().phase, PhaseKind::Steady);
    assert!(sim.serves(&identity), "the other one serves on");

    limit_to(2);
    rotate(&identity).await;
    sim.assert_quiet(&identity, "when there is room it rotates");
    assert!(serves_locked(&identity));
    identity.stop().await;
}

fn serves_locked(identity: &Identity) -> bool {
    identity.credentials().acquire().expect("it serves").secret().is_locked()
}

/// Whether this is the process that the test runs in; if not, it was run.
fn is_child(test: &str) -> bool {
    const CHILD: &str = "TURQUOISE_RUNTIME_TEST_CHILD";
    if env::var_os(CHILD).is_some() {
        return true;
    }
    let program = env::current_exe().expect("a test knows its program");
    let ended = Command::new(program).args([test, "--exact", "--nocapture"]).env(CHILD, "1").output().expect("it runs");
    let words = String::from_utf8_lossy(&ended.stdout);
    assert!(ended.status.success() && words.contains("1 passed"), "{words}{}", String::from_utf8_lossy(&ended.stderr));
    false
}

/// Lets this process lock so many pages, also if it is the superuser's.
fn limit_to(pages: usize) {
    let mut sets = capabilities(None).expect("they can be read");
    sets.effective.remove(CapabilitySet::IPC_LOCK);
    set_capabilities(None, sets).expect("they can be given up");
    let limit = Rlimit { current: Some((pages * page_size()) as u64), maximum: Some(1 << 20) };
    setrlimit(Resource::Memlock, limit).expect("it can be set up to the hard limit");
}
