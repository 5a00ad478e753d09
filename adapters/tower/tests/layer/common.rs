//! An identity in memory, and a client that notes what it is sent.

use std::collections::{BTreeMap, VecDeque};
use std::future::pending;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::Full;
use tokio::sync::broadcast::Receiver;
use tokio::time::Instant;
use tower_service::Service;
use turquoise_runtime::core::{self, BootId, Consumers, Mint, Policy, Shortage, StepKind, Trial};
use turquoise_runtime::port::{
    Contract, Credential, Entry, Handle, History, Journal, Minted, NotDurable, Observed, Provider, Reply, Store, StoreError,
};
use turquoise_runtime::{Clock, Identity, Progress, Setup};

/// Every request that can be sent again tries the candidate, for a second.
const TRIAL: Trial =
    Trial { share: 10_000, window: Duration::from_secs(1), samples: 3, forgiven: 0, slower: 0, shortage: Shortage::Abandon };

/// Gives the secrets `key-1`, `key-2` … and ends none.
struct Keys(&'static str);

const LIFE: Duration = Duration::from_hours(1);

impl Keys {
    fn make(&self, mint: Mint) -> Reply<Minted> {
        let number = mint.generation.number;
        let (secret, handle) = (format!("{}{number}", self.0).into(), Handle(number.to_string()));
        Reply::Applied(Minted { secret, handle, remaining: LIFE })
    }
}

impl Provider for Keys {
    fn contract(&self) -> Contract {
        Contract::PROMPT
    }

    async fn login(&self, mint: Mint) -> Reply<Minted> {
        self.make(mint)
    }

    async fn issue(&self, _: &Credential, mint: Mint, _: Duration) -> Reply<Minted> {
        self.make(mint)
    }

    async fn probe(&self, _: &Credential) -> Reply<Duration> {
        Reply::Applied(LIFE)
    }

    async fn set_life(&self, _: &Credential, life: Duration) -> Reply<Duration> {
        Reply::Applied(life)
    }

    async fn revoke(&self, _: &Credential) -> Reply<()> {
        Reply::Applied(())
    }

    async fn observe(&self, _: &Credential, _: &Credential) -> Reply<Observed> {
        Reply::Applied(Observed::Dead)
    }
}

struct Memory;

impl Journal for Memory {
    fn append(&mut self, _: &Entry) -> Result<(), NotDurable> {
        Ok(())
    }
}

impl Store for Memory {
    fn load(&mut self) -> Result<Vec<Credential>, StoreError> {
        Ok(Vec::new())
    }

    fn persist(&mut self, _: &Credential) -> Result<(), StoreError> {
        Ok(())
    }

    fn publish(&mut self, _: &Credential) -> Result<(), StoreError> {
        Ok(())
    }

    fn clear(&mut self, _: Mint) -> Result<(), StoreError> {
        Ok(())
    }
}

/// Tokio's, which a test pauses.
struct TokioClock(Instant);

impl Clock for TokioClock {
    fn now(&self) -> core::Instant {
        core::Instant(u64::try_from(self.0.elapsed().as_millis()).unwrap())
    }

    fn drift(&self) -> Duration {
        Duration::ZERO
    }

    fn boot(&self) -> BootId {
        BootId(7)
    }
}

/// An identity whose secrets begin so, before its first login is over.
pub(crate) async fn beginning(with: &'static str, canary: Option<Trial>) -> Identity {
    let setup = Setup::new(Keys(with), Memory, History::default(), Memory).unwrap();
    let policy = Policy { canary, consumers: Consumers::Counted, period: None, ..setup.policy };
    let clock = Box::new(TokioClock(Instant::now()));
    Identity::start(Setup { policy, clock, ..setup }).await.unwrap()
}

/// An identity that serves `key-1`.
pub(crate) async fn serving() -> Identity {
    ready(None).await
}

/// An identity that serves `key-1` and has begun to try `key-2`.
pub(crate) async fn trying(shortage: Shortage) -> (Identity, Receiver<Progress>) {
    let identity = ready(Some(Trial { shortage, ..TRIAL })).await;
    let mut progress = identity.progress();
    identity.rotate().await.unwrap();
    until(&mut progress, StepKind::Persisted).await;
    while !identity.credentials().acquire_canary().unwrap().is_candidate() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    (identity, progress)
}

async fn ready(canary: Option<Trial>) -> Identity {
    let identity = beginning("key-", canary).await;
    until(&mut identity.progress(), StepKind::Ready).await;
    identity
}

/// Waits for a record of this kind.
pub(crate) async fn until(progress: &mut Receiver<Progress>, kind: StepKind) {
    loop {
        if let Progress::Recorded(recorded) = progress.recv().await.unwrap()
            && recorded.record.step.kind() == kind
        {
            return;
        }
    }
}

/// A response's body.
#[derive(Debug)]
pub(crate) enum Answer {
    /// It knows its end.
    Whole(Full<Bytes>),
    /// Its end is known when it is there.
    Streamed(VecDeque<io::Result<Bytes>>),
}

impl Body for Answer {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match self.get_mut() {
            Self::Whole(body) => Pin::new(body).poll_frame(cx).map_err(|never| match never {}),
            Self::Streamed(frames) => Poll::Ready(frames.pop_front().map(|frame| frame.map(Frame::data))),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(body) if body.is_end_stream())
    }
}

/// How a response is made.
pub(crate) type Answers = BTreeMap<&'static str, StatusCode>;

/// A client that notes what it is sent. Who bears one of the secrets in `answers` is answered so, everybody else with 200, and
/// with a body as the path says. A request to `/hangs` is never answered, one to `/fails` not at all.
#[derive(Clone, Default)]
pub(crate) struct Client {
    pub(crate) seen: Arc<Mutex<Vec<HeaderMap>>>,
    pub(crate) answers: Answers,
}

impl Client {
    /// What was borne in `x-vault-token`, in order.
    pub(crate) fn borne(&self) -> Vec<String> {
        let seen = self.seen.lock().unwrap();
        seen.iter().map(|headers| headers["x-vault-token"].to_str().unwrap().to_owned()).collect()
    }
}

impl Service<Request<Full<Bytes>>> for Client {
    type Response = Response<Answer>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, io::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), io::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Full<Bytes>>) -> Self::Future {
        self.seen.lock().unwrap().push(request.headers().clone());
        let secret = request.headers().get("x-vault-token").and_then(|value| value.to_str().ok());
        let status = secret.and_then(|secret| self.answers.get(secret)).copied();
        let path = request.uri().path().to_owned();
        Box::pin(async move {
            match path.as_str() {
                "/hangs" => pending().await,
                "/fails" => return Err(io::ErrorKind::ConnectionReset.into()),
                _ => {}
            }
            let whole = Bytes::from("never dark");
            let mut response = Response::new(match path.as_str() {
                "/empty" => Answer::Whole(Full::default()),
                "/streamed" => Answer::Streamed(VecDeque::from([Ok(whole)])),
                "/broken" => Answer::Streamed(VecDeque::from([Err(io::ErrorKind::ConnectionReset.into())])),
                _ => Answer::Whole(whole.into()),
            });
            *response.status_mut() = status.unwrap_or_default();
            Ok(response)
        })
    }
}

/// A read, without a body.
pub(crate) fn get(path: &str) -> Request<Full<Bytes>> {
    Request::get(path).body(Full::default()).unwrap()
}
