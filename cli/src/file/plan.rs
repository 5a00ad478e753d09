//! What a file comes to: everything that a run needs, and each setting with where it is from.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;
use turquoise::core::{AtStop, Policy};
use turquoise::sink::Mode;
use turquoise::vault::{LoginConfig, TokenConfig};

use super::source::Place;

/// Everything that a run needs.
pub(crate) struct Plan {
    pub(crate) provider: Provider,
    pub(crate) policy: Policy,
    pub(crate) sink: PathBuf,
    pub(crate) mode: Mode,
    pub(crate) journal: PathBuf,
    pub(crate) on_stop: AtStop,
    /// A first login waits up to so long.
    pub(crate) start_spread: Duration,
    pub(crate) pid_file: Option<PathBuf>,
    pub(crate) exit_after_auth: bool,
    pub(crate) log: Log,
    /// All of it, to be shown.
    pub(crate) settings: Vec<Setting>,
}

/// Where credentials come from.
pub(crate) enum Provider {
    Login(LoginConfig),
    Token(TokenConfig),
}

/// What is logged.
pub(crate) struct Log {
    pub(crate) level: String,
    pub(crate) is_json: bool,
}

/// One setting as it is in effect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Setting {
    pub(crate) key: String,
    pub(crate) value: String,
    pub(crate) from: Origin,
}

/// Where a setting is from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Origin {
    File(Place),
    Environment(String),
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(Place { line, .. }) => write!(f, "line {line}"),
            Self::Environment(name) => f.write_str(name),
            Self::Default => f.write_str("default"),
        }
    }
}
