//! What happens: time, people, the process and its death, requests and their answers.

use std::time::Duration;

use turquoise_core::{
    BootId, Color, Consumers, Effect, Generation, Held, Illegal, Input, Instant, Lease, Ledger, Lsn, OpId, Outcome, Output,
    Record, Refusal, Relogin, Rewrite, Rotation, Step, Tally, Verdict,
};

use super::provider::Ask;
use super::{Clock, Credential, Demand, Event, INCARNATION, Process, Reader, Request, STRANGER, World, is_local};
use crate::config::{Assumption, Config, LEASE, SLEEP};
use crate::invariant::Invariant;

impl World {
    /// Whether the machine took an input.
    pub(super) fn happen(&mut self, config: &Config, event: Event) -> bool {
        match event {
            Event::Tick => self.tick(config),
            Event::Timer => return self.tell(Input::Timeout),
            Event::Operator(demand) => {
                self.operator -= u8::from(!matches!(demand, Demand::Begin | Demand::Resolve(_)));
                if matches!(demand, Demand::Resolve(_) | Demand::BreakGlass) {
                    self.move_strangers_away();
                }
                return self.tell(self.input(demand));
            }
            Event::Read => self.read(),
            Event::Work | Event::Try | Event::Done | Event::Idle | Event::Served | Event::Refused => return self.work(event),
            Event::Enable => self.disabled = false,
            Event::Mandate => {
                let until = self.now + LEASE;
                self.mandate = Some(until);
                return self.tell(Input::Mandate(until));
            }
            Event::RivalWakes => self.wake_rival(),
            Event::Synced => return self.synced(config, true),
            Event::Depose => {
                self.crashes -= 1;
                let lease = self.mandate;
                if let Process::Up(machine) = self.process {
                    self.rival = Some(machine);
                }
                self.die();
                self.mandate = lease;
            }
            Event::Die => {
                self.crashes -= 1;
                self.die();
            }
            Event::Restarted => self.die(),
            Event::Restart { kept, rebooted } => {
                self.restart(config, kept, rebooted);
                return true;
            }
            Event::Gap
            | Event::Disable
            | Event::Cap(_)
            | Event::Lose(_)
            | Event::Tamper(_)
            | Event::RevokedByOthers(_)
            | Event::SyncFails => return self.befall(config, event),
            Event::Answer(_)
            | Event::AnswerUseless(_)
            | Event::AnswerNoop(_)
            | Event::AnswerTwice(_)
            | Event::AnswerAndRepeat(_)
            | Event::Reject(_)
            | Event::Swallow(_)
            | Event::GiveUp(_)
            | Event::ApplyLate(_) => return self.conclude(config, event),
        }
        false
    }

    /// Work comes and goes.
    fn work(&mut self, event: Event) -> bool {
        let Process::Up(machine) = &self.process else { return false };
        match event {
            Event::Work => self.work = machine.serving(),
            Event::Try => self.work = machine.canary().map(|canary| canary.candidate),
            Event::Done => self.work = None,
            Event::Idle => return self.idle(machine).is_some_and(|generation| self.tell(Input::Idle(generation))),
            Event::Served => return self.report(Verdict::Served { took: Duration::ZERO }),
            _ => {
                // What is said after the commit point comes too late.
                let late = self.writing.is_some_and(|record| matches!(record.step, Step::Promoted { .. }));
                self.ghost.blamed = self.work.filter(|_| !late);
                return self.report(Verdict::Refused);
            }
        }
        false
    }

    /// A fault that is nobody's answer.
    fn befall(&mut self, config: &Config, event: Event) -> bool {
        self.faults -= 1;
        match event {
            Event::Gap => return self.sleep(config),
            Event::SyncFails => return self.writing.is_some_and(|record| self.tell(Input::NotDurable(record.lsn))),
            Event::Cap(i) => self.live[usize::from(i)].capped = true,
            Event::RevokedByOthers(i) => self.ghost.excused.push(self.live.remove(usize::from(i)).generation),
            Event::Lose(color) => {
                self.ghost.excused.extend(self.slots.slot(color));
                self.set_slot(color, None);
            }
            Event::Tamper(color) => self.set_slot(color, Some(STRANGER)),
            _ => self.disabled = true,
        }
        false
    }

