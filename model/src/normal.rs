//! Normal form: states that differ only in names and in where the clock stands become one state, so that rotations may
//! go on for ever in a finite graph.

use turquoise_core::{BootId, Effect, Generation, Instant, Lease, OpId, Rewrite, Tally};

use crate::config::Config;
use crate::world::{Action, BOOT, Event, NOW, Process, Request, STRANGER, World};

/// The order of requests under way.
const fn order_of(request: &Request) -> (Option<OpId>, Instant, Effect) {
    (request.op, request.sent, request.effect)
}

impl World {
    /// Renames generations and operations in order, and sets the clock to [`NOW`].
    pub fn normalise(&mut self, config: &Config) {
        let mut names = Names::default();
        self.journal.rewrite(&mut names);
        self.rewrite(&mut names);
        let skew = u64::try_from(config.policy.skew.as_millis()).unwrap_or(u64::MAX);
        let mut rename = Rename { names, now: self.now, skew, longest: None };
        self.rewrite(&mut rename);
        rename.longest = Some(self.now + config.policy.delta + config.policy.full);
        self.journal.rewrite(&mut rename);
        self.now = NOW;
        self.sort();
    }

    /// What [`normalise`](Self::normalise) makes of this world.
    #[must_use]
    pub fn normal(&self, config: &Config) -> Self {
        let mut world = self.clone();
        world.normalise(config);
        world
    }

    /// An action of this world as its normal form has it, where requests under way may stand in another order.
    #[must_use]
    pub fn renamed(&self, action: Action) -> Action {
        let place = |i: u8| {
            let mut order: Vec<_> = (0_u8..).zip(&self.flight).collect();
            order.sort_by_key(|(_, request)| order_of(request));
            (0..).zip(order).find(|(_, (n, _))| *n == i).map_or(i, |(place, _)| place)
        };
        let event = match action.event {
            Event::Answer(i) => Event::Answer(place(i)),
            Event::AnswerAndRepeat(i) => Event::AnswerAndRepeat(place(i)),
            Event::AnswerNoop(i) => Event::AnswerNoop(place(i)),
            Event::AnswerTwice(i) => Event::AnswerTwice(place(i)),
            Event::AnswerUseless(i) => Event::AnswerUseless(place(i)),
            Event::ApplyLate(i) => Event::ApplyLate(place(i)),
            Event::GiveUp(i) => Event::GiveUp(place(i)),
            Event::Reject(i) => Event::Reject(place(i)),
            Event::Swallow(i) => Event::Swallow(place(i)),
            other => other,
        };
        Action { event, ..action }
    }

    /// Puts the requests under way in order; renaming does not change it.
    pub(crate) fn sort(&mut self) {
        self.flight.sort_unstable_by_key(order_of);
    }

    /// All but the journal.
    fn rewrite(&mut self, to: &mut dyn Rewrite) {
        if let Process::Up(machine) = &mut self.process {
            machine.rewrite(to);
        }
        if let Some(rival) = &mut self.rival {
            rival.rewrite(to);
        }
        to.boot(&mut self.boot);
        self.mandate.iter_mut().for_each(|until| to.deadline(until));
        if let Some(record) = &mut self.writing {
            record.rewrite(to);
            let mut before = record.lsn.0 - 1;
            to.counters(&mut 0, &mut before);
            record.lsn.0 = before + 1;
        }
        for credential in &mut self.live {
            to.generation(&mut credential.generation);
            to.deadline(&mut credential.expires);
            to.deadline(&mut credential.accepted);
        }
        for request in &mut self.flight {
            request.op.iter_mut().for_each(|op| to.op(op));
            request.effect.rewrite(to);
            to.origin(&mut request.sent);
        }
        if let Some(reader) = &mut self.reader {
            to.generation(&mut reader.holds);
            reader.again.iter_mut().for_each(|at| to.deadline(at));
        }
        let ghost = &mut self.ghost;
        let places = [&mut self.slots.blue, &mut self.slots.green, &mut self.published, &mut self.work];
        let known = [&mut ghost.announced, &mut ghost.committed, &mut ghost.previous, &mut ghost.blamed, &mut ghost.slept];
        places.into_iter().chain(known).flatten().for_each(|generation| to.generation(generation));
        ghost
            .excused
            .iter_mut()
            .chain(&mut ghost.compromised)
            .chain(&mut ghost.debts)
            .for_each(|generation| to.generation(generation));
        ghost.deadline.iter_mut().chain(&mut ghost.spared).for_each(|at| to.deadline(at));
    }
}

