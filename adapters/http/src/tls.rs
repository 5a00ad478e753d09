//! Whom we trust, and what we show.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use zeroize::Zeroizing;

use crate::server::{ConfigError, Tls};

/// No variable of the environment and no global state is asked, but for the system's own list of authorities.
pub(crate) fn client_config(tls: &Tls) -> Result<ClientConfig, ConfigError> {
    let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider speaks TLS 1.2 and 1.3")
        .with_root_certificates(match &tls.authority {
            Some(path) => named(path)?,
            None => systems()?,
        });
    let Some(client) = &tls.client else { return Ok(builder.with_no_client_auth()) };
    let chain = certificates(&client.certificate, "a certificate")?;
    let fault = |why: String| ConfigError::Tls { path: client.key.clone(), what: "the certificate's key", why };
    let pem = Zeroizing::new(fs::read(&client.key).map_err(|e| fault(e.to_string()))?);
    let key = PrivateKeyDer::from_pem_slice(&pem).map_err(|e| fault(e.to_string()))?;
    builder.with_client_auth_cert(chain, key).map_err(|e| fault(e.to_string()))
}

fn certificates(path: &Path, what: &'static str) -> Result<Vec<CertificateDer<'static>>, ConfigError> {
    let fault = |why: String| ConfigError::Tls { path: path.to_owned(), what, why };
    let pem = fs::read(path).map_err(|e| fault(e.to_string()))?;
    let found = CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>().map_err(|e| fault(e.to_string()))?;
    if found.is_empty() { Err(fault("there is no certificate in it".to_owned())) } else { Ok(found) }
}

fn named(path: &Path) -> Result<RootCertStore, ConfigError> {
    const WHAT: &str = "the certificate of the authority";
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path, WHAT)? {
        let fault = |e: rustls::Error| ConfigError::Tls { path: path.to_owned(), what: WHAT, why: e.to_string() };
        roots.add(certificate).map_err(fault)?;
    }
    Ok(roots)
}

fn systems() -> Result<RootCertStore, ConfigError> {
    let mut roots = RootCertStore::empty();
    // Systems carry some that no library can read: they are as if they were not there.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() { Err(ConfigError::NoAuthority) } else { Ok(roots) }
}
