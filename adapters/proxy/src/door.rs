//! Places to come in at, before anybody is let in.

use std::fmt;
use std::sync::Arc;

use tokio_rustls::TlsAcceptor;
use turquoise_http::server_config;

use crate::listen::{Bound, ListenError, Socket};
use crate::settings::Listener;

/// A place that is listened at. Who connects waits until a [`Proxy`](crate::Proxy) is started behind it: so a successor can stand
/// at the door before its predecessor goes, and nobody is turned away between the two. Dropped, it listens no more.
pub struct Door {
    pub(crate) socket: Socket,
    pub(crate) tls: Option<TlsAcceptor>,
    pub(crate) listener: Listener,
}

impl Door {
    /// Listens. Must be called within a Tokio runtime.
    ///
    /// # Errors
    ///
    /// See [`ListenError`]; nothing is listened on then.
    pub fn open(listener: &Listener) -> Result<Self, ListenError> {
        let tls = listener.tls.as_ref().map(|(certificate, key)| server_config(certificate, key)).transpose()?;
        let tls = tls.map(|config| TlsAcceptor::from(Arc::new(config)));
        Ok(Self { socket: Socket::open(&listener.at)?, tls, listener: listener.clone() })
    }

    /// Where it is.
    #[must_use]
    pub const fn bound(&self) -> &Bound {
        &self.socket.bound
    }

    /// What it was opened for.
    #[must_use]
    pub const fn listener(&self) -> &Listener {
        &self.listener
    }
}

impl fmt::Debug for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Door").field("listener", &self.listener).finish_non_exhaustive()
    }
}
