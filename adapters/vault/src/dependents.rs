//! What hangs from a token and dies with it: the leases that were made with it.
//!
//! A lease is work. While it is held, so is the generation of its token ([`Guard`]): a rotation waits for it up to the end of
//! the grace, and whom it waited for in vain stands in the journal, under the name of the guard. What is left of a token's leases
//! when the token is to end is revoked before, by id and one by one; only then the token goes.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use secrecy::ExposeSecret;
use tokio::time::{Instant, timeout_at};
use turquoise_runtime::core::Generation;
use turquoise_runtime::{Credentials, Guard};

use crate::failure::{Failure, shorten};
use crate::lease::Leases;
use crate::name::LeaseId;
use crate::request::Request;
use crate::transport::Transport;

/// More leases than this are not kept count of.
const MOST: usize = 1024;

/// There are too many leases to keep count of another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("1024 leases are known and live: release those whose work is over")]
pub struct Full;

/// The leases of a provider's tokens, by their ids; at most 1024 at a time. All clones share one list.
///
/// What is not in it dies with its token, whoever uses it. That is so of what a process knew that has crashed, and of every lease
/// that was taken past this list.
#[derive(Clone)]
pub struct Dependents {
    transport: Arc<Transport>,
    known: Arc<Mutex<Vec<Dependent>>>,
}

struct Dependent {
    id: LeaseId,
    generation: Generation,
    /// By our clock, and not before it does at the server.
    ends: Instant,
    /// As long as work uses it.
    holder: Option<Arc<Guard>>,
}

impl Dependents {
    pub(crate) fn new(transport: Arc<Transport>) -> Self {
        Self { transport, known: Arc::default() }
    }

    /// Leases of an identity whose provider these are of.
    #[must_use]
    pub fn leases(&self, credentials: Credentials) -> Leases {
        Leases { transport: Arc::clone(&self.transport), credentials, dependents: self.clone() }
    }

    /// From now on `lease`, which was made with the token of `guard` and lives so long from now, is work that holds that token.
    ///
    /// # Errors
    ///
    /// There are too many: nobody waits for this one, and it dies with its token.
    pub fn hold(&self, lease: LeaseId, guard: Guard, life: Duration) -> Result<(), Full> {
        self.keep(lease, &Arc::new(guard), life)
    }

    /// As [`hold`](Self::hold).
    pub(crate) fn keep(&self, id: LeaseId, guard: &Arc<Guard>, life: Duration) -> Result<(), Full> {
        self.sweep();
        let (generation, ends) = (guard.mint().generation, Instant::now() + life);
        let one = Dependent { id, generation, ends, holder: Some(Arc::clone(guard)) };
        self.with(|known| {
            if known.len() >= MOST {
                return Err(Full);
            }
            known.push(one);
            Ok(())
        })
    }

    /// A lease was renewed: it lives so long from now.
    pub fn renewed(&self, lease: &LeaseId, life: Duration) {
        let ends = Instant::now() + life;
        self.with(|known| known.iter_mut().filter(|one| one.id == *lease).for_each(|one| one.ends = ends));
    }

    /// How many leases of a generation's token are known and live.
    #[must_use]
    pub fn count(&self, generation: Generation) -> usize {
        self.sweep();
        self.with(|known| known.iter().filter(|one| one.generation == generation).count())
    }

    /// As `self`, for another way to the same server.
    pub(crate) fn by(&self, transport: Arc<Transport>) -> Self {
        Self { transport, known: Arc::clone(&self.known) }
    }

    /// The work of a lease is over. The lease itself is revoked before its token ends.
    pub fn let_go(&self, lease: &LeaseId) {
        // Dropped when nobody waits for the list: the last one wakes the driver.
        drop(self.with(|known| known.iter_mut().find(|one| one.id == *lease).and_then(|one| one.holder.take())));
    }

    /// A lease was revoked, or has expired.
    pub fn ended(&self, lease: &LeaseId) {
        self.remove(|one| one.id == *lease);
    }

    /// Lets go of what has expired. Each [`hold`](Self::hold) does that first; where leases are held that nobody lets go of,
    /// have it done now and then, or a rotation waits for them.
    pub fn sweep(&self) {
        let now = Instant::now();
        self.remove(|one| one.ends <= now);
    }

    /// What holds the token of a lease that work uses.
    pub(crate) fn holder(&self, lease: &LeaseId) -> Option<Arc<Guard>> {
        self.with(|known| known.iter().find(|one| one.id == *lease)?.holder.clone())
    }

    /// Revokes what a token has made, before it ends. What cannot be revoked ends with the token, and that is told.
    ///
    /// # Errors
    ///
    /// Nothing can be asked of the server now, or there is more to revoke than one call has time for: to be gone on with.
    pub(crate) async fn revoke_all(&self, generation: Generation, token: &impl ExposeSecret<str>) -> Result<(), Failure> {
        self.sweep();
        let deadline = Instant::now() + self.transport.timeout() / 2;
        let mut revoked = 0_usize;
        while let Some((lease, is_held)) = self.next_of(generation) {
            if is_held {
                tracing::warn!(%lease, next = "let work end within the grace, or lengthen the grace", "a lease is revoked under work that holds it");
            }
            let late = |_| Failure::Unknown("no answer in time".to_owned());
            match timeout_at(deadline, self.revoke(&lease, token)).await.map_err(late).flatten() {
                Ok(()) => revoked += 1,
                Err(why @ (Failure::Unavailable(_) | Failure::Throttled { .. })) => return Err(why),
                Err(why) => {
                    tracing::warn!(
                        %lease,
                        why = shorten(&why.to_string()),
                        next = "it ends with its token; see that the policy lets it be revoked, and that what it is of answers",
                        "a lease was not revoked by its id"
                    );
                    self.ended(&lease);
                }
            }
            if revoked > 0 && Instant::now() >= deadline && self.next_of(generation).is_some() {
                return Err(Failure::Unavailable(format!("{revoked} leases were revoked, and there are more")));
            }
        }
        Ok(())
    }

    /// Revokes a lease; of one that there is not the server says the same.
    pub(crate) async fn revoke(&self, lease: &LeaseId, token: &impl ExposeSecret<str>) -> Result<(), Failure> {
        self.transport.call(token, Request::revoke_lease(lease)).await?;
        self.ended(lease);
        Ok(())
    }

    /// A token has ended, and all that hung from it.
    pub(crate) fn forget(&self, generation: Generation) {
        self.remove(|one| one.generation == generation);
    }

    /// The oldest lease of a token, and whether work holds it.
    fn next_of(&self, generation: Generation) -> Option<(LeaseId, bool)> {
        let of = |one: &&Dependent| one.generation == generation;
        self.with(|known| known.iter().find(of).map(|one| (one.id.clone(), one.holder.is_some())))
    }

    fn remove(&self, which: impl Fn(&Dependent) -> bool) {
        let removed: Vec<_> = self.with(|known| known.extract_if(.., |one| which(one)).collect());
        drop(removed);
    }

    fn with<T>(&self, act: impl FnOnce(&mut Vec<Dependent>) -> T) -> T {
        act(&mut self.known.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
