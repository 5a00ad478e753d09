//! Requests on their way to the server, and what is done when one is refused there.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use http::header::{HOST, HeaderName, HeaderValue, LOCATION};
use http::uri::Uri;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use tokio::time::{Instant, timeout, timeout_at};
use turquoise_http::{Missed, Relay};
use turquoise_runtime::{Credentials, Guard, NotReady, Report};
use turquoise_vault::{Address, ConfigError, Node, Reach, Upstream};

use crate::answer::Fault;
use crate::bearer::bear;
use crate::budget::Budget;
use crate::doubt::Doubt;
use crate::known::Known;
use crate::request::Outgoing;
use crate::settings::Limits;

const NAMESPACE: HeaderName = HeaderName::from_static("x-vault-namespace");

/// A request, ready to be sent.
pub(crate) struct Parcel {
    pub(crate) method: Method,
    /// Its path and query.
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Outgoing,
    /// Whether it goes on after its reply has begun, and so stays with one generation that is not on trial.
    pub(crate) pinned: Pinned,
}

/// Whether a request goes on for long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pinned {
    Yes,
    No,
}

impl Parcel {
    /// A question of ours.
    pub(crate) fn question(method: Method, path: &str, body: bytes::Bytes) -> Self {
        let headers = HeaderMap::new();
        Self { method, target: format!("/v1/{path}"), headers, body: Outgoing::of(body), pinned: Pinned::No }
    }

    fn again(&self) -> Option<Self> {
        let Self { method, target, headers, body, pinned } = self;
        let (method, target, headers, body) = (method.clone(), target.clone(), headers.clone(), body.again()?);
        Some(Self { method, target, headers, body, pinned: *pinned })
    }
}

/// Where requests go.
pub(crate) struct Forward {
    pub(crate) credentials: Credentials,
    pub(crate) known: Known,
    pub(crate) limits: Limits,
    relay: Relay<Outgoing>,
    nodes: Vec<Node>,
    /// The node that answered last, by its place.
    first: AtomicUsize,
    namespace: Option<HeaderValue>,
    budget: Budget,
    doubt: Doubt,
    /// How many requests wait for another credential than the one that the server refuses.
    waiting: AtomicUsize,
    /// How many were sent again.
    pub(crate) replays: AtomicU64,
}

/// What a response says about the credential of its request.
fn is_served(status: StatusCode) -> bool {
    !matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS)
        && !status.is_server_error()
}

impl Forward {
    pub(crate) fn new(credentials: Credentials, upstream: &Upstream, limits: Limits) -> Result<Self, ConfigError> {
        let Reach { connector, nodes } = upstream.reach()?;
        let namespace = upstream.namespace.as_ref().map(|name| HeaderValue::try_from(name.to_string()));
        Ok(Self {
            credentials,
            known: Known::default(),
            limits,
            relay: Relay::new(connector, limits.in_flight),
            nodes,
            first: AtomicUsize::new(0),
            namespace: namespace.transpose().expect("a namespace is made of letters"),
            budget: Budget::new(),
            doubt: Doubt::default(),
            waiting: AtomicUsize::new(0),
            replays: AtomicU64::new(0),
        })
    }

    /// With the credential that serves, or with the candidate that is tried.
    pub(crate) async fn ours(&self, mut parcel: Parcel) -> Result<(Response<Incoming>, Guard), Fault> {
        self.budget.earn();
        if let Some(namespace) = &self.namespace {
            parcel.headers.entry(NAMESPACE).or_insert_with(|| namespace.clone());
        }
        let again = if parcel.pinned == Pinned::No { parcel.again() } else { None };
        // Without the means to send it again, nobody is to bear a candidate's refusal.
        let guard = if again.is_some() && self.budget.allows() { Share::Trial } else { Share::Current };
        let mut guard = self.take(guard).await?;
        let response = self.send(parcel, Some(&guard)).await?;
        match again {
            Some(again) if response.status() == StatusCode::FORBIDDEN => self.refused(again, response, guard).await,
            _ => {
                if is_served(response.status()) {
                    guard.report(Report::Ok);
                }
                Ok((response, guard))
            }
        }
    }

    /// What was refused. It is the candidate's fault only if the current credential is served; and the current one's, if another
    /// serves by now, or soon does because the server says that this one is no good.
    async fn refused(
        &self,
        again: Parcel,
        response: Response<Incoming>,
        mut guard: Guard,
    ) -> Result<(Response<Incoming>, Guard), Fault> {
        let other = if guard.is_candidate() { Some(self.take(Share::Current).await?) } else { self.another_than(&guard).await };
        let Some(other) = other else { return Ok((response, guard)) };
        self.budget.spend();
        self.replays.fetch_add(1, Ordering::Relaxed);
        let second = self.send(again, Some(&other)).await?;
        if is_served(second.status()) {
            guard.report(Report::Refused);
        }
        Ok((second, other))
    }

    /// Another credential than the current one that was refused, if there is a reason to look for one.
    async fn another_than(&self, guard: &Guard) -> Option<Guard> {
        if !self.budget.allows() {
            return None;
        }
        let another = || self.credentials.acquire().ok().filter(|other| other.mint() != guard.mint());
        if let Some(other) = another() {
            return Some(other);
        }
        if !self.doubt.is_refused(guard, self).await {
            return None;
        }
        // A rotation begins at once, where a login gives another one.
        self.credentials.doubt(guard.mint());
        let _waiting = Waiting::new(&self.waiting);
        let mut credentials = self.credentials.clone();
        let changed = async {
            loop {
                if let Some(other) = another() {
                    return Some(other);
                }
                credentials.changed().await.ok()?;
            }
        };
        let other = timeout(self.limits.replaced, changed).await.ok().flatten();
        if other.is_none() {
            self.doubt.settle(guard.mint()).await;
        }
        other
    }

