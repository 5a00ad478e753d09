//! How a connection gets on, so that one that does not can be ended.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::settings::Limits;

/// What a connection is at, and since when.
pub(crate) struct Pace {
    zero: Instant,
    /// A request is being served.
    busy: AtomicBool,
    /// Since when the head of a request is being read, or the connection is idle, in milliseconds.
    since: AtomicU64,
    /// Whether it is the former.
    in_head: AtomicBool,
    /// Since when the client takes nothing of what is written; 0 if it does.
    blocked: AtomicU64,
}

/// As long as it lives, a request is being served.
pub(crate) struct Busy(Arc<Pace>);

impl Pace {
    /// A connection from which a request is expected.
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            zero: Instant::now(),
            busy: AtomicBool::new(false),
            since: AtomicU64::new(0),
            in_head: AtomicBool::new(true),
            blocked: AtomicU64::new(0),
        })
    }

    /// The head of a request has been read.
    pub(crate) fn begin(self: &Arc<Self>) -> Busy {
        self.busy.store(true, Ordering::Relaxed);
        Busy(Arc::clone(self))
    }

    /// Why the connection is to be ended, if it is.
    pub(crate) fn overdue(&self, limits: &Limits) -> Option<&'static str> {
        let (now, blocked) = (self.now(), self.blocked.load(Ordering::Relaxed));
        let over = |since: u64, limit: Duration| Duration::from_millis(now.saturating_sub(since)) > limit;
        if blocked != 0 && over(blocked, limits.write) {
            return Some("the client reads nothing");
        }
        if self.busy.load(Ordering::Relaxed) {
            return None;
        }
        let since = self.since.load(Ordering::Relaxed);
        if self.in_head.load(Ordering::Relaxed) {
            return over(since, limits.head_time).then_some("the client does not get done with a request's head");
        }
        over(since, limits.idle).then_some("idle")
    }

    fn read(&self) {
        if !self.busy.load(Ordering::Relaxed) && !self.in_head.swap(true, Ordering::Relaxed) {
            self.since.store(self.now(), Ordering::Relaxed);
        }
    }

    fn wrote<T>(&self, polled: &Poll<T>) {
        match (polled.is_pending(), self.blocked.load(Ordering::Relaxed)) {
            (true, 0) => self.blocked.store(self.now().max(1), Ordering::Relaxed),
            (true, _) | (false, 0) => {}
            (false, _) => self.blocked.store(0, Ordering::Relaxed),
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.zero.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.since.store(self.0.now(), Ordering::Relaxed);
        self.0.in_head.store(false, Ordering::Relaxed);
        self.0.busy.store(false, Ordering::Relaxed);
    }
}

/// A connection whose pace is kept.
pub(crate) struct Paced<I> {
    io: I,
    pace: Arc<Pace>,
}

impl<I> Paced<I> {
    pub(crate) const fn new(io: I, pace: Arc<Pace>) -> Self {
        Self { io, pace }
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Paced<I> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        let polled = Pin::new(&mut self.io).poll_read(cx, into);
        if into.filled().len() > before {
            self.pace.read();
        }
        polled
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Paced<I> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, from: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.io).poll_write(cx, from);
        self.pace.wrote(&polled);
        polled
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, from: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.io).poll_write_vectored(cx, from);
        self.pace.wrote(&polled);
        polled
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_does_not_get_on_is_overdue() {
        let (pace, limits) = (Pace::new(), Limits { head_time: Duration::ZERO, ..Limits::default() });
        std::thread::sleep(Duration::from_millis(2));
        assert!(pace.overdue(&limits).is_some(), "a connection from which nothing comes");
        let busy = pace.begin();
        assert_eq!(pace.overdue(&limits), None, "the server may take its time");
        drop(busy);
        assert_eq!(pace.overdue(&limits), None, "idle is not slow");
        pace.read();
        std::thread::sleep(Duration::from_millis(2));
        assert!(pace.overdue(&limits).is_some(), "a second head that is not done");
        let _busy = pace.begin();
        pace.wrote(&Poll::<()>::Pending);
        std::thread::sleep(Duration::from_millis(2));
        assert_eq!(pace.overdue(&Limits { write: Duration::ZERO, ..limits }), Some("the client reads nothing"));
        pace.wrote(&Poll::Ready(()));
        assert_eq!(pace.overdue(&Limits { write: Duration::ZERO, ..limits }), None);
    }
}
