//! Whether the server has turned against a credential, or only against one request.

use std::time::Duration;

use http::{Method, StatusCode};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};
use turquoise_runtime::Guard;
use turquoise_runtime::core::Mint;

use crate::forward::{Forward, PATIENCE, Parcel};
use crate::whole::whole;

/// A look at a credential is good for so long: a client that is refused again and again has the server asked no more often.
const GOOD_FOR: Duration = Duration::from_secs(1);
/// So long nobody looks again at a credential that was doubted and serves all the same.
const SETTLED_FOR: Duration = Duration::from_mins(1);
/// The longest refusal that is read.
const LONGEST: usize = 16 << 10;

/// What the server said of a credential itself when it was asked last.
#[derive(Default)]
pub(crate) struct Doubt(Mutex<Option<Looked>>);

struct Looked {
    mint: Mint,
    until: Instant,
    refused: bool,
}

impl Doubt {
    /// Whether the server refuses the credential itself. Who comes while it is being asked waits for the same answer.
    pub(crate) async fn is_refused(&self, guard: &Guard, server: &Forward) -> bool {
        let mut looked = self.0.lock().await;
        if let Some(looked) = looked.as_ref().filter(|looked| looked.mint == guard.mint() && Instant::now() < looked.until) {
            return looked.refused;
        }
        let refused = timeout(PATIENCE, look(guard, server)).await.unwrap_or(false);
        if refused {
            tracing::warn!(
                handle = guard.handle().0,
                next = "nothing: it is asked for anew",
                "the server refuses the token that serves"
            );
        }
        *looked = Some(Looked { mint: guard.mint(), until: Instant::now() + GOOD_FOR, refused });
        refused
    }

    /// It was doubted, and nothing came of that.
    pub(crate) async fn settle(&self, mint: Mint) {
        *self.0.lock().await = Some(Looked { mint, until: Instant::now() + SETTLED_FOR, refused: false });
    }
}

/// Asks the server about the credential, with itself. Only its own words tell a token that is no good from a policy that does not
/// let it ask.
async fn look(guard: &Guard, server: &Forward) -> bool {
    let question = Parcel::question(Method::GET, "auth/token/lookup-self", bytes::Bytes::new());
    let Ok(response) = server.send(question, Some(guard)).await else { return false };
    if response.status() != StatusCode::FORBIDDEN {
        return false;
    }
    let Some(body) = whole(response.into_body(), LONGEST).await else { return false };
    let words = String::from_utf8_lossy(&body);
    words.contains("invalid token") || !words.contains("error occurred")
}
