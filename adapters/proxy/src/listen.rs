//! Sockets to listen on: bound beside a predecessor's, or inherited.

use std::env;
use std::fmt;
use std::fs;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::task::{Context, Poll};

use listenfd::ListenFd;
use rustix::net::sockopt::socket_acceptconn;
use tokio::net::{TcpListener, TcpSocket, TcpStream, UnixListener, UnixStream};
use turquoise_http::{TlsError, Wire};

use crate::settings::{At, Family};

/// How many connections may wait to be accepted.
const BACKLOG: u32 = 1_024;
/// The kernel's limit for the path of a socket, without the 0 byte at its end.
pub const LONGEST_SOCKET_PATH: usize = 107;
/// The length of a name that a socket has before it takes its place.
const TEMPORARY: usize = 9;

/// Why there is nothing to listen on.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The system refused.
    #[error("cannot listen on {at} ({cause}): see that it is free and that we may")]
    Io {
        /// Where.
        at: String,
        /// What the system said.
        cause: io::Error,
    },
    /// No system takes such a path.
    #[error("the socket's path {} is longer than {LONGEST_SOCKET_PATH} bytes, the most that the system takes: shorten it", path.display())]
    Long {
        /// The path.
        path: PathBuf,
    },
    /// Something else has the name.
    #[error("{} is there and no socket: remove it, or listen elsewhere", path.display())]
    NotASocket {
        /// The path.
        path: PathBuf,
    },
    /// What is to be shown there cannot be shown.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Nobody gave us such a socket.
    #[error(
        "no socket named `{name}` was inherited{}: give it to the service (FileDescriptorName= in the socket's unit)",
        others(found)
    )]
    NotInherited {
        /// The name that was asked for.
        name: String,
        /// The names of those that were, and that no listener has taken.
        found: Vec<String>,
    },
    /// It is something else than the listener is to have.
    #[error(
        "the inherited socket `{name}` is {found}, and its listener is for {wanted}: give it the other type, or another socket"
    )]
    Unlike {
        /// The name that was asked for.
        name: String,
        /// What it is.
        found: &'static str,
        /// What it is to be.
        wanted: &'static str,
    },
}

fn others(found: &[String]) -> String {
    if found.is_empty() { String::new() } else { format!(", but `{}`", found.join("`, `")) }
}

/// What is listened on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bound {
    /// An address, with the port that the system chose if none was asked for.
    Tcp(SocketAddr),
    /// A socket in the file system.
    Unix(PathBuf),
    /// A unix socket that has no path, or one that we do not know.
    Unnamed,
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Unnamed => f.write_str("a socket without a name"),
        }
    }
}

/// A socket that connections come from.
pub(crate) struct Socket {
    kind: Kind,
    pub(crate) bound: Bound,
    source: Source,
}

/// Whose a socket is.
enum Source {
    Ours,
    /// Ours to remove, while it is still the one that we made.
    Made(Made),
    Inherited,
}

enum Kind {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// A socket of ours in the file system. Gone when this is dropped, unless a successor has put its own there.
struct Made {
    path: PathBuf,
    inode: u64,
}

impl Drop for Made {
    fn drop(&mut self) {
        if fs::symlink_metadata(&self.path).is_ok_and(|found| found.ino() == self.inode) {
            // Who removed it in between wanted that.
            drop(fs::remove_file(&self.path));
        }
    }
}

impl Socket {
    pub(crate) fn open(at: &At) -> Result<Self, ListenError> {
        match at {
            At::Tcp(address) => tcp(*address).map_err(|cause| ListenError::Io { at: address.to_string(), cause }),
            At::Unix { path, mode, user, group } => unix(path, *mode, *user, *group),
            At::Inherited { name, family } => INHERITED.lock().unwrap_or_else(PoisonError::into_inner).take(name, *family),
        }
    }

    pub(crate) async fn accept(&self) -> io::Result<Wire> {
        poll_fn(|cx| self.poll_accept(cx)).await
    }

    fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<Wire>> {
        match &self.kind {
            Kind::Tcp(listener) => listener.poll_accept(cx).map_ok(|(stream, _)| {
                // What fails here costs time and nothing else.
                let _ = stream.set_nodelay(true);
                Wire::Tcp(stream)
            }),
            Kind::Unix(listener) => listener.poll_accept(cx).map_ok(|(stream, _)| Wire::Unix(stream)),
        }
    }

