//! Many sidecars, each on a host of its own and set up as `run` sets it up from a file that says nothing which can be left out.
//! They are started, frozen, suspended, killed and revived in the same moment, and one server counts what they ask. Time is
//! simulated, and what is drawn comes from seeds: the numbers are the same on every machine.
//!
//! The table of `docs/evidence.md`: `cargo test -p turquoise-cli --bin turquoise herd -- --ignored --nocapture`.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{self, Instant, sleep};
use turquoise::core::{self, BootId, Color, Generation, Jitter, Mint, Policy};
use turquoise::memory::{Secret, WhenLockingFails};
use turquoise::port::{
    Contract, Credential, Entry, Handle, History, Journal, Minted, NotDurable, Observed, Provider, Reason, Reply, Store,
    StoreError,
};
use turquoise::vault::LoginProvider;
use turquoise::{Clock, Identity, Setup};

use super::{Loads, seed};
use crate::file::{self, Rotation, Source, examine};

/// From a request to its answer.
const LATENCY: Duration = Duration::from_millis(20);
/// What every host's clock says when all begins, in milliseconds.
const BEGIN: u64 = 10_000_000;
/// How often it is looked who serves.
const LOOK: Duration = Duration::from_millis(200);

/// What is asked of the server.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Call {
    Login,
    /// A change of a life.
    Renew,
    Other,
}

/// A call, and how many requests on the wire it is.
struct Asked {
    /// In milliseconds after the beginning.
    at: u64,
    call: Call,
    requests: u32,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Is {
    Up,
    /// It takes no connection.
    Down,
    /// It takes all, and answers none.
    Frozen,
}

/// The server, and the time.
struct Outside {
    zero: Instant,
    thawed: Notify,
    state: Mutex<State>,
}

struct State {
    is: Is,
    asked: Vec<Asked>,
    /// When each token ends, in milliseconds after the beginning.
    tokens: HashMap<(usize, Generation), u64>,
    /// How long all hosts were suspended.
    suspended: Duration,
}

impl Outside {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics with it")
    }

    /// In milliseconds after the beginning.
    fn now(&self) -> u64 {
        millis(self.zero.elapsed() + self.state().suspended)
    }

    /// Counts a call when the server takes it.
    async fn take(&self, call: Call, requests: u32) -> Result<(), Reason> {
        loop {
            let thawed = self.thawed.notified();
            if self.state().is != Is::Frozen {
                break;
            }
            thawed.await;
        }
        let at = self.now();
        self.state().asked.push(Asked { at, call, requests });
        sleep(LATENCY).await;
        if self.state().is == Is::Down { Err(Reason("connection refused".to_owned())) } else { Ok(()) }
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).expect("days")
}

/// One host.
struct Host {
    number: usize,
    /// What its file comes to.
    rotation: Rotation,
    policy: Policy,
    disk: Disk,
    sidecar: Option<Identity>,
}

/// What `run` makes of a file in which nothing is said that can be left out.
fn rotation(number: usize) -> Rotation {
    let text = format!(
        "vault {{ address = \"http://127.0.0.1:8200\" }}
        auto_auth {{
          method \"approle\" {{
            config = {{
              role_id_file_path = \"/etc/agent/role-id\"
              secret_id_file_path = \"/etc/agent/secret-id\"
              remove_secret_id_file_after_reading = false
            }}
          }}
          sink \"file\" {{
            config = {{
              path = \"/run/agent/token\"
              mode = 0640
            }}
          }}
        }}
        journal {{ path = \"/var/lib/turquoise-{number}\" }}"
    );
    let plan = examine(Source { path: PathBuf::from("agent.hcl"), text }).plan.expect("it is sound");
    plan.rotations.into_iter().next().expect("there is one")
}

impl Host {
    fn new(number: usize) -> Self {
        let rotation = rotation(number);
        let policy = Policy { jitter: Jitter::Full(seed(&rotation.journal)), ..rotation.policy };
        Self { number, rotation, policy, disk: Disk::default(), sidecar: None }
    }

    async fn start(&mut self, outside: &Arc<Outside>) {
        let history = History::from(self.disk.kept().entries.clone());
        let provider = Role::new(self, outside);
        let load = Loads::new().vault.start_spread(self.rotation.start_spread);
        let (journal, store, policy) = (self.disk.clone(), self.disk.clone(), self.policy);
        let (clock, memory) = (Box::new(BootTime(Arc::clone(outside))), WhenLockingFails::Warn);
        let setup = Setup { policy, provider, journal, history, store, clock, memory, load };
        self.sidecar = Some(Identity::start(setup).await.expect("it is sound"));
    }

