//! How the demo can end otherwise than well.

use std::io;

use turquoise::AskError;
use turquoise::journal::OpenError;
use turquoise::vault::ConfigError;
use turquoise_audit::LogError;
use turquoise_moto::{EmulatorError, InstallError};
use turquoise_openbao::{AdminError, ObtainError, ServerError};

use crate::sidecar::NotBegun;

/// What they end the process with, see `code`.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    /// On this machine: files, processes, the output.
    #[error("{0}")]
    Local(String),
    /// No server program.
    #[error(transparent)]
    Obtain(#[from] ObtainError),
    /// No emulator.
    #[error(transparent)]
    Install(InstallError),
    /// The server does not do its part.
    #[error("{0}")]
    Provider(String),
    /// The process that started this one is gone, and nobody listens any more.
    #[error("nobody listens")]
    Orphaned,
    /// Somebody wants us to stop.
    #[error("interrupted")]
    Interrupted(i32),
    /// The table has wrong lines.
    #[error("lines of the table that are not as they must be: {0}")]
    Wrong(usize),
}

impl Trouble {
    /// What the process ends with.
    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::Local(_) | Self::Obtain(_) | Self::Install(_) | Self::Orphaned => 1,
            Self::Provider(_) => 2,
            Self::Interrupted(signal) => u8::try_from(128 + signal).unwrap_or(u8::MAX),
            Self::Wrong(_) => 14,
        }
    }
}

/// Whatever goes wrong on this machine.
macro_rules! local {
    ($($error:ty),*) => {
        $(impl From<$error> for Trouble {
            fn from(error: $error) -> Self {
                Self::Local(error.to_string())
            }
        })*
    };
}

local!(
    io::Error,
    serde_json::Error,
    http::uri::InvalidUri,
    tokio::task::JoinError,
    ConfigError,
    turquoise::aws_iam::ConfigError,
    LogError,
    OpenError,
    NotBegun,
    AskError
);

impl From<AdminError> for Trouble {
    fn from(error: AdminError) -> Self {
        Self::Provider(error.to_string())
    }
}

impl From<ServerError> for Trouble {
    fn from(error: ServerError) -> Self {
        match error {
            ServerError::Folder { .. } | ServerError::NotEmpty { .. } | ServerError::Start { .. } => {
                Self::Local(error.to_string())
            }
            other => Self::Provider(other.to_string()),
        }
    }
}

impl From<EmulatorError> for Trouble {
    fn from(error: EmulatorError) -> Self {
        match error {
            EmulatorError::Install(why) => Self::Install(why),
            EmulatorError::Start(_) => Self::Local(error.to_string()),
            other => Self::Provider(other.to_string()),
        }
    }
}
