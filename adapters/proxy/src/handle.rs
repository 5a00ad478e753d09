//! One request, from its head to the head of its reply.

use std::borrow::Cow;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use http::header::{AUTHORIZATION, CONNECTION, CONTENT_LENGTH, HeaderName, HeaderValue, UPGRADE};
use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use percent_encoding::percent_decode_str;
use tokio::io::copy_bidirectional;
use tokio::sync::OwnedSemaphorePermit;
use turquoise_runtime::Guard;

use crate::answer::{Fault, empty, json_of, text_of};
use crate::bearer::{Bearer, TOKEN, strip_hop, strip_ours};
use crate::forms::{Asked, Form, Verdict, renewed};
use crate::forward::{Parcel, Pinned};
use crate::local::Accepted;
use crate::pace::Busy;
use crate::reply::Reply;
use crate::request::Outgoing;
use crate::seen::Interest;
use crate::serve::{Shared, Stage};
use crate::settings::{Metrics, Quit, RequestHeader, Role};
use crate::whole::whole;

const MEANT: HeaderName = HeaderName::from_static("x-vault-request");
/// The longest reply about a token that is read.
const LONGEST: usize = 1 << 20;

/// What serves the requests of one listener.
pub(crate) struct Handler {
    pub(crate) shared: Arc<Shared>,
    pub(crate) role: Role,
    pub(crate) request_header: RequestHeader,
    pub(crate) quit: Quit,
}

/// What is in use as long as a request is under way.
struct Underway {
    _busy: Busy,
    _place: OwnedSemaphorePermit,
}

