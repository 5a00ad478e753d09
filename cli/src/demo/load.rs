//! The load: reads of a secret, each counted, none tried twice.

use std::error::Error;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{HeaderName, HeaderValue};
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};
use turquoise::Credentials;
use turquoise::memory::{ExposeSecret as _, Secret};

use super::trouble::Trouble;

/// From one request of a worker to its next.
pub(crate) const PACE: Duration = Duration::from_millis(10);
/// A slower answer is a failure.
const PATIENCE: Duration = Duration::from_secs(5);
/// So many failures are told in words.
const TOLD: usize = 3;
/// Tasks that read by the handle.
const WORKERS: usize = 4;

const TOKEN: HeaderName = HeaderName::from_static("x-vault-token");

/// What became of the requests.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Count {
    pub(crate) served: u64,
    pub(crate) failed: u64,
    /// The first failures, in words.
    pub(crate) failures: Vec<String>,
}

impl Count {
    pub(crate) const fn all(&self) -> u64 {
        self.served + self.failed
    }
}

/// A count that several work on.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally(Arc<Mutex<Count>>);

impl Tally {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Count> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn add(&self, result: Result<(), String>) {
        let mut count = self.lock();
        match result {
            Ok(()) => count.served += 1,
            Err(why) => {
                count.failed += 1;
                if count.failures.len() < TOLD {
                    count.failures.push(why);
                }
            }
        }
    }
}

/// Reads one secret of one server, over connections that are kept. A clone shares them.
#[derive(Clone)]
pub(crate) struct Reads {
    client: Client<HttpConnector, Empty<Bytes>>,
    uri: Uri,
}

impl Reads {
    pub(crate) fn of(address: &str, path: &str) -> Result<Self, http::uri::InvalidUri> {
        // Otherwise a request that a closing connection did not take would silently be sent again.
        let client = Client::builder(TokioExecutor::new()).retry_canceled_requests(false).build_http();
        Ok(Self { client, uri: format!("{address}/v1/{path}").parse()? })
    }

    /// One request. What is not answered with 200 is an error, in the server's words.
    pub(crate) async fn read(&self, token: &Secret) -> Result<(), String> {
        let timed = timeout(PATIENCE, self.exchange(token)).await;
        timed.unwrap_or_else(|_| Err(format!("no answer within {} s", PATIENCE.as_secs())))
    }

    async fn exchange(&self, token: &Secret) -> Result<(), String> {
        let mut header = HeaderValue::from_str(token.expose_secret()).map_err(|_| "the token is not one word".to_owned())?;
        header.set_sensitive(true);
        let request = Request::get(&self.uri).header(TOKEN, header).body(Empty::new()).map_err(|why| why.to_string())?;
        let (head, body) = self.client.request(request).await.map_err(|why| chain(&why))?.into_parts();
        let body = body.collect().await.map_err(|why| chain(&why))?.to_bytes();
        match head.status {
            StatusCode::OK => Ok(()),
            other => Err(format!("{other}: {}", words(&body))),
        }
    }
}

/// What went wrong, down to its cause.
fn chain(error: &dyn Error) -> String {
    let (mut text, mut source) = (error.to_string(), error.source());
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// The server's own words on one line.
fn words(body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Refusal {
        errors: Vec<String>,
    }
    let refusal = serde_json::from_slice::<Refusal>(body);
    let words = refusal.map_or_else(|_| String::from_utf8_lossy(body).into_owned(), |refusal| refusal.errors.join("; "));
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Tasks that take the token from the handle for each request.
pub(crate) struct Load {
    workers: JoinSet<()>,
    stop: watch::Sender<()>,
}

impl Load {
    pub(crate) fn start(credentials: &Credentials, reads: &Reads, tally: &Tally) -> Self {
        let mut workers = JoinSet::new();
        let stop = watch::Sender::new(());
        for _ in 0..WORKERS {
            workers.spawn(work(credentials.clone(), reads.clone(), tally.clone(), stop.subscribe()));
        }
        Self { workers, stop }
    }

    /// Ends the load; a request under way is waited for and counted.
    pub(crate) async fn stop(mut self) -> Result<(), Trouble> {
        drop(self.stop);
        while let Some(ended) = self.workers.join_next().await {
            ended?;
        }
        Ok(())
    }
}

async fn work(credentials: Credentials, reads: Reads, tally: Tally, mut stop: watch::Receiver<()>) {
    let mut pace = interval(PACE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = stop.changed() => break,
            _ = pace.tick() => {}
        }
        tally.add(match credentials.acquire() {
            Ok(guard) => reads.read(guard.secret()).await,
            Err(not_ready) => Err(not_ready.to_string()),
        });
    }
}
