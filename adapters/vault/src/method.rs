//! How to log in.

use std::path::{Path, PathBuf};

use secrecy::SecretString;

use crate::failure::Failure;
use crate::file::{Mark, read};
use crate::name::{App, Mount, Role};
use crate::request::Request;

/// A way to get a token from something else that is ours. Each login reads its files anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Method {
    /// With a role id and a secret id.
    AppRole {
        /// Where the method is mounted: `approle`.
        mount: Mount,
        /// The file that holds the role id.
        role_id_file: PathBuf,
        /// The file that holds the secret id; none where the role asks for none.
        secret_id_file: Option<PathBuf>,
        /// The role's name. With it (and `update` on `auth/MOUNT/role/ROLE/secret-id/lookup`) a secret id whose uses are
        /// numbered is refused at the first login; without it, it shows when it is used up.
        role: Option<Role>,
    },
    /// With a signed JSON web token: the methods `jwt` and `kubernetes`.
    Jwt {
        /// Where the method is mounted: `kubernetes`.
        mount: Mount,
        /// The role to log in to.
        role: Role,
        /// The file that holds the web token: in a pod `/var/run/secrets/kubernetes.io/serviceaccount/token`.
        jwt_file: PathBuf,
    },
    /// Not at all: the token in a file is taken over, looked up and else left as it is. Another one comes only by being written
    /// there. To have it rotated, use a [`TokenProvider`](crate::TokenProvider).
    TokenFile {
        /// The file that holds the token.
        file: PathBuf,
    },
    /// With the client certificate of the connection: [`Tls::client`](crate::Tls::client).
    Certificate {
        /// Where the method is mounted: `cert`.
        mount: Mount,
        /// The role to log in to; any that the certificate fits, without.
        role: Option<Role>,
    },
}

/// How to come by a token.
pub(crate) enum Attempt<'a> {
    Adopt(&'a Path),
    LogIn(Request, Secrets),
}

/// What must not be seen in an answer to a login.
pub(crate) struct Secrets(Vec<SecretString>);

impl Method {
    /// Reads what a login needs; nothing, if there is none.
    pub(crate) fn attempt(&self) -> Result<Attempt<'_>, Failure> {
        Ok(match self {
            Self::TokenFile { file } => Attempt::Adopt(file),
            Self::AppRole { mount, role_id_file, secret_id_file, .. } => {
                let role_id = read(role_id_file, "file of the role id", "write the AppRole's role id there")?;
                let secret_id = secret_id_file.as_deref().map(read_secret_id).transpose()?;
                let request = Request::log_in_approle(mount, &role_id, secret_id.as_ref());
                Attempt::LogIn(request, Secrets(secret_id.into_iter().collect()))
            }
            Self::Jwt { mount, role, jwt_file } => {
                let jwt = read(jwt_file, "file of the web token", "see that what writes it runs")?;
                Attempt::LogIn(Request::log_in_jwt(mount, role, &jwt), Secrets(vec![jwt]))
            }
            Self::Certificate { mount, role } => {
                Attempt::LogIn(Request::log_in_certificate(mount, role.as_ref()), Secrets(Vec::new()))
            }
        })
    }

    /// Where what a login is made of comes from.
    pub(crate) fn marks(&self) -> Vec<Mark> {
        match self {
            Self::AppRole { role_id_file, secret_id_file, .. } => {
                std::iter::once(role_id_file).chain(secret_id_file).map(|path| Mark::of(path)).collect()
            }
            Self::Jwt { jwt_file: file, .. } | Self::TokenFile { file } => vec![Mark::of(file)],
            Self::Certificate { .. } => Vec::new(),
        }
    }

    /// The request that shows whether a login with the same secret can be repeated, where that can be asked.
    pub(crate) fn uses(&self) -> Result<Option<Request>, Failure> {
        match (self.app(), self) {
            (Some(app), Self::AppRole { secret_id_file: Some(file), .. }) => {
                Ok(Some(Request::lookup_secret_id(&app, &read_secret_id(file)?)))
            }
            _ => Ok(None),
        }
    }

    /// The AppRole whose secret ids' uses are asked for: what [`login_policy`](crate::login_policy) is to allow.
    pub fn app(&self) -> Option<App> {
        match self {
            Self::AppRole { mount, secret_id_file: Some(_), role: Some(role), .. } => {
                Some(App { mount: mount.clone(), role: role.clone() })
            }
            _ => None,
        }
    }
}

fn read_secret_id(path: &Path) -> Result<SecretString, Failure> {
    read(path, "file of the secret id", "write the AppRole's secret id there, readable by this program alone (mode 0600)")
}

impl Secrets {
    pub(crate) fn hide_in(&self, failure: Failure) -> Failure {
        self.0.iter().fold(failure, Failure::hide)
    }
}