    /// What new work is given.
    fn given(&self) -> Option<Generation> {
        let guard = self.sidecar.as_ref()?.credentials().acquire().ok()?;
        Some(guard.mint().generation)
    }
}

/// A host's clock.
struct BootTime(Arc<Outside>);

impl Clock for BootTime {
    fn now(&self) -> core::Instant {
        core::Instant(BEGIN + self.0.now())
    }

    fn drift(&self) -> Duration {
        self.0.state().suspended
    }

    fn boot(&self) -> BootId {
        BootId(1)
    }
}

/// What outlives a process.
#[derive(Clone, Default)]
struct Disk(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    entries: Vec<Entry>,
    slots: BTreeMap<Color, (Mint, Handle)>,
}

impl Disk {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().expect("nobody panics with it")
    }
}

impl Journal for Disk {
    fn append(&mut self, entry: &Entry) -> Result<(), NotDurable> {
        self.kept().entries.push(entry.clone());
        Ok(())
    }
}

impl Store for Disk {
    fn load(&mut self) -> Result<Vec<Credential>, StoreError> {
        let kept = self.kept();
        let credential = |(mint, handle): &(Mint, Handle)| {
            let (mint, handle, secret) = (*mint, handle.clone(), secret(handle));
            Credential { mint, handle, secret }
        };
        Ok(kept.slots.values().map(credential).collect())
    }

    fn persist(&mut self, credential: &Credential) -> Result<(), StoreError> {
        self.kept().slots.insert(credential.mint.slot, (credential.mint, credential.handle.clone()));
        Ok(())
    }

    fn publish(&mut self, _: &Credential) -> Result<(), StoreError> {
        Ok(())
    }

    fn clear(&mut self, mint: Mint) -> Result<(), StoreError> {
        self.kept().slots.remove(&mint.slot);
        Ok(())
    }
}

fn secret(Handle(name): &Handle) -> Secret {
    format!("hvs.{name}").into()
}

/// The server, as the process of one host asks it.
struct Role {
    outside: Arc<Outside>,
    host: usize,
    contract: Contract,
    /// What a new token's life is cut to.
    probation: Duration,
    /// This process has seen that its secret id can be used again.
    looked: AtomicBool,
}

impl Role {
    fn new(host: &Host, outside: &Arc<Outside>) -> Self {
        let file::Provider::Login(config) = &host.rotation.provider else { panic!("such a file logs in") };
        let contract = LoginProvider::new(config.clone()).expect("it is sound").contract();
        let (outside, looked) = (Arc::clone(outside), AtomicBool::new(false));
        Self { outside, host: host.number, contract, probation: config.probation, looked }
    }

    /// What is left of a token's life.
    fn left(&self, generation: Generation) -> Option<Duration> {
        let now = self.outside.now();
        let end = self.outside.state().tokens.get(&(self.host, generation)).copied()?;
        (end > now).then(|| Duration::from_millis(end - now))
    }

    fn set(&self, generation: Generation, life: Duration) -> Duration {
        let end = self.outside.now() + millis(life);
        self.outside.state().tokens.insert((self.host, generation), end);
        life
    }

    /// What is done for a token that lives.
    async fn ask<T>(&self, call: Call, with: &Credential, done: impl FnOnce(Duration) -> T) -> Reply<T> {
        match self.outside.take(call, 1).await {
            Err(down) => Reply::Unavailable(down),
            Ok(()) => match self.left(with.mint.generation) {
                Some(left) => Reply::Applied(done(left)),
                None => Reply::Refused(Reason("permission denied".to_owned())),
            },
        }
    }
}

impl Provider for Role {
    fn contract(&self) -> Contract {
        self.contract
    }

    /// The login, the cut to the probation, and at first a look at the secret id.
    async fn login(&self, mint: Mint) -> Reply<Minted> {
        let requests = if self.looked.swap(true, Ordering::Relaxed) { 2 } else { 3 };
        if let Err(down) = self.outside.take(Call::Login, requests).await {
            return Reply::Unavailable(down);
        }
        let handle = Handle(format!("{}-{}", self.host, mint.generation));
        let remaining = self.set(mint.generation, self.probation);
        Reply::Applied(Minted { secret: secret(&handle), handle, remaining })
    }

