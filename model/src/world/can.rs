//! What can happen next.

use std::time::Duration;

use turquoise_core::{
    AtStop, Certainty, Color, Consumers, Effect, Generation, Input, NeedsOperator, Phase, PhaseKind, Resolution, Rest, Rotation,
    StuckReason, Writer,
};

use super::{Action, Clock, Demand, Event, LONG, Process, Request, World, is_local};
use crate::config::{Assumption, Config, Hostility};

impl World {
    /// Everything that can happen next. A world with a broken invariant stands still.
    #[must_use]
    pub fn actions(&self, config: &Config) -> Vec<Action> {
        let mut events = Vec::with_capacity(16);
        if self.violated.is_some() {
            return Vec::new();
        }
        match &self.process {
            Process::Up(machine) => self.events_while_up(config, machine, &mut events),
            Process::Down(ticks) => self.events_while_down(config, *ticks, &mut events),
            Process::Outside(_) => {}
        }
        for (i, request) in (0..).zip(&self.flight) {
            if request.op.is_none() && !is_local(&request.effect) {
                events.push(Event::ApplyLate(i));
            }
        }
        if self.reader.as_ref().is_some_and(|reader| Some(reader.holds) != self.published) {
            events.push(Event::Read);
        }
        events.extend(self.disabled.then_some(Event::Enable));
        let taken_over = matches!(self.process, Process::Up(_));
        events.extend(self.rival.filter(|_| taken_over).map(|_| Event::RivalWakes));
        let mut actions: Vec<_> = events.iter().map(|&event| Action { event, dies_after: None }).collect();
        if self.crashes > 0 && matches!(self.process, Process::Up(_)) {
            actions.push(Action { event: Event::Die, dies_after: None });
            let deadly = events.iter().filter(|event| reaches_machine(**event));
            actions.extend(deadly.flat_map(|&event| (0..3).map(move |n| Action { event, dies_after: Some(n) })));
        }
        actions
    }

    /// Whether anything is under way that somebody waits for.
    pub(super) fn pending(&self) -> bool {
        self.writing.is_some() || self.flight.iter().any(|request| request.op.is_some())
    }

    pub(super) fn events_while_down(&self, config: &Config, ticks: u64, events: &mut Vec<Event>) {
        let unsure = self.writing.is_some() || self.flight.iter().any(|request| is_local(&request.effect));
        // Its own lease a process takes again at once; another one waits until it has run out.
        let leased = self.mandate.is_some_and(|until| self.now < until);
        for rebooted in [None, Some(Clock::Ahead), Some(Clock::Behind)] {
            if !leased && (rebooted.is_none() || config.can(Hostility::Reboot)) {
                events.push(Event::Restart { kept: false, rebooted });
                events.extend(unsure.then_some(Event::Restart { kept: true, rebooted }));
            }
        }
        let in_time = leased || ticks < config.downtime || config.broken == Some(Assumption::RestartIsTimely);
        if in_time && ticks < LONG && !self.reader_is_due() {
            events.push(Event::Tick);
        }
        if self.faults > 0 && ticks == 0 && config.can(Hostility::Slots) {
            let empty = |color: &Color| self.slots.slot(*color).is_none();
            let (empty, full): (Vec<_>, Vec<_>) = [Color::Blue, Color::Green].into_iter().partition(empty);
            events.extend(empty.into_iter().map(Event::Tamper).chain(full.into_iter().map(Event::Lose)));
        }
    }

