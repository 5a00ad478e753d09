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
/// So long a moment at the end of its window, or of one that is no time at all, can be made up for.
const LEEWAY: Duration = Duration::from_mins(1);

/// In UTC, and within a window from each occurrence on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Schedule {
    cron: Cron,
    pub(crate) window: Duration,
}

/// A moment at which a rotation was due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Due {
    pub(crate) moment: SystemTime,
    /// So long it can be made up for.
    pub(crate) until: SystemTime,
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

    /// The identity's own moment that came last.
    pub(crate) fn last(&self, now: SystemTime, jitter: Jitter) -> Option<Due> {
        let late = jitter.phase(self.window);
        let before = utc(Timestamp::try_from(now.checked_sub(late)?).ok()?);
        let occurrence = SystemTime::from(self.cron.find_previous_occurrence(&before, true).ok()?.timestamp());
        let moment = occurrence.checked_add(late)?;
        let until = occurrence.checked_add(self.window)?.max(moment.checked_add(LEEWAY)?);
        Some(Due { moment, until })
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
    fn the_last_moment_can_be_made_up_for_until_its_window_is_over() {
        let nightly = schedule("0 3 * * *", 7200);
        let last = |now: &str, jitter| nightly.last(time(now), jitter).expect("one came before");
        for now in ["2026-03-02T03:00:00Z", "2026-03-02T03:00:00.5Z", "2026-03-02T23:59:59Z", "2026-03-03T02:59:59.9Z"] {
            let Due { moment, until } = last(now, Jitter::None);
            assert_eq!((moment, until), (time("2026-03-02T03:00:00Z"), time("2026-03-02T05:00:00Z")), "{now}");
        }
        for seed in 0..20 {
            let jitter = Jitter::Full(seed);
            let (now, next) =
                (time("2026-03-02T04:00:00Z"), nightly.next(time("2026-03-02T02:00:00Z"), jitter).expect("it comes"));
            let Due { moment, until } = nightly.last(now, jitter).expect("one came before");
            assert!(moment <= now && (moment == next) == (next <= now), "the one that has come, or that of the night before");
            assert!(until >= moment + LEEWAY && until <= moment + Duration::from_hours(2) + LEEWAY);
        }
        let sharp = schedule("0 3 * * *", 0).last(time("2026-03-02T03:00:10Z"), Jitter::None).expect("one came before");
        assert_eq!(sharp.until, time("2026-03-02T03:01:00Z"));
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
