//! Who is administered, and what happened to them: what the socket, the metrics and the alerts are told from.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

use humantime::format_rfc3339_seconds;
use tokio::sync::{broadcast, watch};
use turquoise::core::{
    Instant, Jitter, Mint, NeedsOperator, Phase, PhaseKind, Policy, Rest, Steady, Step, StuckReason, Validating,
};
use turquoise::port::Reason;
use turquoise::proxy::Remote;
use turquoise::vault::Dependents;
use turquoise::{BootClock, Clock as _, Operator, Progress, Status};

use super::alert::{Alert, Bell};
use super::metrics::Metrics;
use super::shape::{Ends, Hanging, Happened, Held, Moment, Owed, Planned, Scheduled, Since, Standing};
use crate::calendar::Calendar;
use crate::demo::told::Told;
use crate::pause::Paused;

/// So many events are kept for those who ask late.
const KEPT: usize = 256;

/// What is known of an identity beside where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    /// Where its credentials come from, as the file says it.
    pub(crate) provider: String,
    pub(crate) policy: Policy,
    /// When it is due, if a calendar says so.
    pub(crate) calendar: Option<Calendar>,
    /// Where it stands for the next process until when it is paused.
    pub(crate) paused: Paused,
}

/// An identity that is administered.
pub(crate) struct Seat {
    pub(crate) name: String,
    pub(crate) operator: Operator,
    pub(crate) facts: Facts,
    /// Once its listeners are open, if it has any.
    proxied: OnceLock<Proxied>,
    seen: Mutex<Seen>,
}

/// What programs reach the server through, with the credential of an identity.
#[derive(Clone)]
pub(crate) struct Proxied {
    pub(crate) remote: Remote,
    /// The leases that were made through it, where they are kept count of.
    pub(crate) leases: Option<Dependents>,
    /// The file of the local token, if it has one.
    pub(crate) local_token: Option<PathBuf>,
}

/// What this process has seen of an identity.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) ends: Ends,
    /// When which one became current.
    pub(crate) success: Option<(Mint, SystemTime)>,
    /// When the round under way was announced.
    begun: Option<Instant>,
}

/// Everything that is told from. Shared by whoever tells.
pub(crate) struct Desk {
    clock: BootClock,
    seats: Mutex<Vec<Arc<Seat>>>,
    events: Mutex<VecDeque<Happened>>,
    /// The last event's number, for those who wait for the next.
    last: watch::Sender<u64>,
    pub(crate) bell: Bell,
    pub(crate) metrics: Metrics,
}

