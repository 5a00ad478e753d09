//! A request's body: kept as far as it can be sent again, and beyond that passed on as it comes.

use std::error::Error;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::timeout;

use crate::answer::Fault;
use crate::settings::Limits;

/// A request's body.
pub(crate) struct Outgoing {
    first: Option<Bytes>,
    rest: Option<Rest>,
}

/// What was not kept.
struct Rest {
    body: Incoming,
    /// How many bytes may yet come.
    left: u64,
}

/// More came than is taken.
#[derive(Debug, thiserror::Error)]
#[error("the request's body is longer than is taken")]
struct TooLong;

impl Outgoing {
    /// Takes what a client sends, as much of it as may be kept.
    pub(crate) async fn take(body: Incoming, limits: &Limits) -> Result<Self, Fault> {
        if body.is_end_stream() {
            return Ok(Self::of(Bytes::new()));
        }
        if body.size_hint().lower() > limits.body {
            return Err(Fault::Long);
        }
        timeout(limits.body_time, Self::collect(body, limits)).await.map_err(|_| Fault::Slow)?
    }

    async fn collect(mut body: Incoming, limits: &Limits) -> Result<Self, Fault> {
        let mut kept = BytesMut::new();
        let mut only = None;
        // Most bodies are one piece: that is not copied.
        while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
            let frame = frame.map_err(|_| Fault::Bad("the request's body broke off"))?;
            let Ok(data) = frame.into_data() else { continue };
            match only.take() {
                None if kept.is_empty() => only = Some(data),
                None => kept.extend_from_slice(&data),
                Some(first) => {
                    kept.extend_from_slice(&first);
                    kept.extend_from_slice(&data);
                }
            }
            let length = only.as_ref().map_or(kept.len(), Bytes::len);
            if length as u64 > limits.body {
                return Err(Fault::Long);
            }
            if length > limits.replayable {
                let left = limits.body - length as u64;
                return Ok(Self { first: Some(only.unwrap_or_else(|| kept.freeze())), rest: Some(Rest { body, left }) });
            }
        }
        Ok(Self::of(only.unwrap_or_else(|| kept.freeze())))
    }

    /// All of a body.
    pub(crate) fn of(bytes: Bytes) -> Self {
        Self { first: Some(bytes).filter(|bytes| !bytes.is_empty()), rest: None }
    }

    /// The same once more, where all of it was kept.
    pub(crate) fn again(&self) -> Option<Self> {
        self.rest.is_none().then(|| Self { first: self.first.clone(), rest: None })
    }

    /// What was kept of it.
    pub(crate) fn kept(&self) -> &[u8] {
        self.first.as_deref().unwrap_or_default()
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = Box<dyn Error + Send + Sync>;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(Frame::data(first))));
        }
        let Some(Rest { body, left }) = &mut self.rest else { return Poll::Ready(None) };
        let Some(frame) = ready!(Pin::new(body).poll_frame(cx)?) else { return Poll::Ready(None) };
        let length = frame.data_ref().map_or(0, Bytes::len) as u64;
        match left.checked_sub(length) {
            None => return Poll::Ready(Some(Err(Box::new(TooLong)))),
            Some(fewer) => *left = fewer,
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none() && self.rest.as_ref().is_none_or(|rest| rest.body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        let first = self.first.as_ref().map_or(0, |first| first.len() as u64);
        let Some(rest) = &self.rest else { return SizeHint::with_exact(first) };
        let rest = rest.body.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(first + rest.lower());
        if let Some(upper) = rest.upper() {
            hint.set_upper(first + upper);
        }
        hint
    }
}
