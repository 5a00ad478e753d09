//! What the user's tag says of the mint that was begun last.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use turquoise_runtime::core::Generation;

/// The name of the tag on the user.
pub const MARK: &str = "turquoise-mint";

/// Clocks within AWS differ by less, and list in whole seconds.
const SKEW: Duration = Duration::from_secs(10);

/// `0a1b2c3d-7 1764000000`: the generation, and the second in which its mint was begun, by AWS's clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    generation: String,
    begun: SystemTime,
}

impl Mark {
    pub(crate) fn new(generation: Generation, begun: SystemTime) -> Self {
        Self { generation: generation.to_string(), begun }
    }

    pub(crate) fn write(&self) -> String {
        let seconds = self.begun.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        format!("{} {seconds}", self.generation)
    }

    /// Whatever else is in the tag is no mark.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let (generation, seconds) = text.split_once(' ')?;
        let begun = UNIX_EPOCH.checked_add(Duration::from_secs(seconds.parse().ok()?))?;
        Some(Self { generation: generation.to_owned(), begun })
    }

    /// Whether a key that was made then can be what this mint has made, whose request is applied within `late`.
    pub(crate) fn explains(&self, lost: Generation, created: SystemTime, late: Duration) -> bool {
        let from = self.begun - SKEW;
        self.generation == lost.to_string() && (from..=self.begun + late + SKEW).contains(&created)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOST: Generation = Generation { incarnation: 7, number: 2 };

    fn second(second: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(second)
    }

    #[test]
    fn a_mark_is_read_as_it_is_written() {
        let mark = Mark::new(LOST, second(1_000));
        assert_eq!(Mark::read(&mark.write()), Some(mark));
        for other in ["", "00000007-2", "00000007-2 soon", "00000007-2 -1"] {
            assert_eq!(Mark::read(other), None, "{other:?}");
        }
    }

    #[test]
    fn only_a_key_of_that_mint_and_that_time_is_explained() {
        let (mark, late) = (Mark::new(LOST, second(1_000)), Duration::from_mins(1));
        assert!(mark.explains(LOST, second(1_000), late) && mark.explains(LOST, second(1_060), late));
        assert!(!mark.explains(LOST, second(900), late), "it was there before");
        assert!(!mark.explains(LOST, second(1_100), late), "no request is applied so late");
        assert!(!mark.explains(Generation { number: 3, ..LOST }, second(1_000), late), "another mint was begun since");
    }
}
