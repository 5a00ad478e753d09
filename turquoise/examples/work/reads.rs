//! Reads of a secret over HTTP.

use bytes::Bytes;
use http::header::HeaderValue;
use http::{Request, Uri};
use http_body_util::{BodyExt as _, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use turquoise::memory::{ExposeSecret as _, Secret};

use crate::rounds::Fault;

/// Reads one secret.
pub(crate) struct Reads {
    client: Client<HttpConnector, Empty<Bytes>>,
    uri: Uri,
}

impl Reads {
    pub(crate) fn of(address: &str) -> Result<Self, Fault> {
        let client = Client::builder(TokioExecutor::new()).retry_canceled_requests(false).build_http();
        Ok(Self { client, uri: format!("{address}/v1/secret/data/app").parse()? })
    }

    /// One read. What is not answered with 200 is an error.
    pub(crate) async fn read(&self, token: &Secret) -> Result<(), Fault> {
        let mut header = HeaderValue::from_str(token.expose_secret())?;
        header.set_sensitive(true);
        let request = Request::get(&self.uri).header("x-vault-token", header).body(Empty::new())?;
        let (head, body) = self.client.request(request).await?.into_parts();
        body.collect().await?;
        if head.status.is_success() { Ok(()) } else { Err(head.status.to_string().into()) }
    }
}
