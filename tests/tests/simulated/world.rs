//! What all share: the model's world, the secrets it has no type for, and what went wrong so far.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time;
use turquoise_model::Outside;
use turquoise_runtime::Clock;
use turquoise_runtime::core::{BootId, Generation, Instant};
use turquoise_runtime::port::{Base, Entry, Handle};

use crate::dice::Dice;
use crate::plan::{Plan, Story};
use crate::run::Row;

/// Nobody asks for the time more often without letting any pass.
const OFTEN: u32 = 10_000;

/// Where the clock stands when a run begins.
const DAWN: u64 = 1_000_000;

/// What dice are drawn for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum For {
    Wire = 10,
    Append = 11,
    Store = 12,
    Death = 13,
    Work = 14,
    Chaos = 15,
    Compaction = 16,
    Rights = 17,
}

/// One run's world, and the notes on it.
pub(crate) struct State {
    pub(crate) site: Outside,
    /// The process whose hands have an effect; none while there is no such process.
    pub(crate) alive: Option<u32>,
    pub(crate) processes: u32,
    pub(crate) entries: Vec<Entry>,
    /// The transitions that they take.
    pub(crate) rows: BTreeSet<Row>,
    pub(crate) base: Option<Base>,
    /// A record that was written and not acknowledged.
    pub(crate) doubtful: Option<Entry>,
    /// After an error a journal takes nothing more until it is opened anew.
    pub(crate) torn: bool,
    /// What each credential is called, and its secret.
    pub(crate) minted: BTreeMap<Generation, (Handle, String)>,
    pub(crate) born: BTreeMap<Generation, Instant>,
    pub(crate) died: BTreeMap<Generation, Instant>,
    /// Whether anything goes wrong at all.
    pub(crate) trouble: bool,
    /// Until then nothing reaches the provider.
    pub(crate) outage: Instant,
    /// How long everything has slept, and how often.
    pub(crate) slept: Duration,
    pub(crate) naps: u32,
    counted: BTreeMap<(u64, u64), u64>,
    /// What happened, to be told if it goes wrong.
    pub(crate) story: Vec<(u64, String)>,
    /// What must not be, and was, besides the invariants.
    pub(crate) wrong: Option<Wrong>,
    /// Whether the story is under way, which places it has passed, and at which a process is to die next and then.
    pub(crate) counting: bool,
    pub(crate) places: Vec<String>,
    pub(crate) deaths: [Option<usize>; 2],
    pub(crate) died_at: Vec<String>,
    /// When the story began.
    pub(crate) begun: Instant,
    /// Where a journal in a file is, if the story has one.
    pub(crate) folder: Option<tempfile::TempDir>,
    /// When the driver asked for the time last, and how often at that time.
    asked: (Instant, u32),
}

/// What must not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wrong {
    /// The property that this breaks, if it has a name.
    pub(crate) property: Option<&'static str>,
    pub(crate) what: String,
}

impl Wrong {
    /// L1 is broken.
    pub(crate) fn restless(what: impl Into<String>) -> Self {
        Self { property: Some("L1"), what: what.into() }
    }

    /// The journal is not one that the table allows, or a process does not start.
    pub(crate) fn disorder(what: impl Into<String>) -> Self {
        Self { property: None, what: what.into() }
    }
}

/// Whether the runtime waits. The disk works on a thread of its own, and only then: so the order is the same each time.
#[derive(Debug, Default)]
pub(crate) struct Idle {
    waits: Mutex<bool>,
    changed: Condvar,
}

impl Idle {
    pub(crate) fn set(&self, waits: bool) {
        *self.waits.lock().unwrap_or_else(PoisonError::into_inner) = waits;
        self.changed.notify_all();
    }

    pub(crate) fn wait(&self) {
        let waits = self.waits.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.changed.wait_while(waits, |waits| !*waits));
    }
}

/// What all hands hold.
pub(crate) struct Shared {
    state: Mutex<State>,
    pub(crate) plan: Plan,
    /// Whether the runtime has nothing else to do.
    pub(crate) idle: Arc<Idle>,
    start: time::Instant,
    /// The process has died.
    pub(crate) crashed: Notify,
}