    /// What becomes of a request.
    fn conclude(&mut self, config: &Config, event: Event) -> bool {
        match event {
            Event::Answer(i) | Event::AnswerUseless(i) => {
                let useless = matches!(event, Event::AnswerUseless(_));
                self.faults -= u8::from(useless);
                let (op, outcome) = self.answer(config, i, useless);
                return self.tell(Input::Completed { op, outcome });
            }
            Event::AnswerNoop(i) => {
                self.faults -= 1;
                let request = self.flight.remove(usize::from(i));
                let Some(outcome) = Ask::of(config, &request.effect).map(Self::lagging) else { return false };
                return self.tell(Input::Completed { op: request.op.unwrap_or(OpId(0)), outcome });
            }
            Event::AnswerTwice(i) => {
                self.faults -= 1;
                let (op, outcome) = self.answer(config, i, false);
                // Between the two the driver drains: only a repetition that the machine refuses is harmless.
                if self.tell(Input::Completed { op, outcome }) {
                    self.drain(None);
                }
                self.repeat(Input::Completed { op, outcome });
            }
            Event::AnswerAndRepeat(i) => {
                self.faults -= 1;
                let again = Request { op: None, ..self.flight[usize::from(i)].clone() };
                let (op, outcome) = self.answer(config, i, false);
                self.flight.push(again);
                return self.tell(Input::Completed { op, outcome });
            }
            Event::Swallow(i) => {
                self.faults -= 1;
                let effect = self.flight[usize::from(i)].effect;
                self.apply(config, &effect, false);
                self.flight[usize::from(i)].swallowed = true;
            }
            Event::ApplyLate(i) => {
                let request = self.flight.remove(usize::from(i));
                self.apply(config, &request.effect, false);
            }
            Event::Reject(i) => return self.reject(i),
            Event::GiveUp(i) => return self.give_up(i),
            _ => {}
        }
        false
    }

    /// The work that is done with the credential it was given is reported.
    pub(super) fn report(&mut self, verdict: Verdict) -> bool {
        let Some(generation) = self.work.take() else { return false };
        self.tell(Input::Sample { generation, verdict })
    }

    /// Everything sleeps, programs that read the sink too; what dies meanwhile nobody could have kept alive.
    pub(super) fn sleep(&mut self, config: &Config) -> bool {
        self.sleep_for(config, SLEEP);
        self.tell(Input::Gap)
    }

    pub(super) fn sleep_for(&mut self, config: &Config, time: Duration) {
        self.now = self.now + time;
        let now = self.now;
        let gone = self.live.extract_if(.., |credential| now >= credential.expires);
        let gone: Vec<_> = gone.map(|credential| credential.generation).collect();
        self.ghost.slept = self.ghost.committed.filter(|served| gone.contains(served));
        self.ghost.excused.extend(gone);
        // A grace that ended meanwhile is over for those who slept through it, too.
        let over = self.ghost.deadline.is_some_and(|deadline| now >= deadline);
        self.ghost.excused.extend(self.ghost.previous.filter(|_| over));
        // What should have been renewed meanwhile may be past help.
        for credential in &mut self.live {
            credential.starved |= credential.expires.since(now) < config.policy.full / 2;
        }
        self.flight.clear();
        if let Some(reader) = &mut self.reader {
            let soon = now + 2 * Duration::from_millis(1);
            reader.again = reader.again.map(|at| at.max(soon));
        }
    }

    /// What a deposed process sends when it wakes up; its records reach no journal.
    pub(super) fn wake_rival(&mut self) {
        let Some(mut rival) = self.rival.take() else { return };
        if rival.handle(self.now, Input::Timeout).is_err() {
            return;
        }
        while let Some(output) = rival.poll_output() {
            match output {
                Output::Append(_) => return,
                Output::Perform { effect, .. } if !is_local(&effect) => {
                    if !matches!(effect, Effect::Probe(_) | Effect::Observe { .. } | Effect::Discover { .. }) {
                        self.violate(Invariant::S8);
                    }
                    self.flight.push(Request { op: None, effect, sent: self.now, swallowed: false });
                }
                _ => {}
            }
        }
    }

    pub(super) fn move_strangers_away(&mut self) {
        for color in [Color::Blue, Color::Green] {
            if self.slots.slot(color) == Some(STRANGER) {
                self.set_slot(color, None);
            }
        }
    }

    /// Whether the machine took it.
    pub(super) fn tell(&mut self, input: Input) -> bool {
        let Process::Up(machine) = &mut self.process else { return false };
        match machine.handle(self.now, input) {
            Ok(()) => true,
            // A renewal may outlast the phase that kept the credential alive.
            Err(Illegal::StaleCompletion { .. }) => false,
            Err(illegal) => panic!("the world told the machine {input:?}: {illegal}"),
        }
    }

    /// A completion that was delivered before: it must be refused and change nothing.
    pub(super) fn repeat(&mut self, input: Input) {
        let Process::Up(machine) = &mut self.process else { return };
        let before = *machine;
        if machine.handle(self.now, input).is_ok() || *machine != before {
            self.violate(Invariant::S9);
        }
    }

