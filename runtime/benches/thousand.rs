//! What a thousand identities in one process cost while nothing happens, and how many a limit on locked memory lets there be:
//! `cargo bench -p turquoise-runtime --bench thousand`. What is measured is the driver and the handle: the provider answers at
//! once, and journal and store keep nothing.

#[path = "../tests/driver/common.rs"]
#[expect(dead_code, reason = "the world of the driver's tests; only its policy is needed")]
mod common;

use std::env;
use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, setrlimit};
use rustix::thread::{CapabilitySet, capabilities, set_capabilities};
use rustix::time::{ClockId, clock_gettime};
use tokio::runtime::Builder;
use tokio::sync::broadcast::Receiver;
use turquoise_runtime::core::{Consumers, Mint, Policy, StepKind};
use turquoise_runtime::memory::WhenLockingFails;
use turquoise_runtime::port::{
    Contract, Credential, Entry, Handle, History, Journal, Minted, NotDurable, Observed, Provider, Reply, Store, StoreError,
};
use turquoise_runtime::{BootClock, Identity, Load, Progress, Setup, StartError};

const MANY: usize = 1_000;
const HOUR: Duration = Duration::from_hours(1);
/// How long nothing happens: three of the naps that a driver takes at most.
const IDLE: Duration = Duration::from_secs(30);
/// The limit that a child process is to keep to, in bytes.
const LIMIT: &str = "TURQUOISE_BENCH_LIMIT";

/// Does all that it is asked to.
struct Willing;

impl Willing {
    fn mint(mint: Mint, life: Duration) -> Reply<Minted> {
        let name = mint.generation.to_string();
        Reply::Applied(Minted { secret: format!("hvs.{name:>90}").into(), handle: Handle(name), remaining: life })
    }
}

impl Provider for Willing {
    fn contract(&self) -> Contract {
        Contract { login_life: HOUR, ..Contract::PROMPT }
    }

    async fn login(&self, mint: Mint) -> Reply<Minted> {
        Self::mint(mint, HOUR)
    }

    async fn issue(&self, _: &Credential, mint: Mint, life: Duration) -> Reply<Minted> {
        Self::mint(mint, life)
    }

    async fn probe(&self, _: &Credential) -> Reply<Duration> {
        Reply::Applied(HOUR)
    }

    async fn set_life(&self, _: &Credential, life: Duration) -> Reply<Duration> {
        Reply::Applied(life)
    }

    async fn revoke(&self, _: &Credential) -> Reply<()> {
        Reply::Applied(())
    }

    async fn observe(&self, _: &Credential, _: &Credential) -> Reply<Observed> {
        Reply::Applied(Observed::Dead)
    }
}

impl Journal for Willing {
    fn append(&mut self, _: &Entry) -> Result<(), NotDurable> {
        Ok(())
    }
}

impl Store for Willing {
    fn load(&mut self) -> Result<Vec<Credential>, StoreError> {
        Ok(Vec::new())
    }

    fn persist(&mut self, _: &Credential) -> Result<(), StoreError> {
        Ok(())
    }

    fn publish(&mut self, _: &Credential) -> Result<(), StoreError> {
        Ok(())
    }

    fn clear(&mut self, _: Mint) -> Result<(), StoreError> {
        Ok(())
    }
}

async fn start() -> Result<Identity, StartError> {
    let policy = Policy { full: HOUR, login_life: HOUR, ..common::policy(Consumers::Counted) };
    let clock = Box::new(BootClock::new().expect("this is Linux"));
    let history = History::default();
    let memory = WhenLockingFails::Refuse;
    let setup =
        Setup { policy, provider: Willing, journal: Willing, history, store: Willing, clock, memory, load: Load::unlimited() };
    let identity = Identity::start(setup).await?;
    identity.credentials().ready().await.expect("it is willing");
    Ok(identity)
}

/// So many, or why there are fewer.
async fn start_many(most: usize) -> (Vec<Identity>, Option<StartError>) {
    let mut identities = Vec::with_capacity(most);
    for _ in 0..most {
        match start().await {
            Ok(identity) => identities.push(identity),
            Err(why) => return (identities, Some(why)),
        }
    }
    (identities, None)
}

