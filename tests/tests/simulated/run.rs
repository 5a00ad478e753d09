//! One run: processes that come and go on one world, work, operators and others; then peace, in which everything must come
//! to rest; then the judgement.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use turquoise_memory::WhenLockingFails;
use turquoise_model::Invariant;
use turquoise_runtime::core::{AtStop, BootId, Certainty, Color, Generation, PhaseKind, StepKind};
use turquoise_runtime::port::{Entry, History};
use turquoise_runtime::{Credentials, Guard, Identity, Load, Report, Setup, Status};

use crate::dice::Dice;
use crate::disk::{Ledger, Slots};
use crate::plan::{Plan, Story};
use crate::provider::{Hands, LEFT_ALONE};
use crate::world::{For, Idle, PausedClock, Shared, Wrong};

/// Within this time after the last fault everything has come to rest: a lost login is waited out, and then some.
const REST: Duration = Duration::from_mins(4);
/// So many pieces of work go on at a time.
const WORKERS: u64 = 2;

/// What a run came to.
#[derive(Debug)]
pub(crate) struct Run {
    /// What must not be, and was, if anything.
    pub(crate) wrong: Option<Wrong>,
    /// What happened.
    pub(crate) story: String,
    /// How often another credential became current, and how often a process died.
    pub(crate) rotations: usize,
    pub(crate) deaths: u32,
    /// The transitions that its journal takes.
    pub(crate) rows: BTreeSet<Row>,
    /// The places that its story has passed, and where processes died.
    pub(crate) places: Vec<String>,
    pub(crate) died_at: Vec<String>,
}

/// From one phase, by a step, to another one.
pub(crate) type Row = (PhaseKind, StepKind, PhaseKind);

/// Runs a plan to its end, on a clock of its own.
pub(crate) fn run(plan: &Plan) -> Run {
    let idle = Arc::new(Idle::default());
    let (parks, unparks) = (Arc::clone(&idle), Arc::clone(&idle));
    let mut runtime = Builder::new_current_thread();
    runtime.enable_time().start_paused(true);
    runtime.on_thread_park(move || parks.set(true)).on_thread_unpark(move || unparks.set(false));
    runtime.build().expect("there is memory").block_on(async {
        let shared = Shared::new(plan, Arc::clone(&idle));
        let failed = match plan.story {
            None => play(&shared).await.err(),
            Some(story) => tell(&shared, story).await.err(),
        };
        // Nobody waits for this runtime any more.
        idle.set(true);
        let state = shared.lock();
        let wrong = state.wrong.clone().or(failed);
        let mut story = format!("{plan:#?}\n");
        for (at, what) in &state.story {
            let _ = writeln!(story, "{at:>7} {what}");
        }
        // What is drawn at random by the driver itself is not told: a story is the same each time.
        let names = state.site.world().journal.phase().current().map(|lease| lease.mint.generation.incarnation);
        if let Some(incarnation) = names {
            story = story.replace(&format!("incarnation: {incarnation}, "), "").replace(&format!("{incarnation:08x}-"), "g");
        }
        let rows = state.rows.clone();
        let commits = |entry: &&Entry| matches!(entry.record.step.kind(), StepKind::Promoted | StepKind::RolledBack);
        let rotations = state.entries.iter().filter(commits).count();
        let (places, died_at) = (state.places.clone(), state.died_at.clone());
        Run { wrong, story, rotations, deaths: state.processes - 1, rows, places, died_at }
    })
}

async fn play(shared: &Arc<Shared>) -> Result<(), Wrong> {
    let mut dice = Dice::new(shared.plan.seed, &[For::Chaos as u64]);
    let mut life = Life::start(shared).await?;
    let end = Instant::now() + shared.plan.trouble;
    while Instant::now() < end {
        let next = dice.even(100, 2_500) + Duration::from_millis(1);
        tokio::select! {
            biased;
            () = shared.crashed.notified() => life = life.replaced(shared, &mut dice).await?,
            () = sleep(next) => life = life.suffers(shared, &mut dice).await?,
        }
        if shared.lock().wrong.is_some() {
            return Ok(());
        }
    }
    let mut life = peace(shared, life).await?;
    let before = life.comes_to_rest(shared).await?;
    life.rotates(shared).await?;
    let after = life.comes_to_rest(shared).await?;
    let wrong = shared.lock().wrong.is_some();
    if before == after && !wrong {
        return Err(Wrong::restless(format!("it rotated, but {before:?} serves on")));
    }
    life.identity.stop().await;
    life.work.shutdown().await;
    replay(shared)
}

