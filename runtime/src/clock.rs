//! The driver's clock.

use std::time::Duration;
use std::{fs, io};

use rustix::time::{ClockId, clock_gettime};
use turquoise_core::{BootId, Instant};

const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// What time it is. The driver asks nobody else.
pub trait Clock: Send + Sync + 'static {
    /// Milliseconds since the boot, time that the machine was suspended included. Never runs backwards.
    fn now(&self) -> Instant;

    /// How far the wall clock is ahead of a clock that stands still while the machine is suspended. It changes when the
    /// machine sleeps, when the machine that it runs on stops it for a while, and when the wall clock is set.
    fn drift(&self) -> Duration;

    /// Which boot that is: always the same answer.
    fn boot(&self) -> BootId;
}

/// Clocks that drift apart by more than this were suspended, stopped or set.
const GAP: Duration = Duration::from_secs(2);

/// Whether time was lost between two looks at a clock's drift.
pub(crate) fn is_gap(before: Duration, now: Duration) -> bool {
    now.abs_diff(before) > GAP
}

/// The kernel's `CLOCK_BOOTTIME`: no step of the wall clock moves it, no suspend stops it.
#[derive(Clone, Copy, Debug)]
pub struct BootClock {
    boot: BootId,
}

impl BootClock {
    /// # Errors
    ///
    /// The kernel does not tell the id of this boot (`/proc` is not mounted, or not Linux's).
    pub fn new() -> io::Result<Self> {
        let text = fs::read_to_string(BOOT_ID)?;
        let boot = u128::from_str_radix(&text.trim_end().replace('-', ""), 16);
        let boot = boot.map_err(|_| io::Error::new(io::ErrorKind::InvalidData, format!("{BOOT_ID} holds no UUID")))?;
        Ok(Self { boot: BootId(boot) })
    }
}

impl Clock for BootClock {
    fn now(&self) -> Instant {
        let now = clock_gettime(ClockId::Boottime);
        let seconds = u64::try_from(now.tv_sec).unwrap_or_default();
        let millis = u64::try_from(now.tv_nsec / 1_000_000).unwrap_or_default();
        Instant(seconds * 1000 + millis)
    }

    fn drift(&self) -> Duration {
        let [wall, awake] = [ClockId::Realtime, ClockId::Monotonic].map(|id| {
            let now = clock_gettime(id);
            let [seconds, nanos] = [now.tv_sec, now.tv_nsec].map(|part| u64::try_from(part).unwrap_or_default());
            Duration::from_secs(seconds) + Duration::from_nanos(nanos)
        });
        wall.saturating_sub(awake)
    }

    fn boot(&self) -> BootId {
        self.boot
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_boot_clock_runs_forwards_within_one_boot() {
        let clock = BootClock::new().expect("this is Linux");
        let earlier = clock.now();
        assert!(earlier.0 > 0 && clock.now() >= earlier);
        assert_eq!(clock.boot(), BootClock::new().expect("this is Linux").boot());
        assert_ne!(clock.boot(), BootId(0));
    }
}