/// Lets all of them rotate at once. How many did, and how many were refused a page for their candidate.
async fn rotate(identities: &[Identity]) -> (usize, usize) {
    let mut followed: Vec<_> = identities.iter().map(Identity::progress).collect();
    for identity in identities {
        identity.rotate().await.expect("it is steady");
    }
    let (mut rotated, mut refused) = (0, 0);
    for progress in &mut followed {
        match end(progress).await {
            StepKind::Cleared => rotated += 1,
            _ => refused += 1,
        }
    }
    (rotated, refused)
}

async fn end(progress: &mut Receiver<Progress>) -> StepKind {
    loop {
        if let Progress::Recorded(recorded) = progress.recv().await.expect("it runs")
            && let kind @ (StepKind::Cleared | StepKind::IssueRefused) = recorded.record.step.kind()
        {
            return kind;
        }
    }
}

/// A line of `/proc/self/status`, in KiB.
fn status(name: &str) -> u32 {
    let status = fs::read_to_string("/proc/self/status").expect("this is Linux");
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).expect("a number")
}

/// How long all threads of this process have run, those that have ended included.
fn run_time() -> Duration {
    let ran = clock_gettime(ClockId::ProcessCPUTime);
    let [seconds, nanos] = [ran.tv_sec, ran.tv_nsec].map(|part| u64::try_from(part).unwrap_or_default());
    Duration::from_secs(seconds) + Duration::from_nanos(nanos)
}

#[expect(clippy::print_stdout, reason = "a benchmark prints")]
async fn measure() {
    // What is made once in a process is not counted.
    let first = start().await.expect("one page may be locked");
    let (resident, locked) = (status("VmRSS"), status("VmLck"));
    let began = Instant::now();
    let (identities, why) = start_many(MANY).await;
    println!("{} identities started and logged in within {:.2?}", identities.len(), began.elapsed());
    if let Some(why) = why {
        println!("then: {why}");
    }
    let count = u32::try_from(identities.len()).expect("a thousand");
    let each = |now: u32, before: u32| f64::from(now - before) / f64::from(count);
    println!("each: {:.1} KiB resident", each(status("VmRSS"), resident));
    println!("each: {:.1} KiB of the limit on locked memory", each(status("VmLck"), locked));

    let (before, began) = (run_time(), Instant::now());
    tokio::time::sleep(IDLE).await;
    let (ran, took) = (run_time().saturating_sub(before), began.elapsed());
    println!("idle: {ran:.2?} of processor time in {took:.1?}, {:.3} % of one", 100.0 * ran.as_secs_f64() / took.as_secs_f64());

    let (before, began) = (run_time(), Instant::now());
    let (rotated, refused) = rotate(&identities).await;
    println!(
        "all at once: {rotated} rotated, {refused} refused, within {:.2?}; {:.2?} of processor time",
        began.elapsed(),
        run_time().saturating_sub(before)
    );
    println!("each after that: {:.1} KiB resident", each(status("VmRSS"), resident));
    drop(first);
}

/// As many as the limit lets there be.
#[expect(clippy::print_stdout, reason = "a benchmark prints")]
async fn fill(limit: u64) {
    let mut sets = capabilities(None).expect("they can be read");
    sets.effective.remove(CapabilitySet::IPC_LOCK);
    set_capabilities(None, sets).expect("they can be given up");
    setrlimit(Resource::Memlock, Rlimit { current: Some(limit), maximum: Some(limit) }).expect("it can be lowered");
    let (identities, why) = start_many(MANY).await;
    let (rotated, refused) = rotate(&identities).await;
    println!("\nRLIMIT_MEMLOCK {} KiB: {} identities started", limit / 1024, identities.len());
    println!("all at once: {rotated} rotated, {refused} refused a page for their candidate and serve on");
    if let Some(why) = why {
        println!("the next one: {why}");
    }
}

fn main() {
    // One thread: capabilities are each thread's own.
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    if let Ok(limit) = env::var(LIMIT) {
        return runtime.block_on(fill(limit.parse().expect("a number of bytes")));
    }
    runtime.block_on(measure());
    for limit in [64_u64 << 10, 8 << 20] {
        let program = env::current_exe().expect("a benchmark knows its program");
        let ended = Command::new(program).env(LIMIT, limit.to_string()).status().expect("it runs");
        assert!(ended.success());
    }
}
