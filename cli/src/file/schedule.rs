//! A calendar: when a rotation is due, where it is not so often.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use croner::Cron;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use turquoise::core::Jitter;

/// So many occurrences are looked at to learn how far apart they are: a pattern of minutes and weekdays has shown all it has.
const LOOKED_AT: usize = 400;
/// From when on they are looked at, in seconds of Unix: the first of January 2026. What a file comes to does not depend on the day.
const FROM: i64 = 1_767_225_600;

/// In UTC, and within a window from each occurrence on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Schedule {
    cron: Cron,
    pub(crate) window: Duration,
}

/// Why a text is no calendar.
#[derive(Debug, thiserror::Error)]
#[error("{0}: write five fields, minute, hour, day, month and weekday: \"0 3 * * *\" is every night at three, in UTC")]
pub(crate) struct NoSchedule(String);

impl FromStr for Schedule {
    type Err = NoSchedule;

    fn from_str(text: &str) -> Result<Self, NoSchedule> {
        let cron = Cron::from_str(text).map_err(|why| NoSchedule(why.to_string()))?;
        let schedule = Self { cron, window: Duration::ZERO };
        if schedule.gaps().next().is_none() { Err(NoSchedule("it never comes again".to_owned())) } else { Ok(schedule) }
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.cron.as_str())
    }
}

impl Schedule {
    /// With a window.
    pub(crate) fn within(self, window: Duration) -> Self {
        Self { window, ..self }
    }

    /// The identity's own moment in the first window in which it is still to come.
    pub(crate) fn next(&self, now: SystemTime, jitter: Jitter) -> Option<SystemTime> {
        let late = jitter.phase(self.window);
        let before = utc(Timestamp::try_from(now.checked_sub(late)?).ok()?);
        let occurrence = self.cron.find_next_occurrence(&before, false).ok()?;
        SystemTime::from(occurrence.timestamp()).checked_add(late)
    }

    /// The least and the longest time from one rotation to the next.
    pub(crate) fn spacing(&self) -> (Duration, Duration) {
        let (least, longest) =
            self.gaps().fold((Duration::MAX, Duration::ZERO), |(least, longest), gap| (least.min(gap), longest.max(gap)));
        (least, longest)
    }

    fn gaps(&self) -> impl Iterator<Item = Duration> {
        let start = utc(Timestamp::from_second(FROM).unwrap_or_default());
        let occurrences = std::iter::successors(self.cron.find_next_occurrence(&start, false).ok(), |last| {
            self.cron.find_next_occurrence(last, false).ok()
        });
        let times = occurrences.take(LOOKED_AT).map(|time| SystemTime::from(time.timestamp()));
        times
            .scan(None, |last: &mut Option<SystemTime>, time| {
                let gap = last.map(|last| time.duration_since(last).unwrap_or_default());
                *last = Some(time);
                Some(gap)
            })
            .flatten()
    }
}

fn utc(time: Timestamp) -> Zoned {
    time.to_zoned(TimeZone::UTC)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> SystemTime {
        text.parse::<Timestamp>().expect("a time").into()
    }

    fn schedule(text: &str, window: u64) -> Schedule {
        let schedule = text.parse::<Schedule>().unwrap_or_else(|why| panic!("{text}: {why}"));
        schedule.within(Duration::from_secs(window))
    }

    #[test]
    fn the_next_moment_is_in_a_window_and_to_come() {
        let nightly = schedule("0 3 * * *", 0);
        assert_eq!(nightly.next(time("2026-03-01T02:59:59Z"), Jitter::None), Some(time("2026-03-01T03:00:00Z")));
        assert_eq!(nightly.next(time("2026-03-01T03:00:00Z"), Jitter::None), Some(time("2026-03-02T03:00:00Z")));
        let wide = schedule("0 3 * * 1-5", 7200);
        let mut moments = Vec::new();
        for seed in 0..20 {
            let moment = wide.next(time("2026-03-06T04:59:59Z"), Jitter::Full(seed)).expect("it comes");
            assert!(moment > time("2026-03-06T04:59:59Z") && moment < time("2026-03-09T05:00:00Z"), "after a Friday, Monday");
            // In the middle of its window it is still to come, or it was and comes in the next.
            let during = wide.next(time("2026-03-05T04:00:00Z"), Jitter::Full(seed)).expect("it comes");
            assert!(during > time("2026-03-05T04:00:00Z") && during < time("2026-03-06T05:00:00Z"));
            moments.push(moment);
        }
        moments.sort();
        moments.dedup();
        assert!(moments.len() > 15, "each identity has a moment of its own");
    }

    #[test]
    fn it_is_known_how_far_apart_the_occurrences_are() {
        let hours = |hours| Duration::from_hours(hours);
        assert_eq!(schedule("0 3 * * *", 0).spacing(), (hours(24), hours(24)));
        assert_eq!(schedule("0 3 * * 1-5", 0).spacing(), (hours(24), hours(72)));
        assert_eq!(schedule("0 1,13 * * *", 0).spacing(), (hours(12), hours(12)));
    }

    #[test]
    fn what_is_no_calendar_or_never_comes_is_refused() {
        for text in ["", "nightly at 3", "61 * * * *", "0 3 * *", "0 0 30 2 *"] {
            assert!(text.parse::<Schedule>().is_err(), "{text:?}");
        }
    }
}
