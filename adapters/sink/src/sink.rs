//! The sink behind the port.

use std::path::Path;

use turquoise_runtime::core::Mint;
use turquoise_runtime::port::{Credential, Store, StoreError};

use crate::error::SinkError;
use crate::folder::Name;
use crate::form::Form;
use crate::slots::{Slots, hidden, refuse_empty};

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

    pub(crate) const fn bits(self) -> u32 {
        self.0
    }

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
    pub(crate) slots: Slots,
    published: Name,
    mode: Mode,
    form: Form,
}

impl FileSink {
    /// Opens the sink at this path, whose folder must exist, and removes what a dead process left half written.
    pub fn open(path: &Path, mode: Mode) -> Result<Self, SinkError> {
        let slots = Slots::open(path, None)?;
        let name = path.file_name().ok_or_else(|| SinkError::NoName { path: path.to_owned() })?;
        let published = Name { file: name.to_owned(), temporary: hidden(name, "new.tmp") };
        slots.folder.clean(&published)?;
        Ok(Self { slots, published, mode, form: Form::Secret })
    }

    /// Publishes in another form than the bare secret.
    #[must_use]
    pub fn in_form(self, form: Form) -> Self {
        Self { form, ..self }
    }
}

impl Store for FileSink {
    fn load(&mut self) -> Result<Vec<Credential>, StoreError> {
        Ok(self.slots.load()?)
    }

    fn persist(&mut self, credential: &Credential) -> Result<(), StoreError> {
        Ok(self.slots.persist(credential)?)
    }

    fn publish(&mut self, credential: &Credential) -> Result<(), StoreError> {
        refuse_empty(credential)?;
        let content = self.form.content(credential).ok_or(SinkError::Unfit)?;
        Ok(self.slots.folder.replace(&self.published, self.mode.bits(), &content)?)
    }

    fn clear(&mut self, mint: Mint) -> Result<(), StoreError> {
        Ok(self.slots.clear(mint)?)
    }
}
