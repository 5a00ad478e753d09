//! What it costs to take a credential and let it go, beside other ways to share what changes rarely, on one thread and on two
//! at once: `cargo bench -p turquoise-runtime --bench acquire`. Criterion measures each by itself; the table at the end
//! compares them in short slices in turn, so that whatever else runs on the machine meets all of them.

#[path = "../tests/driver/common.rs"]
#[expect(dead_code, reason = "the world of the driver's tests; only a steady identity is needed")]
mod common;

use std::hint::{black_box, spin_loop};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use criterion::Criterion;
use parking_lot::RwLock;
use rustix::thread::{CpuSet, sched_setaffinity};
use tokio::sync::watch;
use turquoise_runtime::core::Consumers;

use crate::common::Sim;

/// How often each thread of a slice takes: a few milliseconds, and long beside the start of a thread.
const SLICE: u64 = 100_000;
/// How many slices the table is made of.
const ROUNDS: usize = 51;

/// Something to be taken and let go so many times.
struct Contender<'a> {
    name: &'static str,
    take: Box<dyn Fn(u64) + Sync + 'a>,
}

impl<'a> Contender<'a> {
    fn new<T>(name: &'static str, take: impl Fn() -> T + Sync + 'a) -> Self {
        let take = move |times| (0..times).for_each(|_| drop(black_box(take())));
        Self { name, take: Box::new(take) }
    }

    /// How long the slowest of so many threads takes. Each has a processor of its own and waits for the others there: else one
    /// might run when the other has ended.
    fn run(&self, threads: usize, times: u64) -> Duration {
        let waiting = AtomicUsize::new(threads);
        let run = &|processor| {
            let mut own = CpuSet::new();
            own.set(processor);
            sched_setaffinity(None, &own).expect("a processor for each thread");
            waiting.fetch_sub(1, Ordering::AcqRel);
            while waiting.load(Ordering::Acquire) > 0 {
                spin_loop();
            }
            let started = Instant::now();
            (self.take)(times);
            started.elapsed()
        };
        thread::scope(|scope| {
            let running: Vec<_> = (0..threads).map(|processor| scope.spawn(move || run(processor))).collect();
            running.into_iter().map(|thread| thread.join().expect("it only takes")).max().unwrap_or_default()
        })
    }
}

#[expect(clippy::print_stdout, reason = "a benchmark prints")]
fn compare(contenders: &[Contender<'_>], threads: usize) {
    let mut slices = vec![Vec::with_capacity(ROUNDS); contenders.len()];
    for _ in 0..ROUNDS {
        for (contender, slices) in contenders.iter().zip(&mut slices) {
            slices.push(contender.run(threads, SLICE));
        }
    }
    let median = |mut slices: Vec<Duration>| {
        slices.sort();
        slices[ROUNDS / 2].as_secs_f64() * 1e9 / 1e5
    };
    let medians: Vec<f64> = slices.into_iter().map(median).collect();
    println!("\n{:<28} {:>10}  ours is", format!("threads: {threads}"), "median");
    for (contender, theirs) in contenders.iter().zip(&medians) {
        println!("{:<28} {theirs:>7.1} ns  {:.2} of it", contender.name, medians[0] / theirs);
    }
}

fn main() {
    // Its time stands still: nothing happens to the identity meanwhile.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().expect("a runtime");
    let identity = runtime.block_on(async { Sim::new().ready(Consumers::Counted).await });
    let credentials = identity.credentials();
    let named = credentials.named("bench");
    let shared = Arc::new([7_u64; 4]);
    let swap = ArcSwap::new(Arc::clone(&shared));
    let (_sender, watch) = watch::channel(Arc::clone(&shared));
    let lock = RwLock::new(shared);
    let contenders = [
        Contender::new("acquire", || credentials.acquire()),
        Contender::new("acquire, with a name", || named.acquire()),
        Contender::new("ArcSwap::load_full", || swap.load_full()),
        Contender::new("watch: borrow, clone", || Arc::clone(&watch.borrow())),
        Contender::new("RwLock: read, clone", || Arc::clone(&lock.read())),
    ];
    let mut criterion = Criterion::default().configure_from_args().sample_size(50);
    for threads in [1, 2] {
        for contender in &contenders {
            let name = format!("{}, threads: {threads}", contender.name);
            criterion.bench_function(&name, |bencher| bencher.iter_custom(|times| contender.run(threads, times)));
        }
    }
    criterion.final_summary();
    for threads in [1, 2] {
        compare(&contenders, threads);
    }
}
