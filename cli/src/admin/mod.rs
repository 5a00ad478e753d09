//! The admin socket: where the identities of this process stand, what happens to them, and what operators ask of them, as
//! HTTP/1.1 with JSON. `docs/admin.md` is its description.
//!
//! It sees identities through [`Operator`]s alone, which keep nothing alive: whatever becomes of the socket, rotation goes on.

mod alert;
mod api;
mod desk;
mod metrics;
mod server;
pub(crate) mod shape;
#[cfg(test)]
mod tests;

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;
use turquoise::{BootClock, Operator, proxy};

pub(crate) use alert::{Alarm, Receiver, is_webhook};
pub(crate) use desk::{Facts, Proxied};

use alert::{Bell, NoAlarm};
use desk::Desk;
use metrics::OPEN_METRICS;
use server::{Listener, Routes, SocketFile};

/// So long answers under way may take at the end.
const LEAVE: Duration = Duration::from_secs(1);

/// Everything that tells of the identities of a process. Dropped, it ends at once.
pub(crate) struct Admin {
    desk: Arc<Desk>,
    /// What keeps the books and rings.
    books: JoinSet<()>,
    listeners: JoinSet<()>,
    closing: watch::Sender<bool>,
    socket: Option<SocketFile>,
}

/// Why nobody can be told.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AdminError {
    /// The path does not fit into a socket's address.
    #[error("{} is too long for a socket: use a path of at most 107 bytes", .0.display())]
    Long(PathBuf),
    /// Somebody answers there.
    #[error("a live process listens on {}: stop it, or give this one another `admin` address", .0.display())]
    Live(PathBuf),
    /// Something else is there.
    #[error("{} is there and no socket: remove it, or give another `admin` address", .0.display())]
    Other(PathBuf),
    /// It cannot be listened on.
    #[error("cannot listen on {at}: {cause}; put that right and start again")]
    Listen {
        /// Where.
        at: String,
        /// What the system said.
        cause: io::Error,
    },
    /// The clock of this boot cannot be read.
    #[error("the id of this boot cannot be read: {0}; mount /proc")]
    Clock(#[source] io::Error),
    /// Alerts cannot be sent.
    #[error("alerts cannot be sent: {0}")]
    Alert(#[from] NoAlarm),
}

impl Admin {
    /// Nobody is told yet but, if there is an alarm, who is to be told of alerts. Must be called within a Tokio runtime.
    pub(crate) fn new(alarm: Option<Alarm>) -> Result<Self, AdminError> {
        let mut books = JoinSet::new();
        let bell = match alarm {
            None => Bell::silent(),
            Some(alarm) => {
                let (bell, ringer) = Bell::new(alarm)?;
                books.spawn(ringer.run());
                bell
            }
        };
        let clock = BootClock::new().map_err(AdminError::Clock)?;
        let (desk, listeners) = (Arc::new(Desk::new(clock, bell)), JoinSet::new());
        Ok(Self { desk, books, listeners, closing: watch::Sender::new(false), socket: None })
    }

    /// Tells of one more identity from now on.
    pub(crate) fn seat(&mut self, name: &str, operator: Operator, facts: Facts) {
        let progress = operator.progress();
        let seat = self.desk.seat(name, operator, facts);
        if let Some(progress) = progress {
            let desk = Arc::clone(&self.desk);
            self.books.spawn(async move { desk.follow(seat, progress).await });
        }
    }

    /// Tells of it no more.
    pub(crate) fn unseat(&self, name: &str) {
        self.desk.unseat(name);
    }

    /// The listeners of an identity are open.
    pub(crate) fn attach(&self, name: &str, proxied: Proxied) {
        self.desk.attach(name, proxied);
    }

    /// What is told at the listeners of a proxy to those who only look.
    pub(crate) fn looks(&self) -> (proxy::Metrics, proxy::Ready) {
        let (metrics, ready) = (Arc::clone(&self.desk), Arc::clone(&self.desk));
        // Nothing but the writing to memory can fail, and that does not.
        let write = Arc::new(move || metrics.metrics.read(&metrics).unwrap_or_default());
        (proxy::Metrics { kind: OPEN_METRICS, write }, Arc::new(move || api::readiness(&ready)))
    }

    /// Listens on a socket whose file has this mode from its first moment on: who may write to it may ask for everything.
    pub(crate) fn listen_unix(&mut self, path: &Path, mode: u32) -> Result<(), AdminError> {
        let (listener, file) = server::bind(path, mode)?;
        self.socket = Some(file);
        self.spawn(Listener::Unix(listener), Routes::All);
        Ok(())
    }

    /// Listens on TCP for those who only look: metrics, health and readiness. Answers where.
    pub(crate) fn listen_tcp(&mut self, at: SocketAddr) -> Result<SocketAddr, AdminError> {
        let failed = |cause| AdminError::Listen { at: at.to_string(), cause };
        let listener = std::net::TcpListener::bind(at).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let bound = listener.local_addr().map_err(failed)?;
        let listener = tokio::net::TcpListener::from_std(listener).map_err(failed)?;
        self.spawn(Listener::Tcp(listener), Routes::Looking);
        Ok(bound)
    }

    fn spawn(&mut self, listener: Listener, routes: Routes) {
        self.listeners.spawn(server::serve(listener, routes, Arc::clone(&self.desk), self.closing.subscribe()));
    }

    /// Takes no more requests, ends those under way, and removes the socket.
    pub(crate) async fn close(mut self) {
        drop(self.socket.take());
        self.closing.send_replace(true);
        // What takes longer is cut off.
        drop(timeout(LEAVE, async { while self.listeners.join_next().await.is_some() {} }).await);
    }
}
