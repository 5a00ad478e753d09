//! Connections: how they come in, and how much of everything one may take.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustix::fs::Mode;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind as bind_socket, listen, socket_with};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::AdminError;
use super::api;
use super::desk::Desk;

/// Connections at once; more wait to be accepted.
const CONNECTIONS: usize = 32;
const BACKLOG: i32 = 64;
/// A connection is closed after this, whatever it is at: an operator connects anew for each thing that he asks.
const LIFE: Duration = Duration::from_mins(1);
/// So long the head of a request may take, and a connection be idle.
const HEAD: Duration = Duration::from_secs(10);
const HEADERS: usize = 32;
/// The longest head that is read, in bytes.
const HEAD_SIZE: usize = 8 << 10;
/// After an error of the system, such as too many open files.
const REST: Duration = Duration::from_millis(100);
/// The longest path of a socket.
const PATH_LIMIT: usize = 107;

/// What may be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Routes {
    /// Metrics, health and readiness.
    Looking,
    /// Everything.
    All,
}

/// The file of a socket of ours. Removed when this is dropped, if it still is ours.
pub(crate) struct SocketFile {
    path: PathBuf,
    inode: (u64, u64),
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if fs::symlink_metadata(&self.path).is_ok_and(|found| (found.dev(), found.ino()) == self.inode) {
            // Who removed it before us wanted that.
            drop(fs::remove_file(&self.path));
        }
    }
}

/// A socket with this mode. What a dead process left there is removed; a live one is not disturbed.
pub(crate) fn bind(path: &Path, mode: u32) -> Result<(UnixListener, SocketFile), AdminError> {
    if path.as_os_str().len() > PATH_LIMIT {
        return Err(AdminError::Long(path.to_owned()));
    }
    let failed = |cause: io::Error| AdminError::Listen { at: path.display().to_string(), cause };
    clear(path)?;
    let bound = || -> io::Result<(UnixListener, SocketFile)> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket: OwnedFd = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        // The kernel makes the file with the mode of the socket: there is no moment at which others may connect.
        rustix::fs::fchmod(&socket, Mode::from_raw_mode(mode))?;
        bind_socket(&socket, &SocketAddrUnix::new(path)?)?;
        let found = fs::symlink_metadata(path)?;
        let file = SocketFile { path: path.to_owned(), inode: (found.dev(), found.ino()) };
        // The umask may have taken something away.
        fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode))?;
        listen(&socket, BACKLOG)?;
        Ok((UnixListener::from_std(socket.into())?, file))
    };
    bound().map_err(failed)
}

fn clear(path: &Path) -> Result<(), AdminError> {
    let failed = |cause: io::Error| AdminError::Listen { at: path.display().to_string(), cause };
    match fs::symlink_metadata(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(failed(e)),
        Ok(found) if !found.file_type().is_socket() => return Err(AdminError::Other(path.to_owned())),
        Ok(_) => {}
    }
    match UnixStream::connect(path) {
        Err(e) if e.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path).map_err(failed),
        Err(e) => Err(failed(e)),
        Ok(_) => Err(AdminError::Live(path.to_owned())),
    }
}

/// Where connections come in.
pub(crate) enum Listener {
    Unix(UnixListener),
    Tcp(TcpListener),
}

/// A connection of either kind.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

impl Listener {
    async fn accept(&self) -> io::Result<Box<dyn Stream>> {
        Ok(match self {
            Self::Unix(listener) => Box::new(listener.accept().await?.0),
            Self::Tcp(listener) => Box::new(listener.accept().await?.0),
        })
    }
}

/// Serves until it is told to close, and then what is under way.
pub(crate) async fn serve(listener: Listener, routes: Routes, desk: Arc<Desk>, mut closing: watch::Receiver<bool>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { break };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = closing.wait_for(|closing| *closing) => break,
        };
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok(stream) => {
                let connection = connection(stream, routes, Arc::clone(&desk), closing.clone());
                connections.spawn(async move {
                    // What is cut off after its time has had it.
                    drop(timeout(LIFE, connection).await);
                    drop(place);
                });
            }
            Err(why) => {
                tracing::warn!(%why, next = "see what the system lacks", "a connection could not be accepted");
                sleep(REST).await;
            }
        }
    }
    while connections.join_next().await.is_some() {}
}

async fn connection(stream: Box<dyn Stream>, routes: Routes, desk: Arc<Desk>, mut closing: watch::Receiver<bool>) {
    let ends = closing.clone();
    let service = service_fn(move |request| {
        let (desk, mut ends) = (Arc::clone(&desk), ends.clone());
        async move { Ok::<_, std::convert::Infallible>(api::answer(&desk, routes, request, &mut ends).await) }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD).max_headers(HEADERS).max_buf_size(HEAD_SIZE);
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    tokio::select! {
        // How a connection of somebody else ends is not ours to tell.
        _ = connection.as_mut() => return,
        _ = closing.wait_for(|closing| *closing) => connection.as_mut().graceful_shutdown(),
    }
    drop(connection.await);
}
