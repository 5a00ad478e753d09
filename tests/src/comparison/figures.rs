//! Figures of the peer and of ours, what is aimed at, and whether it was reached.

use std::fmt::{self, Display, Formatter, Write as _};
use std::time::Duration;

/// What a figure counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Things.
    Count,
    /// Requests in a second.
    PerSecond,
    /// Milliseconds.
    Millis,
    /// Microseconds.
    Micros,
    /// Millions of bytes.
    Megabytes,
}

impl Unit {
    const fn name(self) -> &'static str {
        match self {
            Self::Count => "",
            Self::PerSecond => "/s",
            Self::Millis => " ms",
            Self::Micros => " µs",
            Self::Megabytes => " MB",
        }
    }

    const fn digits(self) -> usize {
        match self {
            Self::Count | Self::PerSecond | Self::Micros => 0,
            Self::Millis | Self::Megabytes => 1,
        }
    }
}

/// What ours is to be, beside the peer's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Target {
    /// At most the peer's divided by this.
    Share(u32),
    /// At least the peer's so many times.
    Times(f64),
    /// At most the peer's.
    NoWorse,
    /// None, in every repetition.
    Zero,
    /// At most so much, whatever the peer's is.
    AtMost(f64),
    /// Nothing: it is told as it is.
    Told,
}

impl Display for Target {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Share(of) => write!(f, "≤ 1/{of} of the peer's"),
            Self::Times(times) => write!(f, "≥ {times} times the peer's"),
            Self::NoWorse => f.write_str("≤ the peer's"),
            Self::Zero => f.write_str("0"),
            Self::AtMost(most) => write!(f, "≤ {most}"),
            Self::Told => f.write_str("–"),
        }
    }
}

/// Whether a target was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was.
    Met,
    /// It was not, or there is no figure to say so.
    Missed,
    /// There was none.
    Told,
}

impl Verdict {
    const fn name(self) -> &'static str {
        match self {
            Self::Met => "met",
            Self::Missed => "**missed**",
            Self::Told => "–",
        }
    }
}

/// The figures of all repetitions, in their order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Values(Vec<f64>);

impl Values {
    /// One more.
    pub fn add(&mut self, value: f64) {
        self.0.push(value);
    }

    /// The one in the middle; of an even number the mean of the two that are. None without any, or if one is no number.
    #[must_use]
    pub fn median(&self) -> Option<f64> {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let (last, middle) = (sorted.last()?, sorted.len() / 2);
        let is_sound = last.is_finite() && sorted[0].is_finite();
        let median = if sorted.len() % 2 == 1 { sorted[middle] } else { f64::midpoint(sorted[middle - 1], sorted[middle]) };
        is_sound.then_some(median)
    }

    fn show(&self, unit: Unit) -> String {
        let (digits, name) = (unit.digits(), unit.name());
        let Some(median) = self.median() else { return "no figure".to_owned() };
        let mut shown = format!("{median:.digits$}{name}");
        if self.0.len() > 1 {
            let all: Vec<_> = self.0.iter().map(|value| format!("{value:.digits$}")).collect();
            // What cannot be told from one another is not told one by one.
            let is_told = all.len() <= 7;
            let all = if is_told { all.join(" / ") } else { self.spread(digits) };
            write!(shown, " ({all})").expect("a string takes all");
        }
        shown
    }

    fn spread(&self, digits: usize) -> String {
        let (least, most) =
            self.0.iter().fold((f64::MAX, f64::MIN), |(least, most), value| (least.min(*value), most.max(*value)));
        format!("{least:.digits$} to {most:.digits$} in {}", self.0.len())
    }
}

impl FromIterator<f64> for Values {
    fn from_iter<I: IntoIterator<Item = f64>>(values: I) -> Self {
        Self(values.into_iter().collect())
    }
}

/// One line of the table.
#[derive(Clone, Debug)]
pub struct Row {
    /// What was measured.
    pub what: String,
    /// What it counts.
    pub unit: Unit,
    /// Of `bao agent` or `bao proxy`.
    pub peer: Values,
    /// Of turquoise.
    pub ours: Values,
    /// What ours is to be.
    pub target: Target,
}

impl Row {
    /// Whether the target was reached.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let is_met = match self.target {
            Target::Told => return Verdict::Told,
            Target::Zero => self.ours.median().is_some() && self.ours.0.iter().all(|value| *value == 0.0),
            Target::AtMost(most) => self.ours.median().is_some_and(|ours| ours <= most),
            Target::Share(of) => self.both().is_some_and(|(peer, ours)| ours * f64::from(of) <= peer),
            Target::Times(times) => self.both().is_some_and(|(peer, ours)| ours >= peer * times),
            Target::NoWorse => self.both().is_some_and(|(peer, ours)| ours <= peer),
        };
        if is_met { Verdict::Met } else { Verdict::Missed }
    }

    /// Nothing can be compared with a peer of which there is nothing.
    fn both(&self) -> Option<(f64, f64)> {
        self.peer.median().zip(self.ours.median()).filter(|(peer, _)| *peer > 0.0)
    }

    /// Ours as a part of the peer's.
    fn ratio(&self) -> String {
        match (self.target, self.both()) {
            (Target::Zero | Target::AtMost(_) | Target::Told, _) | (_, None) => "–".to_owned(),
            (Target::Share(_), Some((peer, ours))) if ours > 0.0 => format!("1/{:.1}", peer / ours),
            (_, Some((peer, ours))) => format!("{:.2}", ours / peer),
        }
    }
}

