//! Whom tokens belong to.

use std::sync::{Mutex, PoisonError};

use crate::failure::Failure;

/// The entity of the first token that was seen: rights that hang from it are rights of the token.
#[derive(Default)]
pub(crate) struct Entity(Mutex<Option<String>>);

impl Entity {
    /// Whether a token belongs to the same as the one before it.
    pub(crate) fn check(&self, entity: &str) -> Result<(), Failure> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = known.get_or_insert_with(|| entity.to_owned());
        if known == entity {
            return Ok(());
        }
        let text = format!("it belongs to the entity `{entity}` where the one before it belonged to `{known}`");
        Err(Failure::Unfit(format!("{text}: start anew if that is as it should be")))
    }
}
