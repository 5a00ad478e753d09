//! Requests that others made, passed on with their bodies as they come.

use std::error::Error;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use crate::connect::Connector;
use crate::pool::{IDLE, Missed, missed};

/// Connections that are kept for the next request, whoever made it.
pub struct Relay<B> {
    client: Client<Connector, B>,
}

impl<B> Relay<B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    /// No connection yet. At most so many that are idle are kept for each address.
    #[must_use]
    pub fn new(connector: Connector, idle: usize) -> Self {
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(idle)
            // It is what an idle connection that was closed gave back before a byte of it was written.
            .retry_canceled_requests(true)
            .build(connector);
        Self { client }
    }

    /// Sends a request with an absolute address, once, and answers the head of the response: its body is the caller's to read,
    /// and to limit. An upgrade that the server agrees to is had from the response. How long it may take is the caller's to
    /// limit too: dropped, it leaves the request in doubt.
    ///
    /// # Errors
    ///
    /// See [`Missed`]. A body that fails by itself is [`Missed::Unknown`].
    pub async fn send(&self, request: Request<B>) -> Result<Response<Incoming>, Missed> {
        self.client.request(request).await.map_err(|why| missed(&why))
    }
}
