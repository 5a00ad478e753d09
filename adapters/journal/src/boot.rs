//! How a boot is spelt: as the kernel does.

use turquoise_runtime::core::BootId;

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
