//! The proxy itself: listeners, connections, and their end.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::Response;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until, timeout};
use tokio_rustls::TlsAcceptor;
use turquoise_http::Wire;
use turquoise_vault::ConfigError;

use crate::answer::Fault;
use crate::door::Door;
use crate::forward::Forward;
use crate::handle::Handler;
use crate::listen::{Bound, Socket};
use crate::local::Locals;
use crate::pace::{Pace, Paced};
use crate::remote::Figures;
use crate::seen::{Dependents, Seen};
use crate::settings::{AutoAuth, Hooks, Limits, Setup};

/// So many connections beyond the limit are told that it is reached.
const TOLD: usize = 64;
/// How often leases are looked at that may have expired.
const SWEEP: Duration = Duration::from_secs(10);
/// The least that hyper takes.
const LEAST_HEAD: usize = 8 << 10;
/// After an accept that failed, most of all because there are too many files.
const BREATH: Duration = Duration::from_millis(100);

/// A proxy that listens. Dropped, it ends at once, and cuts what is under way.
#[derive(Debug)]
pub struct Proxy {
    pub(crate) shared: Arc<Shared>,
    listeners: JoinSet<()>,
    bound: Vec<Bound>,
}

/// What all connections share.
pub(crate) struct Shared {
    pub(crate) forward: Forward,
    pub(crate) locals: Locals,
    pub(crate) auto_auth: AutoAuth,
    pub(crate) hooks: Hooks,
    pub(crate) seen: Seen,
    pub(crate) in_flight: Arc<Semaphore>,
    pub(crate) counts: Counts,
    /// How far the end has come.
    pub(crate) stage: watch::Sender<Stage>,
    connections: Arc<Semaphore>,
    told: Arc<Semaphore>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("hooks", &self.hooks).finish_non_exhaustive()
    }
}

/// How far the end has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Open,
    /// What is under way is finished, and nothing more is taken on.
    Draining,
    /// What is still under way is dropped.
    Cut,
}

/// What has happened so far.
#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) requests: AtomicU64,
    /// Answered by us and not by the server.
    pub(crate) faults: AtomicU64,
}

/// How a proxy ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// Everything that was under way was finished.
    Drained,
    /// The time was over, and what was still under way was cut off.
    Cut,
}

impl Proxy {
    /// Serves from now on who comes in, and who waits already. Nothing is asked of the server before a client asks. Must be called
    /// within a Tokio runtime.
    ///
    /// # Errors
    ///
    /// The server cannot be reached as it is configured; nothing is listened on then.
    pub fn start(setup: Setup) -> Result<Self, ConfigError> {
        Self::start_with(setup, None)
    }

    /// As [`start`](Self::start), with somebody who keeps count of leases: without, they die with their token unannounced.
    ///
    /// # Errors
    ///
    /// As for [`start`](Self::start).
    pub fn start_with(setup: Setup, dependents: Option<Arc<dyn Dependents>>) -> Result<Self, ConfigError> {
        let Setup { credentials, upstream, local_token, auto_auth, doors, limits, hooks } = setup;
        let shared = Arc::new(Shared {
            forward: Forward::new(credentials, &upstream, limits)?,
            locals: Locals::new(local_token),
            auto_auth,
            hooks,
            seen: Seen::new(dependents),
            in_flight: Arc::new(Semaphore::new(limits.in_flight)),
            counts: Counts::default(),
            stage: watch::Sender::new(Stage::Open),
            connections: Arc::new(Semaphore::new(limits.connections)),
            told: Arc::new(Semaphore::new(TOLD)),
        });
        let (mut listeners, mut bound) = (JoinSet::new(), Vec::new());
        for Door { socket, tls, listener } in doors {
            tracing::info!(at = %socket.bound, role = ?listener.role, tls = tls.is_some(), "listening");
            bound.push(socket.bound.clone());
            let shared = Arc::clone(&shared);
            let handler = Handler { shared, role: listener.role, request_header: listener.request_header, quit: listener.quit };
            listeners.spawn(listen(socket, tls, Arc::new(handler)));
        }
        listeners.spawn(sweep(Arc::clone(&shared)));
        Ok(Self { shared, listeners, bound })
    }

    /// Where it listens, in the order of the setup.
    #[must_use]
    pub fn bound(&self) -> &[Bound] {
        &self.bound
    }

    /// What it has to say of itself, as text for Prometheus.
    #[must_use]
    pub fn metrics(&self) -> String {
        self.shared.figures().text()
    }

    /// Ends in order: from now on nothing new is taken on, what is under way is finished, for so long, and what is still under way
    /// then is cut off. A kept connection ends with its next answer, or after [`Limits::linger`].
    ///
    /// Not cancel safe: dropped before it ends, it cuts off what is under way.
    pub async fn stop(mut self, within: Duration) -> Stopped {
        self.shared.stage.send_replace(Stage::Draining);
        let Limits { connections, in_flight, .. } = self.shared.forward.limits;
        let drained = async {
            while self.listeners.join_next().await.is_some() {}
            // What is not given back is still in use; they are never closed.
            let _ = self.shared.connections.acquire_many(u32::try_from(connections).unwrap_or(u32::MAX)).await;
            let _ = self.shared.in_flight.acquire_many(u32::try_from(in_flight).unwrap_or(u32::MAX)).await;
        };
        if timeout(within, drained).await.is_ok() { Stopped::Drained } else { Stopped::Cut }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.stage.send_replace(Stage::Cut);
    }
}

