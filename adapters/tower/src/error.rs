//! Why a call has no response.

use turquoise_runtime::NotReady;

/// Why a call has no response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError<E> {
    /// There is no credential; nothing was sent.
    #[error("the request was not sent: {0}")]
    NotReady(#[from] NotReady),
    /// The credential cannot be a header's value; nothing was sent.
    #[error("the request was not sent: the credential has a byte that no header may hold, so it cannot be borne in one")]
    NotAHeader,
    /// The client's own error.
    #[error(transparent)]
    Client(E),
}