/// One moment in both clocks.
#[derive(Clone, Copy)]
pub(crate) struct Now {
    pub(crate) boot: Instant,
    pub(crate) wall: SystemTime,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nobody leaves it half done.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Desk {
    pub(crate) fn new(clock: BootClock, bell: Bell) -> Self {
        let (seats, events) = (Mutex::default(), Mutex::default());
        Self { clock, seats, events, last: watch::Sender::new(0), bell, metrics: Metrics::new() }
    }

    pub(crate) fn now(&self) -> Now {
        Now { boot: self.clock.now(), wall: SystemTime::now() }
    }

    pub(crate) fn seats(&self) -> Vec<Arc<Seat>> {
        locked(&self.seats).clone()
    }

    pub(crate) fn find(&self, name: &str) -> Option<Arc<Seat>> {
        locked(&self.seats).iter().find(|seat| seat.name == name).cloned()
    }

    /// One more, or another one in the place of one that had this name.
    pub(crate) fn seat(&self, name: &str, operator: Operator, facts: Facts) -> Arc<Seat> {
        let (proxied, seen) = (OnceLock::new(), Mutex::default());
        let seat = Arc::new(Seat { name: name.to_owned(), operator, facts, proxied, seen });
        let mut seats = locked(&self.seats);
        seats.retain(|seat| seat.name != name);
        seats.push(Arc::clone(&seat));
        seats.sort_by(|a, b| a.name.cmp(&b.name));
        seat
    }

    /// Tells of it no more.
    pub(crate) fn unseat(&self, name: &str) {
        locked(&self.seats).retain(|seat| seat.name != name);
    }

    /// The listeners of an identity are open.
    pub(crate) fn attach(&self, name: &str, proxied: Proxied) {
        if let Some(seat) = self.find(name) {
            // There is one proxy for each.
            let _ = seat.proxied.set(proxied);
        }
    }

    /// The number of the last event.
    pub(crate) fn last(&self) -> u64 {
        *self.last.borrow()
    }

    /// How many wait for an event.
    #[cfg(test)]
    pub(crate) fn waiting(&self) -> usize {
        self.last.receiver_count()
    }

    /// What happened after an event, to one identity or to all; waits for it, if there is nothing yet.
    pub(crate) async fn events(&self, after: u64, wait: Duration, identity: Option<&str>) -> Since {
        let mut last = self.last.subscribe();
        let deadline = tokio::time::Instant::now() + wait;
        loop {
            let found = self.since(after, identity);
            if !found.events.is_empty() || found.missed {
                return found;
            }
            last.mark_unchanged();
            // One that came between the look and this is seen by the next look.
            if *last.borrow() > found.after {
                continue;
            }
            if !matches!(tokio::time::timeout_at(deadline, last.changed()).await, Ok(Ok(()))) {
                return found;
            }
        }
    }

    fn since(&self, after: u64, identity: Option<&str>) -> Since {
        let events = locked(&self.events);
        let first = events.front().map_or(1, |event| event.seq);
        let is_asked = |event: &&Happened| event.seq > after && identity.is_none_or(|name| event.identity == name);
        Since {
            events: events.iter().filter(is_asked).cloned().collect(),
            after: events.back().map_or(after, |event| event.seq),
            missed: after + 1 < first,
        }
    }

    /// Keeps the book of an identity until it ends.
    pub(crate) async fn follow(&self, seat: Arc<Seat>, mut progress: broadcast::Receiver<Progress>) {
        loop {
            tokio::select! {
                biased;
                happened = progress.recv() => match happened {
                    Ok(progress) => self.note(&seat, progress),
                    Err(broadcast::error::RecvError::Lagged(missed)) => {
                        tracing::warn!(identity = seat.name, missed, next = "the log has them", "the admin socket has missed steps");
                    }
                    Err(broadcast::error::RecvError::Closed) => break,
                },
                () = seat.operator.ended() => break,
            }
        }
        let phase = format!("{:?}", seat.operator.status().phase);
        let words = "the rotation has ended in this process".to_owned();
        self.tell(Happened::bare(&seat.name, self.now().wall, "Ended", phase, words, None));
    }

    fn note(&self, seat: &Seat, progress: Progress) {
        let now = self.now();
        let (wall, about, alert) = match &progress {
            Progress::Recorded(recorded) => {
                let wall = now.when(recorded.record.at);
                let took = locked(&seat.seen).record(&recorded.record.step, recorded.current, recorded.record.at, wall);
                if let Some(took) = took {
                    self.metrics.round(&seat.name, took);
                }
                let about = match recorded.record.step {
                    Step::Promoted { .. } | Step::RolledBack { .. } => recorded.current,
                    Step::Owed { .. } => recorded.debt,
                    _ => recorded.second.or(recorded.current),
                };
                (wall, about, Alert::of_step(&recorded.record.step, recorded.phase.kind()))
            }
            Progress::Noticed { event, .. } => (now.wall, None, Some(Alert::of_event(*event))),
        };
        let told = Told::of(progress);
        let phase = if told.phase.is_empty() { format!("{:?}", seat.operator.status().phase) } else { told.phase };
        let bare = Happened::bare(&seat.name, wall, &told.step, phase, told.words, told.reason);
        let generation = about.map(|mint| mint.generation.to_string());
        let happened = Happened { generation, slot: about.map(|mint| mint.slot.to_string()), ..bare };
        if let Some(alert) = alert {
            self.bell.ring(alert, &happened);
        }
        self.tell(happened);
    }

    fn tell(&self, happened: Happened) {
        let mut events = locked(&self.events);
        let seq = self.last() + 1;
        if events.len() == KEPT {
            events.pop_front();
        }
        events.push_back(Happened { seq, ..happened });
        self.last.send_replace(seq);
    }
}

impl Happened {
    fn bare(identity: &str, at: SystemTime, step: &str, phase: String, words: String, reason: Option<String>) -> Self {
        let (identity, step, at) = (identity.to_owned(), step.to_owned(), format_rfc3339_seconds(at).to_string());
        Self { seq: 0, identity, at, step, phase, generation: None, slot: None, words, reason }
    }
}

impl Seen {
    /// Answers how long the round took that is over with this step.
    fn record(&mut self, step: &Step, current: Option<Mint>, at: Instant, wall: SystemTime) -> Option<Duration> {
        if let (Step::Ready | Step::Promoted { .. } | Step::RolledBack { .. }, Some(mint)) = (step, current) {
            self.success = Some((mint, wall));
        }
        match step {
            Step::IssueIntent { .. } => self.begun = Some(at),
            Step::Promoted { .. } => self.ends.succeeded += 1,
            Step::RolledBack { .. } => self.ends.rolled_back += 1,
            Step::AbandonIntent { .. } => self.ends.abandoned += 1,
            Step::IssueRefused => {
                self.ends.refused += 1;
                self.begun = None;
            }
            Step::Cleared | Step::Owed { .. } => return self.begun.take().map(|begun| at.since(begun)),
            _ => {}
        }
        None
    }
}

impl Now {
    /// An instant of the boot's clock on the wall's.
    pub(crate) fn when(self, at: Instant) -> SystemTime {
        if at > self.boot { self.wall + at.since(self.boot) } else { self.wall - self.boot.since(at) }
    }

