//! Taking over from the process that runs by the same file: it is asked to end, and waited for.
//!
//! Who answers on the admin socket is that process. It is held by a handle of the kernel's, which never comes to mean another
//! one, and which tells when it has ended: by then its journal, its sockets and its ports are free.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::time::{sleep, timeout};

/// So long it may take to say that it is there.
const ANSWER: Duration = Duration::from_secs(5);
/// How often it is looked at whether it has ended.
const LOOK: Duration = Duration::from_millis(10);

/// The process that runs.
pub(crate) struct Predecessor {
    pid: Pid,
    process: OwnedFd,
}

/// Why nothing is taken over.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotTaken {
    /// Nobody can be asked.
    #[error("who runs is found by the admin socket: write an `admin` stanza, or stop it first and start without --take-over")]
    NoAdmin,
    /// It does not do what a sidecar does.
    #[error("what listens on {} is not to be taken over ({why}): stop it first, and start without --take-over", at.display())]
    Stranger {
        /// The socket.
        at: PathBuf,
        /// What it lacks.
        why: String,
    },
    /// It was asked, and is not done yet.
    #[error(
        "process {pid} was asked to end and is not done with it after {within:?}: start again when it is, or give it longer (--take-over={longer})"
    )]
    Late {
        /// Its id.
        pid: i32,
        /// So long.
        within: Duration,
        /// What might be enough.
        longer: humantime::FormattedDuration,
    },
}

impl NotTaken {
    /// What the process ends with.
    pub(crate) const fn code(&self) -> u8 {
        match self {
            Self::Late { .. } => 4,
            Self::NoAdmin | Self::Stranger { .. } => 1,
        }
    }
}

impl Predecessor {
    /// Who answers on this socket; nobody, if it is dead or not there.
    pub(crate) async fn find(socket: &Path) -> Result<Option<Self>, NotTaken> {
        let stranger = |why: io::Error| NotTaken::Stranger { at: socket.to_owned(), why: why.to_string() };
        let mut stream = match UnixStream::connect(socket).await {
            Ok(stream) => stream,
            Err(why) if matches!(why.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => return Ok(None),
            Err(why) => return Err(stranger(why)),
        };
        let pid = stream.peer_cred().map_err(stranger)?.pid().and_then(Pid::from_raw);
        let pid = pid.ok_or_else(|| stranger(io::Error::other("its process is in another namespace")))?;
        let process = pidfd_open(pid, PidfdFlags::NONBLOCK).map_err(|why| stranger(why.into()))?;
        // It lives after its handle was had, so that is a handle of it, and not of a later one with the same id.
        let answered = timeout(ANSWER, healthy(&mut stream)).await.unwrap_or_else(|late| Err(late.into()));
        answered.map_err(stranger)?;
        Ok(Some(Self { pid, process }))
    }

    /// Asks it to end, as its file says, and waits until it has.
    pub(crate) async fn leave(self, within: Duration, socket: &Path) -> Result<(), NotTaken> {
        let Self { pid, process } = self;
        let stranger = |why: io::Error| NotTaken::Stranger { at: socket.to_owned(), why: why.to_string() };
        match pidfd_send_signal(&process, Signal::TERM) {
            // It has just ended.
            Ok(()) | Err(rustix::io::Errno::SRCH) => {}
            Err(why) => return Err(stranger(why.into())),
        }
        tracing::info!(process = pid.as_raw_nonzero(), ?within, "the process that runs was asked to end");
        let late = |_| NotTaken::Late { pid: pid.as_raw_nonzero().get(), within, longer: humantime::format_duration(within * 4) };
        timeout(within, ended(&process)).await.map_err(late)?.map_err(stranger)?;
        tracing::info!("it has ended");
        Ok(())
    }
}

/// Waits until a process has ended, whether or not anybody has asked how.
async fn ended(process: &OwnedFd) -> io::Result<()> {
    while poll(&mut [PollFd::new(process, PollFlags::IN)], Some(&Timespec::default()))? == 0 {
        sleep(LOOK).await;
    }
    Ok(())
}

async fn healthy(stream: &mut UnixStream) -> io::Result<()> {
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: turquoise\r\nConnection: close\r\n\r\n").await?;
    let mut said = Vec::new();
    stream.read_to_end(&mut said).await?;
    if said.starts_with(b"HTTP/1.1 200 ") { Ok(()) } else { Err(io::Error::other("it is no sidecar's admin socket")) }
}