    /// Acts on the machine's outputs, on at most `limit` of them; whether there were no more.
    pub(super) fn drain(&mut self, limit: Option<u8>) -> bool {
        for _ in 0..limit.unwrap_or(u8::MAX) {
            let Process::Up(machine) = &mut self.process else { return true };
            match machine.poll_output() {
                None => return true,
                Some(Output::Append(record)) => {
                    let policy = *machine.policy();
                    self.judge_begin(&policy, &record);
                    self.writing = Some(record);
                }
                Some(Output::Perform { op, effect }) => self.perform(op, effect),
                Some(Output::Serve(serving)) => {
                    self.live.iter_mut().filter(|c| c.generation == serving.current).for_each(|c| c.served = true);
                }
                Some(Output::Withdraw | Output::Notify(_)) => {}
            }
        }
        let Process::Up(machine) = &mut self.process else { return true };
        machine.poll_output().is_none()
    }

    pub(super) fn perform(&mut self, op: OpId, effect: Effect) {
        if let Some(invariant) = Invariant::broken_by(self, &effect) {
            self.violate(invariant);
        }
        self.meter(&effect);
        self.flight.push(Request { op: Some(op), effect, sent: self.now, swallowed: false });
    }

    pub(super) fn tick(&mut self, config: &Config) {
        if self.pending() && matches!(self.process, Process::Up(_)) {
            self.faults -= 1;
        }
        self.now = self.now + Duration::from_millis(1);
        let now = self.now;
        self.expire();
        self.ghost.sent = [0, self.ghost.sent[0], self.ghost.sent[1]];
        let delta = config.policy.delta;
        let delta = if config.broken == Some(Assumption::DeltaHolds) { 3 * delta } else { delta };
        self.flight.retain(|request| request.op.is_some() || is_local(&request.effect) || now < request.sent + delta);
        if let Process::Down(ticks) = &mut self.process {
            *ticks += 1;
        }
    }

    /// What has no life left is gone.
    pub(super) fn expire(&mut self) {
        let now = self.now;
        // What the provider gives no more life is excused, but for the one that serves: it must be replaced in time, unless
        // the mint that was to replace it went unanswered.
        let over = self.live.extract_if(.., |credential| now >= credential.expires);
        let ghost = &mut self.ghost;
        let replaced = |credential: &Credential| {
            credential.capped && (ghost.committed != Some(credential.generation) || !ghost.debts.is_empty())
        };
        let replaced =
            over.filter(|credential| credential.starved || replaced(credential)).map(|credential| credential.generation);
        ghost.excused.extend(replaced.collect::<Vec<_>>());
    }

    /// The record is durable; the machine, if it lives, is told. Whether it took that.
    pub(super) fn synced(&mut self, config: &Config, acknowledged: bool) -> bool {
        let Some(record) = self.writing.take() else { return false };
        if acknowledged && self.crashes > 0 && config.broken == Some(Assumption::AcknowledgedIsDurable) {
            self.tell(Input::Durable(record.lsn));
            self.drain(None);
            self.crashes -= 1;
            self.die();
            return false;
        }
        let applied = self.journal.apply(&record, &config.policy);
        assert!(applied.is_ok(), "the journal refuses {record:?}: {applied:?}");
        self.note(&record);
        acknowledged && self.tell(Input::Durable(record.lsn))
    }

    pub(super) fn answer(&mut self, config: &Config, i: u8, useless: bool) -> (OpId, Outcome) {
        let request = self.flight.remove(usize::from(i));
        let op = request.op.unwrap_or(OpId(0));
        (op, self.apply(config, &request.effect, useless))
    }

    pub(super) fn reject(&mut self, i: u8) -> bool {
        self.faults -= 1;
        let request = self.flight.remove(usize::from(i));
        let refusal = match request.effect {
            Effect::Issue { .. } | Effect::Login { .. } => Refusal::Refused,
            _ => Refusal::Unavailable,
        };
        let op = request.op.unwrap_or(OpId(0));
        self.tell(Input::Completed { op, outcome: Outcome::NotApplied(refusal) })
    }

    pub(super) fn give_up(&mut self, i: u8) -> bool {
        let i = usize::from(i);
        let Some(op) = self.flight[i].op.take() else { return false };
        if self.flight[i].swallowed {
            self.flight.remove(i);
        } else {
            self.faults -= 1;
        }
        self.tell(Input::Completed { op, outcome: Outcome::Unknown })
    }

