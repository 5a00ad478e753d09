//! The canary: while a candidate is validated, a share of new work tries it, and what became of that work is counted.

use core::time::Duration;

use crate::record::AbandonReason;

/// How a candidate is tried on new work, after its probes and beside the current credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Trial {
    /// The share of new work that may be replayed that is given the candidate, in ten-thousandths.
    pub share: u16,
    /// How long the candidate is tried.
    pub window: Duration,
    /// So many reports on the candidate are enough to judge it.
    pub samples: u16,
    /// So many refusals, and so many reports of slowness, are forgiven.
    pub forgiven: u16,
    /// The candidate may take so many hundredths of the time that the current one takes, on average; 0 does not compare.
    pub slower: u16,
    /// What to make of too few reports.
    pub shortage: Shortage,
}

/// What to make of a canary that too little work has tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Shortage {
    /// The probes have to do.
    ProbesSuffice,
    /// The candidate is abandoned.
    Abandon,
}

/// What became of one piece of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// It was served.
    Served {
        /// How long that took.
        took: Duration,
    },
    /// It was refused with the candidate, and the same work was then served with the current credential. Nothing less is
    /// the candidate's fault.
    Refused,
    /// It was too slow for whoever waited for it.
    Slow,
}

/// What is known of a candidate, and of the current credential in the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Tally {
    /// The candidate's work that was served.
    pub served: u32,
    /// The candidate's work that was refused.
    pub refused: u32,
    /// The candidate's work that was too slow.
    pub slow: u32,
    /// Microseconds that the candidate's served work took.
    pub micros: u64,
    /// The current one's work that was served.
    pub base: u32,
    /// Microseconds that it took.
    pub base_micros: u64,
}

/// What a tally comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Judgement {
    Open,
    Passed,
    Failed(AbandonReason),
}

impl Tally {
    /// Counts a report on the candidate.
    pub(crate) fn count(&mut self, verdict: Verdict) {
        let counter = match verdict {
            Verdict::Served { took } => {
                self.micros = self.micros.saturating_add(micros(took));
                &mut self.served
            }
            Verdict::Refused => &mut self.refused,
            Verdict::Slow => &mut self.slow,
        };
        *counter = counter.saturating_add(1);
    }

    /// Counts a report on the current credential, for comparison.
    pub(crate) fn count_base(&mut self, verdict: Verdict) {
        if let Verdict::Served { took } = verdict {
            self.base = self.base.saturating_add(1);
            self.base_micros = self.base_micros.saturating_add(micros(took));
        }
    }

    /// What it comes to; `over` once the window has closed.
    pub(crate) fn judge(&self, trial: &Trial, over: bool) -> Judgement {
        let forgiven = u32::from(trial.forgiven);
        let samples = self.served.saturating_add(self.refused).saturating_add(self.slow);
        let few = samples < u32::from(trial.samples);
        match trial.shortage {
            _ if self.refused > forgiven => Judgement::Failed(AbandonReason::CanaryRefused),
            _ if self.slow > forgiven => Judgement::Failed(AbandonReason::CanarySlow),
            _ if !over => Judgement::Open,
            Shortage::Abandon if few => Judgement::Failed(AbandonReason::CanaryTooFew),
            _ if !few && self.is_slower(trial) => Judgement::Failed(AbandonReason::CanarySlow),
            _ => Judgement::Passed,
        }
    }

    /// Whether the candidate's work took longer on average than it may. Without work to compare with, it did not.
    fn is_slower(&self, trial: &Trial) -> bool {
        let [own, base] = [(self.micros, self.base), (self.base_micros, self.served)]
            .map(|(micros, others)| u128::from(micros) * u128::from(others));
        trial.slower > 0 && base > 0 && own * 100 > base * u128::from(trial.slower)
    }
}

fn micros(took: Duration) -> u64 {
    u64::try_from(took.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRIAL: Trial =
        Trial { share: 1_000, window: Duration::from_secs(1), samples: 3, forgiven: 1, slower: 200, shortage: Shortage::Abandon };

    fn tally(candidate: &[Verdict], current: &[u64]) -> Tally {
        let mut tally = Tally::default();
        for verdict in candidate {
            tally.count(*verdict);
        }
        for millis in current {
            tally.count_base(served(*millis));
        }
        tally
    }

    const fn served(millis: u64) -> Verdict {
        Verdict::Served { took: Duration::from_millis(millis) }
    }

    #[test]
    fn one_refusal_is_forgiven_and_two_are_not() {
        let once = [served(1), Verdict::Refused, served(1)];
        assert_eq!(tally(&once, &[1]).judge(&TRIAL, true), Judgement::Passed);
        let twice = tally(&[Verdict::Refused, Verdict::Refused], &[]);
        assert_eq!(twice.judge(&TRIAL, false), Judgement::Failed(AbandonReason::CanaryRefused));
    }

    #[test]
    fn slowness_that_is_reported_counts_as_refusals_do() {
        let slow = tally(&[Verdict::Slow, Verdict::Slow], &[]);
        assert_eq!(slow.judge(&TRIAL, false), Judgement::Failed(AbandonReason::CanarySlow));
        assert_eq!(tally(&[Verdict::Slow], &[]).judge(&TRIAL, false), Judgement::Open);
    }

    #[test]
    fn too_few_reports_are_judged_as_the_policy_says() {
        let few = tally(&[served(1), served(1)], &[1]);
        assert_eq!(few.judge(&TRIAL, false), Judgement::Open);
        assert_eq!(few.judge(&TRIAL, true), Judgement::Failed(AbandonReason::CanaryTooFew));
        assert_eq!(few.judge(&Trial { shortage: Shortage::ProbesSuffice, ..TRIAL }, true), Judgement::Passed);
        assert_eq!(tally(&[served(1); 3], &[1]).judge(&TRIAL, true), Judgement::Passed);
    }

    #[test]
    fn latency_is_compared_with_that_of_the_current_one() {
        let twice = tally(&[served(20), served(20), served(20)], &[10, 10]);
        assert_eq!(twice.judge(&TRIAL, true), Judgement::Passed, "twice as slow is what the policy allows");
        let more = tally(&[served(20), served(20), served(21)], &[10, 10]);
        assert_eq!(more.judge(&TRIAL, true), Judgement::Failed(AbandonReason::CanarySlow));
        assert_eq!(more.judge(&Trial { slower: 0, ..TRIAL }, true), Judgement::Passed);
        assert_eq!(tally(&[served(20); 3], &[]).judge(&TRIAL, true), Judgement::Passed, "there is nothing to compare with");
        assert_eq!(tally(&[served(20); 3], &[0]).judge(&TRIAL, true), Judgement::Passed, "no time is nothing to compare with");
    }
}