    pub(super) fn events_while_up(&self, config: &Config, machine: &Rotation, events: &mut Vec<Event>) {
        self.events_of_time(config, machine, events);
        self.events_of_people(config, machine, events);
        if machine.stalled() {
            // Whoever watches it starts it again: that is no fault of its own.
            events.push(Event::Restarted);
        } else if self.writing.is_some() {
            events.push(Event::Synced);
            if self.faults > 0 && config.can(Hostility::Disk) {
                events.push(Event::SyncFails);
            }
        }
        if self.faults > 0 {
            self.events_of_misfortune(config, machine, events);
        }
        if config.policy.writer == Writer::Mandate {
            let lasts = |span| self.mandate.is_some_and(|until| self.now + span <= until);
            events.extend((!lasts(2 * Duration::from_millis(1))).then_some(Event::Mandate));
            let free = self.crashes > 0 && self.rival.is_none() && config.can(Hostility::Rival);
            events.extend((free && self.mandate.is_some() && !self.pending()).then_some(Event::Depose));
        }
        if self.faults > 0 && config.can(Hostility::Outside) {
            events.extend((0..).zip(&self.live).map(|(i, _)| Event::RevokedByOthers(i)));
        }
        for (i, request) in (0..).zip(&self.flight).filter(|(_, request)| request.op.is_some()) {
            self.events_of_request(config, i, request, events);
        }
    }

    pub(super) fn events_of_misfortune(&self, config: &Config, machine: &Rotation, events: &mut Vec<Event>) {
        if config.can(Hostility::Suspend) && !self.pending() && !machine.stalled() {
            events.push(Event::Gap);
        }
        if config.can(Hostility::Disabled) && !self.disabled {
            events.push(Event::Disable);
        }
        if config.can(Hostility::Capped) {
            let free = (0..).zip(&self.live).filter(|(_, credential)| !credential.capped);
            events.extend(free.map(|(i, _)| Event::Cap(i)));
        }
    }

    pub(super) fn events_of_time(&self, config: &Config, machine: &Rotation, events: &mut Vec<Event>) {
        let untimely = config.broken == Some(Assumption::DriverIsTimely);
        let due = machine.poll_timeout().is_some_and(|at| at <= self.now);
        let overdue = |request: &Request| request.op.is_some() && self.now >= request.sent + machine.policy().patience;
        let writing = self.writing.filter(|_| !machine.stalled());
        let late = self.flight.iter().any(overdue) || writing.is_some_and(|record| record.at < self.now);
        if due {
            events.push(Event::Timer);
        }
        if due && !untimely {
            return;
        }
        let lapses = self.mandate.is_some_and(|until| self.now >= until)
            || self.mandate.is_none() && machine.policy().writer == Writer::Mandate;
        if !late && !lapses && !self.reader_is_due() && (self.faults > 0 && !config.can(Hostility::Alone) || !self.pending()) {
            events.push(Event::Tick);
        }
    }

    pub(super) fn events_of_people(&self, config: &Config, machine: &Rotation, events: &mut Vec<Event>) {
        let takes = |input| {
            let mut asked = *machine;
            asked.handle(self.now, input).is_ok() && asked != *machine
        };
        let mut demands = vec![Demand::Begin];
        if self.operator > 0 {
            demands.extend([Demand::Abort, Demand::Rollback, Demand::BreakGlass, Demand::Retry]);
            demands.extend((0..).zip(&self.live).map(|(i, _)| Demand::Compromise(i)));
            demands.extend([AtStop::Keep, AtStop::Revoke].map(Demand::Shutdown));
        }
        demands.extend(self.truth().map(Demand::Resolve));
        events.extend(demands.into_iter().filter(|demand| takes(self.input(*demand))).map(Event::Operator));
        if config.policy.consumers == Consumers::Counted {
            events.extend(machine.serving().filter(|_| self.work.is_none()).map(|_| Event::Work));
            events.extend(self.work.map(|_| Event::Done));
            events.extend(self.idle(machine).map(|_| Event::Idle));
            self.events_of_canary(machine, events);
        }
    }

    /// An operator who is needed comes, and tells the truth: what is kept lives, what is given up is dead.
    pub(super) fn truth(&self) -> Option<Resolution> {
        let kept = match self.phase() {
            Phase::NeedsOperator(NeedsOperator {
                rest: Rest::Draining { retiring, .. },
                reason: StuckReason::CurrentMissing,
                ..
            }) => Some(retiring),
            phase => phase.current(),
        };
        if kept.is_some_and(|lease| self.alive(lease.mint.generation).is_some()) {
            return Some(Resolution::Keep);
        }
        self.live.is_empty().then_some(Resolution::Forget)
    }

