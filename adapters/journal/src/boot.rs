//! Which boot this is, and how long ago it began.

use std::{fs, io};

use rustix::time::{ClockId, clock_gettime};
use turquoise_runtime::core::{BootId, Instant};

const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// The kernel's name for this boot. A container has that of its host; a virtual machine that was cloned while it ran has
/// that of its original.
pub fn boot_id() -> io::Result<BootId> {
    parse(fs::read_to_string(BOOT_ID)?.trim_end())
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, format!("{BOOT_ID} holds no UUID")))
}

/// Milliseconds since this boot, the time that the machine was suspended included.
#[must_use]
pub fn boottime_now() -> Instant {
    let now = clock_gettime(ClockId::Boottime);
    let seconds = u64::try_from(now.tv_sec).unwrap_or_default();
    let millis = u64::try_from(now.tv_nsec / 1_000_000).unwrap_or_default();
    Instant(seconds * 1000 + millis)
}

/// As the kernel writes it: lower-case hex, in groups of 8-4-4-4-12.
pub(crate) fn format(boot: BootId) -> String {
    let hex = format!("{:032x}", boot.0);
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

/// Takes nothing but what [`format()`] writes.
pub(crate) fn parse(text: &str) -> Option<BootId> {
    let boot = BootId(u128::from_str_radix(&text.replace('-', ""), 16).ok()?);
    (format(boot) == text).then_some(boot)
}
