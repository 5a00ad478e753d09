//! Clients that read one secret over kept connections, and what became of their requests.
//!
//! They behave as Go's and other common clients do: a request that finds its kept connection closed, before a byte of an answer,
//! is sent once more on a new one, for a read may be repeated.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::HOST;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep_until, timeout};
use turquoise_tests::comparison::percentile;

use crate::scene::READ;
use crate::{Fault, interrupt};

/// Who has no answer by then has none.
const PATIENCE: Duration = Duration::from_secs(5);

/// What token a client shows.
#[derive(Clone, Debug)]
pub(crate) enum Token {
    /// None: the proxy gives it one.
    None,
    /// This one.
    Fixed(String),
    /// What stands in a file, read for each request.
    Each(PathBuf),
    /// What stands in a file, read again after so long.
    Every(PathBuf, Duration),
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Pace {
    /// The next as soon as one is answered.
    FlatOut,
    /// So many in a second, of all connections together, whenever the answers come.
    PerSecond(u32),
}

/// What is to be done.
#[derive(Clone, Debug)]
pub(crate) struct Work {
    pub(crate) at: SocketAddr,
    pub(crate) token: Token,
    pub(crate) connections: u32,
    pub(crate) pace: Pace,
}

/// What became of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    /// How long each took that was served, from when it was due; in order.
    pub(crate) took: Vec<Duration>,
    pub(crate) failed: u32,
    /// The first of them, in words.
    pub(crate) words: Option<String>,
    pub(crate) time: Duration,
}

impl Tally {
    pub(crate) fn rate(&self) -> f64 {
        count(self.took.len()) / self.time.as_secs_f64()
    }

    pub(crate) fn millis(&self, thousandths: usize) -> f64 {
        percentile(&self.took, thousandths).map_or(f64::NAN, |took| took.as_secs_f64() * 1e3)
    }

    pub(crate) fn failed(&self) -> f64 {
        f64::from(self.failed)
    }

    fn add(&mut self, other: Self) {
        self.took.extend(other.took);
        self.failed += other.failed;
        self.words = self.words.take().or(other.words);
    }
}

/// No number of requests here is too large for it.
pub(crate) fn count(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}

/// Work that goes on.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Tally>,
}

impl Load {
    pub(crate) fn start(work: Work) -> Result<Self, Fault> {
        let stop = Arc::<AtomicBool>::default();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let stopped = Arc::clone(&stop);
        Ok(Self { stop, thread: thread::spawn(move || runtime.block_on(run(&work, &stopped))) })
    }

    pub(crate) fn stop(self) -> Result<Tally, Fault> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| "a client panicked".into())
    }

    /// For so long.
    pub(crate) fn of(work: Work, time: Duration) -> Result<Tally, Fault> {
        let load = Self::start(work)?;
        let slept = interrupt::sleep(time);
        let tally = load.stop()?;
        slept.map(|()| tally)
    }
}

async fn run(work: &Work, stop: &Arc<AtomicBool>) -> Tally {
    let began = Instant::now();
    let mut clients = JoinSet::new();
    for number in 0..work.connections {
        let client = Client { at: work.at, source: work.token.clone(), known: None, kept: None };
        clients.spawn(client.work(Turns::new(work, number, began), Arc::clone(stop)));
    }
    let mut all = Tally::default();
    while let Some(Ok(tally)) = clients.join_next().await {
        all.add(tally);
    }
    all.time = began.elapsed();
    all.took.sort_unstable();
    all
}

/// When the requests of one connection are due.
struct Turns {
    next: Instant,
    every: Option<Duration>,
}

impl Turns {
    fn new(work: &Work, number: u32, began: Instant) -> Self {
        match work.pace {
            Pace::FlatOut => Self { next: began, every: None },
            Pace::PerSecond(rate) => {
                let each = Duration::from_secs(1) / rate;
                Self { next: began + each * number, every: Some(each * work.connections) }
            }
        }
    }

    /// Waits until one is due, and says since when it is.
    async fn take(&mut self) -> Instant {
        let Some(every) = self.every else { return Instant::now() };
        let due = self.next;
        self.next += every;
        sleep_until(due.into()).await;
        due
    }
}