    async fn issue(&self, _: &Credential, _: Mint, _: Duration) -> Reply<Minted> {
        Reply::Refused(Reason("it logs in".to_owned()))
    }

    async fn probe(&self, with: &Credential) -> Reply<Duration> {
        self.ask(Call::Other, with, |left| left).await
    }

    async fn set_life(&self, with: &Credential, life: Duration) -> Reply<Duration> {
        self.ask(Call::Renew, with, |_| self.set(with.mint.generation, life)).await
    }

    async fn revoke(&self, with: &Credential) -> Reply<()> {
        self.ask(Call::Other, with, |_| {
            self.set(with.mint.generation, Duration::ZERO);
        })
        .await
    }

    async fn observe(&self, target: &Credential, witness: &Credential) -> Reply<Observed> {
        let look = |_| self.left(target.mint.generation).map_or(Observed::Dead, Observed::Alive);
        self.ask(Call::Other, witness, look).await
    }
}

/// All hosts and their server.
struct Herd {
    outside: Arc<Outside>,
    hosts: Vec<Host>,
}

/// The most in any tenth of a second, and in any second.
#[derive(Clone, Copy, Debug, Default)]
struct Most {
    tenth: u32,
    second: u32,
}

/// What there was to see once all had lost the same.
struct Seen {
    logins: Most,
    /// Changes of lives.
    renewals: Most,
    calls: Most,
    /// On the wire.
    requests: Most,
    /// When the last one was given a token that lives, after the beginning.
    last_serves: Duration,
    /// How often one was given a token that was dead.
    dead: usize,
}

impl Herd {
    fn new(size: usize) -> Self {
        let state = State { is: Is::Up, asked: Vec::new(), tokens: HashMap::new(), suspended: Duration::ZERO };
        let outside = Outside { zero: Instant::now(), thawed: Notify::new(), state: Mutex::new(state) };
        Self { outside: Arc::new(outside), hosts: (0..size).map(Host::new).collect() }
    }

    /// All were started, and so much time has passed.
    async fn at_work(size: usize, since: Duration) -> Self {
        let mut herd = Self::new(size);
        herd.start().await;
        sleep(since).await;
        herd
    }

    async fn start(&mut self) {
        for host in &mut self.hosts {
            host.start(&self.outside).await;
        }
    }

    async fn kill(&mut self) {
        for host in &mut self.hosts {
            host.sidecar.take().expect("it runs").stop().await;
        }
    }

    /// No process runs, and clocks go on.
    async fn freeze(&self, lasts: Duration) {
        time::advance(lasts).await;
    }

    /// No host runs: timers stand still, and the clock that counts from the boot goes on.
    fn suspend(&self, lasts: Duration) {
        self.outside.state().suspended += lasts;
    }

    fn server(&self, is: Is) {
        self.outside.state().is = is;
        self.outside.thawed.notify_waiters();
    }

    /// Looks on for so long, from now.
    async fn look(&self, lasts: Duration) -> Seen {
        let (began, from) = (Instant::now(), self.outside.now());
        let (mut last_serves, mut dead) = (Duration::ZERO, 0);
        while began.elapsed() < lasts {
            let given: Vec<_> = self.hosts.iter().filter_map(|host| Some((host.number, host.given()?))).collect();
            let serving = self.living(&given);
            dead += given.len() - serving;
            if serving < self.hosts.len() {
                last_serves = began.elapsed() + LOOK;
            }
            sleep(LOOK).await;
        }
        let asked = &self.outside.state().asked;
        let since = || asked.iter().filter(|asked| asked.at >= from);
        let of = |call| Most::of(since().filter(|asked| asked.call == call).map(|asked| (asked.at, 1)));
        Seen {
            logins: of(Call::Login),
            renewals: of(Call::Renew),
            calls: Most::of(since().map(|asked| (asked.at, 1))),
            requests: Most::of(since().map(|asked| (asked.at, asked.requests))),
            last_serves,
            dead,
        }
    }

    fn living(&self, tokens: &[(usize, Generation)]) -> usize {
        let now = self.outside.now();
        let state = self.outside.state();
        tokens.iter().filter(|token| state.tokens.get(token).is_some_and(|end| *end > now)).count()
    }
}

