//! The proxies of this process: their doors, opened when its rotations have begun or before, and their end.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinSet;
use turquoise::proxy::{
    At, Dependents, Door, Hooks, Limits, ListenError, Listener, LocalToken, LocalTokenError, Proxy, Setup, Stopped,
    inherited_left,
};
use turquoise::vault::ConfigError;

use crate::admin::{self, Admin};
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

/// Places to come in at, where nobody is let in yet.
#[derive(Default)]
pub(crate) struct Doors(Vec<Door>);

/// Why nobody is listened to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotOpen {
    /// No local token.
    #[error(transparent)]
    Token(#[from] LocalTokenError),
    /// No listener.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// No server.
    #[error(transparent)]
    Upstream(#[from] ConfigError),
    /// Who connects there would wait for ever.
    #[error("no `listener` takes the inherited socket `{}`: write inherited = \"NAME\" in one, or remove it from the socket's unit", .0.join("`, `"))]
    Left(Vec<String>),
}

impl Doors {
    /// At the sockets that whoever started us has opened: nobody's place is taken by that. All of them must have a listener.
    pub(crate) fn inherited(all: &[Proxied]) -> Result<Self, NotOpen> {
        let mut doors = Self::default();
        doors.open(all, |listener| matches!(listener.at, At::Inherited { .. }))?;
        let left = inherited_left();
        if left.is_empty() { Ok(doors) } else { Err(NotOpen::Left(left)) }
    }

    /// At all other places too: who comes from now on waits for us, and not for a predecessor. A name in the file system is taken
    /// from that one, so it comes last, when nothing else is wrong.
    pub(crate) fn open_all(&mut self, all: &[Proxied]) -> Result<(), NotOpen> {
        for Proxied { local_token, .. } in all {
            local_token.as_deref().map(LocalToken::in_file).transpose()?;
        }
        self.open(all, |listener| matches!(listener.at, At::Tcp(_)))?;
        self.open(all, |listener| matches!(listener.at, At::Unix { .. }))
    }

    fn open(&mut self, all: &[Proxied], which: impl Fn(&Listener) -> bool) -> Result<(), NotOpen> {
        for listener in all.iter().flat_map(|proxied| &proxied.listeners).filter(|listener| which(listener)) {
            self.0.push(Door::open(listener)?);
        }
        Ok(())
    }

    /// The one of a listener, which may be open already.
    fn take(&mut self, listener: &Listener) -> Result<Door, ListenError> {
        match self.0.iter().position(|door| door.listener() == listener) {
            Some(at) => Ok(self.0.remove(at)),
            None => Door::open(listener),
        }
    }
}

impl Proxies {
    /// Lets in who comes, at all of them or at none.
    pub(crate) fn open(all: &[Proxied], mut doors: Doors, fleet: &Fleet, admin: &Admin) -> Result<Self, NotOpen> {
        let mut opened = Self { open: Vec::new(), quit: Arc::default() };
        for Proxied { rotation, upstream, auto_auth, local_token, listeners, waits } in all {
            let Some(member) = fleet.members.iter().find(|member| member.name == *rotation) else { continue };
            let (metrics, ready) = admin.looks();
            let setup = Setup {
                credentials: member.identity.credentials().named(NAME),
                upstream: upstream.clone(),
                local_token: local_token.as_deref().map(LocalToken::in_file).transpose()?,
                auto_auth: *auto_auth,
                doors: listeners.iter().map(|listener| doors.take(listener)).collect::<Result<_, _>>()?,
                limits: Limits::default(),
                hooks: Hooks { quit: Arc::clone(&opened.quit), metrics: Some(metrics), ready: Some(ready) },
            };
            // What is not waited for is not kept count of: it ends with its token.
            let leases = if *waits { member.dependents() } else { None };
            let dependents = leases.clone().map(|leases| Arc::new(leases) as Arc<dyn Dependents>);
            let proxy = Proxy::start_with(setup, dependents)?;
            let (remote, local_token) = (proxy.remote(), local_token.clone());
            admin.attach(rotation, admin::Proxied { remote, leases, local_token });
            opened.open.push(proxy);
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
