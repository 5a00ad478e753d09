//! Slots for who has no readers, under a key.

use std::path::Path;

use turquoise_runtime::core::Mint;
use turquoise_runtime::port::{Credential, Store, StoreError};

use crate::error::SinkError;
use crate::seal::Key;
use crate::slots::{Slots, folder_of, refuse_empty};

/// Two encrypted slots and no published file; see the crate's documentation.
///
/// Its methods block for the disk. What fails may be tried again: persisting and clearing twice is like once.
pub struct SealedStore {
    pub(crate) slots: Slots,
}

impl SealedStore {
    /// Opens the slots of this path (`.NAME.blue` and `.NAME.green`), whose folder must exist and may not be the key's.
    pub fn open(path: &Path, key: &Path) -> Result<Self, SinkError> {
        Key::lies_elsewhere(key, folder_of(path))?;
        Ok(Self { slots: Slots::open(path, Some(Key::read(key)?))? })
    }
}

impl Store for SealedStore {
    fn load(&mut self) -> Result<Vec<Credential>, StoreError> {
        Ok(self.slots.load()?)
    }

    fn persist(&mut self, credential: &Credential) -> Result<(), StoreError> {
        Ok(self.slots.persist(credential)?)
    }

    /// Nobody reads here: work is given its credential by the handle.
    fn publish(&mut self, credential: &Credential) -> Result<(), StoreError> {
        Ok(refuse_empty(credential)?)
    }

    fn clear(&mut self, mint: Mint) -> Result<(), StoreError> {
        Ok(self.slots.clear(mint)?)
    }
}
