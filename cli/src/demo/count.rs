//! What became of the requests of each kind of client.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::load::Failure;
use super::trouble::Trouble;

/// So many failures are told in words.
const TOLD: usize = 3;
/// So many more requests show that a load flows …
const FLOW: u64 = 50;
/// … if they come within this time, also on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often it is looked whether a load has gone on.
const LOOK: Duration = Duration::from_millis(10);

/// What became of the requests.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Count {
    pub(crate) served: u64,
    pub(crate) failed: u64,
    /// Those of the failed that the server refused.
    pub(crate) refused: u64,
    /// Those that were sent a second time, as their connection broke.
    pub(crate) resent: u64,
    /// What the slowest one took.
    pub(crate) slowest: Duration,
    /// The first failures that differ, in words.
    pub(crate) failures: Vec<String>,
}

impl Count {
    pub(crate) const fn all(&self) -> u64 {
        self.served + self.failed
    }

    pub(crate) fn add(&mut self, result: Result<(), Failure>, took: Duration) {
        self.slowest = self.slowest.max(took);
        let Err(failure) = result else {
            self.served += 1;
            return;
        };
        self.failed += 1;
        self.refused += u64::from(matches!(failure, Failure::Refused(_)));
        let words = failure.to_string();
        if self.failures.len() < TOLD && !self.failures.contains(&words) {
            self.failures.push(words);
        }
    }
}

/// A count that several work on, and what is not held against us.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    count: Count,
    excuse: Excuse,
}

/// Which refusals nobody could have prevented, by their numbers.
#[derive(Clone, Copy, Debug, Default)]
enum Excuse {
    #[default]
    Nothing,
    /// All after this one.
    After(u64),
    /// Those from the first of these to the second.
    Between(u64, u64),
}

impl Tally {
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn count(&self) -> Count {
        self.lock().count.clone()
    }

    /// Takes what another process has counted.
    pub(crate) fn set(&self, count: Count) {
        self.lock().count = count;
    }

    pub(crate) fn add(&self, result: Result<(), Failure>, took: Duration) {
        self.lock().count.add(result, took);
    }

    /// What is refused from now on is counted apart.
    pub(crate) fn excuse(&self) {
        let mut kept = self.lock();
        kept.excuse = Excuse::After(kept.count.refused);
    }

    /// … and from now on is a failure again.
    pub(crate) fn excuse_no_more(&self) {
        let mut kept = self.lock();
        if let Excuse::After(first) = kept.excuse {
            kept.excuse = Excuse::Between(first, kept.count.refused);
        }
    }

    pub(crate) fn excused(&self) -> u64 {
        let kept = self.lock();
        match kept.excuse {
            Excuse::Nothing => 0,
            Excuse::After(first) => kept.count.refused - first,
            Excuse::Between(first, last) => last - first,
        }
    }

    /// Those that failed and have no excuse.
    pub(crate) fn failed(&self) -> u64 {
        let excused = self.excused();
        self.lock().count.failed - excused
    }

    /// Waits for a refusal that is excused, and then for a request that is served again.
    pub(crate) async fn recovers(&self) {
        while self.excused() == 0 {
            tokio::time::sleep(LOOK).await;
        }
        let Count { served, .. } = self.count();
        while self.count().served == served {
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// Waits until each of these loads has gone on, well or badly: that is for the table to tell.
pub(crate) async fn flow(loads: &[&Tally]) -> Result<(), Trouble> {
    let wanted: Vec<_> = loads.iter().map(|load| load.count().all() + FLOW).collect();
    let flows = async {
        while loads.iter().zip(&wanted).any(|(load, wanted)| load.count().all() < *wanted) {
            tokio::time::sleep(LOOK).await;
        }
    };
    let stuck = |_| Trouble::Provider(format!("{FLOW} requests were not answered within {} s", PATIENCE.as_secs()));
    tokio::time::timeout(PATIENCE, flows).await.map_err(stuck)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused() -> Result<(), Failure> {
        Err(Failure::Refused("403".to_owned()))
    }

    #[test]
    fn only_what_is_refused_while_it_is_excused_is_no_failure() {
        let tally = Tally::default();
        tally.add(refused(), Duration::ZERO);
        tally.excuse();
        tally.add(refused(), Duration::ZERO);
        tally.add(refused(), Duration::ZERO);
        tally.add(Err(Failure::Other("late".to_owned())), Duration::ZERO);
        assert_eq!((tally.failed(), tally.excused()), (2, 2), "not answering has no excuse");
        tally.excuse_no_more();
        tally.add(refused(), Duration::ZERO);
        assert_eq!((tally.failed(), tally.excused()), (3, 2));
        assert_eq!(tally.count().failures, ["403", "late"]);
    }
}