impl Handler {
    pub(crate) async fn handle(self: Arc<Self>, request: Request<Incoming>, busy: Busy) -> Result<Response<Reply>, Infallible> {
        let (began, method) = (Instant::now(), request.method().clone());
        // A query may hold a token, and so may what follows in a path about one.
        let path = loggable(request.uri().path()).to_owned();
        self.shared.counts.requests.fetch_add(1, Ordering::Relaxed);
        let response = match Arc::clone(&self.shared.in_flight).try_acquire_owned() {
            Ok(place) => self.route(request, Underway { _busy: busy, _place: place }).await,
            Err(_) => Err(Fault::Crowded),
        };
        let mut response = response.unwrap_or_else(|fault| {
            self.shared.counts.faults.fetch_add(1, Ordering::Relaxed);
            fault.into()
        });
        let is_last = *self.shared.stage.borrow() != Stage::Open && response.status() != StatusCode::SWITCHING_PROTOCOLS;
        if is_last {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        tracing::debug!(%method, path, status = response.status().as_u16(), took_us = began.elapsed().as_micros(), "answered");
        Ok(response)
    }

    async fn route(&self, request: Request<Incoming>, underway: Underway) -> Result<Response<Reply>, Fault> {
        let path = request.uri().path();
        if let Some(own) = path.strip_prefix("/agent/v1/").or_else(|| path.strip_prefix("/proxy/v1/")) {
            return self.own(own, request.method()).map(|response| response.map(|body| body.with(underway)));
        }
        if self.role == Role::MetricsOnly {
            return self.look_only(path).map(|response| response.map(|body| body.with(underway)));
        }
        let is_meant = request.headers().get(MEANT).is_some_and(|value| value == "true");
        if self.request_header == RequestHeader::Required && !is_meant {
            return Err(Fault::NotMeant);
        }
        check(&request)?;
        self.pass(request, underway).await
    }

    /// What is asked of us and not of the server.
    fn own(&self, path: &str, method: &Method) -> Result<Response<Reply>, Fault> {
        let posted = |response| if method == Method::POST || method == Method::PUT { Ok(response) } else { Err(Fault::NotPost) };
        match (path, self.role) {
            ("metrics", _) => {
                let (kind, text) = match &self.shared.hooks.metrics {
                    Some(Metrics { kind, write }) => (*kind, write()),
                    None => ("text/plain; version=0.0.4; charset=utf-8", self.shared.figures().text()),
                };
                Ok(text_of(StatusCode::OK, kind, text))
            }
            // There is no cache: it is empty already.
            ("cache-clear", Role::Everything) => posted(empty(StatusCode::OK)),
            ("quit", Role::Everything) if self.quit == Quit::Enabled => {
                let response = posted(empty(StatusCode::OK))?;
                self.shared.hooks.quit.notify_one();
                Ok(response)
            }
            _ => Err(Fault::Nothing),
        }
    }

    /// What there is where there are metrics alone, by the names that the program's own endpoint has.
    fn look_only(&self, path: &str) -> Result<Response<Reply>, Fault> {
        const TEXT: &str = "text/plain; charset=utf-8";
        match path {
            "/metrics" => self.own("metrics", &Method::GET),
            "/healthz" => Ok(text_of(StatusCode::OK, TEXT, "ok\n".to_owned())),
            "/readyz" => Ok(match self.shared.hooks.ready.as_ref().map(|ready| ready()) {
                Some(Err(why)) => text_of(StatusCode::SERVICE_UNAVAILABLE, TEXT, why),
                Some(Ok(told)) => text_of(StatusCode::OK, TEXT, told),
                None => text_of(StatusCode::OK, TEXT, "\n".to_owned()),
            }),
            _ => Err(Fault::Nothing),
        }
    }

    async fn pass(&self, mut request: Request<Incoming>, underway: Underway) -> Result<Response<Reply>, Fault> {
        let shared = &*self.shared;
        let (local, forward) = (shared.locals.now(), &shared.forward);
        let local = local.as_deref();
        let upgrade = upgrade(&mut request);
        let (head, body) = request.into_parts();
        let body = Outgoing::take(body, &forward.limits).await?;
        let bearer = Bearer::of(&head.headers, local, shared.auto_auth);
        if bearer == Bearer::Stale {
            return Err(Fault::Stale);
        }
        let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
        let path = normal(head.uri.path())?;
        let path = path.strip_prefix("/v1/").unwrap_or_default();
        let query = head.uri.query().unwrap_or_default();
        let form = Form::of(path);
        let (method, headers, kept) = (&head.method, &head.headers, body.kept());
        let asked = Asked { method, query, body: kept, headers, bearer: &bearer, local, known: &forward.known };
        match form.as_ref().map_or(Verdict::Pass, |form| form.judge(&asked)) {
            Verdict::Pass => {}
            Verdict::Answer(response) => return Ok((*response).map(|body| body.with(underway))),
            Verdict::Look => {
                let form = form.expect("a verdict is of a form");
                return self
                    .look(&form, head.headers, body, &bearer)
                    .await
                    .map(|response| response.map(|body| body.with(underway)));
            }
        }
        let interest = (bearer == Bearer::Ours).then(|| Interest::of(path, body.kept()));
        let pinned = if upgrade.is_some() || is_stream(path) { Pinned::Yes } else { Pinned::No };
        let mut parcel = Parcel { method: head.method, target: target.to_owned(), headers: head.headers, body, pinned };
        strip_ours(&mut parcel.headers);
        if let Some((protocol, _)) = &upgrade {
            parcel.headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
            parcel.headers.insert(UPGRADE, protocol.clone());
        }
        if bearer == Bearer::Ours {
            parcel.headers.remove(TOKEN);
            parcel.headers.remove(AUTHORIZATION);
        }
        keep_local(local, &parcel)?;
        let (response, guard) = match interest {
            Some(_) => forward.ours(parcel).await.map(|(response, guard)| (response, Some(guard)))?,
            None => (forward.send(parcel, None).await?, None),
        };
        match upgrade {
            Some((_, client)) if response.status() == StatusCode::SWITCHING_PROTOCOLS => {
                Ok(self.tunnel(response, client, guard, underway))
            }
            _ => Ok(self.reply(response, interest, guard, underway)),
        }
    }

    /// A renewal of a token of ours: its life is not the client's to set, so the server is asked how long it is.
    async fn look(
        &self,
        form: &Form<'_>,
        headers: http::HeaderMap,
        body: Outgoing,
        bearer: &Bearer,
    ) -> Result<Response<Reply>, Fault> {
        let method = form.lookup_method();
        let body = if method == Method::GET { bytes::Bytes::new() } else { bytes::Bytes::copy_from_slice(body.kept()) };
        let mut question = Parcel::question(method, &form.lookup(), body);
        question.headers = headers;
        strip_ours(&mut question.headers);
        question.headers.remove(CONTENT_LENGTH);
        let forward = &self.shared.forward;
        let response = match bearer {
            Bearer::Ours => forward.ours(question).await?.0,
            Bearer::Theirs(_) | Bearer::Nobody | Bearer::Stale => forward.send(question, None).await?,
        };
        let status = response.status();
        let body = whole(response.into_body(), LONGEST).await.ok_or_else(|| Fault::Broken("the reply broke off".to_owned()))?;
        if status != StatusCode::OK {
            let said = serde_json::from_slice(&body).unwrap_or_default();
            return Ok(json_of(status, &said));
        }
        renewed(&body).ok_or_else(|| Fault::Broken("the reply is none about a token".to_owned()))
    }

    fn reply(
        &self,
        response: Response<Incoming>,
        interest: Option<Interest>,
        guard: Option<Guard>,
        underway: Underway,
    ) -> Response<Reply> {
        let (mut head, body) = response.into_parts();
        strip_hop(&mut head.headers);
        let sight = interest.and_then(|interest| self.shared.seen.sight(interest, head.status, &head.headers));
        let mut reply = Reply::passing(body).seen_by(sight).with(underway);
        if let Some(guard) = guard {
            reply = reply.holding(guard);
        }
        Response::from_parts(head, reply)
    }

    /// Both ends are joined until one is closed: so long the credential is in use.
    fn tunnel(
        &self,
        mut response: Response<Incoming>,
        client: OnUpgrade,
        guard: Option<Guard>,
        underway: Underway,
    ) -> Response<Reply> {
        let server = hyper::upgrade::on(&mut response);
        let mut stage = self.shared.stage.subscribe();
        tokio::spawn(async move {
            let _held = (guard, underway);
            let joined = async {
                let (client, server) = tokio::join!(client, server);
                let (mut client, mut server) = (TokioIo::new(client?), TokioIo::new(server?));
                copy_bidirectional(&mut client, &mut server).await?;
                Ok::<_, Box<dyn std::error::Error + Send + Sync>>(())
            };
            tokio::select! {
                ended = joined => if let Err(why) = ended { tracing::debug!(%why, "a stream broke off") },
                _ = stage.wait_for(|stage| *stage == Stage::Cut) => {}
            }
        });
        let (head, _) = response.into_parts();
        Response::from_parts(head, Reply::of(bytes::Bytes::new()))
    }
}

/// A local token goes nowhere, wherever in a request it is.
fn keep_local(local: Option<&Accepted>, parcel: &Parcel) -> Result<(), Fault> {
    let Some(local) = local else { return Ok(()) };
    let mut texts = parcel.headers.values().map(HeaderValue::as_bytes).chain([parcel.target.as_bytes(), parcel.body.kept()]);
    if texts.any(|text| local.is_in(text)) {
        return Err(Fault::Bad("the local token is good for X-Vault-Token and Authorization alone, and goes no further"));
    }
    Ok(())
}

/// What is no request for anything of the server's. Of one that has a length and is chunked, hyper takes the length away and
/// ends the connection after it: nothing can hide behind either.
fn check(request: &Request<Incoming>) -> Result<(), Fault> {
    if request.method() == Method::CONNECT || !request.uri().path().starts_with('/') {
        return Err(Fault::Bad("a request is for a path of the server's"));
    }
    Ok(())
}

/// A path as the server reads it, so that what it names is not taken for something else.
fn normal(path: &str) -> Result<Cow<'_, str>, Fault> {
    let path = if path.contains('%') {
        percent_decode_str(path).decode_utf8().map_err(|_| Fault::Bad("the path is not text"))?
    } else {
        Cow::Borrowed(path)
    };
    if path.split('/').any(|part| part == "." || part == "..") || path.contains("//") {
        return Err(Fault::Bad("the path has `.`, `..` or nothing between two slashes: write it out"));
    }
    Ok(path)
}

