//! What is explored: the timing in ticks, and how much goes wrong at most.

use std::time::Duration;

use turquoise_core::{Budget, Consumers, Jitter, Policy, Privileges, Relogin, Shortage, Sown, Trial, Via, Writer};

/// One closed configuration: every state that is reachable within its budgets is walked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Config {
    /// Its name.
    pub name: &'static str,
    /// The machine's policy; a tick is a millisecond.
    pub policy: Policy,
    /// How many times the process may die, at any instruction.
    pub crashes: u8,
    /// How many of these may happen, in sum: a request refused or not connected, a reply lost, a request delayed beyond
    /// the driver's patience, a candidate with too few rights, a write to the store that fails, a completion delivered twice.
    pub faults: u8,
    /// How many things an operator asks for, in sum, beside rotations.
    pub operator: u8,
    /// What else the world can do.
    pub hostility: &'static [Hostility],
    /// An assumption that this world breaks, to show that it is needed.
    pub broken: Option<Assumption>,
    /// For how long at most a dead process stays down.
    pub downtime: u64,
    /// What the exploration must come to. A change is a change of the machine or of its world, and is reviewed.
    pub pins: Option<Pins>,
}

/// The size of an exploration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Pins {
    /// Distinct states.
    pub states: usize,
    /// The longest shortest way to one.
    pub depth: usize,
    /// Transitions that are taken.
    pub rows: usize,
}

impl Pins {
    const fn of(states: usize, depth: usize, rows: usize) -> Self {
        Self { states, depth, rows }
    }
}

/// What a world can do beyond its budgets' common faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Hostility {
    /// *Fault.* Somebody else revokes a credential.
    Outside,
    /// *Fault.* A record is not known to be durable.
    Disk,
    /// *Fault.* A reply comes from a node that lags: a revocation is answered and not done, a dead credential is accepted.
    Lag,
    /// The machine is booted anew with the process: instants of before mean nothing.
    Reboot,
    /// *Fault.* While the process is dead, a strange secret appears in an empty slot, or a slot loses its secret.
    Slots,
    /// *Fault.* Everything sleeps for longer than most credentials live.
    Suspend,
    /// *Fault.* The provider refuses every secret of the identity, until somebody mends it: a disabled entity, a role or a
    /// policy that was changed.
    Disabled,
    /// *Fault.* The provider gives a credential no more life.
    Capped,
    /// A process is deposed while it sleeps: another one takes over, and it wakes up later.
    Rival,
    /// None of the common faults: requests arrive, and so do their answers.
    Alone,
}

/// An assumption about the world that the machine depends on; a world that breaks it must be seen to break the promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Assumption {
    /// What the journal acknowledged is there after a crash.
    AcknowledgedIsDurable,
    /// A request is applied before Δ after it was sent, or never.
    DeltaHolds,
    /// Only a credential that is gone is seen to be dead.
    DeadIsDead,
    /// A sibling does not die with the credential that minted it.
    SiblingsAreOrphans,
    /// Readers read again within the grace.
    ReadersReadAgain,
    /// What was persisted is there after a crash.
    PersistedIsDurable,
    /// The life that an answer states is the one that was given.
    AnswersAreTrue,
    /// A timer that is due fires before the next tick.
    DriverIsTimely,
    /// A process that is down is started again in time.
    RestartIsTimely,
    /// No intermediary repeats a request.
    NothingIsRepeated,
}

impl Assumption {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::AcknowledgedIsDurable,
        Self::DeltaHolds,
        Self::DeadIsDead,
        Self::SiblingsAreOrphans,
        Self::ReadersReadAgain,
        Self::PersistedIsDurable,
        Self::AnswersAreTrue,
        Self::DriverIsTimely,
        Self::RestartIsTimely,
        Self::NothingIsRepeated,
    ];
}

impl Config {
    /// Whether the world can do this.
    #[must_use]
    pub fn can(&self, hostility: Hostility) -> bool {
        self.hostility.contains(&hostility)
    }
}

