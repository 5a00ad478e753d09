//! Why there is no locked memory to be had, and what to do about it.

use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};

/// Why there is no locked memory for a secret. Nothing is left behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LockError {
    /// The process may lock no more.
    #[error(
        "no room for a secret: the process may lock {limit} bytes of memory (RLIMIT_MEMLOCK), and {needed} more are needed; \
         raise the limit (LimitMEMLOCK= in a systemd unit, --ulimit memlock= for a container, ulimit -l in a shell) or give \
         the process CAP_IPC_LOCK"
    )]
    Limit {
        /// What more was asked for, in bytes: whole pages.
        needed: usize,
        /// The soft limit of the process as it is now, in bytes.
        limit: u64,
    },
    /// The system refused for another reason.
    #[error("no room for a secret: the system would not {doing} a page of memory: {cause}; see docs/memory.md on what it needs")]
    System {
        /// What was asked of it.
        doing: &'static str,
        /// What it said.
        cause: Errno,
    },
}

impl LockError {
    pub(crate) const fn when(doing: &'static str) -> impl FnOnce(Errno) -> Self {
        move |cause| Self::System { doing, cause }
    }

    /// `mlock` says `ENOMEM` when the limit is reached, and `EPERM` when it is nought.
    pub(crate) fn locking(needed: usize, cause: Errno) -> Self {
        match getrlimit(Resource::Memlock).current {
            Some(limit) if matches!(cause, Errno::NOMEM | Errno::PERM) => Self::Limit { needed, limit },
            _ => Self::System { doing: "lock", cause },
        }
    }
}