/// One story, from rest to rest, whoever dies in between.
async fn tell(shared: &Arc<Shared>, story: Story) -> Result<(), Wrong> {
    let mut dice = Dice::new(shared.plan.seed, &[For::Chaos as u64]);
    let mut life = Life::start(shared).await?;
    let (mut begun, mut followed) = (story == Story::Login, false);
    let end = Instant::now() + REST;
    loop {
        sleep(Duration::from_millis(51)).await;
        let status = life.identity.status();
        let (alive, quiet, wrong) = {
            let state = shared.lock();
            (state.alive.is_some(), state.site.is_quiet(), state.wrong.is_some())
        };
        if wrong {
            return Ok(());
        } else if !alive || status.phase == PhaseKind::Stopped {
            life = life.replaced(shared, &mut dice).await?;
        } else if status.phase == PhaseKind::NeedsOperator {
            life.resolves(shared).await;
        } else if begun && !followed {
            followed = life.follows(shared, story, &status).await || quiet && story != Story::Emergency;
        } else if quiet && status.phase == PhaseKind::Steady && status.second.is_none() {
            if begun {
                break;
            }
            begun = true;
            life.begins(shared, story, &status).await;
        }
        if Instant::now() >= end {
            return Err(Wrong::restless(format!("the story does not end: {status:?}")));
        }
    }
    shared.lock().counting = false;
    life.rotates(shared).await?;
    life.comes_to_rest(shared).await?;
    life.identity.stop().await;
    life.work.shutdown().await;
    replay(shared)
}

/// Nothing goes wrong any more.
async fn peace(shared: &Arc<Shared>, life: Life) -> Result<Life, Wrong> {
    let up = {
        let mut state = shared.lock();
        state.trouble = false;
        let now = shared.now(&state);
        state.site.disable(now, false);
        shared.tell(&mut state, "PEACE".to_owned());
        state.alive.is_some()
    };
    // Somebody may have been told to leave the provider alone for so long.
    sleep(LEFT_ALONE).await;
    if up { Ok(life) } else { life.replaced(shared, &mut Dice::new(shared.plan.seed, &[0])).await }
}

/// The journal is one that the table allows: all of it, and it says what the world's own copy says.
fn replay(shared: &Shared) -> Result<(), Wrong> {
    let state = shared.lock();
    let policy = shared.plan.policy;
    let first = state.entries.first().map(|entry| entry.record);
    let (boot, at) = first.map_or((BootId(0), shared.now(&state)), |record| (record.boot, record.at));
    let replayed = History::from(state.entries.clone()).replay(&policy, 0, boot, at);
    match replayed {
        Ok(ledger) if ledger == state.site.world().journal => Ok(()),
        Ok(ledger) => Err(Wrong::disorder(format!("replayed, the journal says otherwise: {ledger:?}"))),
        Err(refused) => Err(Wrong::disorder(format!("the journal does not replay: {refused}"))),
    }
}

/// One process.
struct Life {
    identity: Identity,
    work: JoinSet<()>,
}

impl Life {
    async fn start(shared: &Arc<Shared>) -> Result<Self, Wrong> {
        let process = {
            let mut state = shared.lock();
            state.processes += 1;
            state.alive = Some(state.processes);
            let now = shared.now(&state);
            state.site.start(now);
            let process = state.processes;
            shared.tell(&mut state, format!("process {process}"));
            process
        };
        let hands = Hands { shared: Arc::clone(shared), process };
        let (journal, history) = Ledger::open(&hands)?;
        let setup = Setup {
            policy: shared.plan.policy,
            provider: hands.clone(),
            journal,
            history,
            store: Slots(hands),
            clock: Box::new(PausedClock(Arc::clone(shared))),
            memory: WhenLockingFails::Warn,
            load: Load::unlimited(),
        };
        let identity =
            Identity::start(setup).await.map_err(|refused| Wrong::disorder(format!("it does not start: {refused}")))?;
        let mut work = JoinSet::new();
        for worker in 0..WORKERS {
            let dice = Dice::new(shared.plan.seed, &[For::Work as u64, process.into(), worker]);
            work.spawn(labour(Arc::clone(shared), process, identity.credentials(), dice));
        }
        Ok(Self { identity, work })
    }

