//! Leases that work takes, and lets go of before their token ends.

use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, sleep_until};
use turquoise_runtime::core::Generation;
use turquoise_runtime::{Credentials, NotReady};
use zeroize::Zeroizing;

use crate::dependents::{Dependents, Full};
use crate::failure::{Failure, shorten};
use crate::fit::whole_seconds;
use crate::name::{LeaseId, Path};
use crate::reply::{Leased, Wrapped, parse};
use crate::request::Request;
use crate::transport::Transport;

/// Why there is no lease, or not longer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LeaseError {
    /// There is no token to take it with.
    #[error("there is no token to take a lease with: {0}")]
    NotReady(#[from] NotReady),
    /// There are too many.
    #[error(transparent)]
    Full(#[from] Full),
    /// It has ended: its life is over, or the grace of its token was.
    #[error("the lease has ended, by itself or with its token: take another one")]
    Over,
    /// The server said no, and will say it again.
    #[error("refused: {0}")]
    Refused(String),
    /// Certainly not done, but might be later.
    #[error("not done, try again: {0}")]
    Unavailable(String),
    /// Perhaps done: a lease that was made and not answered ends with its token.
    #[error("perhaps done: {0}")]
    Unknown(String),
    /// What was leased is not what was asked for.
    #[error("what was leased is of another form than asked for: {0}")]
    Unreadable(String),
}

/// Takes leases with the token that serves: [`Dependents::leases`].
///
/// Work that outlives a rotation goes on like this:
///
/// ```no_run
/// # async fn connect(_: turquoise_vault::User) {}
/// # async fn work(leases: &turquoise_vault::Leases) -> Result<(), Box<dyn std::error::Error>> {
/// let path = "database/creds/app".parse()?;
/// loop {
///     let mut lease = leases.take(&path).await?;
///     let pool = connect(lease.user()?).await;
///     // New work is given the new pool from here on, while the old one finishes what it has begun.
///     lease.due().await;
///     tokio::spawn(async move {
///         drop(pool);
///         lease.release().await
///     });
/// }
/// # }
/// ```
#[derive(Clone)]
pub struct Leases {
    pub(crate) transport: Arc<Transport>,
    pub(crate) credentials: Credentials,
    pub(crate) dependents: Dependents,
}

/// What a token was used to lease, and holds that token as long as it lives. It has no `Debug`.
///
/// Dropped, it lets go of the token and is revoked before that ends; [`release`](Self::release) revokes it at once.
pub struct Lease {
    leases: Leases,
    id: LeaseId,
    generation: Generation,
    /// Its first life.
    given: Duration,
    renewable: bool,
    ends: Instant,
    /// When it is renewed.
    next: Instant,
    body: Zeroizing<Vec<u8>>,
}

/// Why another lease is to be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Another token serves than the one that it hangs from: it lives to the end of that one's grace.
    Rotated,
    /// It cannot be renewed any more: of its first life no more than half is left, or a quarter, if the server does not answer.
    Ending,
    /// No token will come to take another one with.
    Closing,
}

/// Who may log in to what was leased, a database mostly.
#[derive(Deserialize)]
pub struct User {
    /// The name.
    pub username: String,
    /// The password.
    pub password: SecretString,
}

impl Leases {
    /// Reads a path whose answer is a lease: `database/creds/ROLE`. In the journal and the log it holds its token under the name
    /// of that path, of which fifteen are told apart.
    ///
    /// Not cancel safe: what is made by then and not answered ends with its token only.
    ///
    /// # Errors
    ///
    /// See [`LeaseError`].
    pub async fn take(&self, path: &Path) -> Result<Lease, LeaseError> {
        let guard = Arc::new(self.credentials.named(&path.to_string()).acquire()?);
        let (generation, sent) = (guard.mint().generation, Instant::now());
        let answer = self.transport.call(guard.secret(), Request::lease(path)).await?;
        let Leased { lease_id, lease_duration, renewable } = parse(&answer.body)?;
        if lease_id.is_empty() {
            return Err(LeaseError::Refused(format!("what {path} answers is not leased: read it as anything else")));
        }
        let id: LeaseId = match lease_id.parse() {
            Ok(id) if lease_id.starts_with(&format!("{path}/")) => id,
            _ => {
                return Err(LeaseError::Unknown(
                    "the lease has a name that we do not ask for: it ends with its token".to_owned(),
                ));
            }
        };
        let given = Duration::from_secs(lease_duration);
        let ends = sent + given;
        if let Err(full) = self.dependents.keep(id.clone(), &guard, ends.saturating_duration_since(Instant::now())) {
            self.dependents.revoke(&id, guard.secret()).await?;
            return Err(full.into());
        }
        let (leases, next) = (self.clone(), ends - given / 2);
        Ok(Lease { leases, id, generation, given, renewable, ends, next, body: answer.body })
    }
}

