//! What a journal holds, for who recovers from it.

use turquoise_core::{BootId, Checkpoint, Instant, Ledger, Policy, RecoverError};

use crate::port::{Entry, Handle};

/// Everything that a journal holds: entries from the first one on, or from a base on whose own records are in an archive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// Where it begins, unless with the first record.
    pub base: Option<Base>,
    /// What came after, in order.
    pub entries: Vec<Entry>,
}

/// What stands for all records up to one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Base {
    /// The fold of those records.
    pub checkpoint: Checkpoint,
    /// What names the current credential at its provider.
    pub handle: Option<Handle>,
}

/// A journal has begun anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compacted {
    /// Where its older records are now.
    pub archive: String,
    /// Archives that were removed to make room.
    pub removed: Vec<String>,
}

/// Why a journal has not begun anew.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct NotCompacted(pub String);

impl From<Vec<Entry>> for History {
    fn from(entries: Vec<Entry>) -> Self {
        Self { base: None, entries }
    }
}

impl History {
    /// The fold of it all. A journal that is empty begins with `incarnation` (draw it at random), `boot` and `now`.
    ///
    /// # Errors
    ///
    /// Records that do not follow from each other.
    pub fn replay(&self, policy: &Policy, incarnation: u32, boot: BootId, now: Instant) -> Result<Ledger, RecoverError> {
        let mut ledger = match &self.base {
            Some(base) => Ledger::from_checkpoint(&base.checkpoint, policy),
            None => Ledger::new(incarnation, boot, now),
        };
        for entry in &self.entries {
            ledger.apply(&entry.record, policy)?;
        }
        Ok(ledger)
    }
}
