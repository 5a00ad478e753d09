//! Requests that prove by a signature whose they are.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{PayloadChecksumKind, SignableBody, SignableRequest, SigningSettings};
use aws_sigv4::sign::v4;
use http::Request;
use secrecy::ExposeSecret as _;
use turquoise_runtime::Guard;
use turquoise_runtime::memory::Secret;
use turquoise_runtime::port::Credential;

use crate::key::Key;

/// Whose request it is.
#[derive(Clone, Copy)]
pub struct Caller<'a> {
    /// What names its key.
    pub id: &'a str,
    /// The secret of that.
    pub secret: &'a Secret,
}

impl<'a> From<&'a Credential> for Caller<'a> {
    fn from(credential: &'a Credential) -> Self {
        Self { id: &credential.handle.0, secret: &credential.secret }
    }
}

impl<'a> From<&'a Guard> for Caller<'a> {
    fn from(guard: &'a Guard) -> Self {
        Self { id: &guard.handle().0, secret: guard.secret() }
    }
}

impl<'a> From<&'a Key> for Caller<'a> {
    fn from(key: &'a Key) -> Self {
        Self { id: &key.id, secret: &key.secret }
    }
}

/// What a signature is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scope<'a> {
    /// `s3`.
    pub service: &'a str,
    /// `eu-west-1`.
    pub region: &'a str,
}

/// Why a request cannot be signed.
#[derive(Debug, thiserror::Error)]
#[error("the request cannot be signed: {0}")]
pub struct NotSigned(String);

/// Signs a request of your own (AWS signature version 4), with its body at hand, by the key that serves: hold the guard until it
/// is answered. A header that is set later is not signed.
///
/// # Errors
///
/// The address is not absolute, or a header is no text.
pub fn sign<'a, B>(
    request: &mut Request<B>,
    body: &[u8],
    scope: Scope<'_>,
    caller: impl Into<Caller<'a>>,
) -> Result<(), NotSigned> {
    let Caller { id, secret } = caller.into();
    // Its copy of the secret is wiped with it.
    let identity = Credentials::new(id, secret.expose_secret(), None, None, "turquoise").into();
    let mut settings = SigningSettings::default();
    if scope.service == "s3" {
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    }
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(scope.region)
        .name(scope.service)
        .time(SystemTime::now())
        .settings(settings)
        .build()
        .map_err(|e| NotSigned(e.to_string()))?
        .into();
    let headers = request.headers().iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
    let uri = request.uri().to_string();
    let signable = SignableRequest::new(request.method().as_str(), uri, headers, SignableBody::Bytes(body))
        .map_err(|e| NotSigned(e.to_string()))?;
    let signed = aws_sigv4::http_request::sign(signable, &params).map_err(|e| NotSigned(e.to_string()))?;
    let (instructions, _) = signed.into_parts();
    instructions.apply_to_request_http1x(request);
    Ok(())
}