    /// Closes it, and answers the connections that had come by then: with the socket they would be lost. Those of one that was
    /// inherited are the next process's, which has it too.
    pub(crate) fn close(self) -> Vec<Wire> {
        let Self { kind, source, .. } = self;
        let mut waiting = Vec::new();
        if let Source::Inherited = source {
            return waiting;
        }
        match kind {
            Kind::Tcp(listener) => {
                let listener = listener.into_std();
                while let Some((stream, _)) = listener.as_ref().ok().and_then(|listener| listener.accept().ok()) {
                    let stream = stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream));
                    waiting.extend(stream.map(Wire::Tcp));
                }
            }
            Kind::Unix(listener) => {
                let listener = listener.into_std();
                while let Some((stream, _)) = listener.as_ref().ok().and_then(|listener| listener.accept().ok()) {
                    let stream = stream.set_nonblocking(true).and_then(|()| UnixStream::from_std(stream));
                    waiting.extend(stream.map(Wire::Unix));
                }
            }
        }
        waiting
    }

    fn of_tcp(listener: TcpListener, source: Source) -> io::Result<Self> {
        let bound = Bound::Tcp(listener.local_addr()?);
        Ok(Self { kind: Kind::Tcp(listener), bound, source })
    }

    fn of_unix(listener: UnixListener, source: Source) -> io::Result<Self> {
        let path = match &source {
            Source::Made(made) => Some(made.path.clone()),
            Source::Ours | Source::Inherited => listener.local_addr()?.as_pathname().map(Path::to_owned),
        };
        Ok(Self { kind: Kind::Unix(listener), bound: path.map_or(Bound::Unnamed, Bound::Unix), source })
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket").field("bound", &self.bound).finish_non_exhaustive()
    }
}

fn tcp(address: SocketAddr) -> io::Result<Socket> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.set_reuseport(true)?;
    socket.bind(address)?;
    Socket::of_tcp(socket.listen(BACKLOG)?, Source::Ours)
}

/// Bound under another name, made what it is to be, and only then put in its place: whoever connects finds the one before, or
/// this one.
fn unix(path: &Path, mode: u32, user: Option<u32>, group: Option<u32>) -> Result<Socket, ListenError> {
    check_socket_path(path)?;
    let fault = |cause| ListenError::Io { at: path.display().to_string(), cause };
    match fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => return Err(ListenError::NotASocket { path: path.to_owned() }),
        _ => {}
    }
    let random = getrandom::u32().map_err(|why| fault(io::Error::other(why.to_string())))?;
    let temporary = path.with_file_name(format!(".{random:08x}"));
    let placed = || {
        let listener = UnixListener::bind(&temporary)?;
        if user.is_some() || group.is_some() {
            chown(&temporary, user, group)?;
        }
        fs::set_permissions(&temporary, fs::Permissions::from_mode(mode))?;
        let inode = fs::symlink_metadata(&temporary)?.ino();
        fs::rename(&temporary, path)?;
        Socket::of_unix(listener, Source::Made(Made { path: path.to_owned(), inode }))
    };
    placed().map_err(|cause| {
        drop(fs::remove_file(&temporary));
        fault(cause)
    })
}

/// Whether the system takes this path for a socket: to be asked before anything is begun.
///
/// # Errors
///
/// [`ListenError::Long`].
pub fn check_socket_path(path: &Path) -> Result<(), ListenError> {
    let length = path.as_os_str().as_bytes().len();
    let name = path.file_name().map_or(0, |name| name.as_bytes().len());
    if length + TEMPORARY.saturating_sub(name) > LONGEST_SOCKET_PATH {
        return Err(ListenError::Long { path: path.to_owned() });
    }
    Ok(())
}

/// It is the process that inherits, and each socket can be taken once.
static INHERITED: LazyLock<Mutex<Inherited>> = LazyLock::new(|| Mutex::new(Inherited::from_environment()));

/// What whoever started us has opened for us.
struct Inherited {
    sockets: ListenFd,
    /// Of those that are not taken yet.
    names: Vec<Option<String>>,
}

