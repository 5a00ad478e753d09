//! Signed requests.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, Uri};
use http_body_util::Full;
use tokio::time::{Instant, timeout_at};
use turquoise_http::{Answer, Connector, Pool, nobody};

use crate::config::{ConfigError, Endpoint, IamConfig, Probe, parse_url};
use crate::failure::{Failure, classify};
use crate::sign::{Caller, Scope, sign};

/// Where requests go, and for what they are signed.
pub(crate) struct Service {
    uri: Uri,
    region: String,
    name: String,
    /// Of its interface.
    version: &'static str,
}

impl Service {
    pub(crate) fn new(name: &str, version: &'static str, endpoint: &Endpoint) -> Result<Self, ConfigError> {
        Ok(Self { uri: parse_url(&endpoint.url)?, region: endpoint.region.clone(), name: name.to_owned(), version })
    }
}

pub(crate) struct Client {
    pool: Pool,
    timeout: Duration,
    /// When we used each key last, until we hear that it is deleted.
    used: Mutex<HashMap<String, SystemTime>>,
}

impl Client {
    pub(crate) fn new(config: &IamConfig) -> Result<Self, ConfigError> {
        for (name, value) in [("connect_timeout", config.connect_timeout), ("timeout", config.timeout), ("late", config.late)] {
            if value.is_zero() {
                return Err(ConfigError::Zero { name });
            }
        }
        let mut urls = [&config.iam.url, &config.sts.url].into_iter().chain(config.probes.iter().map(|probe| &probe.url));
        let tls = if urls.any(|url| url.starts_with("https:")) { config.tls.client_config()? } else { nobody() };
        let connector = Connector::new(Vec::new(), Arc::new(tls), None, config.connect_timeout);
        Ok(Self { pool: Pool::new(connector), timeout: config.timeout, used: Mutex::default() })
    }

    /// When we used a key last.
    pub(crate) fn own_use(&self, id: &str) -> Option<SystemTime> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner).get(id).copied()
    }

    pub(crate) fn forget(&self, id: &str) {
        self.used.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
    }

    /// Asks a service to do something, as the holder of a key.
    pub(crate) async fn ask(
        &self,
        service: &Service,
        caller: Caller<'_>,
        action: &str,
        parameters: &[(&str, &str)],
    ) -> Result<Answer, Failure> {
        let form = form(action, service.version, parameters);
        let mut request = Request::new(Full::default());
        *request.method_mut() = Method::POST;
        *request.uri_mut() = service.uri.clone();
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        let answered = self.send(request, form, Scope { service: &service.name, region: &service.region }, caller).await;
        let status = answered.as_ref().ok().map(|answer| answer.status.as_u16());
        tracing::debug!(action, key = caller.id, status, "called");
        answered
    }

    /// Reads what a key must be able to read.
    pub(crate) async fn read(&self, probe: &Probe, caller: Caller<'_>) -> Result<(), Failure> {
        let start = Instant::now();
        let mut request = Request::new(Full::default());
        *request.uri_mut() = parse_url(&probe.url).map_err(|e| Failure::Unfit(e.to_string()))?;
        self.send(request, String::new(), Scope { service: &probe.service, region: &probe.region }, caller).await?;
        match probe.max_latency.filter(|limit| start.elapsed() > *limit) {
            Some(limit) => Err(Failure::Unfit(format!("the answer took longer than {limit:?}"))),
            None => Ok(()),
        }
    }

    async fn send(
        &self,
        mut request: Request<Full<Bytes>>,
        body: String,
        scope: Scope<'_>,
        caller: Caller<'_>,
    ) -> Result<Answer, Failure> {
        sign(&mut request, body.as_bytes(), scope, caller)?;
        *request.body_mut() = Full::new(Bytes::from(body));
        self.used.lock().unwrap_or_else(PoisonError::into_inner).insert(caller.id.to_owned(), SystemTime::now());
        let late = |_| Failure::Unknown(format!("no answer within {:?}", self.timeout));
        let answer = timeout_at(Instant::now() + self.timeout, self.pool.send(&request)).await.map_err(late)??;
        match classify(&answer) {
            Ok(()) => Ok(answer),
            Err(failure) => Err(failure.hide(caller.secret)),
        }
    }
}

fn form(action: &str, version: &str, parameters: &[(&str, &str)]) -> String {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("Action", action).append_pair("Version", version).extend_pairs(parameters).finish()
}