impl Lease {
    /// What names it, and is no secret.
    pub fn id(&self) -> &LeaseId {
        &self.id
    }

    /// What was leased, in the form that its engine gives it. Have secrets of yours be [`SecretString`]s, which are wiped.
    ///
    /// # Errors
    ///
    /// [`LeaseError::Unreadable`].
    pub fn data<T: DeserializeOwned>(&self) -> Result<T, LeaseError> {
        parse::<Wrapped<T>>(&self.body).map(|wrapped| wrapped.data).map_err(|why| LeaseError::Unreadable(why.to_string()))
    }

    /// What was leased, where it is somebody who may log in.
    ///
    /// # Errors
    ///
    /// [`LeaseError::Unreadable`].
    pub fn user(&self) -> Result<User, LeaseError> {
        self.data()
    }

    /// How long it lives yet, if its token does.
    pub fn remaining(&self) -> Duration {
        self.ends.saturating_duration_since(Instant::now())
    }

    /// Waits until another lease is to be taken, and meanwhile renews this one. At a rotation at least half of its first life is
    /// left, if it could be renewed: have that be more than the grace, or [`renew`](Self::renew) it while its work ends.
    ///
    /// Cancel safe; nothing is renewed while nobody waits here.
    pub async fn due(&mut self) -> Due {
        let mut credentials = self.leases.credentials.clone();
        loop {
            match credentials.acquire() {
                Ok(serving) if serving.mint().generation != self.generation => return Due::Rotated,
                Err(NotReady::Closing | NotReady::Stopped) => return Due::Closing,
                Ok(_) | Err(_) => {}
            }
            tokio::select! {
                changed = credentials.changed() => if changed.is_err() { return Due::Closing },
                () = sleep_until(self.next) => if !self.keep().await { return Due::Ending },
            }
        }
    }

    /// Gives it its first life again, from now; answers what it was given.
    ///
    /// # Errors
    ///
    /// See [`LeaseError`].
    pub async fn renew(&mut self) -> Result<Duration, LeaseError> {
        let guard = self.leases.dependents.holder(&self.id).ok_or(LeaseError::Over)?;
        let sent = Instant::now();
        let request = Request::renew_lease(&self.id, whole_seconds(self.given));
        let answer = self.leases.transport.call(guard.secret(), request).await?;
        let life = Duration::from_secs(parse::<Leased>(&answer.body)?.lease_duration);
        self.ends = sent + life;
        self.leases.dependents.renewed(&self.id, life);
        Ok(life)
    }

    /// Revokes it: its work is over.
    ///
    /// # Errors
    ///
    /// See [`LeaseError`]. It is let go of all the same, and tried again when its token is to end.
    pub async fn release(self) -> Result<(), LeaseError> {
        let Some(guard) = self.leases.dependents.holder(&self.id) else { return Ok(()) };
        Ok(self.leases.dependents.revoke(&self.id, guard.secret()).await?)
    }

    /// Renews it when half of its life is over. A server that does not answer is asked again, until a quarter is left.
    async fn keep(&mut self) -> bool {
        if !self.renewable {
            return false;
        }
        let renewed = self.renew().await;
        let (half, step) = (self.given / 2, self.given / 8);
        match renewed {
            Ok(life) => {
                self.next = self.ends - life.min(half);
                life > half
            }
            Err(LeaseError::Unavailable(_) | LeaseError::Unknown(_)) => {
                self.next = Instant::now() + step;
                self.remaining() > self.given / 4 + step
            }
            Err(_) => false,
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.leases.dependents.let_go(&self.id);
    }
}

impl From<Failure> for LeaseError {
    fn from(failure: Failure) -> Self {
        let words = shorten(&failure.to_string());
        match failure {
            Failure::Refused { .. } | Failure::Unfit(_) => Self::Refused(words),
            Failure::Unavailable(_) | Failure::Throttled { .. } => Self::Unavailable(words),
            Failure::Unknown(_) => Self::Unknown(words),
        }
    }
}
