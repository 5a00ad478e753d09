//! Requests and answers: `docs/admin.md` has an example of each.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use turquoise::core::{Certainty, Generation, Instant, Mint, Resolution};
use turquoise::proxy::LocalToken;
use turquoise::{AskError, Status, Wish};

use super::desk::{Desk, Now, Seat};
use super::metrics::OPEN_METRICS;
use super::server::Routes;
use super::shape::{
    Accepted, BreakGlass, Complaint, Compromise, Overlap, Pause, Plans, REVOKE_FIRST, Replaced, Resolve, Standings,
};
use crate::pause;

/// The longest body that is read, and the time that it may take.
const BODY: usize = 4 << 10;
const PATIENCE: Duration = Duration::from_secs(5);
/// The driver answers at once, unless it is gone.
const ANSWER: Duration = Duration::from_secs(5);
/// So long a local token that was replaced may still be taken.
const LONGEST_OVERLAP: Duration = Duration::from_hours(32 * 24);
/// So long who asks for events may wait for one.
const LONGEST_WAIT: u64 = 30;

type Answer = Response<Full<Bytes>>;

/// Why not, as it is answered.
struct Refusal(StatusCode, String);

impl Refusal {
    fn new(status: StatusCode, why: impl Into<String>) -> Self {
        Self(status, why.into())
    }

    fn bad(why: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, why)
    }
}

/// Answers a request; ends early if all ends.
pub(crate) async fn answer(
    desk: &Desk,
    routes: Routes,
    request: Request<Incoming>,
    closing: &mut watch::Receiver<bool>,
) -> Answer {
    let answer = route(desk, routes, request, closing).await;
    answer.unwrap_or_else(|Refusal(status, error)| {
        let mut answer = json(status, &Complaint { error });
        if status == StatusCode::METHOD_NOT_ALLOWED {
            answer.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, POST"));
        }
        answer
    })
}

async fn route(
    desk: &Desk,
    routes: Routes,
    request: Request<Incoming>,
    closing: &mut watch::Receiver<bool>,
) -> Result<Answer, Refusal> {
    let (head, body) = request.into_parts();
    let path: Vec<_> = head.uri.path().split('/').skip(1).collect();
    let query = head.uri.query().unwrap_or_default();
    match (&head.method, &path[..]) {
        (&Method::GET, ["healthz"]) => Ok(text(StatusCode::OK, "ok\n".to_owned())),
        (&Method::GET, ["readyz"]) => Ok(ready(desk)),
        (&Method::GET, ["metrics"]) => metrics(desk),
        _ if routes == Routes::Looking => {
            Err(Refusal::new(StatusCode::NOT_FOUND, "here are /metrics, /healthz and /readyz alone"))
        }
        (&Method::GET, ["v1", "identities"]) => {
            let now = desk.now();
            let identities = desk.seats().iter().map(|seat| seat.standing(now)).collect();
            Ok(json(StatusCode::OK, &Standings { identities }))
        }
        (&Method::GET, ["v1", "plan"]) => {
            let now = desk.now();
            let identities = desk.seats().iter().map(|seat| seat.planned(now)).collect();
            Ok(json(StatusCode::OK, &Plans { identities }))
        }
        (&Method::GET, ["v1", "events"]) => events(desk, query, closing).await,
        (&Method::GET, ["v1", "identities", name]) => Ok(json(StatusCode::OK, &find(desk, name)?.standing(desk.now()))),
        (&Method::GET, ["v1", "identities", name, "plan"]) => Ok(json(StatusCode::OK, &find(desk, name)?.planned(desk.now()))),
        (&Method::POST, ["v1", "identities", name, "local-token"]) => {
            let seat = find(desk, name)?;
            let replaced = replace_local_token(&seat, &read(body).await?, desk.now()).await?;
            Ok(json(StatusCode::OK, &replaced))
        }
        (&Method::POST, ["v1", "identities", name, verb]) => {
            let seat = find(desk, name)?;
            let body = read(body).await?;
            let after = desk.last();
            let now = desk.now();
            let wish = wish(verb, &seat.operator.status(), &body, now)?;
            ask(&seat, wish).await?;
            note_pause(&seat, wish, now)?;
            tracing::info!(identity = seat.name, ?wish, "asked for over the admin socket");
            Ok(json(StatusCode::ACCEPTED, &Accepted { after }))
        }
        (_, ["healthz" | "readyz" | "metrics"] | ["v1", "identities" | "plan" | "events", ..]) => {
            Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "look with GET, ask with POST"))
        }
        _ => Err(Refusal::new(StatusCode::NOT_FOUND, "there is no such path: docs/admin.md lists them")),
    }
}

