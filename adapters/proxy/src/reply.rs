//! A reply's body, and what is kept until its end.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use turquoise_runtime::Guard;

use crate::seen::Sight;

/// A reply's body.
pub(crate) struct Reply {
    content: Content,
    attached: Attached,
}

enum Content {
    /// Ours, or the server's that was looked into.
    Whole(Option<Bytes>),
    /// The server's, as it comes.
    Passing(Incoming),
}

/// What lives until the body has ended, failed or been dropped.
#[derive(Default)]
struct Attached {
    guard: Option<Guard>,
    sight: Option<Sight>,
    /// Whatever else: it does nothing but be dropped.
    rest: Option<Box<dyn Send>>,
}

impl Reply {
    pub(crate) fn of(bytes: Bytes) -> Self {
        Self { content: Content::Whole(Some(bytes).filter(|bytes| !bytes.is_empty())), attached: Attached::default() }
    }

    pub(crate) fn passing(body: Incoming) -> Self {
        Self { content: Content::Passing(body), attached: Attached::default() }
    }

    /// The credential is in use until the end of this.
    pub(crate) fn holding(mut self, guard: Guard) -> Self {
        self.attached.guard = Some(guard);
        self
    }

    /// What goes by is looked at.
    pub(crate) fn seen_by(mut self, sight: Option<Sight>) -> Self {
        self.attached.sight = sight;
        self
    }

    /// This too is kept until the end.
    pub(crate) fn with(mut self, rest: impl Send + 'static) -> Self {
        self.attached.rest = Some(Box::new(rest));
        self
    }
}

impl Attached {
    /// What was seen keeps the credential in use beyond the end of the reply.
    fn end(&mut self) {
        if let (Some(sight), Some(guard)) = (self.sight.take(), self.guard.take()) {
            sight.end(guard);
        }
        *self = Self::default();
    }
}

impl Body for Reply {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Self { content, attached } = &mut *self;
        let frame = match content {
            Content::Whole(bytes) => bytes.take().map(|bytes| Ok(Frame::data(bytes))),
            Content::Passing(body) => ready!(Pin::new(body).poll_frame(cx)),
        };
        if let (Some(Ok(frame)), Some(sight)) = (&frame, &mut attached.sight)
            && let Some(data) = frame.data_ref()
        {
            sight.pass(data);
        }
        if frame.is_none() || self.is_end_stream() {
            self.attached.end();
        } else if let Some(Err(_)) = frame {
            self.attached = Attached::default();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Whole(bytes) => bytes.is_none(),
            Content::Passing(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Content::Passing(body) => body.size_hint(),
        }
    }
}