    pub(super) fn events_of_canary(&self, machine: &Rotation, events: &mut Vec<Event>) {
        let Some(canary) = machine.canary() else { return };
        match self.work {
            None => events.push(Event::Try),
            Some(held) if held == canary.candidate => events.extend([Event::Served, Event::Refused]),
            Some(held) if Some(held) == machine.serving() => events.push(Event::Served),
            Some(_) => {}
        }
    }

    /// A credential that is no longer given out and that no work holds, as far as the machine wants to know.
    pub(super) fn idle(&self, machine: &Rotation) -> Option<Generation> {
        let given = |generation| {
            Some(generation) == machine.serving() || machine.canary().is_some_and(|canary| canary.candidate == generation)
        };
        let wanted = |generation: &Generation| {
            let mut told = *machine;
            told.handle(self.now, Input::Idle(*generation)).is_ok() && told != *machine
        };
        let live = self.live.iter().map(|credential| credential.generation);
        live.filter(|generation| !given(*generation) && Some(*generation) != self.work).find(wanted)
    }

    pub(crate) fn input(&self, demand: Demand) -> Input {
        match demand {
            Demand::Begin => Input::Begin,
            Demand::Abort => Input::Abort,
            Demand::Rollback => Input::Rollback,
            Demand::Compromise(i) => Input::Compromise(self.live[usize::from(i)].generation),
            Demand::Resolve(resolution) => Input::Resolve(resolution),
            Demand::BreakGlass => Input::BreakGlass(Certainty::Confirmed),
            Demand::Retry => Input::Retry,
            Demand::Shutdown(how) => Input::Shutdown(how),
        }
    }

    pub(super) fn events_of_request(&self, config: &Config, i: u8, request: &Request, events: &mut Vec<Event>) {
        if request.swallowed {
            return events.push(Event::GiveUp(i));
        }
        events.push(Event::Answer(i));
        if self.faults == 0 || config.can(Hostility::Alone) {
            return;
        }
        events.extend([Event::Reject(i), Event::AnswerTwice(i)]);
        let changes = matches!(
            request.effect,
            Effect::Renew { .. } | Effect::Extend { .. } | Effect::Shorten { .. } | Effect::Revoke { .. }
        );
        if changes && config.broken == Some(Assumption::NothingIsRepeated) {
            events.push(Event::AnswerAndRepeat(i));
        }
        if !is_local(&request.effect) {
            events.extend([Event::Swallow(i), Event::GiveUp(i)]);
        }
        let candidate = self.phase().kind() == PhaseKind::Issuing;
        if candidate && matches!(request.effect, Effect::Issue { .. } | Effect::Login { .. }) {
            events.push(Event::AnswerUseless(i));
        }
        let lags = match request.effect {
            Effect::Revoke { .. } => true,
            Effect::Probe(generation) => self.alive(generation).is_none(),
            _ => false,
        };
        if lags && config.can(Hostility::Lag) {
            events.push(Event::AnswerNoop(i));
        }
    }

    pub(super) fn reader_is_due(&self) -> bool {
        self.reader.as_ref().and_then(|reader| reader.again).is_some_and(|at| at <= self.now + Duration::from_millis(1))
    }
}

const fn reaches_machine(event: Event) -> bool {
    matches!(
        event,
        Event::Timer
            | Event::Operator(_)
            | Event::Idle
            | Event::Served
            | Event::Refused
            | Event::Gap
            | Event::Mandate
            | Event::Synced
            | Event::Answer(_)
            | Event::Reject(_)
            | Event::AnswerUseless(_)
            | Event::GiveUp(_)
    )
}
