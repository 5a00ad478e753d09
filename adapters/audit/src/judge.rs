//! The properties, each in a function of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use crate::book::{Book, By, Credential, End};
use crate::log::{Tally, Whose, journal_of};
use crate::report::{Fate, Finding, Judgement, Property};

/// How far servers' whole seconds and the time that an answer takes may be off.
const SLACK: Duration = Duration::from_secs(1);

/// Where a log ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rest {
    /// Anywhere: two may live.
    #[default]
    Anywhere,
    /// Where nothing is under way: only one may live, and what was superseded must have ended.
    Quiet,
}

/// How many requests are allowed: so many at once, and one more in each interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// So many at once.
    pub burst: u32,
    /// One more for each.
    pub every: Duration,
}

/// What a journal announced, by the names of generations.
#[derive(Clone, Debug, Default)]
pub struct Announced {
    /// The journal's part of its generations' names: others are not its own.
    pub journal: String,
    /// Generations up to this number are in archives: nothing is said of them.
    pub archived: u32,
    /// Those that were to be minted or logged in for.
    pub mints: BTreeSet<String>,
    /// Those that were to be ended.
    pub ends: BTreeSet<String>,
    /// Those that were made current.
    pub current: BTreeSet<String>,
    /// Those that were known to be dead.
    pub dead: BTreeSet<String>,
    /// The handles by which their makers knew them.
    pub handles: BTreeMap<String, String>,
}

impl Announced {
    fn covers(&self, rotation: &str) -> bool {
        let number = |text: &str| text.split_once('-').and_then(|(_, number)| number.parse::<u32>().ok());
        journal_of(rotation) == Some(&self.journal) && number(rotation).is_some_and(|number| number > self.archived)
    }
}

/// What a judge is told. All of it may be left out.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// How long the old credential is left to those that have it, from when its successor's life was extended.
    pub grace: Option<Duration>,
    /// When a superseded credential must have ended at the latest, from the end of the grace. L2 is judged by it.
    pub ends_within: Option<Duration>,
    /// The most requests from one mint to the next, without the reads of probes, which look like work. S10 is judged by it.
    pub requests: Option<usize>,
    /// The most requests in any stretch of time, without the same. S10 is judged by it, too.
    pub budget: Option<Budget>,
    /// Where the log ends.
    pub rest: Rest,
    /// What came later is not looked at.
    pub until: Option<SystemTime>,
    /// What a journal announced. S3 is judged by it.
    pub announced: Option<Announced>,
    /// Generations that an operator waived S1 and S2 for: compromised, or ended to break the glass.
    pub waived: BTreeSet<String>,
    /// What the server's hashes stand for: see [`Told::hash`].
    pub hashes: BTreeMap<String, String>,
}

impl Told {
    /// Has the server hash these accessors, handles or lease ids, so that they are known again where the log has their hashes.
    /// `hash` is one request, `POST sys/audit-hash/DEVICE` with `{"input": …}`, whose answer has `data.hash`; it takes the right
    /// to `update` that path.
    ///
    /// # Errors
    ///
    /// The first one of `hash`.
    pub fn hash<N: AsRef<str>, E>(
        &mut self,
        names: impl IntoIterator<Item = N>,
        mut hash: impl FnMut(&str) -> Result<String, E>,
    ) -> Result<(), E> {
        for name in names {
            self.hashes.insert(hash(name.as_ref())?, name.as_ref().to_owned());
        }
        Ok(())
    }

    /// Whether it was made current, as far as a journal says.
    fn may_be_current(&self, one: &Credential) -> bool {
        let rotation = one.rotation.as_deref().zip(self.announced.as_ref());
        rotation.is_none_or(|(rotation, announced)| !announced.covers(rotation) || announced.current.contains(rotation))
    }

    /// What a name of the log stands for, as far as that is known.
    pub(crate) fn clear<'a>(&'a self, name: &'a str) -> &'a str {
        self.hashes.get(name).map_or(name, String::as_str)
    }
}

/// Judges a book.
pub(crate) fn judge(book: &Book, whose: &Whose, told: &Told, tally: &Tally) -> Judgement {
    let mut bench = Bench {
        book,
        told,
        now: book.now.unwrap_or(SystemTime::UNIX_EPOCH),
        violations: Vec::new(),
        excused: Vec::new(),
        late: 0,
    };
    bench.never_dark();
    bench.no_early_revoke();
    bench.intent_first();
    bench.at_most_two();
    bench.lineage_safe();
    bench.bounded_load();
    bench.no_survivor();
    let Bench { mut violations, mut excused, late, .. } = bench;
    violations.sort_by_key(|finding| (finding.property, finding.at));
    excused.sort_by_key(|finding| (finding.property, finding.at));
    Judgement {
        identity: whose.to_string(),
        credentials: book.credentials.iter().map(|one| fate(one, book)).collect(),
        violations,
        excused,
        not_judged: not_judged(told),
        matched: book.matched,
        unmatched: book.unmatched,
        unauditable: tally.unauditable + book.ends_unknown,
        late,
    }
}