impl Shared {
    pub(crate) fn figures(&self) -> Figures {
        let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let limits = &self.forward.limits;
        Figures {
            requests: count(&self.counts.requests),
            faults: count(&self.counts.faults),
            replays: count(&self.forward.replays),
            in_flight: (limits.in_flight - self.in_flight.available_permits()) as u64,
            connections: (limits.connections - self.connections.available_permits()) as u64,
            children: self.seen.children() as u64,
        }
    }
}

/// Accepts until the end, and then what has come by then: a socket that is closed loses it.
async fn listen(socket: Socket, tls: Option<TlsAcceptor>, handler: Arc<Handler>) {
    let shared = Arc::clone(&handler.shared);
    let mut stage = shared.stage.subscribe();
    loop {
        let accepted = tokio::select! {
            biased;
            _ = stage.wait_for(|stage| *stage != Stage::Open) => break,
            accepted = accept(&socket, &shared) => accepted,
        };
        match accepted {
            Ok(wire) => begin(wire, tls.as_ref(), &handler),
            Err(why) => {
                tracing::warn!(at = %socket.bound, %why, next = "raise the limit of open files, if it is that", "cannot accept");
                sleep(BREATH).await;
            }
        }
    }
    for wire in socket.close() {
        begin(wire, tls.as_ref(), &handler);
    }
}

/// Lets go of leases and children that have expired, which nobody says, and of a local token whose time is over.
async fn sweep(shared: Arc<Shared>) {
    let mut stage = shared.stage.subscribe();
    let over = stage.wait_for(|stage| *stage != Stage::Open);
    tokio::pin!(over);
    loop {
        tokio::select! {
            _ = &mut over => return,
            () = sleep(SWEEP) => {
                shared.seen.sweep();
                shared.locals.sweep();
            }
        }
    }
}

/// A connection that another listener's took the last place from is closed.
fn begin(wire: Wire, tls: Option<&TlsAcceptor>, handler: &Arc<Handler>) {
    if let Some(place) = place(&handler.shared) {
        tokio::spawn(connection(wire, tls.cloned(), Arc::clone(handler), place));
    }
}

/// A place for a connection.
struct Place {
    /// Whether it is over the limit, and is told so.
    is_full: bool,
    _permit: OwnedSemaphorePermit,
}

fn place(shared: &Shared) -> Option<Place> {
    let place = |is_full| move |permit| Place { is_full, _permit: permit };
    let served = Arc::clone(&shared.connections).try_acquire_owned().map(place(false));
    served.or_else(|_| Arc::clone(&shared.told).try_acquire_owned().map(place(true))).ok()
}

/// Where even those who would only be told are too many, nobody is accepted. Cancel safe: it is the last step that accepts.
async fn accept(socket: &Socket, shared: &Shared) -> io::Result<Wire> {
    while shared.connections.available_permits() + shared.told.available_permits() == 0 {
        sleep(BREATH).await;
    }
    socket.accept().await
}

async fn connection(wire: Wire, acceptor: Option<TlsAcceptor>, handler: Arc<Handler>, seat: Place) {
    let pace = Pace::new();
    let limits = handler.shared.forward.limits;
    match acceptor {
        None => serve(Paced::new(wire, Arc::clone(&pace)), &pace, handler, &seat).await,
        Some(acceptor) => match timeout(limits.head_time, acceptor.accept(wire)).await {
            Ok(Ok(stream)) => serve(Paced::new(stream, Arc::clone(&pace)), &pace, handler, &seat).await,
            Ok(Err(why)) => tracing::debug!(%why, "no TLS"),
            Err(_) => tracing::debug!("no TLS in time"),
        },
    }
    drop(seat);
}

async fn serve<I>(io: Paced<I>, pace: &Arc<Pace>, handler: Arc<Handler>, seat: &Place)
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let limits = handler.shared.forward.limits;
    let mut stage = handler.shared.stage.subscribe();
    let is_full = seat.is_full;
    let service = service_fn(|request| {
        let (handler, busy) = (Arc::clone(&handler), pace.begin());
        async move { if is_full { Ok(Response::from(Fault::Full)) } else { handler.handle(request, busy).await } }
    });
    let connection = http1::Builder::new()
        .max_headers(limits.headers)
        .max_buf_size(limits.head.max(LEAST_HEAD))
        .header_read_timeout(None::<Duration>)
        .serve_connection(TokioIo::new(io), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    let mut tick = interval(limits.head_time.min(limits.idle).min(limits.write) / 2);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut seen, mut leaves) = (Stage::Open, None);
    loop {
        tokio::select! {
            ended = &mut connection => {
                if let Err(why) = ended {
                    tracing::debug!(%why, "a connection broke off");
                }
                return;
            }
            changed = stage.wait_for(|stage| *stage != seen) => match changed.map(|stage| *stage) {
                Ok(Stage::Draining) => {
                    seen = Stage::Draining;
                    // Its next answer ends it. Closed now, it might meet a request that is just being written.
                    leaves = Some(Instant::now() + limits.linger);
                }
                Ok(Stage::Cut | Stage::Open) | Err(_) => return,
            },
            () = sleep_until(leaves.unwrap_or_else(Instant::now)), if leaves.is_some() => {
                leaves = None;
                connection.as_mut().graceful_shutdown();
            }
            _ = tick.tick() => if let Some(why) = pace.overdue(&limits) {
                tracing::debug!(why, "a connection is ended");
                return;
            },
        }
    }
}
