//! What a whole process can do for its secrets.

use rustix::io::Errno;
#[cfg(target_os = "linux")]
use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use rustix::process::{Resource, Rlimit, setrlimit};

/// Why a process is not hardened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the system would not {doing}: {cause}; a crash of this process may write its secrets to a file")]
pub struct HardenError {
    doing: &'static str,
    cause: Errno,
}

/// Keeps this process from leaving a core file, and other processes of the same user from reading its memory.
///
/// It sets `RLIMIT_CORE` to nought, for good and for the processes that this one starts, and then `PR_SET_DUMPABLE`. The
/// limit alone would not do: cores that `core_pattern` pipes into a program do not heed it. Outside Linux the limit is all
/// there is. Call it first thing in `main`; the
/// library never does.
///
/// # Errors
///
/// The system refused one of the two; whatever came before it is done.
pub fn harden() -> Result<(), HardenError> {
    let refused = |doing| move |cause| HardenError { doing, cause };
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    setrlimit(Resource::Core, none).map_err(refused("forbid core files (RLIMIT_CORE)"))?;
    #[cfg(target_os = "linux")]
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(refused("make the process undumpable (PR_SET_DUMPABLE)"))?;
    Ok(())
}
