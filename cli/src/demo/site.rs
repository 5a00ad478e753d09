//! Whose credentials the story is about, and where everything is.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::ValueEnum;

use super::{iam, vault};

/// Whose credentials are rotated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Provider {
    /// Tokens of an OpenBao
    VaultToken,
    /// Access keys of an AWS IAM
    AwsIam,
}

/// How a value is written on a command line.
pub(crate) fn name(value: &impl ValueEnum) -> String {
    value.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

/// Where everything is. No secret among it: those are in files.
#[derive(Clone, clap::Args)]
pub(crate) struct Site {
    /// Whose credentials are rotated
    pub(crate) provider: Provider,
    /// The folder of all files
    pub(crate) folder: PathBuf,
    /// The server
    pub(crate) address: String,
}

impl Site {
    /// For another process.
    pub(crate) fn args(&self) -> [OsString; 3] {
        [name(&self.provider).into(), self.folder.clone().into(), self.address.clone().into()]
    }

    pub(crate) fn journal(&self) -> PathBuf {
        self.folder.join("journal")
    }

    /// What work reads.
    pub(crate) fn work(&self) -> String {
        match self.provider {
            Provider::VaultToken => vault::read(&self.address),
            Provider::AwsIam => iam::read(&self.address),
        }
    }

    /// The file that readers open.
    pub(crate) fn published(&self) -> PathBuf {
        self.folder.join(match self.provider {
            Provider::VaultToken => "token",
            Provider::AwsIam => "credentials",
        })
    }

    /// The file that the first credential comes in.
    pub(crate) fn first(&self) -> PathBuf {
        self.folder.join(match self.provider {
            Provider::VaultToken => "first-token",
            Provider::AwsIam => "first-key",
        })
    }
}