/// Collects what there is to rename, in order: a world bears few names, each in many places.
#[derive(Default)]
struct Names {
    generations: Vec<Generation>,
    ops: Vec<OpId>,
    /// That of the journal first.
    boots: Vec<BootId>,
}

impl Rewrite for Names {
    fn lease(&mut self, lease: &mut Lease) {
        lease.rewrite(self);
    }

    fn generation(&mut self, generation: &mut Generation) {
        if *generation != STRANGER {
            insert(&mut self.generations, *generation);
        }
    }

    fn boot(&mut self, boot: &mut BootId) {
        if !self.boots.contains(boot) {
            self.boots.push(*boot);
        }
    }

    fn op(&mut self, op: &mut OpId) {
        insert(&mut self.ops, *op);
    }

    fn deadline(&mut self, _: &mut Instant) {}
    fn bound(&mut self, _: &mut Instant) {}
    fn origin(&mut self, _: &mut Instant) {}
    fn counters(&mut self, _: &mut u32, _: &mut u64) {}
    fn failures(&mut self, _: &mut u8) {}
    fn tries(&mut self, _: &mut u8) {}
    fn tally(&mut self, _: &mut Tally) {}
    fn next_op(&mut self, _: &mut u64) {}
}

/// Renames.
struct Rename {
    names: Names,
    now: Instant,
    skew: u64,
    /// For the journal: a recovery takes no credential to live shorter than until then, so what was recorded of lives,
    /// which is never longer, makes no difference.
    longest: Option<Instant>,
}

impl Rename {
    fn shift(&self, at: u64) -> Instant {
        Instant(at + NOW.0 - self.now.0)
    }
}

impl Rewrite for Rename {
    fn lease(&mut self, lease: &mut Lease) {
        if let Some(longest) = self.longest {
            assert!(lease.life.ub <= longest, "a recovery would rely on the recorded end of {lease:?}");
            let forgotten = [&mut lease.life.lb, &mut lease.life.ub, &mut lease.renew_at, &mut lease.accepted_until];
            for at in forgotten {
                *at = self.now;
            }
            (lease.unsettled_until, lease.unsettled_ub) = (self.now, self.now);
        }
        lease.rewrite(self);
    }

    fn generation(&mut self, generation: &mut Generation) {
        if *generation == STRANGER {
            return;
        }
        generation.number = rank(&self.names.generations, |other| other <= generation);
    }

    fn boot(&mut self, boot: &mut BootId) {
        let place = self.names.boots.iter().position(|other| other == boot);
        boot.0 = place.map_or(boot.0, |place| BOOT.0 + place as u128);
    }

    fn op(&mut self, op: &mut OpId) {
        op.0 = u64::from(rank(&self.names.ops, |other| other <= op));
    }

    fn deadline(&mut self, at: &mut Instant) {
        *at = self.shift(at.0.max(self.now.0));
    }

    fn bound(&mut self, at: &mut Instant) {
        *at = self.shift(at.0.max(self.now.0 - self.skew));
    }

    fn origin(&mut self, at: &mut Instant) {
        *at = self.shift(at.0);
    }

    fn counters(&mut self, mints: &mut u32, records: &mut u64) {
        *mints = rank(&self.names.generations, |other| other.number <= *mints);
        *records = (*records).min(1);
    }

    /// With a back-off that does not grow, one failure is like many.
    fn failures(&mut self, failures: &mut u8) {
        *failures = (*failures).min(1);
    }

    /// The machine gives persisting up at the third try.
    fn tries(&mut self, tries: &mut u8) {
        *tries = (*tries).min(2);
    }

    /// One report decides, and how long work took is not compared.
    fn tally(&mut self, tally: &mut Tally) {
        let once = |count: u32| count.min(1);
        let Tally { served, refused, slow, .. } = *tally;
        *tally = Tally { served: once(served), refused: once(refused), slow: once(slow), ..Tally::default() };
    }

    fn next_op(&mut self, next: &mut u64) {
        *next = 1 + u64::from(rank(&self.names.ops, |_| true));
    }
}

fn insert<T: Ord>(sorted: &mut Vec<T>, name: T) {
    if let Err(place) = sorted.binary_search(&name) {
        sorted.insert(place, name);
    }
}

fn rank<T>(sorted: &[T], counts: impl Fn(&T) -> bool) -> u32 {
    u32::try_from(sorted.iter().filter(|other| counts(other)).count()).unwrap_or(u32::MAX)
}
