//! The words of the machine: small, `Copy`, ordered newtypes. Secret bytes have no type here.

use core::fmt;
use core::ops::Add;
use core::time::Duration;

/// A point on the driver's clock, in milliseconds since the machine booted.
///
/// The clock must count time spent suspended (`CLOCK_BOOTTIME`) and never run backwards. The core has no other clock;
/// instants of different boots are never compared (see [`BootId`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Instant(pub u64);

impl Instant {
    /// The time from `earlier` to `self`; zero if `earlier` is the later one.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl Instant {
    /// So long before; no earlier than the beginning of time.
    pub(crate) fn before(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(u64::try_from(span.as_millis()).unwrap_or(u64::MAX)))
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    /// Saturates at the end of time, and rounds down to a whole millisecond.
    fn add(self, rhs: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(rhs.as_millis()).unwrap_or(u64::MAX)))
    }
}

/// Which boot of the machine an [`Instant`] belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct BootId(pub u128);

/// The identity of one mint: never reused, and never derived from the secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation {
    /// Drawn at random when a journal begins, so that two journals never share a generation.
    pub incarnation: u32,
    /// Counts the mints of that journal, from 1.
    pub number: u32,
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}-{}", self.incarnation, self.number)
    }
}

/// One of the two places of the survivor store; a credential keeps its colour for life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Color {
    /// The slot that the first credential of a journal takes.
    Blue,
    /// The other slot.
    Green,
}

impl Color {
    /// The slot that this one is not.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Blue => Self::Green,
            Self::Green => Self::Blue,
        }
    }

    /// The colour's name in lower case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Blue => "blue",
            Self::Green => "green",
        }
    }
}

impl fmt::Display for Color {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Correlates a completion with the effect that it completes.
///
/// Unique within one process: completions die with the process that sent the request, only requests outlive it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OpId(pub u64);

impl fmt::Display for OpId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "op{}", self.0)
    }
}

/// A position in the journal; the first record has 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lsn(pub u64);

/// What the survivor store holds: for each slot the generation whose secret is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Held {
    /// The generation in the blue slot.
    pub blue: Option<Generation>,
    /// The generation in the green slot.
    pub green: Option<Generation>,
}

impl Held {
    /// The generation in one slot.
    #[must_use]
    pub const fn slot(&self, color: Color) -> Option<Generation> {
        match color {
            Color::Blue => self.blue,
            Color::Green => self.green,
        }
    }

    /// Whether the secret of a generation is in its slot.
    #[must_use]
    pub fn has(&self, mint: Mint) -> bool {
        self.slot(mint.slot) == Some(mint.generation)
    }
}

/// A generation and the slot that was chosen for it when it was announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mint {
    /// Which mint.
    pub generation: Generation,
    /// Where its secret survives a crash.
    pub slot: Color,
}

/// Bounds on the end of a credential's life.
///
/// They hold over every subset of the effects that were sent and not yet resolved: rely on `lb` for life, on `ub` for
/// death.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Life {
    /// Until here it certainly lives, unless somebody else ends it.
    pub lb: Instant,
    /// From here on, plus the stated clock skew, it certainly is dead.
    pub ub: Instant,
}
