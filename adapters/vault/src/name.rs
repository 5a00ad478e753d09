//! Names, parsed: whatever is built from these types cannot rewrite a path.

use std::fmt;
use std::str::FromStr;

use crate::server::ConfigError;

/// One segment of a path. Dot segments and the characters `?`, `#`, `%` and `/` would make another request of it, `*`
/// and `+` would widen a policy.
fn is_segment(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    !text.is_empty() && text.chars().all(plain) && text != "." && text != ".."
}

fn is_path(text: &str) -> bool {
    text.split('/').all(is_segment)
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $what:literal, $is:path) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $type(String);

        impl FromStr for $type {
            type Err = ConfigError;

            fn from_str(name: &str) -> Result<Self, ConfigError> {
                let fault = || ConfigError::Name { name: name.to_owned(), what: $what };
                $is(name).then(|| Self(name.to_owned())).ok_or_else(fault)
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name! {
    /// The name of a token role, or of a role of a login method.
    Role, "role name", is_segment
}
name! {
    /// A path of the server's API, without the leading `/v1/`: `secret/data/app`.
    Path, "path", is_path
}
name! {
    /// Where a login method is mounted, without the leading `auth/`: `approle`, `team/kubernetes`.
    Mount, "mount", is_path
}
name! {
    /// What names a lease, and is no secret: `database/creds/app/` and what the server made up.
    LeaseId, "lease id", is_path
}
name! {
    /// A namespace, with its parents, without slashes around: `team/payments`.
    Namespace, "namespace", is_path
}

/// An AppRole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct App {
    /// Where the method is mounted: `approle`.
    pub mount: Mount,
    /// The role's name.
    pub role: Role,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_could_rewrite_a_path_is_not_taken() {
        for name in ["", ".", "..", "a/b", "../../sys/seal", "a?b", "a#b", "a%2fb", "a b", "a*", "+", "a\n", "ä", "a\"b"] {
            assert!(name.parse::<Role>().is_err(), "{name:?} was taken for a role");
        }
        for name in ["rot", "a.b", "...", "A_1-x"] {
            assert!(name.parse::<Role>().is_ok(), "{name:?} was not taken for a role");
        }
        for path in ["", "/", "/a", "a/", "a//b", "a/../b", "a/./b", "a?b/c", "a/%2e%2e/b", "a/*", "a/+/b"] {
            assert!(path.parse::<Path>().is_err(), "{path:?} was taken for a path");
        }
        assert!("secret/data/app-1".parse::<Path>().is_ok());
    }
}
