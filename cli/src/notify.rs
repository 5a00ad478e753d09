//! What a service manager is told of us: that we serve, that we look again, that we stop, and that we live.
//!
//! Nothing of it is said where nobody asked for it (`NOTIFY_SOCKET`, `WATCHDOG_USEC`).

use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::{Interval, MissedTickBehavior, interval};

/// Who started us, if it wants to know.
pub(crate) struct Manager {
    /// Twice as often as it wants to hear that we live.
    beat: Option<Interval>,
}

impl Manager {
    /// Within a runtime.
    pub(crate) fn new() -> Self {
        let beat = sd_notify::watchdog_enabled().filter(|every| *every >= Duration::from_millis(2)).map(|every| {
            let mut beat = interval(every / 2);
            beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
            beat
        });
        Self { beat }
    }

    /// The first credential of each rotation is published.
    pub(crate) fn ready() {
        tell(&[NotifyState::Ready, NotifyState::Status("serving")]);
    }

    /// What a SIGHUP asks for is begun; [`ready`](Self::ready) says that it is done.
    pub(crate) fn reloading() {
        match NotifyState::monotonic_usec_now() {
            Ok(now) => tell(&[NotifyState::Reloading, now]),
            Err(why) => tracing::warn!(%why, "the clock cannot be read"),
        }
    }

    pub(crate) fn stopping() {
        tell(&[NotifyState::Stopping, NotifyState::Status("stopping")]);
    }

    /// Says again and again that we live, as long as it is polled: so whoever polls it must be what must not hang.
    pub(crate) async fn beat(&mut self) {
        match &mut self.beat {
            Some(beat) => drop(beat.tick().await),
            None => std::future::pending().await,
        }
        tell(&[NotifyState::Watchdog]);
    }
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(why) = sd_notify::notify(states) {
        tracing::warn!(%why, next = "look at NOTIFY_SOCKET", "the service manager cannot be told");
    }
}
