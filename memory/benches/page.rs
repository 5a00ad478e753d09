//! What a locked secret costs more than a boxed one, to make and drop and to read: `cargo bench -p turquoise-memory`.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use turquoise_memory::{ExposeSecret as _, Secret, WhenLockingFails};

const TEXT: &str = "hvs.a-token-of-the-usual-length-of-almost-a-hundred-bytes-as-the-servers-of-this-kind-make-them";

fn locked() -> Secret {
    let room = WhenLockingFails::Refuse.room().expect("a page may be locked");
    room.hold(black_box(TEXT)).expect("it fits")
}

fn page(criterion: &mut Criterion) {
    criterion.bench_function("make and drop, boxed", |bencher| bencher.iter(|| Secret::from(black_box(TEXT))));
    criterion.bench_function("make and drop, locked", |bencher| bencher.iter(locked));
    for (name, secret) in [("read, boxed", Secret::from(TEXT)), ("read, locked", locked())] {
        criterion.bench_function(name, |bencher| bencher.iter(|| black_box(black_box(&secret).expose_secret()).len()));
    }
}

criterion_group!(benches, page);
criterion_main!(benches);
