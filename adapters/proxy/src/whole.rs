//! A short reply, read to its end.

use std::future::poll_fn;
use std::pin::Pin;

use bytes::{Bytes, BytesMut};
use http_body::Body as _;
use hyper::body::Incoming;

/// All of a body, if it comes to its end and is no longer than that.
pub(crate) async fn whole(mut body: Incoming, longest: usize) -> Option<Bytes> {
    let mut kept = BytesMut::new();
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        let Ok(data) = frame.ok()?.into_data() else { continue };
        if kept.len() + data.len() > longest {
            return None;
        }
        kept.extend_from_slice(&data);
    }
    Some(kept.freeze())
}