impl Shared {
    pub(crate) fn new(plan: &Plan, idle: Arc<Idle>) -> Arc<Self> {
        let state = State {
            site: Outside::new(plan.config(), Instant(DAWN)),
            alive: None,
            processes: 0,
            entries: Vec::new(),
            rows: BTreeSet::new(),
            base: None,
            doubtful: None,
            torn: false,
            minted: BTreeMap::new(),
            born: BTreeMap::new(),
            died: BTreeMap::new(),
            trouble: !plan.trouble.is_zero(),
            outage: Instant(0),
            slept: Duration::ZERO,
            naps: 0,
            counted: BTreeMap::new(),
            story: Vec::new(),
            wrong: None,
            counting: plan.story == Some(Story::Login),
            places: Vec::new(),
            deaths: plan.deaths,
            died_at: Vec::new(),
            begun: Instant(DAWN),
            folder: plan.story.map(|_| folder()),
            asked: (Instant(0), 0),
        };
        Arc::new(Self { state: Mutex::new(state), plan: *plan, idle, start: time::Instant::now(), crashed: Notify::new() })
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What time it is.
    pub(crate) fn now(&self, state: &State) -> Instant {
        Instant(DAWN) + self.start.elapsed() + state.slept
    }

    /// The next draw for something.
    pub(crate) fn dice(&self, state: &mut State, purpose: For, of: u64) -> Dice {
        let count = state.counted.entry((purpose as u64, of)).or_default();
        *count += 1;
        Dice::new(self.plan.seed, &[purpose as u64, of, *count])
    }

    /// Notes what happened.
    pub(crate) fn tell(&self, state: &mut State, what: String) {
        let now = self.now(state).0 - DAWN;
        let broken = state.site.world().violated;
        state.story.push((now, what));
        if let (Some(broken), None) = (broken, &state.wrong) {
            state.wrong = Some(Wrong { property: Some(broken.id()), what: broken.sentence().to_owned() });
            state.story.push((now, format!("BROKEN {broken}")));
        }
    }

    /// Whether the process dies here.
    pub(crate) fn dies(&self, state: &mut State, process: u32, of: u64, place: fmt::Arguments<'_>) -> bool {
        if state.alive != Some(process) {
            return false;
        }
        let crash = self.plan.crash;
        let dies = state.trouble && self.dice(state, For::Death, of).permille(crash) || state.passes(place);
        if dies {
            self.tell(state, format!("dies {place}"));
            self.kill(state);
        }
        dies
    }

    /// The process dies: all that it does from now on has no effect.
    pub(crate) fn kill(&self, state: &mut State) {
        state.alive = None;
        state.site.hinders();
        let now = self.now(state);
        state.site.die(now);
        self.tell(state, "CRASH".to_owned());
        self.crashed.notify_one();
    }
}

/// In memory where that is to be had: that what is synced is on the disk is for the journal's own tests.
fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a folder is made")
}

impl State {
    /// A place is passed at which a story may want a process to die; whether it does.
    fn passes(&mut self, place: fmt::Arguments<'_>) -> bool {
        if !self.counting {
            return false;
        }
        let dies = self.deaths[0] == Some(self.places.len());
        self.places.push(place.to_string());
        if dies {
            self.deaths = [self.deaths[1], None];
            self.places.clear();
            self.died_at.push(place.to_string());
        }
        dies
    }

    /// A record has become durable.
    pub(crate) fn recorded(&mut self, now: Instant, entry: &Entry) {
        let before = self.site.world().journal.phase().kind();
        let records = self.site.records(now, &entry.record);
        self.rows.insert((before, entry.record.step.kind(), self.site.world().journal.phase().kind()));
        if let Err(refused) = records {
            self.wrong.get_or_insert(Wrong::disorder(format!("a record does not follow: {refused}")));
        }
        self.entries.push(entry.clone());
    }
}

/// The driver's clock: Tokio's paused time, and what was slept.
pub(crate) struct PausedClock(pub(crate) Arc<Shared>);

impl Clock for PausedClock {
    fn now(&self) -> Instant {
        let mut state = self.0.lock();
        let now = self.0.now(&state);
        state.asked = if state.asked.0 == now { (now, state.asked.1 + 1) } else { (now, 0) };
        if state.asked.1 > OFTEN {
            state.wrong.get_or_insert(Wrong::restless("the driver spins"));
            drop(state);
            panic!("the driver asks for the time again and again and lets none pass");
        }
        now
    }

    fn drift(&self) -> Duration {
        self.0.lock().slept
    }

    fn boot(&self) -> BootId {
        BootId(7)
    }
}
