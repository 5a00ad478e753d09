//! Where a credential is borne.

use bytes::Bytes;
use http::HeaderMap;
use http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use turquoise_runtime::memory::{ExposeSecret as _, Secret};
use zeroize::Zeroizing;

const VAULT_TOKEN: HeaderName = HeaderName::from_static("x-vault-token");

/// The header that bears a credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Header {
    /// `authorization: Bearer …`
    Bearer,
    /// `x-vault-token: …`, for Vault and OpenBao.
    VaultToken,
    /// This header: its value is the credential and nothing else.
    Named(HeaderName),
}

/// The secret has a byte that no header may hold.
pub(crate) struct NotAHeader;

impl Header {
    /// Writes it into a request, in place of what was there.
    pub(crate) fn write(&self, secret: &Secret, headers: &mut HeaderMap) -> Result<(), NotAHeader> {
        let (name, prefix) = match self {
            Self::Bearer => (AUTHORIZATION, "Bearer "),
            Self::VaultToken => (VAULT_TOKEN, ""),
            Self::Named(name) => (name.clone(), ""),
        };
        // Of a buffer that grows, a copy is left where nobody wipes it.
        let mut value = Zeroizing::new(Vec::with_capacity(prefix.len() + secret.expose_secret().len()));
        value.extend_from_slice(prefix.as_bytes());
        value.extend_from_slice(secret.expose_secret().as_bytes());
        let mut value = HeaderValue::from_maybe_shared(Bytes::from_owner(value)).map_err(|_| NotAHeader)?;
        value.set_sensitive(true);
        headers.insert(name, value);
        Ok(())
    }
}