fn fate(one: &Credential, book: &Book) -> Fate {
    let end = book.now.and_then(|now| one.end(now));
    let minter = book.credentials.iter().find(|other| one.minter.as_ref() == Some(&other.print));
    Fate {
        credential: one.name(),
        kind: one.kind,
        accessor: one.accessor.as_deref().map(str::to_owned),
        minted_by: minter.map(Credential::name),
        since: one.since,
        taken: one.taken(),
        until: end.map_or_else(|| one.expires(), |end| Some(end.at)),
        ended_by: end.map(|end| end.by),
        seen_dead: one.seen_dead.is_some(),
        worked: one.worked,
        refused: one.refused.len(),
        leases: one.leases.len(),
        children: one.children.len(),
    }
}

fn not_judged(told: &Told) -> Vec<String> {
    let missing = [
        (told.announced.is_none(), "S3, and what of S4 and L2 takes a journal: none was given"),
        (told.grace.is_none(), "S2: whether a grace was kept to: it was not told; each use of an ended credential counts"),
        (told.requests.is_none() && told.budget.is_none(), "S10: no budget was told"),
        (told.ends_within.is_none() || told.grace.is_none(), "L2: no bounds were told"),
    ];
    missing.into_iter().filter(|(missing, _)| *missing).map(|(_, what)| what.to_owned()).collect()
}

struct Bench<'a> {
    book: &'a Book,
    told: &'a Told,
    now: SystemTime,
    violations: Vec<Finding>,
    excused: Vec<Finding>,
    late: usize,
}

/// Which list a finding goes to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Blame {
    Ours,
    Nobody,
}

impl<'a> Bench<'a> {
    fn find(&mut self, blame: Blame, property: Property, at: SystemTime, credential: String, why: impl Into<String>) {
        let finding = Finding { property, at, credential, why: why.into() };
        match blame {
            Blame::Ours => self.violations.push(finding),
            Blame::Nobody => self.excused.push(finding),
        }
    }

    /// An operator's word, or somebody else's deed.
    fn blame(&self, one: &Credential, by: By) -> Blame {
        if by == By::Others || self.told.waived.contains(&one.name()) { Blame::Nobody } else { Blame::Ours }
    }

