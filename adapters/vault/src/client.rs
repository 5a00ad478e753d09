//! `vaultrs` over credentials that rotate.

use reqwest::redirect::Policy;
use rustify::clients::reqwest::Client as HttpClient;
use secrecy::ExposeSecret as _;
use turquoise_runtime::{Credentials, Guard, NotReady};
use vaultrs::api::EndpointMiddleware;
use vaultrs::client::{Client, VaultClient, VaultClientSettings};
use zeroize::Zeroize as _;

use crate::server::{Address, ConfigError, Upstream};
use crate::transport::tls;

/// **What `vaultrs` copies is outside the memory claim.** Each call leaves copies of the token in memory that nobody wipes: in
/// the request's header, and in the buffers of the HTTP library. A program that wants those wiped too sets a wiping global
/// allocator.
///
/// Code that is written for `vaultrs` runs over credentials that rotate:
///
/// ```no_run
/// # async fn read(rotating: &turquoise_vault::RotatingClient) -> Result<(), Box<dyn std::error::Error>> {
/// let secret: std::collections::HashMap<String, String> =
///     vaultrs::kv2::read(&rotating.acquire()?, "secret", "app").await?;
/// # Ok(())
/// # }
/// ```
///
/// All calls share one pool of connections, whatever token they bear. No redirect is followed, no proxy and no `VAULT_` variable
/// of the environment is looked at, and nothing is sent twice.
pub struct RotatingClient {
    credentials: Credentials,
    http: HttpClient,
    settings: VaultClientSettings,
}

impl RotatingClient {
    /// A client of the *first* address of `upstream`: `vaultrs` knows no more than one. Nothing is sent yet.
    pub fn new(upstream: &Upstream, credentials: Credentials) -> Result<Self, ConfigError> {
        let address = upstream.addresses.first().ok_or(ConfigError::NoAddress)?;
        let mut builder = reqwest::Client::builder()
            .redirect(Policy::none())
            .no_proxy()
            .referer(false)
            .retry(reqwest::retry::never())
            .connect_timeout(upstream.connect_timeout)
            .timeout(upstream.timeout)
            .tls_backend_preconfigured(tls(upstream)?);
        let base = match address {
            Address::Url(url) => match &upstream.tls.server_name {
                None => url.clone(),
                Some(_) => return Err(ConfigError::ServerName),
            },
            Address::Socket(path) => {
                builder = builder.unix_socket(path.clone());
                "http://localhost".to_owned()
            }
        };
        let fault = || ConfigError::Address { address: address.to_string() };
        let http = builder.build().map_err(|_| fault())?;
        let settings = VaultClientSettings {
            address: base.parse().map_err(|_| fault())?,
            ca_certs: Vec::new(),
            identity: None,
            timeout: Some(upstream.timeout),
            token: String::new(),
            verify: true,
            version: 1,
            wrapping: false,
            namespace: upstream.namespace.as_ref().map(ToString::to_string),
            proxy: None,
        };
        Ok(Self { credentials, http: HttpClient::new(&base, http), settings })
    }

    /// A client with the credential that new work is to use. Hold it for one call, or for as long as what the calls made
    /// depends on their token: a rotation waits for it, up to its grace. Never waits for I/O.
    ///
    /// # Errors
    ///
    /// There is no credential: see [`Credentials::ready`].
    pub fn acquire(&self) -> Result<ClientGuard, NotReady> {
        let guard = self.credentials.acquire()?;
        let middle = EndpointMiddleware {
            token: guard.secret().expose_secret().to_owned(),
            version: format!("v{}", self.settings.version),
            wrap: None,
            namespace: self.settings.namespace.clone(),
        };
        let http = HttpClient::new(&self.http.base, self.http.http.clone());
        Ok(ClientGuard { client: VaultClient { http, middle, settings: self.settings.clone() }, _guard: guard })
    }

    /// The credentials that the calls use.
    #[must_use]
    pub fn credentials(&self) -> &Credentials {
        &self.credentials
    }
}

/// A `vaultrs` client that keeps its token in use as long as it lives. Its settings hold no token.
pub struct ClientGuard {
    client: VaultClient,
    _guard: Guard,
}

impl Client for ClientGuard {
    fn http(&self) -> &HttpClient {
        self.client.http()
    }

    fn middle(&self) -> &EndpointMiddleware {
        self.client.middle()
    }

    fn settings(&self) -> &VaultClientSettings {
        self.client.settings()
    }

    /// Has this one guard, and no other, use another token.
    fn set_token(&mut self, token: &str) {
        self.client.middle.token.zeroize();
        token.clone_into(&mut self.client.middle.token);
    }
}

impl Drop for ClientGuard {
    fn drop(&mut self) {
        self.client.middle.token.zeroize();
    }
}
