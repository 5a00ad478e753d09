//! Up to where a node must have followed the leader for its word to count.

use std::sync::{Mutex, PoisonError};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::header::HeaderValue;
use serde::Deserialize;

/// The highest index that came with the answer to a write.
///
/// Not with that to a read, although it has one too: it may be that of a lagging node, and would then hold no node to
/// anything; nor with that to an end by name, which such a node may answer. A write is answered by the leader, after everything
/// that was written before.
///
/// It is not kept for the next process, which needs none: until its own first write it takes only the leader's word for a death,
/// and that write is answered after everything that was written by anybody, so its index says more than the old one. What was
/// sent and not yet applied then, no index could tell: Δ covers it.
#[derive(Default)]
pub(crate) struct Index(Mutex<Option<HeaderValue>>);

impl Index {
    pub(crate) fn known(&self) -> Option<HeaderValue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replies overtake each other, so the highest of one cluster is kept; what cannot be compared replaces.
    pub(crate) fn keep(&self, seen: &HeaderValue) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let behind = match (kept.as_ref().and_then(position), position(seen)) {
            (Some(kept), Some(seen)) => kept.cluster == seen.cluster && seen.value < kept.value,
            _ => false,
        };
        if !behind {
            *kept = Some(seen.clone());
        }
    }
}

/// What an index says. A server that writes it otherwise is taken at its latest word.
struct Position {
    cluster: String,
    value: u64,
}

fn position(index: &HeaderValue) -> Option<Position> {
    #[derive(Deserialize)]
    struct Written {
        cluster: String,
        value: String,
    }
    let json = BASE64_STANDARD.decode(index.as_bytes()).ok()?;
    let Written { cluster, value } = serde_json::from_slice(&json).ok()?;
    Some(Position { cluster, value: value.parse().ok()? })
}
