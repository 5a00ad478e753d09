//! Which requests can be sent again.

use http_body::Body;

/// Which requests can be sent again: a candidate is tried on these and no others.
pub trait Replay<B> {
    /// The same body once more; nothing where there is none.
    fn again(&self, body: &B) -> Option<B>;
}

/// No request: all bear the current credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Once;

/// Requests without a body, such as most reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Empty;

/// All requests: their bodies can be cloned, and a clone is the same from the beginning on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cloned;

impl<B> Replay<B> for Once {
    fn again(&self, _: &B) -> Option<B> {
        None
    }
}

impl<B: Body + Default> Replay<B> for Empty {
    fn again(&self, body: &B) -> Option<B> {
        body.is_end_stream().then(B::default)
    }
}

impl<B: Clone> Replay<B> for Cloned {
    fn again(&self, body: &B) -> Option<B> {
        Some(body.clone())
    }
}
