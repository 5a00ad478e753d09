//! What readers find in the published file.

use std::str::FromStr;

use turquoise_runtime::memory::ExposeSecret as _;
use turquoise_runtime::port::{Credential, Handle};
use zeroize::Zeroizing;

/// What readers find in the published file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Form {
    /// The secret and nothing else, not even a newline.
    Secret,
    /// A shared credentials file of AWS with one profile: the handle is the key's id, the secret its secret. The file is ours
    /// alone, so name it by `AWS_SHARED_CREDENTIALS_FILE` where there are other profiles to keep.
    SharedCredentials {
        /// The only one in the file.
        profile: Profile,
    },
}

/// The name of a profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile(String);

/// Why a text is no profile's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the name of a profile: use letters, digits, `_`, `-` and `.`")]
pub struct NoProfile(String);

impl FromStr for Profile {
    type Err = NoProfile;

    fn from_str(name: &str) -> Result<Self, NoProfile> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        let fits = !name.is_empty() && name.chars().all(plain);
        fits.then(|| Self(name.to_owned())).ok_or_else(|| NoProfile(name.to_owned()))
    }
}

impl Form {
    /// The content for a credential; nothing, if it would read as something else.
    pub(crate) fn content(&self, credential: &Credential) -> Option<Zeroizing<Vec<u8>>> {
        let (Handle(id), secret) = (&credential.handle, credential.secret.expose_secret());
        let profile = match self {
            Self::Secret => return Some(Zeroizing::new(secret.as_bytes().to_vec())),
            Self::SharedCredentials { profile: Profile(name) } => name,
        };
        if ![id.as_str(), secret].iter().all(|text| text.bytes().all(|byte| byte.is_ascii_graphic())) {
            return None;
        }
        let parts = ["[", profile, "]\naws_access_key_id = ", id, "\naws_secret_access_key = ", secret, "\n"];
        // The buffer never grows: growing would leave a copy behind.
        let mut content = Zeroizing::new(Vec::with_capacity(parts.iter().map(|part| part.len()).sum()));
        for part in parts {
            content.extend_from_slice(part.as_bytes());
        }
        Some(content)
    }
}
