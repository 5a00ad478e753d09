//! A pause outlasts the process that was asked for it: a file beside the journal tells the next one until when it lasts.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use jiff::Timestamp;

/// The longest pause: what nobody remembers is never rotated again.
pub(crate) const LONGEST: Duration = Duration::from_hours(24 * 30);

/// Where it stands until when an identity is paused.
#[derive(Clone, Debug)]
pub(crate) struct Paused(PathBuf);

impl Paused {
    pub(crate) fn beside(journal: &Path) -> Self {
        Self(journal.with_extension("paused"))
    }

    /// What is left of a pause.
    ///
    /// # Errors
    ///
    /// The file is there, and cannot be read or understood.
    pub(crate) fn left(&self, now: SystemTime) -> io::Result<Option<Duration>> {
        let told = match fs::read_to_string(&self.0) {
            Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(None),
            told => told?,
        };
        let until: Timestamp = told.trim().parse().map_err(io::Error::other)?;
        // A clock that was ahead when it was written makes it no longer.
        Ok(SystemTime::from(until).duration_since(now).ok().map(|left| left.min(LONGEST)))
    }

    /// Keeps until when it lasts, or that there is none.
    ///
    /// # Errors
    ///
    /// The file cannot be written, or removed.
    pub(crate) fn note(&self, until: Option<SystemTime>) -> io::Result<()> {
        let Some(until) = until else {
            return match fs::remove_file(&self.0) {
                Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(()),
                removed => removed,
            };
        };
        let until = Timestamp::try_from(until).map_err(io::Error::other)?;
        let aside = self.0.with_extension("paused.new");
        fs::write(&aside, format!("{until}\n")).and_then(|()| fs::rename(&aside, &self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_process_knows_of_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let paused = Paused::beside(&folder.path().join("app.journal"));
        let now = SystemTime::now();
        assert_eq!(paused.left(now).expect("no file"), None);
        paused.note(Some(now + Duration::from_mins(5))).expect("it is written");
        let left = paused.left(now).expect("it is read").expect("it lasts");
        assert!((299..=300).contains(&left.as_secs()), "{left:?}");
        assert_eq!(paused.left(now + Duration::from_mins(6)).expect("it is read"), None);
        assert_eq!(paused.left(now - LONGEST).expect("it is read"), Some(LONGEST));
        fs::write(&paused.0, "for a while").expect("a file");
        paused.left(now).expect_err("nobody understands that");
        paused.note(None).expect("it is removed");
        paused.note(None).expect("there is none");
        assert_eq!(paused.left(now).expect("no file"), None);
    }
}