    /// All that were made current. What did no work was not, if the journal does not say so: its maker may have looked at it.
    fn taken(&self) -> impl Iterator<Item = (&'a Credential, SystemTime)> + use<'a> {
        let told = self.told;
        let known = self.book.credentials.iter().filter(|one| one.worked > 0 || told.may_be_current(one));
        known.filter_map(|one| one.taken().map(|taken| (one, taken)))
    }

    /// The one that superseded this one before a moment.
    fn successor(&self, one: &Credential, before: SystemTime) -> Option<(&'a Credential, SystemTime)> {
        let later = self.taken().filter(|(other, taken)| other.since > one.since && *taken <= before);
        later.max_by_key(|(_, taken)| *taken)
    }

    /// S1: from the first one on there is a valid one at every moment, and none is refused while it should be valid.
    fn never_dark(&mut self) {
        for (one, taken) in self.taken() {
            let Some(End { at, by }) = one.end(self.now) else { continue };
            let covered = self.taken().any(|(other, from)| other.print != one.print && from <= at && other.lives_at(at));
            let followed = self.book.credentials.iter().any(|other| other.since > at || other.lives_at(at));
            // The last one may end when everything is to end.
            if at < taken || covered || (!followed && by != By::Time) {
                continue;
            }
            let why = match by {
                By::Time => "its life was over, and nothing else was valid",
                By::Itself | By::Ours => "it was ended, and nothing else was valid",
                By::Others => "somebody else ended it, and nothing else was valid",
            };
            self.find(self.blame(one, by), Property::S1, at, one.name(), why);
        }
        for (one, taken) in self.taken() {
            let end = one.end(self.now).map(|end| end.at);
            let asked = one.end_asked;
            let alive = |at: &&SystemTime| {
                **at > taken && end.is_none_or(|end| **at + SLACK < end) && asked.is_none_or(|asked| **at < asked)
            };
            if let Some(at) = one.refused.iter().find(alive) {
                self.find(
                    self.blame(one, By::Itself),
                    Property::S1,
                    *at,
                    one.name(),
                    "it was refused before its end: is it ended or disabled in a way that leaves no line?",
                );
            }
        }
    }

    /// S2: what served is ended only when another one was proven and extended, and nobody used it any more or the grace was over.
    fn no_early_revoke(&mut self) {
        for one in &self.book.credentials {
            let Some(End { at, by }) = one.end(self.now) else { continue };
            let served = one.taken().is_some_and(|taken| taken <= at);
            let another = self.taken().any(|(other, taken)| {
                other.print != one.print && taken <= at && other.proven.is_some_and(|proven| proven <= at) && other.lives_at(at)
            });
            let last = !self.book.credentials.iter().any(|other| other.since > at || other.lives_at(at));
            if served && !another && !last && by != By::Time {
                let why = "it was ended before another one was proven and extended";
                self.find(self.blame(one, by), Property::S2, at, one.name(), why);
            }
            self.used_after_its_end(one, at, by);
        }
    }

    fn used_after_its_end(&mut self, one: &Credential, at: SystemTime, by: By) {
        // The end of many things that hang from one takes its time.
        let at = one.end_asked.map_or(at, |asked| asked.min(at));
        let refused = one.refused.iter().filter(|refused| **refused + SLACK >= at);
        let (count, first) = (refused.clone().count(), refused.min());
        let Some(first) = first else { return };
        let switched = self.successor(one, at).map(|(_, taken)| taken);
        let due = switched.zip(self.told.grace).is_some_and(|(switched, grace)| at + SLACK >= switched + grace);
        if due {
            self.late += count;
            return;
        }
        let blame = if by == By::Time { self.blame(one, By::Itself) } else { self.blame(one, by) };
        let why = format!("work bore it {count} times when it was over: somebody was using what was ended");
        self.find(blame, Property::S2, *first, one.name(), why);
    }

    /// S3: what was minted or ended had been announced; and what the journal names is what the server has made.
    fn intent_first(&mut self) {
        let Some(announced) = &self.told.announced else { return };
        for one in &self.book.credentials {
            let Some(rotation) = one.rotation.as_deref().filter(|rotation| announced.covers(rotation)) else { continue };
            if !announced.mints.contains(rotation) {
                self.find(
                    Blame::Ours,
                    Property::S3,
                    one.since,
                    one.name(),
                    "it was minted, and the journal does not announce it",
                );
            }
            if let Some(End { at, by: By::Itself | By::Ours }) = one.end(self.now)
                && !announced.ends.contains(rotation)
            {
                self.find(Blame::Ours, Property::S3, at, one.name(), "it was ended, and the journal does not announce it");
            }
            let known = one.accessor.as_deref().map(|name| self.told.clear(name)).filter(|name| !name.starts_with("hmac-"));
            if let Some((known, handle)) = known.zip(announced.handles.get(rotation))
                && known != handle
            {
                self.find(
                    Blame::Ours,
                    Property::S3,
                    one.since,
                    one.name(),
                    "the journal names another credential as what was made",
                );
            }
        }
        for (rotation, at) in &self.book.mints_unanswered {
            if announced.covers(rotation) && !announced.mints.contains(&**rotation) {
                self.find(
                    Blame::Ours,
                    Property::S3,
                    *at,
                    rotation.to_string(),
                    "it was asked for, and the journal does not announce it",
                );
            }
        }
    }

    /// S4: none is minted while two are in use, or while one that nobody holds lives; and in the end one lives.
    fn at_most_two(&mut self) {
        let all = &self.book.credentials;
        for one in all.iter().filter(|one| one.rotation.is_some()) {
            let before = |other: &&Credential| other.print != one.print && other.since < one.since && other.lives_at(one.since);
            let others: Vec<_> = all.iter().filter(before).collect();
            let used = others.iter().filter(|other| other.last_work.is_some_and(|last| last > one.since)).count();
            if used > 1 {
                self.find(
                    Blame::Ours,
                    Property::S4,
                    one.since,
                    one.name(),
                    format!("it was minted while {used} others were in use"),
                );
            }
            let lost = |other: &&&Credential| other.proven.is_none() && other.end_asked.is_none() && self.is_unresolved(other);
            if let Some(lost) = others.iter().find(lost) {
                let why = format!("it was minted while {} lived, which nobody held", lost.name());
                self.find(Blame::Ours, Property::S4, one.since, one.name(), why);
            }
        }
        let living: Vec<_> = all.iter().filter(|one| one.end(self.now).is_none()).collect();
        let most = match self.told.rest {
            Rest::Quiet => 1,
            Rest::Anywhere => 2,
        };
        let idle = |one: &&&Credential| self.told.rest == Rest::Quiet || one.last_work.is_some();
        if living.iter().filter(idle).count() > most {
            let names: Vec<_> = living.iter().map(|one| one.name()).collect();
            let why = format!("at the end {} live: {}", living.len(), names.join(", "));
            self.find(Blame::Ours, Property::S4, self.now, names.last().cloned().unwrap_or_default(), why);
        }
    }

    /// Whether nobody has learned what its mint gave, as far as a journal says.
    fn is_unresolved(&self, one: &Credential) -> bool {
        let rotation = one.rotation.as_deref().zip(self.told.announced.as_ref());
        rotation.is_some_and(|(rotation, announced)| announced.covers(rotation) && !announced.handles.contains_key(rotation))
    }

    /// S6: nothing that was made with it was in use when it ended, and died with it.
    fn lineage_safe(&mut self) {
        for one in &self.book.credentials {
            let Some(End { at, by }) = one.end(self.now) else { continue };
            for child in one.children.iter().filter_map(|print| self.book.children.get(print)) {
                let own_end = child.ended.or_else(|| child.end(at));
                let cut = child.refused.iter().find(|refused| **refused + SLACK >= at);
                if let Some(refused) = cut.filter(|_| own_end.is_none() && child.last_work.is_some_and(|last| last <= at)) {
                    let why = format!("a token that was made with it was in use, and ended with it: {}", child.name());
                    self.find(self.blame(one, by), Property::S6, *refused, one.name(), why);
                }
            }
        }
    }

    /// S10: so many requests from one mint to the next, and so many in a stretch of time.
    fn bounded_load(&mut self) {
        let mut asked: Vec<_> = self.book.credentials.iter().flat_map(|one| one.managed.iter().copied()).collect();
        asked.sort_unstable();
        let mints: Vec<_> =
            self.book.credentials.iter().filter(|one| one.rotation.is_some()).map(|one| (one.since, one.name())).collect();
        if let Some(most) = self.told.requests {
            for (place, (from, name)) in mints.iter().enumerate() {
                let until = mints.get(place + 1).map(|(at, _)| *at);
                let count = asked.iter().filter(|at| **at >= *from && until.is_none_or(|until| **at < until)).count();
                if count > most {
                    self.find(
                        Blame::Ours,
                        Property::S10,
                        *from,
                        name.clone(),
                        format!("its rotation took {count} requests, where {most} are allowed"),
                    );
                }
            }
        }
        if let Some(budget) = self.told.budget
            && let Some((at, count)) = overdrawn(&asked, budget)
        {
            let why = format!("{count} requests are more than a burst of {} and one each {:?}", budget.burst, budget.every);
            self.find(Blame::Ours, Property::S10, at, String::new(), why);
        }
    }

    /// L2: what was superseded or never taken is over within its bound.
    fn no_survivor(&mut self) {
        self.believed_dead();
        let Some((grace, within)) = self.told.grace.zip(self.told.ends_within) else { return };
        for one in &self.book.credentials {
            let end = one.end(self.now).map(|end| end.at);
            let switched = match (self.successor(one, end.unwrap_or(self.now)), one.taken()) {
                (Some((_, taken)), _) => taken,
                // It never served: it must be over when the next one is minted, or at rest.
                (None, None) if self.told.rest == Rest::Quiet => one.since,
                (None, _) => continue,
            };
            let bound = switched + grace + within;
            if end.map_or(self.now, |end| end) > bound + SLACK {
                let why = if end.is_some() { "it ended later than the bound" } else { "it lives on, longer than the bound" };
                self.find(Blame::Ours, Property::L2, bound, one.name(), why);
            }
        }
    }
}

impl Bench<'_> {
    /// L2: what the journal has dead lives no more.
    fn believed_dead(&mut self) {
        let Some(announced) = &self.told.announced else { return };
        let living = self.book.credentials.iter().filter(|one| one.end(self.now).is_none());
        let wrong = living.filter(|one| one.rotation.as_deref().is_some_and(|name| announced.dead.contains(name)));
        for one in wrong.collect::<Vec<_>>() {
            self.find(Blame::Ours, Property::L2, self.now, one.name(), "the journal has it dead, and it lives");
        }
    }
}

/// The first request that the budget has no room for, and the number of those before it that fill it.
fn overdrawn(asked: &[SystemTime], budget: Budget) -> Option<(SystemTime, usize)> {
    let mut level = 0.0_f64;
    let mut last = None;
    for (place, at) in asked.iter().enumerate() {
        let passed = last.and_then(|last| at.duration_since(last).ok()).unwrap_or_default();
        level = (level - passed.as_secs_f64() / budget.every.as_secs_f64()).max(0.0) + 1.0;
        if level > f64::from(budget.burst) + 1.0 {
            return Some((*at, place + 1));
        }
        last = Some(*at);
    }
    None
}