impl Inherited {
    /// The names must be read before the sockets are taken: then the variables are gone.
    fn from_environment() -> Self {
        let names = env::var("LISTEN_FDNAMES").unwrap_or_default();
        let sockets = ListenFd::from_env();
        let names = names.split(':').chain(std::iter::repeat("unknown")).take(sockets.len());
        let names = names.map(|name| Some(name.to_owned())).collect();
        Self { sockets, names }
    }

    /// Of several with the same name, the first that is not taken.
    fn take(&mut self, name: &str, family: Family) -> Result<Socket, ListenError> {
        let fault = |cause| ListenError::Io { at: format!("the inherited socket `{name}`"), cause };
        let at = self.names.iter().position(|found| found.as_deref() == Some(name));
        let at = at.ok_or_else(|| ListenError::NotInherited { name: name.to_owned(), found: self.left() })?;
        let unlike = |found| ListenError::Unlike { name: name.to_owned(), found, wanted: family.name() };
        let (as_unix, as_tcp) = (self.sockets.take_unix_listener(at), self.sockets.take_tcp_listener(at));
        let (kind, listens) = match (as_unix, as_tcp) {
            (Ok(Some(listener)), _) => {
                listener.set_nonblocking(true).map_err(fault)?;
                let listens = socket_acceptconn(&listener);
                (Kind::Unix(UnixListener::from_std(listener).map_err(fault)?), listens)
            }
            (Err(_), Ok(Some(listener))) => {
                listener.set_nonblocking(true).map_err(fault)?;
                let listens = socket_acceptconn(&listener);
                (Kind::Tcp(TcpListener::from_std(listener).map_err(fault)?), listens)
            }
            _ => return Err(unlike("no stream socket")),
        };
        self.names[at] = None;
        if !listens.map_err(|why| fault(why.into()))? {
            return Err(unlike("a socket that does not listen"));
        }
        match (kind, family) {
            (Kind::Tcp(listener), Family::Tcp) => Socket::of_tcp(listener, Source::Inherited).map_err(fault),
            (Kind::Unix(listener), Family::Unix) => Socket::of_unix(listener, Source::Inherited).map_err(fault),
            (Kind::Tcp(_), Family::Unix) => Err(unlike(Family::Tcp.name())),
            (Kind::Unix(_), Family::Tcp) => Err(unlike(Family::Unix.name())),
        }
    }

    fn left(&self) -> Vec<String> {
        self.names.iter().flatten().cloned().collect()
    }
}

/// The names of inherited sockets (`LISTEN_FDNAMES`) that no [`Door`](crate::Door) has been opened at: nobody is let in there, and who
/// connects waits for ever.
#[must_use]
pub fn inherited_left() -> Vec<String> {
    INHERITED.lock().unwrap_or_else(PoisonError::into_inner).left()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_no_system_takes_is_told_before_it_is_tried() {
        let folder = "/".to_owned() + &"f".repeat(90);
        assert!(check_socket_path(Path::new(&format!("{folder}/{}", "s".repeat(15)))).is_ok(), "107 bytes");
        assert!(matches!(check_socket_path(Path::new(&format!("{folder}/{}", "s".repeat(16)))), Err(ListenError::Long { .. })));
    }

    #[tokio::test]
    async fn a_socket_takes_the_place_of_the_one_before_and_only_its_own_is_removed() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("s");
        let at = At::Unix { path: path.clone(), mode: 0o660, user: None, group: None };
        let open = || Socket::open(&at).expect("it is free");
        let first = open();
        let early = std::os::unix::net::UnixStream::connect(&path).expect("it listens");
        let second = open();
        assert_eq!(fs::metadata(&path).expect("it is there").permissions().mode() & 0o777, 0o660);
        assert_eq!(first.close().len(), 1, "what came to the first is not lost");
        drop(early);
        assert!(path.exists(), "it is the second's by now");
        drop(second);
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 0);
        fs::write(&path, "a file").expect("it is free");
        let refused = Socket::open(&at);
        assert!(matches!(refused, Err(ListenError::NotASocket { .. })), "{refused:?}");
        let none = Socket::open(&At::Inherited { name: "api".to_owned(), family: Family::Tcp });
        assert!(matches!(none, Err(ListenError::NotInherited { .. })), "{none:?}");
    }
}
