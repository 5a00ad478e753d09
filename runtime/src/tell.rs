//! What is said through `tracing`, in one vocabulary: all that this crate says is said here, and `docs/telemetry.md` lists it.
//! An ERROR is for a person; a WARN heals by itself.

use std::time::Duration;

use tracing::Span;
use tracing::field::display;
use turquoise_core::{
    AbandonReason, Drained, Effect, Event, Generation, Illegal, Input, Mint, OpId, Outcome, Phase, Step, StuckReason, Trigger,
};

use crate::identity::Recorded;
use crate::port::{Compacted, Contract, Handle, NotCompacted, Reason};

/// Whether a step is something that went wrong.
pub(crate) const fn is_setback(step: Step) -> bool {
    matches!(
        step,
        Step::LoginFailed { .. }
            | Step::IssueIntent { trigger: Trigger::Lost | Trigger::Expiry, .. }
            | Step::Owed { .. }
            | Step::IssueRefused
            | Step::RollbackFailed
            | Step::AbandonIntent { .. }
            | Step::Stuck { .. }
    )
}

/// How long something took, in the clock that also runs while the machine sleeps.
pub(crate) struct Took {
    /// From the record before, if this process made that one.
    pub(crate) step: Option<Duration>,
    /// From the record that announced the mint, or that a restart found under way.
    pub(crate) round: Option<Duration>,
}

fn millis(took: Duration) -> u64 {
    u64::try_from(took.as_millis()).unwrap_or(u64::MAX)
}

/// A rotation: what is under way happens within it.
pub(crate) fn rotation(mint: Mint) -> Span {
    tracing::info_span!("rotation", generation = %mint.generation, slot = %mint.slot)
}

/// A record has become durable.
pub(crate) fn recorded(recorded: &Recorded, handle: Option<&Handle>, took: &Took) {
    let Recorded { record, phase, current, second, debt, reason, holders, .. } = recorded;
    let held = holders.as_ref().map(|holders| holders.total);
    let generation = |mint: &Option<Mint>| mint.map(|mint| display(mint.generation));
    macro_rules! say {
        ($level:ident, $($next:tt)*) => {
            tracing::$level!(
                lsn = record.lsn.0,
                step = ?record.step.kind(),
                phase = ?phase.kind(),
                current = generation(current),
                second = generation(second),
                debt = generation(debt),
                handle = handle.map(|handle| handle.0.as_str()),
                reason = reason.as_ref().map(|reason| reason.0.as_str()),
                held,
                holders = holders.as_ref().map(display),
                took_ms = took.step.map(millis),
                round_ms = took.round.map(millis),
                $($next)*
            )
        };
    }
    match record.step {
        Step::Stuck { reason } => say!(error, next = after_stuck(reason), "stuck: an operator is needed"),
        Step::AbandonIntent { reason, .. } => {
            say!(warn, next = after_abandoning(reason), because = ?reason, "candidate abandoned");
        }
        Step::IssueRefused => say!(warn, next = "allow the current credential to mint; it is tried again by schedule", "no mint"),
        Step::LoginFailed { .. } => say!(warn, next = "it is tried again by itself; check what logs in", "login failed"),
        Step::IssueIntent { trigger: Trigger::Lost, .. } => {
            say!(warn, next = "find out who revoked the current one; a login replaces it by itself", "current credential lost");
        }
        Step::IssueIntent { trigger: Trigger::Expiry, .. } => {
            say!(
                warn,
                next = "raise the longest life that the provider gives",
                "the current credential is renewed no more: an emergency"
            );
        }
        Step::Owed { .. } => {
            say!(
                warn,
                next = "let a credential end and look for itself; it is tried on, and dies at the end of its life",
                "debt"
            );
        }
        Step::Waived { .. } => {
            say!(error, next = "a login begins anew when every credential is dead", "the glass is broken: nothing serves");
        }
        Step::RollbackFailed => {
            say!(warn, next = "the new one serves on; make the old one renewable and ask again within the grace", "no rollback");
        }
        Step::Compromised { generation } => {
            say!(warn, compromised = %generation, next = "find the leak; it goes by itself, without a grace", "compromised");
        }
        Step::RevokeIntent { drained: Drained::Compromised | Drained::Overridden, .. } if held.is_some() => {
            say!(warn, next = "begin that work anew: a compromised one has no grace", "revoked under work that holds it");
        }
        Step::CloseIntent { .. } if held.is_some() => {
            say!(warn, next = "end work before the shutdown, or lengthen the grace", "revoked under work that holds it");
        }
        _ if held.is_some() => {
            say!(warn, next = "let work end within the grace, or lengthen the grace", "revoked under work that holds it");
        }
        _ => say!(info, "recorded"),
    }
}

