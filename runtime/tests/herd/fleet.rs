//! A fleet of real machines, one on each host, and one provider, in simulated time: who asks when. Everything is drawn from
//! seeds, so it is the same each time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Range;
use std::time::Duration;

use turquoise_runtime::core::{
    Applied, BootId, Consumers, Effect, Generation, Held, Input, Instant, Jitter, OpId, Outcome, Output, Policy, Privileges,
    Refusal, Relogin, Rotation, Sown, Via, Writer,
};
use turquoise_runtime::jitter;

/// The life that a credential is given.
pub(crate) const TTL: Duration = Duration::from_hours(1);
/// The first login of an identity waits at most so long.
pub(crate) const START_SPREAD: Duration = Duration::from_secs(5);
/// From a request to its answer, in milliseconds.
const LATENCY: u64 = 20;
/// An outage leaves a provider that takes so many requests in a second, and refuses the others.
const CAPACITY: u32 = 500;
/// When the fleet begins, in milliseconds: all within the second that follows.
const BEGIN: u64 = 10_000_000;

/// How a fleet's renewals are scheduled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Schedule {
    /// Our machines without jitter: all at the same fraction of the life.
    Naive,
    /// As Vault's `LifetimeWatcher` does it: at once, and then after 0.70 to 0.733 of the life; after a failure 10 s and twice
    /// as long with each further one, up to 5 min, half of it more or less.
    Watcher,
    /// Our machines as they are meant to be run.
    Ours,
}

/// What is done with a fleet.
#[derive(Clone)]
pub(crate) struct Trial {
    pub(crate) size: u32,
    pub(crate) schedule: Schedule,
    pub(crate) lasts: Duration,
    /// From one rotation to the next.
    pub(crate) period: Option<Duration>,
    /// The first wait after a failure, and the longest.
    pub(crate) backoff: [Duration; 2],
    /// Seconds after the beginning in which the provider refuses everything.
    pub(crate) outage: Option<Range<usize>>,
}

/// What the provider saw.
#[derive(Default)]
pub(crate) struct Seen {
    /// Requests in each second after the beginning.
    pub(crate) requests: Vec<u32>,
    /// Identities whose credential ended before it was renewed.
    pub(crate) expired: u32,
    /// From the end of the outage to the first success of the last one that had failed, in seconds.
    pub(crate) recovered_after: u64,
}

impl Seen {
    /// The most requests in one of these seconds.
    pub(crate) fn peak(&self, seconds: Range<usize>) -> u32 {
        self.requests[seconds].iter().copied().max().unwrap_or_default()
    }

    /// The busiest of these seconds.
    pub(crate) fn busiest(&self, seconds: Range<usize>) -> usize {
        seconds.max_by_key(|second| (self.requests[*second], Reverse(*second))).unwrap_or_default()
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Begin,
    Timer,
    Answer { op: OpId, outcome: Outcome },
}

/// One host.
struct Agent {
    client: Client,
    /// When its credentials end, by the number of their generation; four in turn.
    ends: [u64; 4],
    failing: bool,
    expired: bool,
}

enum Client {
    Machine(Box<Rotation>),
    Watcher(Watcher),
}

/// The part of Vault's `LifetimeWatcher` that decides when.
struct Watcher {
    random: u64,
    /// Between a tenth and a fifth of the life, drawn once.
    grace: f64,
    failures: i32,
}

/// A fleet and its provider.
pub(crate) struct Fleet {
    trial: Trial,
    now: u64,
    agents: Vec<Agent>,
    events: BinaryHeap<Reverse<(u64, u32, Event)>>,
    seen: Seen,
}

impl Fleet {
    /// Runs a fleet through a trial.
    pub(crate) fn run(trial: Trial) -> Seen {
        let seen = Seen { requests: vec![0; usize::try_from(trial.lasts.as_secs() + 2).expect("days")], ..Seen::default() };
        let mut fleet = Self { now: BEGIN, agents: Vec::new(), events: BinaryHeap::new(), seen, trial };
        for n in 0..fleet.trial.size {
            fleet.join(n);
        }
        let end = BEGIN + millis(fleet.trial.lasts);
        while let Some(Reverse((at, n, event))) = fleet.events.pop()
            && at < end
        {
            fleet.now = at;
            fleet.happen(n, event);
        }
        let expired = fleet.agents.iter().filter(|agent| agent.expired).count();
        Seen { expired: u32::try_from(expired).expect("a fleet is no larger"), ..fleet.seen }
    }

