//! Reading secrets as the holder of a token, for who has no HTTP client of its own.

use secrecy::ExposeSecret;
use turquoise_runtime::port::Reply;
use zeroize::Zeroizing;

use crate::failure::answer;
use crate::name::Path;
use crate::request::Request;
use crate::server::{ConfigError, Upstream};
use crate::transport::Transport;

/// Reads what a token may read. One pool of connections serves all tokens.
pub struct Reader {
    transport: Transport,
}

impl Reader {
    /// Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// The description of the server cannot be used.
    pub fn new(upstream: &Upstream) -> Result<Self, ConfigError> {
        Ok(Self { transport: Transport::new(upstream)? })
    }

    /// The body of the answer, as the server wrote it. A failure's words hold neither the token nor what was read.
    pub async fn read(&self, token: &impl ExposeSecret<str>, path: &Path) -> Reply<Zeroizing<Vec<u8>>> {
        let read = self.transport.call(token, Request::read(path)).await;
        answer(&format!("reading {path}"), read.map(|answer| answer.body))
    }
}