impl Most {
    /// Of so many at each time, in milliseconds; they come in order.
    fn of(times: impl Iterator<Item = (u64, u32)>) -> Self {
        let times: Vec<_> = times.collect();
        let most = |span| {
            let (mut first, mut within, mut most) = (0, 0, 0);
            for (at, number) in &times {
                within += number;
                while times[first].0 + span <= *at {
                    within -= times[first].1;
                    first += 1;
                }
                most = most.max(within);
            }
            most
        };
        Self { tenth: most(100), second: most(1_000) }
    }
}

/// What all of them lose in the same moment.
#[derive(Clone, Copy)]
enum Loss {
    /// They are started without anything.
    Cold,
    /// No process runs for so long.
    Frozen(Duration),
    /// No host.
    Suspended(Duration),
    /// They are killed, and started again.
    Killed(Duration),
    /// The server is down …
    Down(Duration),
    /// … while they are started without anything.
    ColdAndDown(Duration),
    /// It answers nothing.
    Silent(Duration),
}

/// What is seen from the moment on in which they have it back.
async fn after(loss: Loss, size: usize, worked: Duration, looked: Duration) -> Seen {
    let mut herd = if let Loss::Cold | Loss::ColdAndDown(_) = loss { Herd::new(size) } else { Herd::at_work(size, worked).await };
    match loss {
        Loss::Cold => herd.start().await,
        Loss::Frozen(lasts) => herd.freeze(lasts).await,
        Loss::Suspended(lasts) => herd.suspend(lasts),
        Loss::Killed(lasts) => {
            herd.kill().await;
            sleep(lasts).await;
            herd.start().await;
        }
        Loss::Down(lasts) | Loss::ColdAndDown(lasts) => {
            herd.server(Is::Down);
            if let Loss::ColdAndDown(_) = loss {
                herd.start().await;
            }
            sleep(lasts).await;
            herd.server(Is::Up);
        }
        Loss::Silent(lasts) => {
            herd.server(Is::Frozen);
            sleep(lasts).await;
            herd.server(Is::Up);
        }
    }
    herd.look(looked).await
}

/// Two hundred a second is what a thousand come to that are spread over five; that is drawn, so a second may have some more.
#[tokio::test(start_paused = true)]
async fn a_thousand_that_begin_or_wake_together_are_spread() {
    const MOST: u32 = 260;
    let (minute, looked) = (Duration::from_mins(1), Duration::from_secs(20));
    for (what, loss) in
        [("started", Loss::Cold), ("started again", Loss::Killed(minute)), ("suspended", Loss::Suspended(20 * minute))]
    {
        let Seen { calls, last_serves, dead, .. } = after(loss, 1_000, minute, looked).await;
        assert!(calls.second <= MOST, "{what}: {calls:?}");
        assert!(last_serves <= Duration::from_secs(12) && dead == 0, "{what}: {last_serves:?}, {dead} dead");
    }
}

#[expect(clippy::print_stdout, reason = "the table of docs/evidence.md")]
#[tokio::test(start_paused = true)]
#[ignore = "a campaign: docs/evidence.md"]
async fn a_thousand() {
    let (minute, worked, looked) = (Duration::from_mins(1), Duration::from_mins(40), Duration::from_mins(2));
    let losses = [
        ("started, with nothing", Loss::Cold),
        ("started again after a minute", Loss::Killed(minute)),
        ("started again after two hours", Loss::Killed(120 * minute)),
        ("processes frozen for a minute", Loss::Frozen(minute)),
        ("processes frozen for twenty minutes", Loss::Frozen(20 * minute)),
        ("processes frozen for two hours", Loss::Frozen(120 * minute)),
        ("hosts suspended for twenty minutes", Loss::Suspended(20 * minute)),
        ("hosts suspended for two hours", Loss::Suspended(120 * minute)),
        ("server down for five minutes", Loss::Down(5 * minute)),
        ("server down for two hours", Loss::Down(120 * minute)),
        ("started with nothing while it is down for five minutes", Loss::ColdAndDown(5 * minute)),
        ("server frozen for five minutes", Loss::Silent(5 * minute)),
    ];
    println!("| what | logins | changes of lives | calls | requests | last serves after | dead ones given |");
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    for (what, loss) in losses {
        let Seen { logins, renewals, calls, requests, last_serves, dead } = after(loss, 1_000, worked, looked).await;
        let most = |Most { tenth, second }: Most| format!("{tenth}, {second}");
        let [logins, renewals, calls, requests] = [logins, renewals, calls, requests].map(most);
        println!("| {what} | {logins} | {renewals} | {calls} | {requests} | {last_serves:.1?} | {dead} |");
    }
}
