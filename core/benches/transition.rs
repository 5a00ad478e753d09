//! What one transition costs — an input, and everything that the machine then has to say — on the average of a whole
//! rotation, in which every phase and every kind of effect occurs: `cargo bench -p turquoise-core`.

#[path = "../tests/common/mod.rs"]
mod common;

use std::hint::black_box;
use std::time::{Duration, Instant};

use common::Kind;
use criterion::{Criterion, criterion_group, criterion_main};
use turquoise_core::PhaseKind;

fn transition(criterion: &mut Criterion) {
    criterion.bench_function("handle and drain, one transition of a rotation", |bencher| {
        bencher.iter_custom(|transitions| {
            let mut world = Kind::steady();
            let mut done = 0;
            let started = Instant::now();
            while done < transitions {
                done += u64::from(black_box(&mut world).rotate());
            }
            let elapsed = started.elapsed();
            assert_eq!(world.phase(), PhaseKind::Steady, "a rotation ends where it began");
            // Whole rotations only: what was done beyond what was asked for is taken off in proportion.
            let share = elapsed.as_secs_f64() * transitions_as_f64(transitions) / transitions_as_f64(done);
            Duration::from_secs_f64(share)
        });
    });
}

/// Counts here are far below where a double rounds.
#[expect(clippy::cast_precision_loss, reason = "they are far below 2^52")]
const fn transitions_as_f64(n: u64) -> f64 {
    n as f64
}

criterion_group!(benches, transition);
criterion_main!(benches);