    fn join(&mut self, n: u32) {
        let seed = jitter("app", &format!("host-{n}"));
        let policy = policy(&self.trial, if self.trial.schedule == Schedule::Ours { seed } else { Jitter::None });
        let begin = BEGIN + u64::from(n) * 1_000 / u64::from(self.trial.size) + millis(policy.jitter.phase(START_SPREAD));
        let client = if self.trial.schedule == Schedule::Watcher {
            Client::Watcher(Watcher::new(u64::from(n)))
        } else {
            let machine = Rotation::recover(policy, n, BootId(1), Instant(begin), [], Held::default());
            Client::Machine(Box::new(machine.expect("an empty journal is sound")))
        };
        self.agents.push(Agent { client, ends: [begin + millis(TTL); 4], failing: false, expired: false });
        self.events.push(Reverse((begin, n, Event::Begin)));
    }

    fn happen(&mut self, n: u32, event: Event) {
        match &mut self.agents[n as usize].client {
            Client::Watcher(watcher) => {
                let at = watcher.happen(self.now, event);
                if let Some(at) = at {
                    self.events.push(Reverse((at, n, Event::Timer)));
                } else {
                    let outcome = self.request(n, Some(0), Some(TTL));
                    self.agents[n as usize].expired |= outcome == Outcome::NotApplied(Refusal::Refused);
                    self.events.push(Reverse((self.now + LATENCY, n, Event::Answer { op: OpId(0), outcome })));
                }
            }
            Client::Machine(machine) => {
                let input = match event {
                    Event::Begin | Event::Timer => Input::Timeout,
                    Event::Answer { op, outcome } => Input::Completed { op, outcome },
                };
                // A timer may have been set for something that is done by now.
                if event != Event::Timer || machine.poll_timeout().is_some_and(|at| at.0 <= self.now) {
                    machine.handle(Instant(self.now), input).expect("it was asked for");
                    self.drain(n);
                }
            }
        }
    }

    fn drain(&mut self, n: u32) {
        loop {
            let Client::Machine(machine) = &mut self.agents[n as usize].client else { return };
            let Some(output) = machine.poll_output() else {
                let timer = machine.poll_timeout().map(|at| Reverse((at.0.max(self.now), n, Event::Timer)));
                self.events.extend(timer);
                return;
            };
            let (op, effect) = match output {
                Output::Append(record) => {
                    machine.handle(Instant(self.now), Input::Durable(record.lsn)).expect("it waits for that");
                    continue;
                }
                Output::Perform { op, effect } => (op, effect),
                Output::Serve(_) | Output::Withdraw | Output::Notify(_) => continue,
            };
            let (delay, outcome) = if matches!(effect, Effect::Persist(_) | Effect::Publish(_) | Effect::Clear(_)) {
                (1, Outcome::Applied(Applied::Done))
            } else {
                (LATENCY, self.perform(n, effect))
            };
            self.events.push(Reverse((self.now + delay, n, Event::Answer { op, outcome })));
        }
    }

    /// What becomes of a call of a machine.
    fn perform(&mut self, n: u32, effect: Effect) -> Outcome {
        let (with, of, life) = match effect {
            Effect::Login { mint } => (None, mint.generation, Some(TTL)),
            Effect::Issue { mint, by, life } => (Some(by), mint.generation, Some(life)),
            Effect::Renew { generation, life }
            | Effect::Extend { generation, life }
            | Effect::Shorten { generation, life, .. } => (Some(generation), generation, Some(life)),
            Effect::Probe(generation) | Effect::Revoke { generation, .. } => (Some(generation), generation, None),
            Effect::Observe { generation, witness } | Effect::Discover { generation, witness } => {
                (Some(witness.by()), generation, None)
            }
            Effect::Persist(_) | Effect::Publish(_) | Effect::Clear(_) => return Outcome::Unknown,
        };
        let place = |generation: Generation| generation.number as usize % 4;
        let outcome = self.request(n, with.map(place), None);
        let renewal = matches!(effect, Effect::Renew { .. });
        self.agents[n as usize].expired |= renewal && outcome == Outcome::NotApplied(Refusal::Refused);
        let end = &mut self.agents[n as usize].ends[place(of)];
        match outcome {
            Outcome::Applied(_) => match effect {
                Effect::Revoke { .. } => {
                    *end = self.now;
                    Outcome::Applied(Applied::Done)
                }
                Effect::Observe { .. } if *end <= self.now => Outcome::Applied(Applied::Dead),
                _ => {
                    *end = life.map_or(*end, |life| self.now + millis(life));
                    Outcome::Applied(Applied::Alive { remaining: Duration::from_millis(*end - self.now) })
                }
            },
            refused => refused,
        }
    }

