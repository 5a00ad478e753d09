//! Slots for who has no readers, under a key.

use std::path::Path;

use turquoise_runtime::core::Mint;
use turquoise_runtime::port::{Credential, Store, StoreError};

use crate::error::SinkError;
use crate::outlets::{Outlet, Outlets};
use crate::seal::Key;
use crate::slots::{Slots, folder_of};

/// Two encrypted slots, and published files only where they are asked for; see the crate's documentation.
///
/// Its methods block for the disk. What fails may be tried again: persisting and clearing twice is like once.
pub struct SealedStore {
    pub(crate) slots: Slots,
    outlets: Outlets,
}

impl SealedStore {
    /// Opens the slots of this path (`.NAME.blue` and `.NAME.green`), whose folder must exist and may not be the key's.
    pub fn open(path: &Path, key: &Path) -> Result<Self, SinkError> {
        Key::lies_elsewhere(key, folder_of(path))?;
        Ok(Self { slots: Slots::open(path, Some(Key::read(key)?))?, outlets: Outlets::open(&[])? })
    }

    /// With files for readers.
    pub fn publishing(self, outlets: &[Outlet]) -> Result<Self, SinkError> {
        Ok(Self { outlets: Outlets::open(outlets)?, ..self })
    }
}

impl Store for SealedStore {
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