const fn ticks(n: u64) -> Duration {
    Duration::from_millis(n)
}

const POLICY: Policy = Policy {
    full: ticks(9),
    probation: ticks(5),
    login_life: ticks(9),
    mint: Via::Current,
    relogin: Relogin::Impossible,
    privileges: Privileges::OnlySelf,
    period: None,
    probes: 1,
    probe_every: ticks(0),
    validate_for: ticks(1),
    canary: None,
    grace: ticks(2),
    consumers: Consumers::Uncounted,
    evidence: ticks(2),
    patience: ticks(1),
    delta: ticks(2),
    skew: ticks(0),
    backoff: ticks(1),
    backoff_cap: ticks(1),
    jitter: Jitter::None,
    budget: None,
    most_live: 3,
    tries_before_debt: 2,
    writer: Writer::Lock,
    sown: Sown::NOTHING,
};

const BASE: Config = Config {
    name: "",
    policy: POLICY,
    crashes: 1,
    faults: 1,
    operator: 0,
    hostility: &[],
    broken: None,
    downtime: 1,
    pins: None,
};

/// Readers take the credential from the published file of the two-slot sink; the machine has no power over any credential
/// but through its own secret.
pub const SINK: Config = Config { name: "two-slot sink, self privileges", pins: Some(Pins::of(196_087, 112, 27)), ..BASE };

