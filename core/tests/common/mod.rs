//! The kindest world there is: every record is durable at once, every effect succeeds. It allocates nothing, so that what
//! is allocated or spent is the machine's own.

use core::time::Duration;

use turquoise_core::{
    Applied, BootId, Consumers, Effect, Held, Input, Instant, Jitter, Outcome, Output, PhaseKind, Policy, Privileges, Relogin,
    Rotation, Sown, Via, Writer,
};

const POLICY: Policy = Policy {
    full: Duration::from_hours(1),
    probation: Duration::from_mins(2),
    login_life: Duration::from_hours(1),
    mint: Via::Current,
    relogin: Relogin::Impossible,
    privileges: Privileges::OnlySelf,
    period: None,
    probes: 3,
    probe_every: Duration::from_secs(1),
    validate_for: Duration::from_secs(30),
    canary: None,
    grace: Duration::from_mins(1),
    consumers: Consumers::Uncounted,
    evidence: Duration::from_secs(30),
    patience: Duration::from_secs(5),
    delta: Duration::from_secs(10),
    skew: Duration::from_secs(1),
    backoff: Duration::from_secs(1),
    backoff_cap: Duration::from_secs(30),
    jitter: Jitter::Full(7),
    budget: None,
    most_live: 3,
    tries_before_debt: 3,
    writer: Writer::Lock,
    sown: Sown::NOTHING,
};

/// What was asked for and is not yet answered: one record, the phase's effect, and two renewals at most.
const PENDING: usize = 4;

/// A machine, and what it waits for.
#[derive(Clone, Copy)]
pub(crate) struct Kind {
    machine: Rotation,
    now: Instant,
    pending: [Option<Input>; PENDING],
}

impl Kind {
    /// A machine that has logged in and rests.
    pub(crate) fn steady() -> Self {
        let now = Instant(1_000_000);
        let machine = Rotation::recover(POLICY, 1, BootId(1), now, [], Held::default()).expect("an empty journal is sound");
        let mut kind = Self { machine, now, pending: [None; PENDING] };
        kind.drain();
        kind.run_to(PhaseKind::Steady);
        kind
    }

    /// A whole rotation, from rest to rest; how many inputs the machine took.
    pub(crate) fn rotate(&mut self) -> u32 {
        self.tell(Input::Begin);
        let left = self.run_until(|machine| machine.phase().kind() != PhaseKind::Steady);
        1 + left + self.run_to(PhaseKind::Steady)
    }

    /// The phase that the machine is in.
    pub(crate) fn phase(&self) -> PhaseKind {
        self.machine.phase().kind()
    }

    fn run_to(&mut self, phase: PhaseKind) -> u32 {
        self.run_until(|machine| machine.phase().kind() == phase && machine.awaited().is_none())
    }

    fn run_until(&mut self, there: impl Fn(&Rotation) -> bool) -> u32 {
        let mut inputs = 0;
        while !there(&self.machine) {
            let answer = self.pending.iter_mut().find_map(Option::take);
            if answer.is_none() {
                self.now = self.machine.poll_timeout().expect("what is neither done nor waiting never ends").max(self.now);
            }
            self.tell(answer.unwrap_or(Input::Timeout));
            inputs += 1;
            assert!(inputs < 1_000, "the machine stands still");
        }
        inputs
    }

    fn tell(&mut self, input: Input) {
        self.machine.handle(self.now, input).expect("the kind world says nothing illegal");
        self.drain();
    }

    fn drain(&mut self) {
        let mut outputs = 0;
        while let Some(output) = self.machine.poll_output() {
            outputs += 1;
            assert!(outputs < 100, "the machine asks without end");
            let answer = match output {
                Output::Append(record) => Input::Durable(record.lsn),
                Output::Perform { op, effect } => Input::Completed { op, outcome: Outcome::Applied(applied(&effect)) },
                Output::Serve(_) | Output::Withdraw | Output::Notify(_) => continue,
            };
            let free = self.pending.iter_mut().find(|place| place.is_none()).expect("the machine asks for little at a time");
            *free = Some(answer);
        }
    }
}

const fn applied(effect: &Effect) -> Applied {
    match *effect {
        Effect::Persist(_) | Effect::Publish(_) | Effect::Clear(_) | Effect::Revoke { .. } => Applied::Done,
        Effect::Observe { .. } | Effect::Discover { .. } => Applied::Dead,
        Effect::Issue { life, .. } | Effect::Renew { life, .. } | Effect::Extend { life, .. } | Effect::Shorten { life, .. } => {
            Applied::Alive { remaining: life }
        }
        Effect::Login { .. } => Applied::Alive { remaining: POLICY.full },
        Effect::Probe(_) => Applied::Alive { remaining: POLICY.probation },
    }
}