fn find(desk: &Desk, name: &str) -> Result<std::sync::Arc<Seat>, Refusal> {
    desk.find(name).ok_or_else(|| {
        let names: Vec<_> = desk.seats().iter().map(|seat| seat.name.clone()).collect();
        Refusal::new(StatusCode::NOT_FOUND, format!("there is no identity of that name; there are: {}", names.join(", ")))
    })
}

async fn read(body: Incoming) -> Result<Bytes, Refusal> {
    let read = timeout(PATIENCE, Limited::new(body, BODY).collect()).await;
    let read = read.map_err(|_| Refusal::new(StatusCode::REQUEST_TIMEOUT, "the body took too long"))?;
    let too_long =
        |_| Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, format!("the body cannot be read, or is longer than {BODY} bytes"));
    Ok(read.map_err(too_long)?.to_bytes())
}

fn parsed<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(|why| Refusal::bad(format!("the body is not as it must be: {why}")))
}

/// A pause is to outlast this process.
fn note_pause(seat: &Seat, wish: Wish, now: Now) -> Result<(), Refusal> {
    let Wish::Pause(until) = wish else { return Ok(()) };
    let lasts = Some(until).filter(|until| *until > now.boot);
    seat.facts.paused.note(lasts.map(|until| now.when(until))).map_err(|why| {
        let told = format!("it is so in this process, and the next one will not know of it: {why}: look at the journal's folder");
        Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, told)
    })
}

fn wish(verb: &str, status: &Status, body: &[u8], now: Now) -> Result<Wish, Refusal> {
    let bare = |wish| match body {
        [] | b"{}" => Ok(wish),
        _ => Err(Refusal::bad(format!("{verb} takes no body"))),
    };
    match verb {
        "rotate" => bare(Wish::Rotate),
        "abort" => bare(Wish::Abort),
        "rollback" => bare(Wish::Rollback),
        "retry" => bare(Wish::Retry),
        "resume" => bare(Wish::Pause(Instant::default())),
        "pause" => {
            let Pause { seconds } = parsed(body)?;
            let lasts = Duration::from_secs(seconds);
            if lasts > pause::LONGEST {
                let days = pause::LONGEST.as_secs() / 86_400;
                return Err(Refusal::bad(format!("a pause lasts {days} days at most: ask again when it is over")));
            }
            Ok(Wish::Pause(now.boot + lasts))
        }
        "compromise" => {
            let Compromise { generation } = if body.is_empty() { Compromise::default() } else { parsed(body)? };
            let found = match generation {
                None => status.current.map(|mint| mint.generation).ok_or_else(|| unknown(status)),
                Some(name) => named(status, &name),
            };
            Ok(Wish::Compromise(found?))
        }
        "break-glass" => {
            let BreakGlass { confirm, even_without_login } = parsed(body)?;
            if confirm != REVOKE_FIRST {
                return Err(Refusal::bad(format!(
                    "every credential ends before there is another one: confirm with {REVOKE_FIRST:?}"
                )));
            }
            Ok(Wish::BreakGlass(if even_without_login { Certainty::Confirmed } else { Certainty::WithLogin }))
        }
        "resolve" => {
            let (name, resolution) = match parsed(body)? {
                Resolve::Keep(name) => (name, Resolution::Keep),
                Resolve::Forget(name) => (name, Resolution::Forget),
            };
            is_about(status, &name)?;
            Ok(Wish::Resolve(resolution))
        }
        _ => Err(Refusal::new(StatusCode::NOT_FOUND, "there is no such path: docs/admin.md lists them")),
    }
}

/// The credentials that a status speaks of.
fn mints(status: &Status) -> impl Iterator<Item = Mint> {
    [status.current, status.second, status.debt].into_iter().flatten()
}

/// By its whole name, or by its number.
fn is_named(mint: Mint, name: &str) -> bool {
    let Generation { number, .. } = mint.generation;
    mint.generation.to_string() == name || number.to_string() == name
}

fn named(status: &Status, name: &str) -> Result<Generation, Refusal> {
    mints(status).find(|mint| is_named(*mint, name)).map(|mint| mint.generation).ok_or_else(|| unknown(status))
}

/// What is resolved is what the journal calls current. Who resolves must have seen which that is: it may be another by now.
fn is_about(status: &Status, name: &str) -> Result<(), Refusal> {
    let is_it = status.current.or(status.second).map_or(name == "none", |mint| is_named(mint, name));
    if is_it { Ok(()) } else { Err(unknown(status)) }
}