    /// Seconds until then.
    pub(crate) fn until(self, at: Instant) -> f64 {
        at.since(self.boot).as_secs_f64() - self.boot.since(at).as_secs_f64()
    }

    fn moment(self, at: Instant) -> Moment {
        Moment { at: format_rfc3339_seconds(self.when(at)).to_string(), in_seconds: self.until(at) }
    }

    /// The same of the wall's clock.
    fn date(self, at: SystemTime) -> Moment {
        let in_seconds = match at.duration_since(self.wall) {
            Ok(left) => left.as_secs_f64(),
            Err(over) => -over.duration().as_secs_f64(),
        };
        Moment { at: format_rfc3339_seconds(at).to_string(), in_seconds }
    }

    /// So long from now.
    pub(crate) fn after(self, time: Duration) -> Moment {
        Moment { at: format_rfc3339_seconds(self.wall + time).to_string(), in_seconds: time.as_secs_f64() }
    }
}

/// The credentials that a phase speaks of beside the debt, each with its part in it and the end of its life.
pub(crate) fn roles(status: &Status) -> Vec<(Mint, &'static str, usize, Option<Instant>)> {
    let current = status.state.current().map(|lease| (lease.mint, "current", status.current_held, Some(lease.life.lb)));
    let second = status.second.map(|mint| {
        let (role, ends) = part(&status.state);
        (mint, role, status.second_held, ends)
    });
    current.into_iter().chain(second).collect()
}

/// What the second credential of a phase is to it.
fn part(phase: &Phase) -> (&'static str, Option<Instant>) {
    match phase {
        Phase::Validating(Validating { candidate, .. }) => ("candidate", Some(candidate.life.lb)),
        Phase::Draining(draining) => ("retiring", Some(draining.retiring.life.lb)),
        Phase::NeedsOperator(NeedsOperator { rest: Rest::Draining { retiring, .. }, .. }) => ("retiring", Some(retiring.life.lb)),
        _ => phase.going().map_or(("candidate", None), |going| ("going", Some(going.ub))),
    }
}

/// When the machine begins the next rotation by itself.
const fn begins_by_itself(phase: &Phase) -> Option<Instant> {
    match phase {
        Phase::Steady(Steady { rotate_at, .. }) => *rotate_at,
        _ => None,
    }
}

const fn grace_ends(phase: &Phase) -> Option<Instant> {
    match phase {
        Phase::Draining(draining) => draining.deadline,
        _ => None,
    }
}

impl Seat {
    pub(crate) fn seen(&self) -> Seen {
        locked(&self.seen).clone()
    }

    /// When the next rotation is due: after a period, by a calendar, or because the credential ends.
    pub(crate) fn next_rotation(&self, status: &Status, now: Now) -> Option<SystemTime> {
        let calendar = self.facts.calendar.as_ref().filter(|_| status.phase == PhaseKind::Steady);
        let (by_itself, due) = (begins_by_itself(&status.state), calendar.and_then(|calendar| calendar.next(now.wall)));
        by_itself.map(|at| now.when(at)).into_iter().chain(due).min()
    }

