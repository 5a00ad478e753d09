//! A proxy as whoever does not own it sees it: what it has to say of itself, and the local token that it takes.

use std::fmt::{self, Write as _};
use std::sync::{Arc, Weak};
use std::time::Duration;

use turquoise_runtime::core::Generation;

use crate::local::LocalToken;
use crate::serve::{Proxy, Shared};

/// Looks at a proxy, and changes what can be changed while it runs. Keeps nothing alive.
#[derive(Clone)]
pub struct Remote(Weak<Shared>);

/// What has happened in a proxy since it began, and what is under way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Requests that came.
    pub requests: u64,
    /// Of these, answered by us with a fault and not by the server.
    pub faults: u64,
    /// Requests that were sent to the server a second time, with another credential.
    pub replays: u64,
    /// Requests under way.
    pub in_flight: u64,
    /// Open connections of clients.
    pub connections: u64,
    /// Children of our tokens that live, as far as is known.
    pub children: u64,
}

/// The proxy has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the proxy has ended, and takes no token any more")]
pub struct Ended;

impl Figures {
    /// As text for Prometheus.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        for (name, kind, value) in [
            ("requests_total", "counter", self.requests),
            ("faults_total", "counter", self.faults),
            ("replays_total", "counter", self.replays),
            ("in_flight", "gauge", self.in_flight),
            ("connections", "gauge", self.connections),
            ("children", "gauge", self.children),
        ] {
            // Writing to a string does not fail.
            let _ = writeln!(text, "# TYPE turquoise_proxy_{name} {kind}\nturquoise_proxy_{name} {value}");
        }
        text
    }
}

impl Proxy {
    /// What others look at it with.
    #[must_use]
    pub fn remote(&self) -> Remote {
        Remote(Arc::downgrade(&self.shared))
    }
}

impl Remote {
    /// What it has to say of itself, unless it has ended.
    #[must_use]
    pub fn figures(&self) -> Option<Figures> {
        Some(self.0.upgrade()?.figures())
    }

    /// How many children of this generation's token live, as far as is known.
    #[must_use]
    pub fn children(&self, generation: Generation) -> usize {
        self.0.upgrade().map_or(0, |shared| shared.seen.children_of(generation))
    }

    /// From now on `token` is the local token, and for so long the one that was until now is taken as well. The one before that is
    /// not: there are two at most.
    ///
    /// # Errors
    ///
    /// The proxy has ended.
    pub fn replace_local_token(&self, token: LocalToken, overlap: Duration) -> Result<(), Ended> {
        self.0.upgrade().ok_or(Ended)?.locals.replace(token, overlap);
        Ok(())
    }
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remote").finish_non_exhaustive()
    }
}