fn unknown(status: &Status) -> Refusal {
    let known: Vec<_> = mints(status).map(|mint| format!("{} ({})", mint.generation, mint.slot)).collect();
    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    Refusal::new(StatusCode::CONFLICT, format!("that is no credential of this identity now; there are: {known}"))
}

async fn ask(seat: &Seat, wish: Wish) -> Result<(), Refusal> {
    match timeout(ANSWER, seat.operator.ask(wish)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(AskError::Illegal(why))) => Err(Refusal::new(StatusCode::CONFLICT, why.to_string())),
        Ok(Err(why @ AskError::Stopped)) => Err(Refusal::new(StatusCode::GONE, why.to_string())),
        Err(_) => Err(Refusal::new(StatusCode::GATEWAY_TIMEOUT, "the rotation does not answer: look at its status and its log")),
    }
}

/// The file has it first: what a crash leaves behind is taken at the next start.
async fn replace_local_token(seat: &Seat, body: &[u8], now: Now) -> Result<Replaced, Refusal> {
    let Overlap { overlap } = parsed(body)?;
    let overlap = Duration::from_secs(overlap);
    if overlap > LONGEST_OVERLAP {
        return Err(Refusal::bad(format!("an overlap is at most {} s", LONGEST_OVERLAP.as_secs())));
    }
    let found = seat.proxied().and_then(|proxied| Some((proxied.remote.clone(), proxied.local_token.clone()?)));
    let (remote, file) = found.ok_or_else(|| {
        let why = "it has no local token: write local_token_file in `api_proxy`, and a `listener`";
        Refusal::new(StatusCode::CONFLICT, why)
    })?;
    let path = file.clone();
    let failed = |why: String| Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, why);
    let made = spawn_blocking(move || LocalToken::replace(&path)).await.map_err(|why| failed(why.to_string()))?;
    let token = made.map_err(|why| failed(why.to_string()))?;
    remote.replace_local_token(token, overlap).map_err(|why| Refusal::new(StatusCode::GONE, why.to_string()))?;
    tracing::info!(identity = seat.name, ?overlap, "the local token was replaced");
    Ok(Replaced { file: file.display().to_string(), old_until: now.after(overlap) })
}

async fn events(desk: &Desk, query: &str, closing: &mut watch::Receiver<bool>) -> Result<Answer, Refusal> {
    let (mut after, mut wait, mut identity) = (0, 0, None);
    let number = |name: &str, value: &str| value.parse().map_err(|_| Refusal::bad(format!("{name} is a whole number")));
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match &*name {
            "after" => after = number(&name, &value)?,
            "wait" => wait = number(&name, &value)?.min(LONGEST_WAIT),
            "identity" => identity = Some(find(desk, &value)?.name.clone()),
            _ => return Err(Refusal::bad("events has after, wait and identity")),
        }
    }
    let events = tokio::select! {
        events = desk.events(after, Duration::from_secs(wait), identity.as_deref()) => events,
        _ = closing.wait_for(|closing| *closing) => return Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "the process ends")),
    };
    Ok(json(StatusCode::OK, &events))
}

fn metrics(desk: &Desk) -> Result<Answer, Refusal> {
    let told = desk.metrics.read(desk).map_err(|e| Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, e.to_string()))?;
    let mut answer = text(StatusCode::OK, told);
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(OPEN_METRICS));
    Ok(answer)
}

fn ready(desk: &Desk) -> Answer {
    match readiness(desk) {
        Ok(told) => text(StatusCode::OK, told),
        Err(told) => text(StatusCode::SERVICE_UNAVAILABLE, told),
    }
}

/// Whether something serves; what does not is named.
pub(crate) fn readiness(desk: &Desk) -> Result<String, String> {
    let seats = desk.seats();
    let idle: Vec<_> = seats.iter().filter_map(|seat| Some((&seat.name, seat.operator.serving().err()?))).collect();
    let told = idle.iter().map(|(name, why)| format!("{name}: {why}\n")).collect::<Vec<_>>().concat();
    let told = if told.is_empty() && seats.is_empty() { "there is no identity yet\n".to_owned() } else { told + "\n" };
    if idle.len() < seats.len() { Ok(told) } else { Err(told) }
}

fn text(status: StatusCode, text: String) -> Answer {
    made(status, "text/plain; charset=utf-8", text.into())
}

fn json(status: StatusCode, value: &impl Serialize) -> Answer {
    // None of these can fail to be written.
    let body = serde_json::to_vec(value).unwrap_or_default();
    made(status, "application/json", body.into())
}

fn made(status: StatusCode, kind: &'static str, body: Bytes) -> Answer {
    let mut answer = Response::new(Full::new(body));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}