/// The pinned configurations that are explored on every change.
pub const STANDARD: [Config; 26] = [
    SINK,
    Config { name: "two crashes", crashes: 2, faults: 0, pins: Some(Pins::of(218_534, 114, 23)), ..BASE },
    Config { name: "two faults", crashes: 0, faults: 2, pins: Some(Pins::of(58_915, 97, 20)), ..BASE },
    Config {
        name: "work through the handle",
        policy: Policy { consumers: Consumers::Counted, ..POLICY },
        pins: Some(Pins::of(1_190_069, 154, 27)),
        ..BASE
    },
    Config {
        name: "accessor privileges",
        policy: Policy { privileges: Privileges::Accessor, ..POLICY },
        pins: Some(Pins::of(283_666, 115, 27)),
        ..BASE
    },
    Config {
        name: "every candidate is a login",
        policy: Policy { mint: Via::Login, relogin: Relogin::Possible, ..POLICY },
        pins: Some(Pins::of(272_166, 116, 27)),
        ..BASE
    },
    Config {
        name: "an operator with two requests",
        crashes: 0,
        faults: 0,
        operator: 2,
        pins: Some(Pins::of(89_623, 95, 42)),
        ..BASE
    },
    Config { name: "an operator", faults: 0, operator: 1, pins: Some(Pins::of(346_794, 133, 51)), ..BASE },
    Config { name: "an operator and a fault", crashes: 0, operator: 1, pins: Some(Pins::of(177_429, 98, 45)), ..BASE },
    Config { name: "a disk that fails", hostility: &[Hostility::Disk], pins: Some(Pins::of(358_880, 115, 27)), ..BASE },
    Config {
        name: "lagging replies",
        crashes: 0,
        faults: 2,
        hostility: &[Hostility::Lag, Hostility::Outside],
        pins: Some(Pins::of(86_838, 97, 25)),
        ..BASE
    },
    Config {
        name: "revoked by others, a login helps",
        policy: Policy { relogin: Relogin::Possible, ..POLICY },
        hostility: &[Hostility::Outside],
        pins: Some(Pins::of(247_609, 112, 32)),
        ..BASE
    },
    Config {
        name: "revoked by others, an operator helps",
        crashes: 0,
        operator: 1,
        hostility: &[Hostility::Outside],
        pins: Some(Pins::of(208_264, 98, 51)),
        ..BASE
    },
    Config { name: "a reboot", hostility: &[Hostility::Reboot], pins: Some(Pins::of(229_064, 112, 27)), ..BASE },
    Config {
        name: "slots that are tampered with",
        crashes: 2,
        downtime: 0,
        hostility: &[Hostility::Slots],
        pins: Some(Pins::of(2_433_560, 150, 44)),
        ..BASE
    },
    Config {
        name: "slots that are tampered with, and an operator",
        crashes: 0,
        operator: 2,
        hostility: &[Hostility::Slots],
        pins: Some(Pins::of(1_839_632, 121, 53)),
        ..BASE
    },
    Config {
        name: "a canary",
        policy: Policy {
            consumers: Consumers::Counted,
            probes: 2,
            canary: Some(CANARY),
            validate_for: ticks(2),
            probation: ticks(6),
            full: ticks(10),
            ..POLICY
        },
        crashes: 0,
        pins: Some(Pins::of(226_246, 108, 20)),
        ..BASE
    },
    Config {
        name: "a debt that finds its place",
        crashes: 1,
        faults: 1,
        policy: Policy { most_live: 2, ..POLICY },
        pins: Some(Pins::of(150_240, 84, 27)),
        ..BASE
    },
    Config {
        name: "a budget of requests",
        policy: Policy {
            budget: Some(Budget { every: ticks(1), burst: 2 }),
            validate_for: ticks(3),
            probation: ticks(7),
            full: ticks(12),
            login_life: ticks(12),
            ..POLICY
        },
        pins: Some(Pins::of(154_531, 110, 27)),
        ..BASE
    },
    Config { name: "lives that end", crashes: 0, hostility: &[Hostility::Capped], pins: Some(Pins::of(7_473, 82, 20)), ..BASE },
    Config {
        name: "a gap, or refused for a while",
        crashes: 0,
        hostility: &[Hostility::Suspend, Hostility::Disabled],
        pins: Some(Pins::of(29_581, 92, 29)),
        ..BASE
    },
    Config {
        name: "two daemons",
        policy: Policy { writer: Writer::Mandate, ..POLICY },
        faults: 0,
        hostility: &[Hostility::Rival],
        pins: Some(Pins::of(57_994, 120, 22)),
        ..BASE
    },
    Config {
        name: "nothing survives a crash",
        policy: Policy { relogin: Relogin::EachStart, privileges: Privileges::Accessor, ..POLICY },
        crashes: 2,
        faults: 0,
        downtime: 0,
        pins: Some(Pins::of(73_583, 161, 19)),
        ..BASE
    },
    Config {
        name: "nothing survives, and refused for a while",
        policy: Policy { relogin: Relogin::EachStart, ..POLICY },
        downtime: 0,
        hostility: &[Hostility::Disabled],
        pins: Some(Pins::of(1_050_950, 139, 35)),
        ..BASE
    },
    Config {
        name: "nothing survives two crashes, and refused for a while",
        policy: Policy {
            relogin: Relogin::EachStart,
            privileges: Privileges::Accessor,
            full: ticks(7),
            login_life: ticks(7),
            grace: ticks(1),
            ..POLICY
        },
        crashes: 2,
        downtime: 0,
        hostility: &[Hostility::Disabled, Hostility::Alone],
        pins: Some(Pins::of(1_324_730, 132, 35)),
        ..BASE
    },
    Config {
        name: "slots that are tampered with, an operator and a crash",
        operator: 1,
        downtime: 0,
        hostility: &[Hostility::Slots, Hostility::Alone],
        pins: Some(Pins::of(1_570_711, 158, 71)),
        ..BASE
    },
];

/// One report decides.
const CANARY: Trial = Trial { share: 5_000, window: ticks(1), samples: 1, forgiven: 0, slower: 0, shortage: Shortage::Abandon };

/// So long a coordinator's lease lasts.
pub(crate) const LEASE: Duration = ticks(3);

/// So long everything sleeps.
pub(crate) const SLEEP: Duration = ticks(6);
