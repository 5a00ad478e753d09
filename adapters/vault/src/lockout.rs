//! Two refused logins, then a wait: five quick ones lock the role for everybody who logs in with it.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::failure::Failure;
use crate::file::Mark;

const REFUSALS: u32 = 2;
/// Where nothing changes, another login is tried so often, and up to a fifth later: a fleet is not to come back as one.
const RETRY: Duration = Duration::from_mins(10);

/// How often logins were refused in a row.
#[derive(Clone, Default)]
pub(crate) struct Lockout(Arc<Mutex<State>>);

/// Has a login tried again although two were refused: for an operator who has mended what was wrong on the server.
#[derive(Clone)]
pub struct Retry(Lockout);

impl Retry {
    /// From now on two more may be tried.
    pub fn now(&self) {
        self.0.accepted();
    }
}

#[derive(Default)]
struct State {
    refused: u32,
    /// What the secrets were read from then.
    marks: Vec<Mark>,
    again: Option<Instant>,
}

impl Lockout {
    /// Whether a login with what these marks stand for may be tried.
    pub(crate) fn check(&self, marks: &[Mark], now: Instant) -> Result<(), Failure> {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let left = state.again.map_or(Duration::ZERO, |again| again.saturating_duration_since(now));
        if state.refused < REFUSALS || state.marks != marks || left.is_zero() {
            return Ok(());
        }
        let text = format!(
            "{REFUSALS} logins were refused, and more would lock out every neighbour on the role: not tried for another {} s, \
             or until the files it logs in with change",
            left.as_secs()
        );
        Err(Failure::Throttled { text, retry_after: Some(left) })
    }

    pub(crate) fn retry(&self) -> Retry {
        Retry(self.clone())
    }

    pub(crate) fn refused(&self, marks: Vec<Mark>, now: Instant) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = if state.marks == marks { state.refused } else { 0 };
        *state = State { refused: before.saturating_add(1), marks, again: Some(now + RETRY + spread()) };
    }

    pub(crate) fn accepted(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = State::default();
    }
}

/// Between nothing and a fifth of the wait.
fn spread() -> Duration {
    let random = RandomState::new().hash_one(()).to_le_bytes();
    RETRY / 5 * u32::from(random[0]) / u32::from(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_third_waits_unless_something_changes() {
        let (file, lockout) = (tempfile::NamedTempFile::new().expect("a file"), Lockout::default());
        let (marks, now) = (vec![Mark::of(file.path())], Instant::now());
        lockout.refused(marks.clone(), now);
        assert!(lockout.check(&marks, now).is_ok());
        lockout.refused(marks.clone(), now);
        let Err(Failure::Throttled { retry_after: Some(wait), .. }) = lockout.check(&marks, now) else { panic!("tried") };
        assert!(wait >= RETRY && wait <= RETRY + RETRY / 5);
        assert!(lockout.check(&marks, now + wait).is_ok(), "in the end it is tried again");
        lockout.refused(marks.clone(), now + wait);
        assert!(lockout.check(&marks, now + wait).is_err(), "and after one more refusal it is not");

        std::fs::write(file.path(), "another").expect("a write");
        let changed = vec![Mark::of(file.path())];
        assert!(lockout.check(&changed, now).is_ok());
        lockout.refused(changed.clone(), now);
        assert!(lockout.check(&changed, now).is_ok(), "a new secret has its own two tries");
        lockout.accepted();
        lockout.refused(changed.clone(), now);
        assert!(lockout.check(&changed, now).is_ok());
    }
}
