//! The layer, and what it makes of a client.

use std::future::poll_fn;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{Request, Response, StatusCode};
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;
use turquoise_runtime::{Credentials, Guard, Report};

use crate::body::Held;
use crate::error::CallError;
use crate::header::Header;
use crate::replay::{Once, Replay};

/// Has a client bear the credential that serves.
#[derive(Clone, Debug)]
pub struct CredentialLayer<R = Once> {
    credentials: Credentials,
    header: Header,
    replay: R,
}

/// A client that bears the credential that serves.
#[derive(Clone, Debug)]
pub struct CredentialService<C, R = Once> {
    client: C,
    bearer: CredentialLayer<R>,
}

impl CredentialLayer {
    /// Every request bears the current credential. It counts as work of these `credentials`: give them a name
    /// ([`Credentials::named`]), and the log tells it from other work.
    #[must_use]
    pub const fn new(credentials: Credentials, header: Header) -> Self {
        Self { credentials, header, replay: Once }
    }

    /// While a candidate is being tried, a share of the requests that can be sent again bears it. Without a canary in the
    /// policy this changes nothing.
    #[must_use]
    pub fn canary<R>(self, replay: R) -> CredentialLayer<R> {
        CredentialLayer { credentials: self.credentials, header: self.header, replay }
    }
}

impl<C, R: Clone> Layer<C> for CredentialLayer<R> {
    type Service = CredentialService<C, R>;

    fn layer(&self, client: C) -> Self::Service {
        CredentialService { client, bearer: self.clone() }
    }
}

/// What a response says about the credential of its request.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Says {
    Served,
    Refused,
    Nothing,
}

impl Says {
    fn of(status: StatusCode) -> Self {
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Self::Refused,
            StatusCode::TOO_MANY_REQUESTS => Self::Nothing,
            other if other.is_server_error() => Self::Nothing,
            _ => Self::Served,
        }
    }
}

impl<C, R, B, A> Service<Request<B>> for CredentialService<C, R>
where
    C: Service<Request<B>, Response = Response<A>> + Clone + Send + 'static,
    C::Future: Send,
    C::Error: Send,
    R: Replay<B> + Clone + Send + 'static,
    B: Send + 'static,
    A: Body + Send + 'static,
{
    type Response = Response<Held<A>>;
    type Error = CallError<C::Error>;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.client.poll_ready(cx).map_err(CallError::Client)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // It is this client that was asked whether it is ready; its clone need not be.
        let spare = self.client.clone();
        let client = mem::replace(&mut self.client, spare);
        Box::pin(Call { client, bearer: self.bearer.clone() }.run(request))
    }
}

/// One call.
struct Call<C, R> {
    client: C,
    bearer: CredentialLayer<R>,
}

impl<C, R> Call<C, R> {
    async fn run<B, A>(mut self, request: Request<B>) -> Result<Response<Held<A>>, CallError<C::Error>>
    where
        C: Service<Request<B>, Response = Response<A>>,
        R: Replay<B>,
        A: Body,
    {
        let (head, body) = request.into_parts();
        let again = self.bearer.replay.again(&body).map(|body| Request::from_parts(head.clone(), body));
        let request = Request::from_parts(head, body);
        let Some(again) = again else {
            let guard = self.bearer.credentials.acquire()?;
            let response = self.send(request, &guard).await?;
            return Ok(response.map(|body| Held::new(body, guard)));
        };
        let mut guard = self.bearer.credentials.acquire_canary()?;
        let response = self.send(request, &guard).await?;
        match Says::of(response.status()) {
            Says::Refused if guard.is_candidate() => return self.send_again(again, guard).await,
            Says::Served => guard.report(Report::Ok),
            Says::Refused | Says::Nothing => {}
        }
        Ok(response.map(|body| Held::new(body, guard)))
    }

    /// What a candidate was refused with. It is the candidate's fault only if the current credential is served.
    async fn send_again<B, A>(
        mut self,
        request: Request<B>,
        mut candidate: Guard,
    ) -> Result<Response<Held<A>>, CallError<C::Error>>
    where
        C: Service<Request<B>, Response = Response<A>>,
        A: Body,
    {
        let guard = self.bearer.credentials.acquire()?;
        poll_fn(|cx| self.client.poll_ready(cx)).await.map_err(CallError::Client)?;
        let response = self.send(request, &guard).await?;
        if Says::of(response.status()) == Says::Served {
            candidate.report(Report::Refused);
        }
        Ok(response.map(|body| Held::new(body, guard)))
    }

    async fn send<B, A>(&mut self, mut request: Request<B>, guard: &Guard) -> Result<Response<A>, CallError<C::Error>>
    where
        C: Service<Request<B>, Response = Response<A>>,
    {
        let written = self.bearer.header.write(guard.secret(), request.headers_mut());
        written.map_err(|_| CallError::NotAHeader)?;
        self.client.call(request).await.map_err(CallError::Client)
    }
}
