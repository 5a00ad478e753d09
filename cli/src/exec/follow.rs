//! From one credential to the next: what a child is to run with.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use turquoise::core::Generation;
use turquoise::{Credentials, Guard, NotReady};

use super::secrets::{NoValue, Secrets};
use super::{Environment, Turn};

/// What could not be rendered is tried again after so long, and twice as long each time …
const BACKOFF: Duration = Duration::from_secs(1);
/// … but no longer.
const LONGEST: Duration = Duration::from_mins(1);
/// So often before anything runs; then whoever started us is told.
const TRIES: u32 = 6;

/// What is followed.
pub(crate) struct Follow {
    secrets: Secrets,
    credentials: Credentials,
    last: Option<(Generation, Arc<Environment>)>,
}

impl Follow {
    pub(crate) fn new(secrets: Secrets, credentials: &Credentials) -> Self {
        Self { secrets, credentials: credentials.named("exec"), last: None }
    }

    async fn turn(&mut self) -> Result<Option<Turn<Guard>>, NoValue> {
        let Ok(guard) = self.credentials.acquire() else { return Ok(None) };
        let environment = self.secrets.render(&guard).await?;
        let generation = guard.mint().generation;
        // Without a template the child has the credential from elsewhere, and then each one is another.
        let is_same =
            self.last.as_ref().is_some_and(|(of, last)| **last == environment && (!self.secrets.is_empty() || *of == generation));
        let environment = Arc::new(environment);
        self.last = Some((generation, Arc::clone(&environment)));
        Ok(Some(Turn { environment, hold: guard, is_same }))
    }
}

/// Sends what to run with as soon as there is a credential, and again when another serves or a value has changed. Ends when there
/// will be no more.
///
/// # Errors
///
/// Nothing could be rendered before anything ran.
pub(crate) async fn follow(mut following: Follow, turns: mpsc::Sender<Turn<Guard>>) -> Result<(), NoValue> {
    let mut failed = 0;
    while following.credentials.ready().await.is_ok() {
        let next = match following.turn().await {
            Ok(None) => continue,
            Ok(Some(turn)) => {
                failed = 0;
                if turns.send(turn).await.is_err() {
                    break;
                }
                following.secrets.again()
            }
            Err(why) => {
                failed += 1;
                if following.last.is_none() && failed == TRIES {
                    return Err(why);
                }
                let wait = LONGEST.min(BACKOFF * 2_u32.saturating_pow(failed - 1));
                tracing::warn!(%why, ?wait, "the environment of the child cannot be rendered; tried again");
                Instant::now() + wait
            }
        };
        tokio::select! {
            changed = following.credentials.changed() => match changed {
                Ok(()) => {}
                Err(NotReady::Vacant | NotReady::Expired | NotReady::Closing | NotReady::Stopped) => break,
            },
            () = sleep_until(next) => {}
        }
    }
    Ok(())
}
