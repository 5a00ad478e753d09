//! A certificate authority of our own.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use tempfile::TempDir;
use turquoise_openbao::{Binary, Options, Server, TlsFiles};
use turquoise_vault::{ClientCertificate, Tls, Upstream};

use crate::support::prepare;

/// A server that speaks TLS with those who show a certificate, and listens on a socket.
pub(crate) struct Secure {
    pub(crate) authority: Authority,
    pub(crate) server: Arc<Server>,
}

/// The running one, or a new one. It goes with the last test that uses it.
pub(crate) fn secure() -> Arc<Secure> {
    static SHARED: Mutex<Weak<Secure>> = Mutex::new(Weak::new());
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(secure) = shared.upgrade() {
        return secure;
    }
    let authority = Authority::new();
    let options = Options { tls: Some(authority.server()), unix_socket: true, ..Options::default() };
    let server = Arc::new(prepare(Server::start(&Binary::obtain(|_| ()).unwrap(), options).unwrap()));
    let secure = Arc::new(Secure { authority, server });
    *shared = Arc::downgrade(&secure);
    secure
}

impl Secure {
    /// Its listener for TLS, with all that it takes to be served there.
    pub(crate) fn upstream(&self) -> Upstream {
        let (authority, client) = (Some(self.authority.certificate()), Some(self.authority.client()));
        let tls = Tls { authority, client, server_name: None };
        Upstream { tls, ..Upstream::new([self.server.https().unwrap().parse().unwrap()]) }
    }
}

/// An authority, a server's certificate for 127.0.0.1 and a client's, as files.
pub(crate) struct Authority {
    folder: TempDir,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, "test authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        fs::write(folder.path().join("authority.pem"), issuer.pem()).unwrap();
        let certify = |name: &str, hosts: &[&str], purpose| {
            let hosts: Vec<_> = hosts.iter().map(ToString::to_string).collect();
            let mut params = CertificateParams::new(hosts).unwrap();
            params.distinguished_name.push(DnType::CommonName, name);
            params.extended_key_usages.push(purpose);
            let key = KeyPair::generate().unwrap();
            let certificate = params.signed_by(&key, &issuer).unwrap();
            fs::write(folder.path().join(format!("{name}.pem")), certificate.pem()).unwrap();
            fs::write(folder.path().join(format!("{name}.key")), key.serialize_pem()).unwrap();
        };
        certify("server", &["127.0.0.1", "bao.test"], ExtendedKeyUsagePurpose::ServerAuth);
        certify("client", &["client.test"], ExtendedKeyUsagePurpose::ClientAuth);
        Self { folder }
    }

    pub(crate) fn certificate(&self) -> PathBuf {
        self.folder.path().join("authority.pem")
    }

    /// For a server; its clients must show certificates of this authority.
    fn server(&self) -> TlsFiles {
        let [certificate, key] = self.files("server");
        TlsFiles { certificate, key, client_authority: Some(self.certificate()) }
    }

    pub(crate) fn client(&self) -> ClientCertificate {
        let [certificate, key] = self.files("client");
        ClientCertificate { certificate, key }
    }

    fn files(&self, name: &str) -> [PathBuf; 2] {
        let file = |ending: &str| -> PathBuf { Path::join(self.folder.path(), format!("{name}.{ending}")) };
        [file("pem"), file("key")]
    }
}