    /// The process has died, or is ended now; after a while there is another one.
    async fn replaced(mut self, shared: &Arc<Shared>, dice: &mut Dice) -> Result<Self, Wrong> {
        {
            let mut state = shared.lock();
            if state.alive.is_some() {
                shared.kill(&mut state);
            }
        }
        self.work.shutdown().await;
        self.identity.stop().await;
        sleep(dice.even(0, 1_500)).await;
        {
            let mut state = shared.lock();
            let losing = state.trouble && shared.plan.others > 0 && dice.permille(30);
            if losing {
                let color = dice.one(&[Color::Blue, Color::Green]);
                state.site.lose(color);
                shared.tell(&mut state, format!("the {color} slot loses its secret"));
            }
        }
        // It was ended here, nobody need be told.
        let heard = tokio::time::timeout(Duration::ZERO, shared.crashed.notified()).await;
        let _ = heard;
        Self::start(shared).await
    }

    /// Something happens to it.
    async fn suffers(self, shared: &Arc<Shared>, dice: &mut Dice) -> Result<Self, Wrong> {
        let status = self.identity.status();
        if status.phase == PhaseKind::Stopped || status.stalled && dice.permille(500) {
            return self.replaced(shared, dice).await;
        }
        if status.phase == PhaseKind::NeedsOperator {
            self.resolves(shared).await;
        } else if dice.permille(shared.plan.others) {
            befall(shared, dice);
        } else {
            self.asked(shared, dice, &status).await;
        }
        Ok(self)
    }

    /// An operator asks for something.
    async fn asked(&self, shared: &Arc<Shared>, dice: &mut Dice, status: &Status) {
        let identity = &self.identity;
        let of = |mint: Option<turquoise_runtime::core::Mint>| mint.map(|mint| mint.generation);
        let drawn = dice.below(1_000);
        let what = match (drawn, status.phase) {
            (0..20, _) => {
                let how = dice.one(&[AtStop::Keep, AtStop::Revoke]);
                let ended = identity.shutdown(how, Duration::ZERO).await;
                if !matches!(ended, Err(turquoise_runtime::ShutdownError::Ask(_))) {
                    shared.lock().site.leaves();
                }
                format!("shutdown {how:?}: {ended:?}")
            }
            (20..40, _) => format!("break the glass: {:?}", identity.break_glass(Certainty::Confirmed).await),
            (40..80, _) => match dice.one(&[of(status.current), of(status.second)]) {
                Some(generation) => format!("{generation} is compromised: {:?}", identity.compromise(generation).await),
                None => "nothing".to_owned(),
            },
            (80..400, PhaseKind::Draining) => format!("roll back: {:?}", identity.rollback().await),
            (80..250, PhaseKind::Issuing | PhaseKind::Validating) => format!("abort: {:?}", identity.abort().await),
            (_, PhaseKind::Steady) => format!("rotate: {:?}", identity.rotate().await),
            _ => return,
        };
        let mut state = shared.lock();
        shared.tell(&mut state, format!("operator: {what}"));
    }

    /// How a story begins.
    async fn begins(&self, shared: &Arc<Shared>, story: Story, status: &Status) {
        let current = status.current.map(|mint| mint.generation);
        {
            let mut state = shared.lock();
            state.counting = true;
            let now = shared.now(&state);
            state.begun = now;
            match (story, current) {
                (Story::Replaced | Story::Stuck, Some(current)) => state.site.others_revoke(now, current),
                (Story::Emergency, Some(current)) => state.site.cap(current),
                _ => {}
            }
        }
        let identity = &self.identity;
        // Who dies meanwhile answers nothing, and what is refused is not done: either ends the story.
        match (story, current) {
            (Story::Login | Story::Replaced | Story::Stuck | Story::Emergency, _) | (Story::Compromise, None) => {}
            (Story::Compromise, Some(current)) => drop(identity.compromise(current).await),
            (Story::BreakGlass, _) => drop(identity.break_glass(Certainty::Confirmed).await),
            (Story::StopKeep | Story::StopRevoke, _) => {
                let how = if story == Story::StopKeep { AtStop::Keep } else { AtStop::Revoke };
                shared.lock().site.leaves();
                drop(identity.shutdown(how, Duration::ZERO).await);
            }
            _ => drop(identity.rotate().await),
        }
    }

