//! The sink behind the port.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use turquoise_runtime::core::{Color, Mint};
use turquoise_runtime::memory::ExposeSecret as _;
use turquoise_runtime::port::{Credential, Store, StoreError};

use crate::error::SinkError;
use crate::folder::{Folder, Name};
use crate::form::Form;
use crate::slot::{self, Unsound};

/// The permissions of the published file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mode(u32);

/// Why permissions are not given to a published secret.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ModeError {
    /// Others could replace the secret by one of theirs.
    #[error("mode {0:04o} lets others write the secret; use 0600, or 0640 for a group of readers")]
    OtherWrite(u32),
    /// Set-user-id, set-group-id and sticky mean nothing on a secret, or bits are set that no mode has.
    #[error("mode {0:04o} has bits beyond read, write and execute; use 0600, or 0640 for a group of readers")]
    Special(u32),
    /// What was written could not be read back.
    #[error("mode {0:04o} keeps the owner from reading; use 0600, or 0640 for a group of readers")]
    OwnerUnreadable(u32),
}

impl Mode {
    /// 0600: for the owner alone.
    pub const PRIVATE: Self = Self(0o600);

    /// The permissions with these bits.
    pub const fn new(bits: u32) -> Result<Self, ModeError> {
        if bits & !0o777 != 0 {
            Err(ModeError::Special(bits))
        } else if bits & 0o002 != 0 {
            Err(ModeError::OtherWrite(bits))
        } else if bits & 0o400 == 0 {
            Err(ModeError::OwnerUnreadable(bits))
        } else {
            Ok(Self(bits))
        }
    }
}

/// A published file and its two private slots; see the crate's documentation.
///
/// Its methods block for the disk. What fails may be tried again: persisting, publishing and clearing twice is like once.
pub struct FileSink {
    pub(crate) folder: Folder,
    published: Name,
    mode: Mode,
    form: Form,
    blue: Name,
    green: Name,
}

impl FileSink {
    /// Opens the sink at this path, whose folder must exist, and removes what a dead process left half written.
    pub fn open(path: &Path, mode: Mode) -> Result<Self, SinkError> {
        let name = path.file_name().ok_or_else(|| SinkError::NoName { path: path.to_owned() })?;
        let parent = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let sink = Self {
            folder: Folder::open(parent)?,
            published: Name { file: name.to_owned(), temporary: hidden(name, "new.tmp") },
            mode,
            form: Form::Secret,
            blue: Name { file: hidden(name, "blue"), temporary: hidden(name, "blue.tmp") },
            green: Name { file: hidden(name, "green"), temporary: hidden(name, "green.tmp") },
        };
        for name in [&sink.published, &sink.blue, &sink.green] {
            sink.folder.expect_file_or_nothing(&name.file)?;
            sink.folder.remove_leftover(name)?;
        }
        Ok(sink)
    }

    /// Publishes in another form than the bare secret.
    #[must_use]
    pub fn in_form(self, form: Form) -> Self {
        Self { form, ..self }
    }

    fn name(&self, slot: Color) -> &Name {
        match slot {
            Color::Blue => &self.blue,
            Color::Green => &self.green,
        }
    }

    /// What is in a slot.
    fn look(&self, color: Color) -> Result<Option<Credential>, SinkError> {
        let file = &self.name(color).file;
        let Some(bytes) = self.folder.read(file)? else { return Ok(None) };
        slot::decode(&bytes, color).map(Some).map_err(|unsound| match unsound {
            Unsound::Damaged(what) => SinkError::Damaged { path: self.folder.join(file), what },
            Unsound::Newer(version) => SinkError::Newer { path: self.folder.join(file), version },
        })
    }

    /// What is in the slot of a mint, which must be that mint or nothing.
    fn look_for(&self, mint: Mint) -> Result<Option<Credential>, SinkError> {
        let found = self.look(mint.slot)?;
        match &found {
            Some(Credential { mint: held, .. }) if *held != mint => {
                Err(SinkError::Occupied { slot: mint.slot, held: held.generation, asked: mint.generation })
            }
            _ => Ok(found),
        }
    }
}

impl Store for FileSink {
    fn load(&mut self) -> Result<Vec<Credential>, StoreError> {
        // Whoever renamed a slot into place may have died before its sync; what we answer is relied on.
        self.folder.sync()?;
        let (blue, green) = (self.look(Color::Blue)?, self.look(Color::Green)?);
        Ok(blue.into_iter().chain(green).collect())
    }

    fn persist(&mut self, credential: &Credential) -> Result<(), StoreError> {
        refuse_empty(credential)?;
        let Mint { generation, slot } = credential.mint;
        if let Some(held) = self.look_for(credential.mint)?
            && held.secret.expose_secret() != credential.secret.expose_secret()
        {
            return Err(SinkError::OtherSecret { slot, generation }.into());
        }
        let name = self.name(slot).clone();
        let bytes = slot::encode(credential).map_err(|error| SinkError::Io {
            doing: "encode",
            path: self.folder.join(&name.file),
            cause: error.into(),
        })?;
        Ok(self.folder.replace(&name, Mode::PRIVATE.0, &bytes)?)
    }

    fn publish(&mut self, credential: &Credential) -> Result<(), StoreError> {
        refuse_empty(credential)?;
        let content = self.form.content(credential).ok_or(SinkError::Unfit)?;
        Ok(self.folder.replace(&self.published, self.mode.0, &content)?)
    }

    fn clear(&mut self, mint: Mint) -> Result<(), StoreError> {
        self.look_for(mint)?;
        let name = self.name(mint.slot).clone();
        Ok(self.folder.remove(&name.file)?)
    }
}

fn refuse_empty(credential: &Credential) -> Result<(), SinkError> {
    if credential.secret.expose_secret().is_empty() { Err(SinkError::Empty) } else { Ok(()) }
}

/// The name of a file that belongs to the published one.
fn hidden(name: &OsStr, kind: &str) -> OsString {
    let mut hidden = OsString::from(".");
    hidden.push(name);
    hidden.push(".");
    hidden.push(kind);
    hidden
}