    pub(super) fn publish(&mut self, config: &Config, generation: Generation) {
        let slow = config.broken == Some(Assumption::ReadersReadAgain);
        let grace = config.policy.grace * if slow { 2 } else { 1 };
        if self.published != Some(generation) {
            self.published = Some(generation);
            match &mut self.reader {
                Some(reader) => reader.again = (reader.holds != generation).then(|| self.now + grace),
                None if reads(config) => self.read(),
                None => {}
            }
        }
    }

    pub(super) fn read(&mut self) {
        self.reader = self.published.map(|holds| Reader { holds, again: None });
    }

    /// The process is gone: nobody waits for its requests any more, and they may still be applied.
    pub(super) fn die(&mut self) {
        // Who begins anew serves what is on record, and asks then.
        self.ghost.slept = None;
        self.process = Process::Down(0);
        self.mandate = None;
        self.work = None;
        self.flight.retain(|request| !request.swallowed);
        self.flight.iter_mut().for_each(|request| request.op = None);
    }

    /// Where nothing survives a process, its death is the end of what it served.
    fn lose_all(&mut self) {
        (self.slots, self.published) = (Held::default(), None);
        let lost = self.live.iter().map(|credential| credential.generation).chain(self.ghost.committed);
        let lost: Vec<_> = lost.filter(|generation| !self.ghost.excused.contains(generation)).collect();
        self.ghost.excused.extend(lost);
    }

    pub(super) fn restart(&mut self, config: &Config, kept: bool, rebooted: Option<Clock>) {
        self.mandate = None;
        let local = |request: &Request| is_local(&request.effect);
        if kept {
            let effects: Vec<_> = self.flight.iter().filter(|r| local(r)).map(|r| r.effect).collect();
            for effect in effects {
                self.apply(config, &effect, false);
            }
            self.synced(config, false);
        }
        self.flight.retain(|request| !local(request));
        self.writing = None;
        if config.policy.relogin == Relogin::EachStart {
            self.lose_all();
        }
        for credential in &mut self.live {
            credential.accepted = self.now;
            credential.lost = ![self.slots.blue, self.slots.green].contains(&Some(credential.generation));
        }
        if let Some(clock) = rebooted {
            self.journal.rewrite(&mut Reset(clock, self.now));
            self.boot.0 += 1;
        }
        if self.journal.is_empty() {
            self.journal = Ledger::new(INCARNATION, self.boot, self.now);
        }
        self.start(config);
    }

    pub(super) fn start(&mut self, config: &Config) {
        match Rotation::resume(config.policy, self.journal, self.boot, self.now, self.slots) {
            Ok(machine) => {
                if !recovers_alike(config, &self.journal, &machine, self.slots) {
                    self.violate(Invariant::S5);
                }
                self.process = Process::Up(machine);
            }
            // Refused at the start, with the remedy: who reads it moves the strange secret away.
            Err(_) => self.move_strangers_away(),
        }
    }
}

/// Whether anybody reads what is published. Where nothing survives there is no file.
fn reads(config: &Config) -> bool {
    config.policy.consumers == Consumers::Uncounted && config.policy.relogin != Relogin::EachStart
}

/// S5(a): the journal means the same after one recovery and after two.
fn recovers_alike(config: &Config, journal: &Ledger, machine: &Rotation, held: Held) -> bool {
    let Some(first) = machine.awaited().copied().filter(|record| matches!(record.step, Step::Recovered { .. })) else {
        return true;
    };
    let second = Record { lsn: Lsn(first.lsn.0 + 1), step: Step::Recovered { held }, ..first };
    let mut once = *journal;
    if once.apply(&first, &config.policy).is_err() {
        return false;
    }
    let mut twice = once;
    twice.apply(&second, &config.policy).is_ok() && once.phase() == twice.phase()
}

/// Moves every recorded instant to where another boot's clock has it.
struct Reset(Clock, Instant);

impl Rewrite for Reset {
    fn deadline(&mut self, at: &mut Instant) {
        *at = match self.0 {
            Clock::Ahead => Instant(0),
            Clock::Behind => self.1 + Duration::from_hours(1),
        };
    }

    fn bound(&mut self, at: &mut Instant) {
        self.deadline(at);
    }

    fn origin(&mut self, at: &mut Instant) {
        self.deadline(at);
    }

    fn boot(&mut self, _: &mut BootId) {}
    // Recorded lives are forgotten at once.
    fn lease(&mut self, _: &mut Lease) {}
    fn generation(&mut self, _: &mut Generation) {}
    fn op(&mut self, _: &mut OpId) {}
    fn counters(&mut self, _: &mut u32, _: &mut u64) {}
    fn failures(&mut self, _: &mut u8) {}
    fn tries(&mut self, _: &mut u8) {}
    fn tally(&mut self, _: &mut Tally) {}
    fn next_op(&mut self, _: &mut u64) {}
}