const fn after_abandoning(reason: AbandonReason) -> &'static str {
    match reason {
        AbandonReason::MintLost => "if it exists it dies by itself; no other is minted before",
        AbandonReason::Interrupted => "a new rotation begins by schedule or when asked",
        AbandonReason::NotPersisted => "repair or free the disk of the survivor store",
        AbandonReason::ProbeRefused => "give new credentials the rights that the probe needs, then rotate again",
        AbandonReason::TimedOut => "see why the probes were not answered; lengthen validate_for if the provider is slow",
        AbandonReason::CanaryRefused => "give new credentials the rights that the work needs, then rotate again",
        AbandonReason::CanarySlow => "see why work is slower with it; raise what the trial allows if that is right",
        AbandonReason::CanaryTooFew => "let more work try candidates, lengthen the trial's window, or let the probes suffice",
        AbandonReason::NotExtended => "let new credentials be renewed to the full life, or shorten the policy's",
        AbandonReason::Aborted => "it was asked for; a new rotation begins by schedule or when asked",
        AbandonReason::Compromised => "find the leak; a new rotation begins by schedule or when asked",
    }
}

const fn after_stuck(reason: StuckReason) -> &'static str {
    match reason {
        StuckReason::CurrentRefused => "find out who revoked it, then resolve: keep it, or forget it and log in anew",
        StuckReason::CurrentMissing => "restore the survivor store and restart, or revoke that credential and resolve: forget it",
        StuckReason::Stranger => {
            "two journals share one survivor store, or one was restored: bring back the right one and restart, or resolve"
        }
    }
}

/// The machine has something to say that no record says.
pub(crate) fn noticed(event: Event, reason: Option<&Reason>) {
    let reason = reason.map(|reason| reason.0.as_str());
    match event {
        Event::Dark => tracing::error!(
            reason,
            next = "bring the provider back; renewal is tried on by itself",
            "dark: the current credential may be dead"
        ),
        Event::Stalled => tracing::error!(
            reason,
            next = "repair or free the journal's disk, then restart; until then credentials are only renewed",
            "stalled: a record may not be durable"
        ),
    }
}

/// What a provider cannot do is said once, where it weakens a promise without breaking it.
pub(crate) fn contract(contract: &Contract) {
    if !contract.revocation.is_zero() {
        tracing::warn!(
            within = ?contract.revocation,
            next = "count on it when a credential is compromised: end what it is good for as well",
            "a revoked credential may be accepted for a while"
        );
    }
}

/// The journal has begun anew, or could not. It is silent where there was no need.
pub(crate) fn compacted(compacted: &Result<Option<Compacted>, NotCompacted>) {
    match compacted {
        Ok(None) => {}
        Ok(Some(Compacted { archive, removed })) => {
            tracing::info!(archive, ?removed, "the journal begins anew; its older records are in the archive");
        }
        Err(NotCompacted(reason)) => {
            tracing::warn!(reason, next = "put that right; it is tried again after the next round", "the journal grows on");
        }
    }
}

/// An effect has ended.
pub(crate) fn performed(op: OpId, effect: &Effect, outcome: Outcome, reason: Option<&Reason>, took: Duration) {
    let took_ms = millis(took);
    if let Some(Reason(reason)) = reason {
        tracing::warn!(%op, ?effect, ?outcome, took_ms, reason, "effect not done");
    } else {
        tracing::debug!(%op, ?effect, ?outcome, took_ms, "effect done");
    }
}

/// The task ends because nobody is left who could tell it anything.
pub(crate) fn dropped() {
    tracing::warn!(next = "call stop() and await it, to know when the journal is closed", "dropped");
}

/// The task has ended.
pub(crate) fn stopped(phase: &Phase) {
    let current = phase.current().map(|lease| display(lease.mint.generation));
    tracing::info!(phase = ?phase.kind(), current, next = "a successor goes on from the journal and the store", "stopped");
}

/// The machine wants to serve what the driver does not have. Nothing can lead here.
pub(crate) fn missing(generation: Generation) {
    tracing::error!(%generation, "what is to serve is not in memory: this is a defect, please report it");
    debug_assert!(false, "{generation} is to serve, but its secret is not in memory");
}

/// The machine refused an input. A completion may be late: what sent it died in a recovery or with its phase. Nothing else can
/// happen.
pub(crate) fn illegal(input: Input, illegal: Illegal) {
    if let Illegal::StaleCompletion { op } = illegal {
        tracing::debug!(%op, "a late completion changes nothing");
    } else {
        tracing::error!(?input, %illegal, "illegal input: this is a defect, please report it");
        debug_assert!(false, "{input:?}: {illegal}");
    }
}
