//! Whom we trust, and what we show.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, ConfigBuilder, RootCertStore, ServerConfig, WantsVerifier};
use zeroize::Zeroizing;

/// Why nothing can be trusted, or shown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlsError {
    /// A certificate or a key is not to be used.
    #[error("{} does not serve for TLS ({why}): give {what} in PEM", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        what: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// This system's list of authorities is empty.
    #[error("this system trusts no certificate authority: name the file of the one that certified the server")]
    NoAuthority,
}

/// Whom to trust and what to show, on `https` addresses. Certificates are always checked.
#[derive(Clone, Debug, Default)]
pub struct Tls {
    /// A PEM file with the certificates of the only authorities that are trusted; without it, those that this system trusts.
    pub authority: Option<PathBuf>,
    /// What to show to a server that asks for a certificate.
    pub client: Option<ClientCertificate>,
    /// The name that the server's certificate must be for, if it is not the host of the address.
    pub server_name: Option<String>,
}

/// A certificate of our own. Its files are read once, when the provider is made.
#[derive(Clone, Debug)]
pub struct ClientCertificate {
    /// A PEM file: the certificate, and those between it and its authority.
    pub certificate: PathBuf,
    /// A PEM file: its key.
    pub key: PathBuf,
}

impl Tls {
    /// No variable of the environment and no global state is asked, but for the system's own list of authorities.
    pub fn client_config(&self) -> Result<ClientConfig, TlsError> {
        client_config(self)
    }
}

/// Nobody is trusted, and the system is not asked whom it trusts: for addresses without TLS.
#[must_use]
pub fn nobody() -> ClientConfig {
    ours().with_root_certificates(RootCertStore::empty()).with_no_client_auth()
}

fn ours() -> ConfigBuilder<ClientConfig, WantsVerifier> {
    ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider speaks TLS 1.2 and 1.3")
}

fn client_config(tls: &Tls) -> Result<ClientConfig, TlsError> {
    let builder = ours().with_root_certificates(match &tls.authority {
        Some(path) => named(path)?,
        None => systems()?,
    });
    let Some(client) = &tls.client else { return Ok(builder.with_no_client_auth()) };
    let (chain, key) = (certificates(&client.certificate, "a certificate")?, key(&client.key)?);
    builder.with_client_auth_cert(chain, key).map_err(|e| key_fault(&client.key, &e))
}

/// For a listener: what it shows is read once, from PEM files as those of a [`ClientCertificate`]. No client is asked for a
/// certificate.
pub fn server_config(certificate: &Path, private: &Path) -> Result<ServerConfig, TlsError> {
    let (chain, secret) = (certificates(certificate, "a certificate")?, key(private)?);
    let builder = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().map_err(|e| key_fault(private, &e))?;
    builder.with_no_client_auth().with_single_cert(chain, secret).map_err(|e| key_fault(private, &e))
}

fn key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let pem = Zeroizing::new(fs::read(path).map_err(|e| key_fault(path, &e))?);
    PrivateKeyDer::from_pem_slice(&pem).map_err(|e| key_fault(path, &e))
}

fn key_fault(path: &Path, why: &dyn std::error::Error) -> TlsError {
    TlsError::File { path: path.to_owned(), what: "the certificate's key", why: why.to_string() }
}

fn certificates(path: &Path, what: &'static str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let fault = |why: String| TlsError::File { path: path.to_owned(), what, why };
    let pem = fs::read(path).map_err(|e| fault(e.to_string()))?;
    let found = CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>().map_err(|e| fault(e.to_string()))?;
    if found.is_empty() { Err(fault("there is no certificate in it".to_owned())) } else { Ok(found) }
}

fn named(path: &Path) -> Result<RootCertStore, TlsError> {
    const WHAT: &str = "the certificate of the authority";
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path, WHAT)? {
        let fault = |e: rustls::Error| TlsError::File { path: path.to_owned(), what: WHAT, why: e.to_string() };
        roots.add(certificate).map_err(fault)?;
    }
    Ok(roots)
}

fn systems() -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    // Systems carry some that no library can read: they are as if they were not there.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() { Err(TlsError::NoAuthority) } else { Ok(roots) }
}
