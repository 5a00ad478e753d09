//! What goes into the machine and what comes out of it.

use core::time::Duration;

use crate::canary::Verdict;
use crate::record::{AtStop, Record, Resolution};
use crate::vocabulary::{Generation, Instant, Lsn, Mint, OpId};

/// What the machine is told. Time comes beside every input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Input {
    /// The record at this position is durable.
    Durable(Lsn),
    /// Nobody knows whether that record is durable (a failed write or sync is never retried on the same file): nothing
    /// is changed at the provider any more until a restart reads the journal anew; renewal goes on.
    NotDurable(Lsn),
    /// An effect has ended. Exactly one such input follows each [`Output::Perform`], within the driver's patience.
    Completed {
        /// Which effect.
        op: OpId,
        /// How it ended.
        outcome: Outcome,
    },
    /// No counted work holds this generation any more, and none can take it again.
    Idle(Generation),
    /// Begin a rotation now.
    Begin,
    /// Call off a rotation that is not yet committed.
    Abort,
    /// Make the retiring credential current again.
    Rollback,
    /// Others know the secret of this generation.
    Compromise(Generation),
    /// What became of new work while a canary is open, with the candidate or with the current credential.
    Sample {
        /// What the work was given.
        generation: Generation,
        /// What became of it.
        verdict: Verdict,
    },
    /// Go on after a contradiction.
    Resolve(Resolution),
    /// Break the glass: end every credential of the identity first, and only then make another one.
    BreakGlass(Certainty),
    /// The machine was suspended, or its clock cannot be trusted for another reason: nothing is served before the provider
    /// has been asked.
    Gap,
    /// The coordinator's lease: until then this process alone may write.
    Mandate(Instant),
    /// Until then no rotation begins because one is due; what is urgent, or asked for, begins all the same. An instant that has
    /// passed ends a pause. None outlives the process: whoever wants that asks again.
    Pause(Instant),
    /// Try again at once to end what could not be ended yet, whatever its back-off says.
    Retry,
    /// End, as soon as the round is over.
    Shutdown(AtStop),
    /// Nothing but the passing of time.
    Timeout,
}

/// How sure whoever breaks the glass must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Certainty {
    /// Only if a login gives another credential afterwards.
    WithLogin,
    /// Even if nobody but an operator can give another one: confirmed a second time.
    Confirmed,
}

/// Three-valued on purpose: a timeout is not a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// It was done.
    Applied(Applied),
    /// It certainly was not and will not be done.
    NotApplied(Refusal),
    /// It may have been done, or may yet be within the policy's `delta` after sending.
    Unknown,
}

/// What an effect that was done tells us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Applied {
    /// Nothing more.
    Done,
    /// The credential lives, and has so long to live as the provider answers.
    Alive {
        /// Remaining life.
        remaining: Duration,
    },
    /// An up-to-date node says that the credential does not exist.
    Dead,
}

/// Why an effect was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Refusal {
    /// The provider refused: the same request will be refused again.
    Refused,
    /// It could not be tried: provider down, sealed or throttling, disk full. Trying again later makes sense.
    Unavailable,
    /// We no longer hold the secret that the request needs.
    NoSecret,
}

/// What the machine wants. Drain [`poll_output`](crate::Rotation::poll_output) after every input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Output {
    /// Make this record durable, then answer [`Input::Durable`] or [`Input::NotDurable`].
    Append(Record),
    /// Perform this effect and answer [`Input::Completed`] exactly once. Its announcement, where it needs one, is durable.
    Perform {
        /// Correlates the answer.
        op: OpId,
        /// What to do.
        effect: Effect,
    },
    /// From now on this is what new work is given.
    Serve(Serving),
    /// From now on new work is given nothing.
    Withdraw,
    /// Something that an operator may want to know.
    Notify(Event),
}

/// What new work is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Serving {
    /// The credential that serves.
    pub current: Generation,
    /// The candidate, while work that may be replayed tries it.
    pub canary: Option<Canary>,
}

/// A candidate that new work tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Canary {
    /// Which.
    pub candidate: Generation,
    /// The share of new work that may be replayed that is given it, in ten-thousandths.
    pub share: u16,
}

/// What the machine can ask for. Those marked *exempt* need no record; every other is announced by one that is durable (S3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Effect {
    /// Log in, or adopt what was handed to us. `Alive`.
    Login {
        /// What the result is to be called.
        mint: Mint,
    },
    /// Mint a sibling with the secret of `by`, to live so long. `Alive`.
    Issue {
        /// What the result is to be called.
        mint: Mint,
        /// The credential that asks.
        by: Generation,
        /// Its first life: a probation.
        life: Duration,
    },
    /// Write the secret to its slot, durably. `Done`.
    Persist(Mint),
    /// *Exempt.* Try the credential on what it is for. `Alive`.
    Probe(Generation),
    /// *Exempt.* Renew with an explicit increment that is no less than the remaining life. `Alive`, as read back.
    Renew {
        /// Which.
        generation: Generation,
        /// The increment.
        life: Duration,
    },
    /// Extend a probation to a full life. `Alive`, as read back.
    Extend {
        /// Which.
        generation: Generation,
        /// The increment.
        life: Duration,
    },
    /// Let readers of the sink see this credential, durably and read back. `Done`.
    Publish(Mint),
    /// Set the retiring credential's life so that it ends at the deadline, be we alive then or not. `Alive`.
    Shorten {
        /// Which.
        generation: Generation,
        /// Its life from now.
        life: Duration,
        /// Who serves in its place.
        witness: Witness,
    },
    /// End it with its own secret. `Done`; no proof of death by itself.
    Revoke {
        /// Which.
        generation: Generation,
        /// Who serves in its place; nobody, if it is the last one.
        witness: Option<Witness>,
    },
    /// *Exempt.* Look whether it lives, with the secret of the witness. `Alive` or `Dead`.
    Observe {
        /// Which.
        generation: Generation,
        /// Who looks.
        witness: Witness,
    },
    /// *Exempt.* Look whether a mint without answer has made this credential, with the secret of the witness. `Done`: it has,
    /// and its handle is known from now on; `Dead`: it is not there, or not yet.
    Discover {
        /// Which.
        generation: Generation,
        /// Who looks.
        witness: Witness,
    },
    /// Empty the slot of a dead credential. `Done`.
    Clear(Mint),
}

/// Evidence that another credential's secret was accepted by the provider after the last recovery and recently enough.
///
/// Only the machine makes one; whatever destroys or shortens carries it (S2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Witness {
    pub(crate) by: Generation,
    pub(crate) valid_until: Instant,
}

impl Witness {
    /// The credential that was accepted.
    #[must_use]
    pub const fn by(self) -> Generation {
        self.by
    }

    /// How long the evidence counts.
    #[must_use]
    pub const fn valid_until(self) -> Instant {
        self.valid_until
    }
}

/// What an operator may want to know and no record says: every transition is in the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Event {
    /// The current credential may be dead: no renewal was confirmed in time.
    Dark,
    /// A record could not be made durable: nothing is changed at the provider any more, renewal goes on.
    Stalled,
}
