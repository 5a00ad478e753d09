//! The machine allocates nothing: a whole rotation, every input and every output of it.

mod common;

use allocation_counter::measure;
use common::Kind;
use turquoise_core::PhaseKind;

#[test]
fn a_whole_rotation_allocates_nothing() {
    let mut world = Kind::steady();
    let mut inputs = 0;
    let spent = measure(|| inputs = world.rotate());
    assert_eq!((spent.count_total, spent.bytes_total), (0, 0), "after {inputs} inputs");
    assert_eq!(world.phase(), PhaseKind::Steady);
    assert!(inputs > 20, "{inputs} inputs are no whole rotation");
}

#[test]
fn becoming_ready_allocates_nothing() {
    assert_eq!(measure(|| assert_eq!(Kind::steady().phase(), PhaseKind::Steady)).count_total, 0);
}

#[test]
fn an_allocation_would_be_counted() {
    assert_eq!(measure(|| drop(std::hint::black_box(Box::new(7)))).count_total, 1);
}
