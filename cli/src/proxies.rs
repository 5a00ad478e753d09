//! The proxies of this process: opened when its rotations have begun, and closed before they end.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinSet;
use turquoise::proxy::{Dependents, Hooks, Limits, LocalToken, LocalTokenError, Proxy, Setup, StartError, Stopped};

use crate::file::Proxied;
use crate::fleet::Fleet;

/// So long requests under way may take to end.
const DRAIN: Duration = Duration::from_secs(10);
/// By this name work that came through a proxy stands in the log and in the journal.
const NAME: &str = "proxy";

/// The proxies of this process.
pub(crate) struct Proxies {
    open: Vec<Proxy>,
    quit: Arc<Notify>,
}

/// Why nobody is listened to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotOpen {
    /// No local token.
    #[error(transparent)]
    Token(#[from] LocalTokenError),
    /// No listener.
    #[error(transparent)]
    Start(#[from] StartError),
}

impl Proxies {
    /// Opens them all, or none.
    pub(crate) fn open(all: &[Proxied], fleet: &Fleet) -> Result<Self, NotOpen> {
        let mut opened = Self { open: Vec::new(), quit: Arc::default() };
        for Proxied { rotation, upstream, auto_auth, local_token, listeners, waits } in all {
            let Some(member) = fleet.members.iter().find(|member| member.name == *rotation) else { continue };
            let setup = Setup {
                credentials: member.identity.credentials().named(NAME),
                upstream: upstream.clone(),
                local_token: local_token.as_deref().map(LocalToken::in_file).transpose()?,
                auto_auth: *auto_auth,
                listeners: listeners.clone(),
                limits: Limits::default(),
                hooks: Hooks { quit: Arc::clone(&opened.quit), metrics: None },
            };
            // What is not waited for is not kept count of: it ends with its token.
            let dependents = if *waits { member.dependents() } else { None };
            let dependents = dependents.map(|dependents| Arc::new(dependents) as Arc<dyn Dependents>);
            opened.open.push(Proxy::start_with(setup, dependents)?);
        }
        Ok(opened)
    }

    /// Waits until a client asks for the end.
    pub(crate) async fn quit(&self) {
        self.quit.notified().await;
    }

    /// Takes on nothing more, and finishes what is under way. Dropped, it cuts that off.
    pub(crate) async fn close(self) {
        let mut closing: JoinSet<_> = self.open.into_iter().map(|proxy| proxy.stop(DRAIN)).collect();
        while let Some(stopped) = closing.join_next().await {
            if let Ok(Stopped::Cut) = stopped {
                tracing::warn!(after = ?DRAIN, "requests were still under way and were cut off");
            }
        }
    }
}
