//! A certificate authority of our own.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use tempfile::TempDir;
use turquoise_openbao::TlsFiles;
use turquoise_vault::ClientCertificate;

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
    pub(crate) fn server(&self, clients: bool) -> TlsFiles {
        let [certificate, key] = self.files("server");
        TlsFiles { certificate, key, client_authority: clients.then(|| self.certificate()) }
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
