//! The load: reads with the credential that serves, each counted.

use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use http::header::{HeaderName, HeaderValue};
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Deserialize;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use turquoise::Credentials;
use turquoise::aws_iam::{Caller, sign};
use turquoise::memory::{ExposeSecret as _, Secret};

use super::count::Tally;
use super::iam;
use super::site::{Provider, Site};
use super::trouble::Trouble;

/// A slower answer is a failure. The clients of the server itself wait for a minute.
const PATIENCE: Duration = Duration::from_secs(20);
/// Tasks that read by the handle.
const WORKERS: usize = 4;

const TOKEN: HeaderName = HeaderName::from_static("x-vault-token");

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The server does not let this credential do that.
    #[error("{0}")]
    Refused(String),
    /// The connection broke before the whole answer had come.
    #[error("{0}")]
    Cut(String),
    /// Another answer, or none in time.
    #[error("{0}")]
    Other(String),
}

/// A credential, as a request bears it.
#[derive(Clone, Copy)]
pub(crate) struct Held<'a> {
    pub(crate) id: &'a str,
    pub(crate) secret: &'a Secret,
}

/// Reads from one place, over connections that are kept. A clone shares them.
#[derive(Clone)]
pub(crate) struct Reads {
    client: Client<HttpConnector, Empty<Bytes>>,
    uri: Uri,
    provider: Provider,
}

impl Reads {
    /// What work does there.
    pub(crate) fn of(site: &Site) -> Result<Self, String> {
        Self::at(&site.work(), site.provider)
    }

    pub(crate) fn at(uri: &str, provider: Provider) -> Result<Self, String> {
        // Otherwise a request that a closing connection did not take would silently be sent again.
        let client = Client::builder(TokioExecutor::new()).retry_canceled_requests(false).build_http();
        Ok(Self { client, uri: uri.parse().map_err(|why| format!("{uri}: {why}"))?, provider })
    }

    /// From one request of a worker to its next.
    pub(crate) const fn pace(&self) -> Duration {
        match self.provider {
            Provider::VaultToken => Duration::from_millis(10),
            // Its server is an emulator, in Python.
            Provider::AwsIam => Duration::from_millis(40),
        }
    }

    /// One request. What is not answered with 200 is an error, in the server's words.
    pub(crate) async fn read(&self, held: Held<'_>) -> Result<(), Failure> {
        let timed = timeout(PATIENCE, self.exchange(held)).await;
        timed.unwrap_or_else(|_| Err(Failure::Other(format!("no answer within {} s", PATIENCE.as_secs()))))
    }

    async fn exchange(&self, bearer: Held<'_>) -> Result<(), Failure> {
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = self.uri.clone();
        self.bear(&mut request, bearer).map_err(Failure::Other)?;
        let (head, body) = self.client.request(request).await.map_err(|why| Failure::Cut(chain(&why)))?.into_parts();
        let body = body.collect().await.map_err(|why| Failure::Cut(chain(&why)))?.to_bytes();
        let told = || format!("{}: {}", head.status, words(&body));
        match head.status {
            StatusCode::OK => Ok(()),
            StatusCode::FORBIDDEN => Err(Failure::Refused(told())),
            _ => Err(Failure::Other(told())),
        }
    }
}

impl Reads {
    fn bear(&self, request: &mut Request<Empty<Bytes>>, Held { id, secret }: Held<'_>) -> Result<(), String> {
        match self.provider {
            Provider::VaultToken => {
                let token = HeaderValue::from_str(secret.expose_secret());
                let mut token = token.map_err(|_| "the token is not one word".to_owned())?;
                token.set_sensitive(true);
                request.headers_mut().insert(TOKEN, token);
                Ok(())
            }
            Provider::AwsIam => sign(request, &[], iam::SCOPE, Caller { id, secret }).map_err(|why| why.to_string()),
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

/// Tasks that take the credential from the handle for each request.
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
    let mut pace = interval(reads.pace());
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = stop.changed() => break,
            _ = pace.tick() => {}
        }
        let began = Instant::now();
        let result = match credentials.acquire() {
            Ok(guard) => reads.read(Held { id: &guard.handle().0, secret: guard.secret() }).await,
            Err(not_ready) => Err(Failure::Other(not_ready.to_string())),
        };
        tally.add(result, began.elapsed());
    }
}