struct Client {
    at: SocketAddr,
    source: Token,
    known: Option<(Instant, String)>,
    kept: Option<SendRequest<Empty<Bytes>>>,
}

/// What became of a request.
enum Missed {
    /// The kept connection was closed meanwhile.
    Closed,
    Failed(String),
}

impl Client {
    async fn work(mut self, mut turns: Turns, stop: Arc<AtomicBool>) -> Tally {
        let mut tally = Tally::default();
        loop {
            let due = turns.take().await;
            if stop.load(Ordering::Relaxed) || interrupt::is_asked() {
                return tally;
            }
            match timeout(PATIENCE, self.read()).await.unwrap_or_else(|_| Err(format!("no answer in {PATIENCE:?}"))) {
                Ok(()) => tally.took.push(due.elapsed()),
                Err(why) => {
                    self.kept = None;
                    tally.failed += 1;
                    tally.words.get_or_insert(why);
                    // Who is refused at once would else ask as fast as it can.
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            }
        }
    }

    async fn read(&mut self) -> Result<(), String> {
        let token = self.token()?;
        let was_kept = self.kept.as_ref().is_some_and(|kept| !kept.is_closed());
        match self.exchange(token.as_deref()).await {
            Err(Missed::Closed) if was_kept => {
                self.kept = None;
                self.exchange(token.as_deref()).await
            }
            other => other,
        }
        .map_err(|missed| match missed {
            Missed::Closed => "the connection was closed".to_owned(),
            Missed::Failed(why) => why,
        })
    }

    fn token(&mut self) -> Result<Option<String>, String> {
        let read = |path: &PathBuf| fs::read_to_string(path).map_err(|why| why.to_string());
        match &self.source {
            Token::None => Ok(None),
            Token::Fixed(token) => Ok(Some(token.clone())),
            Token::Each(path) => read(path).map(Some),
            Token::Every(path, every) => {
                if self.known.as_ref().is_none_or(|(since, _)| since.elapsed() > *every) {
                    self.known = Some((Instant::now(), read(path)?));
                }
                Ok(self.known.as_ref().map(|(_, token)| token.clone()))
            }
        }
    }

    async fn exchange(&mut self, token: Option<&str>) -> Result<(), Missed> {
        let failed = |why: &dyn std::fmt::Display| Missed::Failed(why.to_string());
        let sender = match self.kept.take().filter(|kept| !kept.is_closed()) {
            Some(kept) => kept,
            None => connect(self.at).await.map_err(|why| failed(&why))?,
        };
        let sender = self.kept.insert(sender);
        sender.ready().await.map_err(|_| Missed::Closed)?;
        let mut request = Request::get(READ).header(HOST, self.at.to_string());
        if let Some(token) = token {
            request = request.header("x-vault-token", token);
        }
        let request = request.body(Empty::new()).map_err(|why| failed(&why))?;
        let answer = sender.send_request(request).await.map_err(|why| closed(&why))?;
        let (head, body) = answer.into_parts();
        body.collect().await.map_err(|why| failed(&why))?;
        if head.status == StatusCode::OK { Ok(()) } else { Err(failed(&head.status)) }
    }
}

/// Whether there was no byte of an answer.
fn closed(why: &hyper::Error) -> Missed {
    if why.is_canceled() || why.is_incomplete_message() || why.is_closed() { Missed::Closed } else { broken(why) }
}

/// A reset comes as an error of the system.
fn broken(why: &hyper::Error) -> Missed {
    let cause = std::error::Error::source(why).and_then(|cause| cause.downcast_ref::<std::io::Error>());
    let is_reset =
        cause.is_some_and(|cause| matches!(cause.kind(), std::io::ErrorKind::ConnectionReset | std::io::ErrorKind::BrokenPipe));
    if is_reset { Missed::Closed } else { Missed::Failed(why.to_string()) }
}

async fn connect(at: SocketAddr) -> Result<SendRequest<Empty<Bytes>>, String> {
    let stream = TcpStream::connect(at).await.map_err(|why| why.to_string())?;
    stream.set_nodelay(true).map_err(|why| why.to_string())?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(|why| why.to_string())?;
    tokio::spawn(async move {
        // Who sends on it is told.
        drop(connection.await);
    });
    Ok(sender)
}