/// The lines as a table in Markdown.
#[must_use]
pub fn table(rows: &[Row]) -> String {
    let mut out = "| what | peer | ours | ours / peer | target | |\n| --- | --- | --- | --- | --- | --- |\n".to_owned();
    for row in rows {
        let (peer, ours) = (row.peer.show(row.unit), row.ours.show(row.unit));
        let line = format!("| {} | {peer} | {ours} | {} | {} | {} |", row.what, row.ratio(), row.target, row.verdict().name());
        out.push_str(&line);
        out.push('\n');
    }
    out
}

/// So many thousandths of them took at most so long; they are in order. None without any.
#[must_use]
pub fn percentile(sorted: &[Duration], thousandths: usize) -> Option<Duration> {
    let rank = (sorted.len() * thousandths).div_ceil(1_000).max(1);
    sorted.get(rank - 1).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(target: Target, peer: &[f64], ours: &[f64]) -> Row {
        let values = |values: &[f64]| values.iter().copied().collect();
        Row { what: "it".to_owned(), unit: Unit::Count, peer: values(peer), ours: values(ours), target }
    }

    #[test]
    fn a_target_is_met_up_to_its_edge_and_not_beyond() {
        for (target, peer, met, missed) in [
            (Target::Share(4), 100.0, 25.0, 25.1),
            (Target::Times(1.3), 1_000.0, 1_300.0, 1_299.0),
            (Target::NoWorse, 7.0, 7.0, 7.1),
            (Target::Zero, 7.0, 0.0, 1.0),
            (Target::AtMost(3.0), 0.0, 3.0, 3.1),
        ] {
            assert_eq!(row(target, &[peer], &[met]).verdict(), Verdict::Met, "{target}");
            assert_eq!(row(target, &[peer], &[missed]).verdict(), Verdict::Missed, "{target}");
        }
        assert_eq!(row(Target::Told, &[1.0], &[1e9]).verdict(), Verdict::Told);
    }

    #[test]
    fn the_middle_is_judged_and_of_failures_each_one() {
        assert_eq!(row(Target::Share(2), &[1.0, 100.0, 10.0], &[5.0, 90.0, 1.0]).verdict(), Verdict::Met);
        assert_eq!(row(Target::Zero, &[9.0; 3], &[0.0, 0.0, 1.0]).verdict(), Verdict::Missed);
        assert_eq!(Values::from_iter([4.0, 1.0, 3.0, 2.0]).median(), Some(2.5));
    }

    #[test]
    fn what_was_not_measured_is_missed() {
        for target in [Target::Share(4), Target::Times(1.3), Target::NoWorse, Target::Zero, Target::AtMost(1.0)] {
            assert_eq!(row(target, &[1.0], &[]).verdict(), Verdict::Missed, "{target}");
            assert_eq!(row(target, &[1.0], &[f64::NAN]).verdict(), Verdict::Missed, "{target}");
        }
        // Against a peer that did nothing nobody is better.
        assert_eq!(row(Target::Times(1.3), &[0.0], &[5.0]).verdict(), Verdict::Missed);
        assert_eq!(row(Target::NoWorse, &[], &[5.0]).verdict(), Verdict::Missed);
    }

    #[test]
    fn a_table_shows_all_values_and_what_was_missed() {
        let rows = [row(Target::Share(4), &[90.0, 110.0, 100.0], &[20.0, 21.0, 19.0]), row(Target::Zero, &[12.0], &[3.0])];
        let shown = table(&rows);
        assert!(
            shown.contains("| it | 100 (90 / 110 / 100) | 20 (20 / 21 / 19) | 1/5.0 | ≤ 1/4 of the peer's | met |"),
            "{shown}"
        );
        assert!(shown.contains("| it | 12 | 3 | – | 0 | **missed** |"), "{shown}");
    }

    #[test]
    fn a_percentile_is_one_of_those_that_were_measured() {
        let took: Vec<_> = (1..=200).map(Duration::from_millis).collect();
        assert_eq!(percentile(&took, 990), Some(Duration::from_millis(198)));
        assert_eq!(percentile(&took, 500), Some(Duration::from_millis(100)));
        assert_eq!(percentile(&took[..1], 990), Some(Duration::from_millis(1)));
        assert_eq!(percentile(&[], 990), None);
    }
}
