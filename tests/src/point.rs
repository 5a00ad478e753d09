//! Places at which a process can be held, so that it dies exactly there.

use std::fmt;
use std::str::FromStr;

/// A place in the life of one process, and the side of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    /// Which side.
    pub side: Side,
    /// Which place.
    pub place: Place,
}

/// The side of a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Nothing of it was done.
    Before,
    /// It is done: the record is durable, the call has returned. But nobody was told yet.
    After,
}

/// What a process does. Counted from 1, anew in each process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Appending a record to the journal.
    Record(u64),
    /// Calling the provider or writing to the survivor store.
    Call(u64),
}

/// A text that names no point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoPoint;

impl fmt::Display for NoPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("write a point as before-record-4 or after-call-7")
    }
}

impl std::error::Error for NoPoint {}

impl Side {
    /// Both, in the order in which a process passes them.
    pub const BOTH: [Self; 2] = [Self::Before, Self::After];
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Before => "before",
            Self::After => "after",
        })
    }
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place {
            Place::Record(number) => write!(f, "{}-record-{number}", self.side),
            Place::Call(number) => write!(f, "{}-call-{number}", self.side),
        }
    }
}

impl FromStr for Point {
    type Err = NoPoint;

    fn from_str(text: &str) -> Result<Self, NoPoint> {
        let mut parts = text.splitn(3, '-');
        let mut part = || parts.next().ok_or(NoPoint);
        let (side, place, number) = (part()?, part()?, part()?);
        let side = Side::BOTH.into_iter().find(|known| known.to_string() == side).ok_or(NoPoint)?;
        let number = number.parse().map_err(|_| NoPoint)?;
        let place = match place {
            "record" => Place::Record(number),
            "call" => Place::Call(number),
            _ => return Err(NoPoint),
        };
        Ok(Self { side, place })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_is_read_as_it_is_written() {
        for side in Side::BOTH {
            for place in [Place::Record(1), Place::Call(12)] {
                let point = Point { side, place };
                assert_eq!(point.to_string().parse(), Ok(point));
            }
        }
        for text in ["", "before", "before-record", "before-record-x", "beside-call-1", "after-step-1"] {
            assert_eq!(text.parse::<Point>(), Err(NoPoint), "{text:?}");
        }
    }
}