    async fn take(&self, share: Share) -> Result<Guard, Fault> {
        let guard = match self.try_take(share) {
            Err(NotReady::Vacant | NotReady::Expired) => {
                let is_replaced = self.waiting.load(Ordering::Relaxed) > 0;
                let wait = if is_replaced { self.limits.replaced } else { self.limits.wait };
                // Whether it came or not, the next line says.
                let _ = timeout(wait, self.credentials.ready()).await;
                self.try_take(share)
            }
            other => other,
        };
        let guard = guard.map_err(|why| Fault::NothingServes(why.to_string()))?;
        self.known.learn(&guard);
        Ok(guard)
    }

    fn try_take(&self, share: Share) -> Result<Guard, NotReady> {
        match share {
            Share::Current => self.credentials.acquire(),
            Share::Trial => self.credentials.acquire_canary(),
        }
    }

    /// Sends a request as its headers have it, or with a credential in their place. Another node is gone to only if nothing was
    /// sent to the one before, or if a read is led there; a redirect goes to a configured node or nowhere.
    pub(crate) async fn send(&self, parcel: Parcel, guard: Option<&Guard>) -> Result<Response<Incoming>, Fault> {
        let mut parcel = parcel;
        if let Some(guard) = guard {
            let unfit = |_| Fault::NothingServes("the token that serves fits into no header".to_owned());
            bear(guard.secret(), &mut parcel.headers).map_err(unfit)?;
        }
        let deadline = Instant::now() + self.limits.reply;
        let mut at = self.first.load(Ordering::Relaxed);
        let mut led = false;
        for _ in 0..=self.nodes.len() {
            let again = parcel.again();
            let answered = timeout_at(deadline, self.exchange(at, parcel)).await.map_err(|_| Fault::Late)?;
            let (fault, next, spare) = match answered {
                Ok(response) => {
                    self.first.store(at, Ordering::Relaxed);
                    match self.led_to(response)? {
                        Led::Nowhere(response) => return Ok(response),
                        Led::To(place, response) => {
                            self.first.store(place, Ordering::Relaxed);
                            match again.filter(|again| is_read(&again.method) && !led) {
                                Some(spare) => {
                                    led = true;
                                    (Fault::LedElsewhere, place, spare)
                                }
                                // Who asked decides whether to ask again, as without us, and then it goes there.
                                None => return Ok(response),
                            }
                        }
                    }
                }
                Err(Missed::Unknown(why)) => return Err(Fault::Broken(why)),
                Err(Missed::Unsent(why)) => match again {
                    Some(spare) if self.nodes.len() > 1 => (Fault::Unreachable(why), (at + 1) % self.nodes.len(), spare),
                    _ => return Err(Fault::Unreachable(why)),
                },
            };
            tracing::debug!(%fault, node = %self.nodes[next].address, "goes to another node");
            (at, parcel) = (next, spare);
        }
        Err(Fault::Unreachable("no node takes it".to_owned()))
    }

    async fn exchange(&self, at: usize, parcel: Parcel) -> Result<Response<Incoming>, Missed> {
        let node = &self.nodes[at];
        let Parcel { method, target, headers, body, .. } = parcel;
        let uri: Uri =
            format!("{}{target}", node.base).parse().map_err(|why| Missed::Unsent(format!("no such address: {why}")))?;
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;
        if matches!(node.address, Address::Socket(_)) {
            request.headers_mut().insert(HOST, HeaderValue::from_static("localhost"));
        }
        self.relay.send(request).await
    }

    /// Whether a response leads to another node. What leads a client past us is not passed on: it would go there with what it
    /// shows us. A redirect on the same server stays one.
    fn led_to(&self, mut response: Response<Incoming>) -> Result<Led, Fault> {
        if !response.status().is_redirection() {
            return Ok(Led::Nowhere(response));
        }
        let Some(to) = response.headers().get(LOCATION) else { return Ok(Led::Nowhere(response)) };
        let to: Uri = to.to_str().ok().and_then(|to| to.parse().ok()).ok_or(Fault::LedElsewhere)?;
        let path = to.path_and_query().map_or("/", |path| path.as_str());
        let (Some(scheme), Some(authority)) = (to.scheme_str(), to.authority()) else {
            // `//host/path` is an address, too, and so is what a browser makes of a backslash.
            let is_path = path.starts_with('/') && !path[1..].starts_with(['/', '\\']) && to.authority().is_none();
            return if is_path { Ok(Led::Nowhere(response)) } else { Err(Fault::LedElsewhere) };
        };
        let base = format!("{scheme}://{authority}");
        let place = self.nodes.iter().position(|node| node.base == base).ok_or(Fault::LedElsewhere)?;
        let path = HeaderValue::from_str(path).map_err(|_| Fault::LedElsewhere)?;
        response.headers_mut().insert(LOCATION, path);
        Ok(Led::To(place, response))
    }
}

/// One that waits, counted while it does.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Which credential is taken.
#[derive(Clone, Copy)]
enum Share {
    Current,
    /// A candidate, if there is one and it is its turn.
    Trial,
}

/// Where a response leads.
enum Led {
    Nowhere(Response<Incoming>),
    /// To that node.
    To(usize, Response<Incoming>),
}

fn is_read(method: &Method) -> bool {
    matches!(method.as_str(), "GET" | "HEAD" | "LIST" | "OPTIONS")
}

/// How long the questions that we ask ourselves may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);