    /// How a story goes on: whether it needs to go on no more.
    async fn follows(&self, shared: &Arc<Shared>, story: Story, status: &Status) -> bool {
        let identity = &self.identity;
        match (story, status.phase, status.second) {
            (Story::Rollback, PhaseKind::Draining, _) => identity.rollback().await.is_ok(),
            (Story::Abort, PhaseKind::Validating, _) => identity.abort().await.is_ok(),
            (Story::CompromisedCandidate, PhaseKind::Validating, Some(mint)) => {
                identity.compromise(mint.generation).await.is_ok()
            }
            (Story::Rollback | Story::Abort | Story::CompromisedCandidate, _, _) => false,
            // It takes its time until the driver meets it.
            (Story::Replaced | Story::Stuck, _, _) => shared.lock().site.world().ghost.excused.is_empty(),
            (Story::Emergency, _, _) => status.second.is_some(),
            _ => true,
        }
    }

    async fn resolves(&self, shared: &Arc<Shared>) {
        let truth = shared.lock().site.truth();
        if let Some(resolution) = truth {
            let resolved = self.identity.resolve(resolution).await;
            let mut state = shared.lock();
            shared.tell(&mut state, format!("operator: resolve {resolution:?}: {resolved:?}"));
        }
    }

    /// L1: nothing goes wrong any more, so it ends with one credential, and no debt.
    async fn comes_to_rest(&mut self, shared: &Arc<Shared>) -> Result<Option<Generation>, Wrong> {
        let end = Instant::now() + REST;
        loop {
            sleep(Duration::from_millis(500)).await;
            let status = self.identity.status();
            if shared.lock().wrong.is_some() {
                return Ok(None);
            }
            if status.phase == PhaseKind::Stopped || status.stalled {
                let work = std::mem::take(&mut self.work);
                let next = Self::start_after(shared, work).await?;
                std::mem::replace(&mut self.identity, next.identity).stop().await;
                self.work = next.work;
                continue;
            }
            self.resolves_if_needed(shared, &status).await;
            let quiet = shared.lock().site.is_quiet();
            if quiet && status.phase == PhaseKind::Steady && status.second.is_none() && status.debt.is_none() {
                return Ok(status.current.map(|mint| mint.generation));
            }
            if Instant::now() >= end {
                let truth = shared.lock().site.world().live.clone();
                return Err(Wrong::restless(format!("it does not come to rest: {status:?}, live: {truth:?}")));
            }
        }
    }

    async fn resolves_if_needed(&self, shared: &Arc<Shared>, status: &Status) {
        if status.phase == PhaseKind::NeedsOperator {
            self.resolves(shared).await;
        }
    }

    async fn start_after(shared: &Arc<Shared>, mut work: JoinSet<()>) -> Result<Self, Wrong> {
        {
            let mut state = shared.lock();
            if state.alive.is_some() {
                shared.kill(&mut state);
            }
        }
        work.shutdown().await;
        Self::start(shared).await
    }

    /// One more rotation must do.
    async fn rotates(&self, shared: &Arc<Shared>) -> Result<(), Wrong> {
        let end = Instant::now() + REST;
        while Instant::now() < end && shared.lock().wrong.is_none() {
            let before = self.identity.status().current;
            if self.identity.rotate().await.is_ok() {
                let until = Instant::now() + REST;
                while self.identity.status().current == before && Instant::now() < until && shared.lock().wrong.is_none() {
                    sleep(Duration::from_millis(500)).await;
                }
                return Ok(());
            }
            sleep(Duration::from_millis(500)).await;
        }
        if shared.lock().wrong.is_some() { Ok(()) } else { Err(Wrong::restless("it never can be rotated again")) }
    }
}

/// What nobody asked for.
fn befall(shared: &Shared, dice: &mut Dice) {
    let mut state = shared.lock();
    let now = shared.now(&state);
    let live: Vec<_> = state.site.world().live.iter().map(|credential| credential.generation).collect();
    let disabled = state.site.world().disabled;
    let what = match dice.below(100) {
        0..10 if !live.is_empty() => {
            let generation = dice.one(&live);
            state.site.others_revoke(now, generation);
            format!("others revoke {generation}")
        }
        10..25 if !live.is_empty() => {
            let generation = dice.one(&live);
            state.site.cap(generation);
            format!("{generation} gets no more life")
        }
        25..40 => {
            let time = Duration::from_secs(3 + dice.below(60));
            state.site.sleep(now, time);
            state.site.hinders();
            state.slept += time;
            state.naps += 1;
            format!("everything sleeps for {time:?}")
        }
        40..55 => {
            state.site.disable(now, !disabled);
            format!("disabled: {}", !disabled)
        }
        55..75 => {
            state.outage = now + Duration::from_secs(1 + dice.below(8));
            "an outage".to_owned()
        }
        _ if disabled => {
            state.site.disable(now, false);
            "mended".to_owned()
        }
        _ => {
            shared.kill(&mut state);
            return;
        }
    };
    shared.tell(&mut state, what);
}

