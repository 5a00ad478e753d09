//! The sink behind the port.

use std::path::Path;

use turquoise_runtime::core::Mint;
use turquoise_runtime::port::{Credential, Store, StoreError};

use crate::error::SinkError;
use crate::form::Form;
use crate::outlets::{Outlet, Outlets};
use crate::slots::Slots;

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

/// Published files and two private slots beside the first of them; see the crate's documentation.
///
/// Its methods block for the disk. What fails may be tried again: persisting, publishing and clearing twice is like once.
pub struct FileSink {
    pub(crate) slots: Slots,
    pub(crate) outlets: Outlets,
}

impl FileSink {
    /// Opens the sink at this path, whose folder must exist, and removes what a dead process left half written.
    pub fn open(path: &Path, mode: Mode) -> Result<Self, SinkError> {
        Self::of(&Outlet::new(path, mode), &[])
    }

    /// As [`open`](Self::open), with these other files, which are given what the first one is given, and switch with it.
    pub fn of(first: &Outlet, others: &[Outlet]) -> Result<Self, SinkError> {
        let slots = Slots::open(&first.path, None)?;
        let outlets: Vec<_> = std::iter::once(first).chain(others).cloned().collect();
        Ok(Self { slots, outlets: Outlets::open(&outlets)? })
    }

    /// Publishes the first file in another form than the bare secret.
    #[must_use]
    pub fn in_form(mut self, form: Form) -> Self {
        if let Some(first) = self.outlets.files.first_mut() {
            first.form = form;
        }
        self
    }
}

impl Store for FileSink {
    fn load(&mut self) -> Result<Vec<Credential>, StoreError> {
        let held = self.slots.load()?;
        self.outlets.repair(&held)?;
        Ok(held)
    }

    fn persist(&mut self, credential: &Credential) -> Result<(), StoreError> {
        Ok(self.slots.persist(credential)?)
    }

    fn publish(&mut self, credential: &Credential) -> Result<(), StoreError> {
        Ok(self.outlets.publish(credential)?)
    }

    fn clear(&mut self, mint: Mint) -> Result<(), StoreError> {
        Ok(self.slots.clear(mint)?)
    }
}

/// Published files and nothing else: every start logs in anew. See [`NoStore`](turquoise_runtime::port::NoStore).
pub struct PublishedOnly {
    outlets: Outlets,
}

impl PublishedOnly {
    /// Opens the files, whose folders must exist, and removes what a dead process left half written. There may be none.
    pub fn open(outlets: &[Outlet]) -> Result<Self, SinkError> {
        Ok(Self { outlets: Outlets::open(outlets)? })
    }
}

impl Store for PublishedOnly {
    fn survives(&self) -> bool {
        false
    }

    fn load(&mut self) -> Result<Vec<Credential>, StoreError> {
        Ok(Vec::new())
    }

    fn persist(&mut self, _: &Credential) -> Result<(), StoreError> {
        Ok(())
    }

    fn publish(&mut self, credential: &Credential) -> Result<(), StoreError> {
        Ok(self.outlets.publish(credential)?)
    }

    fn clear(&mut self, _: Mint) -> Result<(), StoreError> {
        Ok(())
    }
}
