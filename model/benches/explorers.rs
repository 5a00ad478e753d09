//! Our explorer beside stateright on the same model in the same run: `cargo bench -p turquoise-model`.
//!
//! Ours also builds the explicit graph and judges every step by the abstract specification; stateright does neither. They
//! take turns, and the best of some rounds counts, so that other work on the machine disturbs both alike.

use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use turquoise_model::{SINK, explore_on, liveness, second_opinion};

const ROUNDS: usize = 5;

fn main() -> io::Result<()> {
    let mut out = io::stdout().lock();
    for threads in [1, 2].into_iter().filter_map(NonZeroUsize::new) {
        let (mut ours, mut theirs) = (Duration::MAX, Duration::MAX);
        let mut states = 0;
        for _ in 0..ROUNDS {
            let started = Instant::now();
            states = explore_on(&SINK, threads, |_, _| {}).states;
            ours = ours.min(started.elapsed());
            theirs = theirs.min(second_opinion(&SINK, threads).took);
        }
        let (ours, theirs) = (rate(states, ours), rate(states, theirs));
        let ratio = ours / theirs;
        writeln!(
            out,
            "{threads} threads: {states} states; ours {ours:.0} states/s, stateright {theirs:.0} states/s, {ratio:.2} times"
        )?;
    }
    let explored = explore_on(&SINK, NonZeroUsize::MIN, |_, _| {});
    writeln!(out, "ours remembers a state and its edges in {} bytes", explored.bytes / explored.states)?;
    let started = Instant::now();
    let judged = liveness(&explored.graph);
    writeln!(out, "liveness of {} states and {} edges: {:.0?}", judged.states, judged.edges, started.elapsed())
}

fn rate(states: usize, took: Duration) -> f64 {
    f64::from(u32::try_from(states).unwrap_or(u32::MAX)) / took.as_secs_f64()
}
