//! Two refused logins, then a wait: five quick ones lock the role for everybody who logs in with it.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, Hash, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::failure::Failure;

const REFUSALS: u32 = 2;
/// Where nothing changes, another login is tried so often, and up to a fifth later: a fleet is not to come back as one.
const RETRY: Duration = Duration::from_mins(10);

/// How often logins were refused in a row, by what they were tried with.
#[derive(Clone, Default)]
pub(crate) struct Lockout {
    /// What is remembered of a secret is of no use to anybody else.
    random: RandomState,
    refused: Arc<Mutex<HashMap<u64, Refused>>>,
}

struct Refused {
    times: u32,
    again: Instant,
}

/// Has a login tried again although two were refused: for an operator who has mended what was wrong on the server.
#[derive(Clone)]
pub struct Retry(Lockout);

impl Retry {
    /// From now on two more may be tried.
    pub fn now(&self) {
        self.0.refused.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl Lockout {
    /// Whether a login with this may be tried.
    pub(crate) fn check(&self, with: &(impl Hash + ?Sized), now: Instant) -> Result<(), Failure> {
        let refused = self.lock();
        let Some(Refused { again, .. }) = refused.get(&self.key(with)).filter(|refused| refused.times >= REFUSALS) else {
            return Ok(());
        };
        let left = again.saturating_duration_since(now);
        if left.is_zero() {
            return Ok(());
        }
        let text = format!(
            "{REFUSALS} logins were refused, and more would lock out every neighbour on the role: not tried for another {} s, \
             or until what it logs in with changes",
            left.as_secs()
        );
        // It is no wish of the server's, which others may go on to ask.
        Err(Failure::Throttled { text, retry_after: None })
    }

    /// Counts how a login with this ended: only what the server refused makes it wait.
    pub(crate) fn note<T>(&self, with: &(impl Hash + ?Sized), result: &Result<T, Failure>, now: Instant) {
        let key = self.key(with);
        let mut refused = self.lock();
        match result {
            Ok(_) => drop(refused.remove(&key)),
            Err(Failure::Refused { .. }) => {
                // What is over need not be remembered: how many there are is bounded by how often one may try.
                refused.retain(|other, entry| *other == key || entry.again > now);
                let times = refused.get(&key).map_or(0, |entry| entry.times).saturating_add(1);
                refused.insert(key, Refused { times, again: now + RETRY + self.spread() });
            }
            Err(_) => {}
        }
    }

    pub(crate) fn retry(&self) -> Retry {
        Retry(self.clone())
    }

    fn key(&self, with: &(impl Hash + ?Sized)) -> u64 {
        self.random.hash_one(with)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Refused>> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Between nothing and a fifth of the wait.
    fn spread(&self) -> Duration {
        let random = self.random.hash_one(()).to_le_bytes();
        RETRY / 5 * u32::from(random[0]) / u32::from(u8::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal() -> Result<(), Failure> {
        Err(Failure::Refused { status: http::StatusCode::BAD_REQUEST, words: "invalid".to_owned() })
    }

    #[test]
    fn the_third_waits_unless_something_changes() {
        let (lockout, now) = (Lockout::default(), Instant::now());
        let refuse = |with: &str, at| lockout.note(with, &refusal(), at);
        refuse("one", now);
        assert!(lockout.check("one", now).is_ok());
        refuse("one", now);
        let Err(Failure::Throttled { retry_after: None, .. }) = lockout.check("one", now) else { panic!("tried") };
        assert!(lockout.check("one", now + RETRY - Duration::from_millis(1)).is_err());
        let later = now + RETRY + RETRY / 5;
        assert!(lockout.check("one", later).is_ok(), "in the end it is tried again");
        refuse("one", later);
        assert!(lockout.check("one", later).is_err(), "and after one more refusal it is not");

        refuse("another", now);
        assert!(lockout.check("another", now).is_ok(), "a new secret has its own two tries");
        lockout.note("another", &Ok(()), now);
        refuse("another", now);
        assert!(lockout.check("another", now).is_ok(), "success begins anew");
        lockout.note("another", &Err::<(), _>(Failure::Unavailable("sealed".to_owned())), now);
        assert!(lockout.check("another", now).is_ok(), "only a refusal counts");
        lockout.retry().now();
        assert!(lockout.check("one", now).is_ok(), "an operator knows better");
    }
}