/// Work takes credentials, uses them, and lets go of them; every other time it lets the candidate be tried.
async fn labour(shared: Arc<Shared>, process: u32, credentials: Credentials, mut dice: Dice) {
    loop {
        sleep(dice.even(50, 900) + Duration::from_millis(1)).await;
        if dice.permille(200) {
            let mut state = shared.lock();
            let now = shared.now(&state);
            state.site.reads(now);
        }
        look(&shared, process, &credentials).await;
        let trying = shared.plan.policy.canary.is_some() && dice.permille(700);
        let taken = if trying { credentials.acquire_canary() } else { credentials.acquire() };
        let Ok(mut guard) = taken else { continue };
        let generation = guard.mint().generation;
        use_it(&shared, process, &credentials, &mut guard).await;
        if dice.permille(600) {
            let time = if dice.permille(100) { dice.even(5_000, 20_000) } else { dice.even(0, 3_000) };
            sleep(time).await;
        }
        release(&shared, process, generation);
        drop(guard);
    }
}

/// Looks at what new work is given now. Where a record has just become durable the switch is about to follow.
async fn look(shared: &Shared, process: u32, credentials: &Credentials) {
    for last in [false, true] {
        {
            let serving = credentials.acquire().ok().map(|guard| guard.mint().generation);
            let mut state = shared.lock();
            if state.alive != Some(process) {
                return;
            }
            let now = shared.now(&state);
            match state.site.look(now, serving, None) {
                None => return,
                Some(broken) if last || broken == Invariant::S1 => {
                    state.site.breaks(broken);
                    shared.tell(&mut state, format!("new work is given {serving:?}"));
                    return;
                }
                Some(_) => {}
            }
        }
        sleep(Duration::from_millis(1)).await;
    }
}

/// The work itself: it is served if the provider accepts the credential. A candidate's work that is refused is done again.
async fn use_it(shared: &Shared, process: u32, credentials: &Credentials, guard: &mut Guard) {
    let candidate = guard.mint().generation;
    let blamed = {
        let mut state = shared.lock();
        if state.alive != Some(process) {
            return;
        }
        state.site.takes(candidate);
        if !guard.is_candidate() {
            return;
        }
        let now = shared.now(&state);
        let serving = credentials.acquire().ok().map(|guard| guard.mint().generation);
        if let Some(broken @ (Invariant::S1 | Invariant::R4)) = state.site.look(now, serving, Some(candidate)) {
            state.site.breaks(broken);
            shared.tell(&mut state, format!("work tries {candidate}"));
        }
        // A candidate may pass its probes and yet not do for the work.
        let mut rights = Dice::new(shared.plan.seed, &[For::Rights as u64, candidate.number.into()]);
        let refused = state.trouble && rights.permille(300);
        let refused = refused || state.counting && shared.plan.story == Some(Story::CanaryRefused);
        let served = state.site.accepts(candidate) && !refused;
        let otherwise = serving.is_some_and(|serving| serving != candidate && state.site.accepts(serving));
        let announced = state.site.world().ghost.announced == Some(candidate);
        if served {
            guard.report(Report::Ok);
        } else if otherwise && announced {
            guard.report(Report::Refused);
            shared.tell(&mut state, format!("work is refused with {candidate}"));
        }
        !served && otherwise && announced
    };
    if blamed {
        // The driver hears of it now, unless it has just committed itself.
        sleep(Duration::from_millis(1)).await;
        let mut state = shared.lock();
        if state.alive == Some(process) && state.doubtful.is_none() {
            state.site.blames(candidate);
        }
    }
}

fn release(shared: &Shared, process: u32, generation: Generation) {
    let mut state = shared.lock();
    if state.alive == Some(process) {
        state.site.releases(generation);
    }
}
