//! Python environments of pinned files, in the cache folder.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use etcetera::BaseStrategy as _;
use sha2::{Digest as _, Sha256};
use thiserror::Error;

/// What pip may install: exactly these files, or nothing.
const REQUIREMENTS: &str = include_str!("requirements.txt");

/// Why there is no environment. Each message says what to do.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum InstallError {
    /// No `python3`.
    #[error("python3 is not on the PATH, and what is to be run is a Python program: install it ({why})")]
    NoPython {
        /// What the system said.
        why: io::Error,
    },
    /// The environment could not be made, or pip could not fill it.
    #[error("what is to be run could not be installed ({last}): check python3's venv and pip, the network and pip's settings")]
    Failed {
        /// The last line that was written.
        last: String,
    },
    /// The cache folder cannot be used.
    #[error("the cache folder {} cannot be used ({why}): set XDG_CACHE_HOME to another", folder.display())]
    Cache {
        /// The folder.
        folder: PathBuf,
        /// What the system said.
        why: io::Error,
    },
    /// There is neither `XDG_CACHE_HOME` nor a home folder.
    #[error("no cache folder, as neither XDG_CACHE_HOME nor HOME is set: set one")]
    NoCache,
}

/// A Python with what it was asked to have.
#[derive(Clone, Debug)]
pub struct Python {
    program: PathBuf,
}

impl Python {
    /// One that has the emulator, and `boto3` with it: 139 MB. `progress` gets a line before what takes long.
    ///
    /// # Errors
    ///
    /// See [`InstallError`].
    pub fn obtain(progress: impl FnMut(&str)) -> Result<Self, InstallError> {
        Self::with("moto", REQUIREMENTS, progress)
    }

    /// One that has what pip is to install by these requirements, every file with its hash; from the cache folder, by this name,
    /// made first if need be. `progress` gets a line before what takes long.
    ///
    /// It is made under another name and moved when it is whole. Processes that come at the same time make one, under a lock.
    ///
    /// # Errors
    ///
    /// See [`InstallError`].
    pub fn with(name: &str, requirements: &str, mut progress: impl FnMut(&str)) -> Result<Self, InstallError> {
        let cache = etcetera::choose_base_strategy().map_err(|_| InstallError::NoCache)?.cache_dir().join("turquoise");
        let folder = cache.join(format!("{name}-{}", &fingerprint(requirements)[..16]));
        let python = Self { program: folder.join("environment/bin/python") };
        if python.program.exists() {
            return Ok(python);
        }
        let trouble = |why| InstallError::Cache { folder: folder.clone(), why };
        fs::create_dir_all(&folder).map_err(trouble)?;
        let lock = File::create(folder.join("lock")).map_err(trouble)?;
        lock.lock().map_err(trouble)?;
        if python.program.exists() {
            return Ok(python);
        }
        progress(&format!("installing {name} for Python into {}", folder.display()));
        install(&folder, requirements).and_then(|made| fs::rename(made, folder.join("environment")).map_err(trouble))?;
        Ok(python)
    }

    /// Where its `python` is.
    #[must_use]
    pub fn program(&self) -> &Path {
        &self.program
    }
}

/// Answers where the whole environment is.
fn install(folder: &Path, requirements: &str) -> Result<PathBuf, InstallError> {
    let trouble = |why| InstallError::Cache { folder: folder.to_owned(), why };
    let made = folder.join("installing");
    // An installation that was killed leaves its folder. Nobody else is in it: the lock is ours.
    match fs::remove_dir_all(&made) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(trouble(error)),
        _ => {}
    }
    run(Path::new("python3"), [OsStr::new("-m"), "venv".as_ref(), made.as_ref()])?;
    let list = made.join("requirements.txt");
    fs::write(&list, requirements).map_err(trouble)?;
    let pip = ["-m", "pip", "--disable-pip-version-check", "--no-input", "install", "--quiet", "--no-deps"];
    let pinned = ["--only-binary=:all:", "--require-hashes", "-r"];
    let args = pip.into_iter().chain(pinned).map(OsStr::new).chain([list.as_os_str()]);
    run(&made.join("bin/python"), args)?;
    Ok(made)
}

fn run<'a>(program: &Path, args: impl IntoIterator<Item = &'a OsStr>) -> Result<(), InstallError> {
    let ended = Command::new(program).args(args).stdin(Stdio::null()).output().map_err(|why| InstallError::NoPython { why })?;
    if ended.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&ended.stderr);
    let last = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it said nothing").trim().to_owned();
    Err(InstallError::Failed { last })
}

fn fingerprint(requirements: &str) -> String {
    let mut hex = String::new();
    // Writing to a string does not fail.
    Sha256::digest(requirements).iter().for_each(|byte| write!(hex, "{byte:02x}").unwrap_or_default());
    hex
}
