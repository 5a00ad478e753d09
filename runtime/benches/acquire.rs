//! What it costs to take a credential and let it go, beside other ways to share what changes rarely, on one thread and on two
//! at once: `cargo bench -p turquoise-runtime --bench acquire`. The table at the end compares the medians of this one run.

#[path = "../tests/driver/common.rs"]
#[expect(dead_code, reason = "the world of the driver's tests; only a steady identity is needed")]
mod common;

use std::hint::black_box;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use criterion::Criterion;
use parking_lot::RwLock;
use tokio::sync::watch;
use turquoise_runtime::core::Consumers;

use crate::common::Sim;

/// The warm-up begins with fewer: they tell how long a thread takes to start.
const WORTH_COUNTING: u64 = 10_000;

/// One contender on one or more threads, and the nanoseconds of each sample.
struct Measured {
    name: &'static str,
    threads: usize,
    samples: Vec<f64>,
}

/// Measures, on so many threads at once, what `new_thread` makes for each of them.
fn measure<F: FnMut()>(
    criterion: &mut Criterion,
    (name, threads): (&'static str, usize),
    new_thread: impl Fn() -> F + Sync,
) -> Measured {
    let mut samples = Vec::new();
    criterion.bench_function(&format!("{name}, threads: {threads}"), |bencher| {
        bencher.iter_custom(|times| {
            let elapsed = on_threads(threads, times, &new_thread);
            if times >= WORTH_COUNTING {
                samples.push(as_f64(elapsed.as_nanos()) / as_f64(u128::from(times)));
            }
            elapsed
        });
    });
    Measured { name, threads, samples }
}

/// How long the slowest thread takes.
fn on_threads<F: FnMut()>(threads: usize, times: u64, new_thread: &(impl Fn() -> F + Sync)) -> Duration {
    let start = Barrier::new(threads);
    let run = || {
        let mut once = new_thread();
        start.wait();
        let started = Instant::now();
        for _ in 0..times {
            once();
        }
        started.elapsed()
    };
    thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
        running.into_iter().map(|thread| thread.join().expect("it only takes")).max().unwrap_or_default()
    })
}

/// Counts here are far below where a double rounds.
#[expect(clippy::cast_precision_loss, reason = "they are far below 2^52")]
const fn as_f64(n: u128) -> f64 {
    n as f64
}

fn median(measured: &Measured) -> f64 {
    let mut samples = measured.samples.clone();
    samples.sort_by(f64::total_cmp);
    samples.get(samples.len() / 2).copied().unwrap_or(f64::NAN)
}

#[expect(clippy::print_stdout, reason = "a benchmark prints")]
fn tell(all: &[Measured]) {
    println!("\n{:<28} {:>7} {:>8}   ours is", "take and let go", "threads", "median");
    for measured in all {
        let ours = all.iter().find(|ours| ours.threads == measured.threads).map_or(f64::NAN, median);
        let (Measured { name, threads, .. }, theirs) = (measured, median(measured));
        println!("{name:<28} {threads:>7} {theirs:>5.1} ns   {:.2} of it", ours / theirs);
    }
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let mut sim = Sim::new();
    let identity = runtime.block_on(sim.ready(Consumers::Counted));
    let credentials = identity.credentials();
    let named = credentials.named("bench");
    let shared = Arc::new([7_u64; 4]);
    let swap = ArcSwap::new(Arc::clone(&shared));
    let (_sender, watch) = watch::channel(Arc::clone(&shared));
    let lock = RwLock::new(shared);

    let mut criterion = Criterion::default().configure_from_args().sample_size(50);
    let criterion = &mut criterion;
    let mut all = Vec::new();
    for threads in [1, 2] {
        all.push(measure(criterion, ("acquire", threads), || || drop(black_box(credentials.acquire()))));
        all.push(measure(criterion, ("acquire, with a name", threads), || || drop(black_box(named.acquire()))));
        all.push(measure(criterion, ("ArcSwap::load_full", threads), || || drop(black_box(swap.load_full()))));
        all.push(measure(criterion, ("watch: borrow, clone", threads), || || drop(black_box(Arc::clone(&watch.borrow())))));
        all.push(measure(criterion, ("RwLock: read, clone", threads), || || drop(black_box(Arc::clone(&lock.read())))));
    }
    criterion.final_summary();
    tell(&all);
}
