//! A secret, and where it lives.

use std::fmt;
use std::sync::Once;

use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use crate::error::LockError;
use crate::page::Page;

/// A secret text, wiped when dropped.
///
/// It is born in a box of its own ([`From`]), and moves into locked memory when a [`Room`] holds it. A reference to it must
/// not be kept over a `fork`: in the child every locked secret is empty.
pub struct Secret(Place);

enum Place {
    Boxed(SecretString),
    Locked(Page),
}

/// What to do with a secret when the system will not lock memory for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhenLockingFails {
    /// There is no room for it: what would make it is not done.
    Refuse,
    /// It lives in common memory, wiped when dropped; a WARN says so, once in the life of the process.
    #[default]
    Warn,
}

/// Where the next secret will live.
///
/// A locked page costs 4 KiB of the process's limit for locked memory, 8 KiB of memory in all and 16 KiB of addresses (with
/// pages of 4 KiB).
pub struct Room {
    page: Option<Page>,
    otherwise: WhenLockingFails,
}

impl WhenLockingFails {
    /// Takes a page.
    ///
    /// # Errors
    ///
    /// With [`Refuse`](Self::Refuse), if there is no locked memory to be had; with [`Warn`](Self::Warn) there is none.
    pub fn room(self) -> Result<Room, LockError> {
        self.room_for(1)
    }

    fn room_for(self, length: usize) -> Result<Room, LockError> {
        match (Page::new(length), self) {
            (Err(why), Self::Refuse) => Err(why),
            (Err(why), Self::Warn) => {
                warn_once(why);
                Ok(Room { page: None, otherwise: self })
            }
            (Ok(page), _) => Ok(Room { page: Some(page), otherwise: self }),
        }
    }
}

fn warn_once(why: LockError) {
    static WARNED: Once = Once::new();
    WARNED.call_once(|| {
        tracing::warn!(reason = %why, next = "allow it, or accept that secrets may be swapped out and dumped", "secrets unlocked");
    });
}

impl Room {
    #[cfg(test)]
    pub(crate) const fn of(page: Page, otherwise: WhenLockingFails) -> Self {
        Self { page: Some(page), otherwise }
    }

    /// Moves a secret in and wipes where it came from. One that is locked already stays where it is.
    ///
    /// # Errors
    ///
    /// Only if the secret is longer than a page (or the room older than a fork), so that another room is needed, and there is
    /// none. The secret is wiped then.
    pub fn hold(self, secret: impl Into<Secret>) -> Result<Secret, LockError> {
        let secret = secret.into();
        let Place::Boxed(boxed) = &secret.0 else { return Ok(secret) };
        let text = boxed.expose_secret();
        let Some(mut page) = self.page else { return Ok(secret) };
        if page.put(text) {
            return Ok(Secret(Place::Locked(page)));
        }
        self.otherwise.room_for(text.len())?.hold(secret)
    }
}

impl Secret {
    /// Whether it lives in locked memory.
    #[must_use]
    pub const fn is_locked(&self) -> bool {
        matches!(self.0, Place::Locked(_))
    }
}

impl ExposeSecret<str> for Secret {
    fn expose_secret(&self) -> &str {
        match &self.0 {
            Place::Boxed(boxed) => boxed.expose_secret(),
            Place::Locked(page) => page.text(),
        }
    }
}

impl From<SecretString> for Secret {
    fn from(secret: SecretString) -> Self {
        Self(Place::Boxed(secret))
    }
}

impl From<String> for Secret {
    /// Wipes the string. It is not shrunk into its box: that may move it and leave a copy behind.
    fn from(text: String) -> Self {
        Self::from(Zeroizing::new(text).as_str())
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self::from(SecretString::new(Box::from(text)))
    }
}

/// Tells where it lives, and nothing of what it is.
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Place::Boxed(_) => f.write_str("Secret(Unlocked)"),
            Place::Locked(page) => f.debug_tuple("Secret").field(&page.kind()).finish(),
        }
    }
}