    /// The provider counts a request, and does it if it can and the credential that asks is alive.
    fn request(&mut self, n: u32, with: Option<usize>, life: Option<Duration>) -> Outcome {
        let second = usize::try_from((self.now - BEGIN) / 1_000).expect("days");
        let requests = &mut self.seen.requests[second];
        *requests += 1;
        let outage = self.trial.outage.as_ref();
        let down = outage.is_some_and(|outage| outage.contains(&second) || second >= outage.end && *requests > CAPACITY);
        let agent = &mut self.agents[n as usize];
        if down {
            agent.failing = true;
            return Outcome::NotApplied(Refusal::Unavailable);
        }
        if std::mem::replace(&mut agent.failing, false)
            && let Some(outage) = outage
        {
            self.seen.recovered_after = (second - outage.end) as u64;
        }
        if with.is_some_and(|with| agent.ends[with] <= self.now) {
            return Outcome::NotApplied(Refusal::Refused);
        }
        if let Some((with, life)) = with.zip(life) {
            agent.ends[with] = self.now + millis(life);
        }
        Outcome::Applied(Applied::Done)
    }
}

impl Watcher {
    fn new(seed: u64) -> Self {
        let mut watcher = Self { random: seed, grace: 0.0, failures: 0 };
        watcher.grace = 0.1 + 0.1 * watcher.draw();
        watcher
    }

    /// From 0 to 1.
    fn draw(&mut self) -> f64 {
        self.random = self.random.wrapping_add(1 << 32);
        Jitter::Full(self.random).phase(Duration::from_secs(1 << 20)).as_secs_f64() / f64::from(1 << 20)
    }

    /// When it asks next; nothing, if that is now.
    fn happen(&mut self, now: u64, event: Event) -> Option<u64> {
        let wait = match event {
            Event::Begin | Event::Timer => return None,
            Event::Answer { outcome: Outcome::Applied(_), .. } => {
                self.failures = 0;
                TTL.mul_f64(2.0 / 3.0 + self.grace / 3.0)
            }
            Event::Answer { .. } => {
                let longest = (10.0 * 2_f64.powi(self.failures)).min(300.0);
                self.failures += 1;
                Duration::from_secs_f64(longest * (0.5 + self.draw()))
            }
        };
        Some(now + millis(wait))
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).expect("days")
}

fn policy(trial: &Trial, jitter: Jitter) -> Policy {
    let [backoff, backoff_cap] = trial.backoff;
    let policy = Policy {
        full: TTL,
        probation: Duration::from_mins(3),
        login_life: TTL,
        mint: Via::Current,
        relogin: Relogin::Possible,
        privileges: Privileges::OnlySelf,
        period: trial.period,
        probes: 3,
        probe_every: Duration::from_secs(5),
        validate_for: Duration::from_mins(1),
        canary: None,
        grace: Duration::from_mins(5),
        consumers: Consumers::Uncounted,
        evidence: Duration::from_mins(1),
        patience: Duration::from_secs(10),
        delta: Duration::from_secs(15),
        skew: Duration::from_secs(1),
        backoff,
        backoff_cap,
        jitter,
        budget: None,
        most_live: 3,
        tries_before_debt: 5,
        writer: Writer::Lock,
        sown: Sown::NOTHING,
    };
    assert_eq!(policy.check(), Ok(()));
    policy
}