    pub(crate) fn standing(&self, now: Now) -> Standing {
        let (status, seen) = (self.operator.status(), self.seen());
        let held = |(mint, role, in_flight, ends): (Mint, &str, usize, Option<Instant>)| Held {
            generation: mint.generation.to_string(),
            slot: mint.slot.to_string(),
            role: role.to_owned(),
            in_flight,
            dependents: self.hanging(mint),
            since: seen.success.filter(|(current, _)| *current == mint).map(|(_, at)| format_rfc3339_seconds(at).to_string()),
            expires: ends.map(|at| now.moment(at)),
        };
        let (mut current, mut second) = (None, None);
        for role in roles(&status) {
            if role.1 == "current" { current = Some(held(role)) } else { second = Some(held(role)) }
        }
        let debt = status.debt.map(|mint| Owed {
            generation: mint.generation.to_string(),
            slot: mint.slot.to_string(),
            dead_by: status.debt_ends.map(|at| now.moment(at)),
        });
        Standing {
            name: self.name.clone(),
            phase: format!("{:?}", status.phase),
            not_serving: self.operator.serving().err().map(|why| why.to_string()),
            current,
            second,
            debt,
            next_rotation: self.next_rotation(&status, now).map(|at| now.date(at)),
            paused: status.paused.map(|at| now.moment(at)),
            grace_ends: grace_ends(&status.state).map(|at| now.moment(at)),
            needs_operator: needs_operator(&status.state).map(str::to_owned),
            stalled: status.stalled,
            alive: self.operator.is_alive(),
            reason: status.reason.map(|Reason(words)| words),
            rotations: seen.ends,
            last_success: seen.success.map(|(_, at)| format_rfc3339_seconds(at).to_string()),
        }
    }

    pub(crate) fn proxied(&self) -> Option<&Proxied> {
        self.proxied.get()
    }

    /// What hangs from a credential, as far as it went through here.
    pub(crate) fn hanging(&self, Mint { generation, .. }: Mint) -> Hanging {
        let Some(Proxied { remote, leases, .. }) = self.proxied() else { return Hanging::default() };
        Hanging { leases: leases.as_ref().map_or(0, |leases| leases.count(generation)), children: remote.children(generation) }
    }

    pub(crate) fn planned(&self, now: Now) -> Planned {
        let (status, Facts { provider, policy, calendar, .. }) = (self.operator.status(), &self.facts);
        let current = status.state.current();
        // By then it is renewed at the latest: see `Policy::renewal` in the core.
        let left = if matches!(policy.jitter, Jitter::None) { policy.full / 2 } else { policy.full / 3 };
        let refused = match status.phase {
            _ if !self.operator.is_alive() => Some("it has stopped".to_owned()),
            _ if status.stalled => Some("the journal takes no more records: restart".to_owned()),
            PhaseKind::Steady => None,
            phase => Some(format!("a rotation begins only in Steady, and this is {phase:?}")),
        };
        Planned {
            name: self.name.clone(),
            provider: provider.clone(),
            every: policy.period.map(|period| period.as_secs_f64()),
            schedule: calendar.as_ref().map(|Calendar { schedule, .. }| Scheduled {
                calendar: schedule.to_string(),
                window: schedule.window.as_secs_f64(),
            }),
            next_rotation: self.next_rotation(&status, now).map(|at| now.date(at)),
            life: policy.full.as_secs_f64(),
            validate_for: policy.validate_for.as_secs_f64(),
            grace: policy.grace.as_secs_f64(),
            longest_rotation: policy.worst_rotation().as_secs_f64(),
            survives_now: current.map_or(0.0, |lease| now.until(lease.life.lb).max(0.0)),
            survives_any_time: current.is_some_and(|lease| !lease.capped).then_some(left.as_secs_f64()),
            refused,
        }
    }
}

pub(crate) const fn needs_operator(phase: &Phase) -> Option<&'static str> {
    match phase {
        Phase::NeedsOperator(NeedsOperator { reason, .. }) => Some(match reason {
            StuckReason::CurrentRefused => "the provider refuses the credential that serves: find out who revoked it",
            StuckReason::CurrentMissing => "the credential that the journal calls current is not in the survivor store",
            StuckReason::Stranger => "the survivor store holds a credential that the journal does not know",
        }),
        _ => None,
    }
}
