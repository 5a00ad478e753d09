//! What a journal of ours announces, in the words that a judge takes.

use turquoise_runtime::core::{Generation, Held, Record, Resolution, Step};
use turquoise_runtime::port::{Entry, Handle, History};

use crate::judge::{Announced, Told};

impl Told {
    /// Takes what a journal says: what it announces, and what an operator waived.
    #[must_use]
    pub fn with_journal(mut self, history: &History) -> Self {
        let mut reading = Reading::default();
        if let Some(base) = &history.base {
            let current = base.checkpoint.current.generation;
            reading.journal(current);
            reading.announced.archived = base.checkpoint.mints;
            reading.serves(Some(current));
        }
        for entry in &history.entries {
            reading.take(entry);
        }
        self.waived.extend(reading.waived.iter().map(ToString::to_string));
        self.announced = Some(reading.announced);
        self
    }
}

/// Who is who, as far as an announcement does not say whom it is about.
#[derive(Default)]
struct Reading {
    announced: Announced,
    waived: Vec<Generation>,
    current: Option<Generation>,
    candidate: Option<Generation>,
    retiring: Option<Generation>,
    /// What is being ended.
    going: Option<Generation>,
    debt: Option<Generation>,
}

impl Reading {
    fn journal(&mut self, generation: Generation) {
        self.announced.journal = format!("{:08x}", generation.incarnation);
    }

    /// Answers what was current before.
    fn serves(&mut self, generation: Option<Generation>) -> Option<Generation> {
        self.announced.current.extend(generation.map(|generation| generation.to_string()));
        std::mem::replace(&mut self.current, generation)
    }

    fn ends(&mut self, generation: Option<Generation>) {
        self.announced.ends.extend(generation.map(|generation| generation.to_string()));
    }

    fn going(&mut self, generation: Option<Generation>) {
        self.ends(generation);
        self.going = generation;
    }

    /// What a crash has cut short is abandoned; where nothing survives, all that there was is owed.
    fn recovered(&mut self, held: Held) {
        if self.going.is_none() && self.candidate.is_some() {
            self.going(self.candidate);
        }
        if held == Held::default() {
            for one in [self.current, self.retiring] {
                self.ends(one);
            }
        }
    }

    fn made(&mut self, handle: Option<&Handle>) {
        let named = self.candidate.zip(handle);
        self.announced.handles.extend(named.map(|(generation, handle)| (generation.to_string(), handle.0.clone())));
    }

    fn take(&mut self, entry: &Entry) {
        let Entry { record: Record { step, .. }, handle, .. } = entry;
        match *step {
            Step::LoginIntent { mint } | Step::IssueIntent { mint, .. } => {
                self.journal(mint.generation);
                self.announced.mints.insert(mint.generation.to_string());
                self.candidate = Some(mint.generation);
            }
            Step::LoggedIn { .. } | Step::Issued { .. } => self.made(handle.as_ref()),
            Step::Ready => {
                let first = self.candidate.take();
                self.serves(first);
            }
            Step::Promoted { .. } => {
                let next = self.candidate.take();
                self.retiring = self.serves(next);
            }
            Step::RolledBack { .. } => std::mem::swap(&mut self.current, &mut self.retiring),
            // A provider ends what it was given otherwise than it had asked for.
            Step::IssueRefused | Step::LoginFailed { .. } => {
                let refused = self.candidate.take();
                self.ends(refused);
            }
            Step::AbandonIntent { .. } => self.going(self.candidate),
            Step::RevokeIntent { .. } => self.going(self.retiring),
            Step::CloseIntent { .. } => self.going(self.current),
            Step::Waived { .. } => {
                for one in [self.current, self.candidate, self.retiring] {
                    self.ends(one);
                    self.waived.extend(one);
                }
            }
            Step::Owed { generation, .. } => {
                self.ends(Some(generation));
                (self.going, self.debt) = (None, Some(generation));
                self.candidate.take_if(|candidate| *candidate == generation);
            }
            Step::Died { .. } => {
                let dead = self.going.take().or_else(|| self.debt.take());
                self.candidate.take_if(|candidate| Some(*candidate) == dead);
                self.announced.dead.extend(dead.map(|generation| generation.to_string()));
            }
            Step::Recovered { held } => self.recovered(held),
            Step::Compromised { generation } => self.waived.push(generation),
            Step::Resolved { resolution: Resolution::Forget } => self.waived.extend(self.current),
            _ => {}
        }
    }
}