/// What may be logged of a path.
fn loggable(path: &str) -> &str {
    let Some(at) = path.rfind("auth/token/") else { return path };
    let form = at + "auth/token/".len();
    path[form..].find('/').map_or(path, |end| &path[..form + end])
}

/// Paths whose replies go on until somebody ends them.
fn is_stream(path: &str) -> bool {
    path == "sys/monitor" || path.starts_with("sys/events/subscribe")
}

/// To what a client wants to go over on its connection, and how the connection is had then.
fn upgrade(request: &mut Request<Incoming>) -> Option<(HeaderValue, OnUpgrade)> {
    let names = |value: &HeaderValue| {
        value.to_str().is_ok_and(|names| names.split(',').any(|name| name.trim().eq_ignore_ascii_case("upgrade")))
    };
    if !request.headers().get_all(CONNECTION).iter().any(names) {
        return None;
    }
    let protocol = request.headers().get(UPGRADE)?.clone();
    Some((protocol, hyper::upgrade::on(request)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_read_as_the_server_reads_it() {
        assert_eq!(normal("/v1/auth/token/revoke%2Dself").as_deref(), Ok("/v1/auth/token/revoke-self"));
        for odd in ["/v1/../sys", "/v1/%2e%2e/sys", "/v1//sys", "/v1/%ff"] {
            assert!(normal(odd).is_err(), "{odd}");
        }
    }

    #[test]
    fn what_may_be_a_token_is_not_logged() {
        assert_eq!(loggable("/v1/auth/token/lookup/s.secret"), "/v1/auth/token/lookup");
        assert_eq!(loggable("/v1/secret/data/app"), "/v1/secret/data/app");
    }
}
