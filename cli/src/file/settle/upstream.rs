//! The server.

use std::path::PathBuf;

use turquoise::vault::{Address, ClientCertificate, Tls, Upstream};

use super::{Settler, Stanza};

/// Where the agents look for a server that nobody named.
const SERVER: &str = "https://127.0.0.1:8200";

impl<'a> Settler<'a, '_> {
    /// How the server is reached, without what is a rotation's own.
    pub(super) fn upstream(&mut self, file: &Stanza<'a>) -> Option<Upstream> {
        let vault = file.within("vault");
        for variable in ["SKIP_VERIFY", "CAPATH"] {
            for name in [format!("BAO_{variable}"), format!("VAULT_{variable}")] {
                let set = (self.environment)(&name).filter(|value| !["", "0", "false"].contains(&value.as_str()));
                if set.is_some() {
                    let remedy = "certificates are checked against one PEM file: unset it, and name that file as `ca_cert`";
                    self.fault::<()>(vault.at, &format!("{name} is set in the environment"), remedy);
                }
            }
        }
        let address = self.text_or_environment(&vault, "address", "ADDR", Some(SERVER))?;
        let form = "write https://HOST:PORT, http://HOST:PORT or unix:///PATH, and no user in it";
        let parsed = address.parse::<Address>().ok();
        let address = parsed.or_else(|| self.fault(vault.at("address"), "`address` cannot be used", form));
        let authority = self.text_or_environment(&vault, "ca_cert", "CACERT", None).map(PathBuf::from);
        let certificate = self.text_or_environment(&vault, "client_cert", "CLIENT_CERT", None).map(PathBuf::from);
        let key = self.text_or_environment(&vault, "client_key", "CLIENT_KEY", None).map(PathBuf::from);
        let client = match (certificate, key) {
            (Some(certificate), Some(key)) => Some(ClientCertificate { certificate, key }),
            (None, None) => None,
            _ => {
                let what = "a certificate and its key belong together";
                return self.fault(vault.at, what, "give both `client_cert` and `client_key`");
            }
        };
        let server_name = self.text_or_environment(&vault, "tls_server_name", "TLS_SERVER_NAME", None);
        Some(Upstream { tls: Tls { authority, client, server_name }, ..Upstream::new([address?]) })
    }
}
